"""What was found stands in the report of a batch: in words, and drawn over the picture of the case."""
import base64
import csv
import io
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import contains, equal, main, microtome, read  # noqa: E402
import made_folder  # noqa: E402

try:
    import h5py
    import numpy as np
    from made_objects import write_objects
    from PIL import Image
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

AFFINE = np.array([[-0.5, 0, 0, 40], [0, -0.5, 0, 30], [0, 0, 2, -40], [0, 0, 0, 1.0]])


def row_of(page, case):
    return re.search(rf'<tr>(?:(?!<tr>).)*<b>{case}</b>.*?</tr>', page, re.S).group(0)


def picture_of(row):
    data = re.search(r'src="data:image/jpeg;base64,([^"]*)"', row).group(1)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def amber(picture):
    """rows and columns of lines in the colour of the first class, which JPEG leaves paler than (255, 190, 0); the inside is tinted by a quarter"""
    return np.argwhere((picture[:, :, 0] - picture[:, :, 2] > 90) & (picture[:, :, 0] > 140))


def check_tables(folder, out):
    """the same as CSV and JSON"""
    for case in ("case-00000", "case-00002", "case-00003", "case-00004", "case-00005", "case-00006"):
        os.remove(os.path.join(out, "cases", case + ".h5"))
        write_objects(os.path.join(out, "cases", case + ".h5"), [], size=(9, 9, 1))
    paths = [os.path.join(folder, "f." + e) for e in ("csv", "json")]
    for path in paths:
        answer = microtome("report", out, "--findings", path)
        equal((answer.code, answer.err), (0, ""))
    rows = list(csv.DictReader(open(paths[0])))
    equal([(r["id"], r["what"], r["name"], r["text"]) for r in rows],
          [("case-00001", "object", "nodule", "10 mm nodule, left, upper third, malignancy 0.85"),
           ("case-00001", "object", "nodule", "1.2 mm nodule, right, lower third, score 0.70"),
           ("case-00001", "measure", "cup_to_disc", "cup-to-disc ratio 0.62"), ("case-00001", "action", "next", "see <a> specialist")])
    equal((rows[0]["longest_mm"], rows[0]["x"], rows[0]["plane"], rows[0]["finding"], rows[2]["value"], rows[2]["unit"]), ("10.2", "100", "25", "malignancy", "0.618", ""))
    assert all(None not in r and None not in r.values() for r in rows), rows
    cases = {c["id"]: c for c in json.load(open(paths[1]))}
    equal(len(cases), 7)
    equal(cases["case-00000"]["findings"], [])
    found = cases["case-00001"]["findings"][0]
    equal((found["class"], found["kind"], found["finding_score"], found["area_mm2"], found["z_mm"]), ("nodule", "mask", 0.846, None, 10.0))
    equal(cases["case-00001"]["measures"][0]["value"], 0.618)
    equal(cases["case-00001"]["actions"], ["next: see <a> specialist"])
    answer = microtome("report", out, "--findings", "f.txt")
    equal((answer.code, answer.err), (64, "microtome report: --findings f.txt: a name that ends in .json or .csv is wanted\nSee microtome report --help.\n"))


def test_words_and_picture(folder):
    """sentences, measures and the next step in both languages; the mask's outline where the mask is, a frame round a small box"""
    out = made_folder.make(os.path.join(folder, "out"), 10)
    size, place = (160, 120, 40), (100, 40, 25)
    objects = [{"class": "nodule", "centre": place, "centre_mm": (AFFINE @ [*place, 1])[:3], "longest_mm": 10.2, "location": "left, upper third",
                "finding": "malignancy", "finding_score": 0.846, "half": [10, 10, 2]},
               {"class": "nodule", "kind": "box", "centre": (30, 90, 3), "longest_mm": 1.24, "location": "right, lower third", "score": 0.7, "half": [1, 1, 0]}]
    path = os.path.join(out, "cases", "case-00001.h5")
    os.remove(path)
    write_objects(path, objects, AFFINE, size, thumbnail=np.full((120, 160, 3), 60, "u1"), actions=["next: see <a> specialist"],
                  measures=[("cup_to_disc", 0.618, "", "ratio_vertical(a, b)")])
    z, y, x = np.mgrid[:40, :120, :160]
    with h5py.File(path, "r+") as f:
        mask = ((x - place[0]) ** 2 + (y - place[1]) ** 2 <= 100) & (abs(z - place[2]) < 3)
        d = f.create_dataset("map/segmentation", data=(7 * mask).astype("u1"), chunks=(1, 120, 160), compression="gzip")
        d.attrs["labels"] = ["3=other", "5,7=nodule"]
    equal(microtome("report", out).code, 0)
    row = row_of(read(os.path.join(out, "report.html")), "case-00001")
    contains(row, '<ol class="o"><li>10 mm nodule, left, upper third, malignancy 0.85</li><li>1.2 mm nodule, right, lower third, score 0.70</li></ol>')
    contains(row, "<li>cup-to-disc ratio 0.62</li><li><b>next: see &lt;a&gt; specialist</b></li>")
    contains(row, "Findings of all planes, drawn over the middle one.")
    contains(row, 'colspan="2"')
    picture = picture_of(row)
    equal(picture.shape[:2], (225, 300))
    drawn = amber(picture) / np.array([225 / 120, 300 / 160])
    disc = drawn[np.hypot(drawn[:, 0] - 40, drawn[:, 1] - 100) < 13]
    assert len(disc) > 60 and abs(np.hypot(disc[:, 0] - 40, disc[:, 1] - 100).mean() - 9.8) < 1, len(disc)
    frame = drawn[np.hypot(drawn[:, 0] - 90, drawn[:, 1] - 30) < 8]
    assert len(frame) > 15, len(frame)
    check_tables(folder, out)
    korean = os.path.join(folder, "ko.html")
    equal(microtome("report", out, "--language", "ko", "-o", korean).code, 0)
    contains(row_of(read(korean), "case-00001"), "<li>nodule 10 mm, 좌측, 상부 1/3, malignancy 0.85</li>")


def test_many(folder):
    """of many objects the largest are named and the rest counted; a case without any has the two cells"""
    out = made_folder.make(os.path.join(folder, "out"), 4)
    os.remove(os.path.join(out, "cases", "case-00000.h5"))
    write_objects(os.path.join(out, "cases", "case-00000.h5"), [{"class": "cell", "centre": (i, i, 0), "longest_mm": 0.01 + i / 1000} for i in range(20)],
                  size=(64, 64, 1), thumbnail=np.full((64, 64, 3), 200, "u1"), mpp=0.5)
    equal(microtome("report", out).code, 0)
    page = read(os.path.join(out, "report.html"))
    row = row_of(page, "case-00000")
    equal(re.findall(r"<li>(.*?)</li>", row), [f"{29 - i} µm cell, at x {19 - i}, y {19 - i} px, score 0.90" for i in range(8)] + ["and 12 more"])
    equal(row_of(page, "case-00002").count('<td class="p">'), 2)


main([test_words_and_picture, test_many])
