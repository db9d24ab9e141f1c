"""verify: one changed byte anywhere in a result is found, and what belongs to nothing is named."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import contains, equal, headline, main, microtome, read, synthetic  # noqa: E402


def problems(out):
    answer = microtome("verify", out, "--json")
    return answer.code, {p["file"]: p["problem"] for p in json.loads(answer.out)["problems"]}


def flip(path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 1]))


def test_verify(folder):
    """a run's folder is right; a flipped bit in any part of a result, a cut one, a renamed one, a stranger and a bad record are told"""
    cohort = synthetic(os.path.join(folder, "slides"), "--count", 1, "--size", 1024, "--seed", 5)
    out = os.path.join(folder, "out")
    equal(microtome("run", "-e", "builtin:demo", "-o", out, os.path.join(cohort, "manifest.csv"), os.path.join(folder, "missing.svs")).code, 65)
    answer = microtome("verify", out)
    equal((answer.code, answer.out.split(" of ")[0], answer.out.rstrip().split(", ")[-1]), (0, "1 results", "problems: 0"))
    name = os.listdir(os.path.join(out, "cases"))[0]
    path = os.path.join(out, "cases", name)
    whole = read(path, "rb")
    equal(len(headline(path)["content_sha256"]), 64)
    for at in (whole.index(b'"tiles":') + 8, 4096 + 200, len(whole) // 2, len(whole) - 1):
        flip(path, at)
        code, found = problems(out)
        equal(code, 65)
        contains(found["cases/" + name], "its bytes are not those that were written")
        flip(path, at)
    equal(problems(out), (0, {}))
    with open(path, "wb") as f:
        f.write(whole[:-100])
    contains(problems(out)[1]["cases/" + name], "its bytes are not those that were written")
    with open(path, "wb") as f:
        f.write(whole)
    shutil.copy(path, os.path.join(out, "cases", "other.h5"))
    open(os.path.join(out, "cases", ".tmp-0123456789abcdef"), "w").close()
    open(os.path.join(out, "failed", "x.json"), "w").write("{}")
    with open(os.path.join(out, "recipe.ini"), "a") as f:
        f.write("\n")
    code, found = problems(out)
    equal(code, 65)
    equal(found["cases/.tmp-0123456789abcdef"], "an unfinished result: a run is writing it, or was killed; a run removes it after an hour")
    equal(found["failed/x.json"], "it is no record of a failure (id and reason)")
    equal(found["cases/" + name], "it was made with another recipe than recipe.ini")
    equal(found["cases/other.h5"], "no manifest of the folder names this case")
    equal(sorted(found), sorted(["cases/.tmp-0123456789abcdef", "failed/x.json", "cases/" + name, "cases/other.h5"]))


def test_no_folder(folder):
    """no output folder: 66"""
    answer = microtome("verify", folder)
    equal(answer.code, 66)
    contains(answer.err, "it is not an output folder of microtome")


if __name__ == "__main__":
    main([test_verify, test_no_folder])
