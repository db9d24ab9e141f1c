"""report: one page about a folder, written at the end of each run."""
import os
import re
import resource
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import contains, equal, main, microtome, read, synthetic  # noqa: E402
import made_folder  # noqa: E402


def test_page(folder):
    """a run of the demonstration: pictures, score and decision of each case, what failed under what to do; nothing is fetched"""
    secret = os.path.join(folder, "DOE^JANE 1950-02-03")
    cohort = synthetic(secret, "--count", 2, "--size", 2048, "--seed", 9)
    with open(os.path.join(cohort, "bad.svs"), "w") as f:
        f.write("nothing\n")
    out = os.path.join(folder, "out")
    recipe = os.path.join(os.path.dirname(__file__), "..", "..", "samples", "demo.ini")
    answer = microtome("run", "-r", recipe, "-o", out, *(os.path.join(cohort, n) for n in ("slide-001.tif", "slide-002.tif", "bad.svs", "gone<b>.svs")))
    equal(answer.code, 65)
    page = read(os.path.join(out, "report.html"))
    contains(page, "2 of 4 done, 2 failed, 0 running, 0 pending")
    equal(page.count('src="data:image/jpeg;base64,'), 4)
    equal((page.count("http:"), page.count("https:"), page.count("<script"), page.count("<b>.svs")), (0, 0, 0, 0))
    equal(page.count("not a medical device"), 1)
    contains(page, "DEMONSTRATION")
    groups = re.findall(r"<h3>([^<]*)</h3>.*?</table>", page, re.S)
    equal(groups, ["Copy or scan the slide again: the file was read and refused: 1", "Fix a setting or a path, then run again: 1"])
    for head in re.findall(r'<table class="f">.*?<thead>(.*?)</thead>', page, re.S):
        equal(re.findall(r"<th[^>]*>([^<]*)</th>", head), ["Case", "Reason", "Stage", "Exit code", "Attempts"])
    for name in os.listdir(out) + [os.path.join("runs", n) for n in os.listdir(os.path.join(out, "runs"))]:
        if os.path.isfile(os.path.join(out, name)):
            assert "DOE" not in read(os.path.join(out, name)), name
    korean = os.path.join(folder, "ko.html")
    equal(microtome("report", out, "--language", "ko", "-o", korean).code, 0)
    page = read(korean)
    contains(page, '<html lang="ko">')
    contains(page, "전체 4건 중 완료 2건, 실패 2건")
    equal(page.count("의료기기가 아닙니다"), 1)
    equal(microtome("report", out, "--language", "fr").code, 64)
    equal(microtome("report", folder).code, 66)


def test_many(folder):
    """of many cases the urgent have pictures, the page says so, and its size costs no memory"""
    sizes = []
    freed = dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1")  # what is freed is no memory of the page
    for n in (100, 3000):
        out = made_folder.make(os.path.join(folder, f"out{n}"), n)
        equal(microtome("report", out, "--pictures", "60", env=freed).code, 0)
        sizes.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
        page = read(os.path.join(out, "report.html"))
        equal(page.count('<tr><td class="p">'), n * 9 // 10)
        contains(page, f"Pictures of the {min(60, sum(i % 10 < 7 and i % 3 == 0 for i in range(n)))} most urgent cases alone")
    assert sizes[1] - sizes[0] < 40 << 10, sizes


if __name__ == "__main__":
    main([test_page, test_many])
