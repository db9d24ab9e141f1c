"""`microtome compare` on results of known truth: pairs against SciPy, sizes against the planted ones, every refusal."""
import csv
import json
import math
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import contains, equal, main, microtome, read  # noqa: E402

try:
    import h5py  # noqa: F401
    import numpy as np
    from made_objects import write_objects
    from scipy.optimize import linear_sum_assignment
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

FIRST = np.array([[-0.6, 0, 0, 20], [0, -0.6, 0, 20], [0, 0, 2, -40], [0, 0, 0, 1.0]])
SECOND = np.array([[0.5, 0, 0, -15], [0, 0.5, 0, -15], [0, 0, 1.5, -30], [0, 0, 0, 1.0]])


def ball(place, mm, kind="nodule", **more):
    return {"class": kind, "centre_mm": list(place), "longest_mm": mm, "volume_mm3": math.pi / 6 * mm ** 3, **more}


def refuse(code, message, *args):
    answer = microtome("compare", *args)
    equal((answer.code, answer.out, answer.err), (code, "", f"microtome compare: {message}\n"))


def test_cohort(folder):
    """forty nodules of two kinds, moved and grown: who is whom is SciPy's, change and doubling time those that were planted"""
    rng = np.random.default_rng(4)
    places, kinds = rng.uniform(-60, 60, (40, 3)), rng.choice(["nodule", "cyst"], 40)
    before = [ball(p, mm, k) for p, mm, k in zip(places, rng.uniform(5, 20, 40), kinds)]
    kept = list(range(30))
    after = [ball(places[i] + rng.normal(0, 1.5, 3), before[i]["longest_mm"] * (1.3 if i % 3 == 0 else 1.0), kinds[i]) for i in kept]
    after += [ball(rng.uniform(-60, 60, 3), 9, "nodule") for _ in range(6)]
    a = write_objects(os.path.join(folder, "a.h5"), before, FIRST, frame="sha256:1")
    b = write_objects(os.path.join(folder, "b.h5"), after, SECOND, frame="sha256:1")
    answer = microtome("compare", a, b, "--days", 100, "--max-distance", 8, "--json")
    equal((answer.code, answer.err), (0, ""))
    got = json.loads(answer.out)
    cost = np.linalg.norm(np.array([o["centre_mm"] for o in before])[:, None] - np.array([o["centre_mm"] for o in after])[None], axis=2)
    same = np.array([[o["class"] == p["class"] for p in after] for o in before])
    cost = np.where(same & (cost < 8), cost, 8)
    wanted = {i: j for i, j in zip(*linear_sum_assignment(cost)) if cost[i, j] < 8}
    equal({r["prior_row"]: r["current_row"] for r in got["objects"] if None not in (r["prior_row"], r["current_row"])}, wanted)
    equal(len(got["objects"]), 40 + 36 - len(wanted))
    for r in (r for r in got["objects"] if r["prior_row"] is not None and r["current_row"] is not None):
        old, new = before[r["prior_row"]]["longest_mm"], after[r["current_row"]]["longest_mm"]
        assert abs(r["change_mm"] - (new - old)) < 1e-9 and abs(r["extent_percent"] - 100 * ((new / old) ** 3 - 1)) < 1e-6
        equal(r["state"], "grown" if new - old > 0.6 or (new / old) ** 3 >= 1.25 else "shrunk" if old - new > 0.6 else "stable")
        if r["state"] == "grown":
            assert abs(r["doubling_days"] - 100 * math.log(2) / (3 * math.log(new / old))) < 1e-6
    assert abs(got["limit_mm"] - 0.6) < 1e-12


def test_words(folder):
    """text, Korean, CSV; what makes the two hard to compare is warned of"""
    a = write_objects(os.path.join(folder, "a.h5"), [ball((5, 5, 0), 6.1, finding="malignancy", finding_score=0.124)], FIRST, frame="mni", measures=[("cup_to_disc", 0.5, "", "ratio_vertical(c, d)"),
                      ("load", 100, "mm3", "volume(a)")])
    b = write_objects(os.path.join(folder, "b.h5"), [ball((5, 6, 0), 7.9, location="right, lower third", finding="malignancy", finding_score=0.846)], SECOND, frame="mni", model_sha256="00" * 32,
                      measures=[("cup_to_disc", 0.62, "", "ratio_vertical(c, d)"), ("load", 100, "mm3", "volume(b)")])
    answer = microtome("compare", a, b, "-o", os.path.join(folder, "g.csv"))
    equal(answer.out, "grown    nodule grew from 6.1 to 7.9 mm (+30 %), volume +117 %, malignancy 0.85, before 0.12; right, lower third\n"
                      "measure  cup-to-disc ratio from 0.50 to 0.62 (+0.12)\n")
    equal(answer.err, "microtome compare: warning: measure load is volume(a) in the prior study and volume(b) in the current one: not compared\n"
                      "microtome compare: warning: the results are of different networks: what differs may be their doing\n")
    rows = list(csv.DictReader(open(os.path.join(folder, "g.csv"))))
    equal([(r["what"], r["state"], r["name"], r["prior_mm"], r["current_value"]) for r in rows],
          [("object", "grown", "nodule", "6.1", ""), ("measure", "", "cup_to_disc", "", "0.62")])
    contains(microtome("compare", a, b, "--language", "ko").out, "nodule 크기 증가: 6.1에서 7.9 mm (+30 %), 부피 +117 %, malignancy 0.85, 이전 0.12; 우측, 하부 1/3")
    equal(microtome("compare", a, b, "-o", os.path.join(folder, "g.json")).code, 0)
    equal(json.loads(read(os.path.join(folder, "g.json")))["objects"][0]["state"], "grown")


def test_frames(folder):
    """another frame is refused unless the operator says what holds; a registration carries places over"""
    turn = np.array([[0, -1, 0, 3], [1, 0, 0, -2], [0, 0, 1, 5], [0, 0, 0, 1.0]])
    before = [ball((5, 5, 0), 8), ball((-10, 8, 12), 9), ball((6, -7, -9), 10)]
    after = [{**o, "centre_mm": list((turn @ [*o["centre_mm"], 1])[:3])} for o in before]
    a = write_objects(os.path.join(folder, "a.h5"), before, FIRST, frame="sha256:1")
    b = write_objects(os.path.join(folder, "b.h5"), after, SECOND, frame="sha256:2")
    refuse(65, f"compare {a} with {b}: their frame of reference is not known to be the same (sha256:1 and sha256:2): --same-frame if it is, "
               "--transform FILE with a registration, or --measures-only", a, b)
    path = os.path.join(folder, "t.txt")
    np.savetxt(path, turn, header="registered by hand")
    got = json.loads(microtome("compare", a, b, "--transform", path, "--max-distance", "0.001", "--json").out)
    equal([r["state"] for r in got["objects"]], ["stable"] * 3)
    got = json.loads(microtome("compare", a, b, "--same-frame", "--max-distance", "1", "--json").out)
    equal(sorted(r["state"] for r in got["objects"]), ["gone"] * 3 + ["new"] * 3)
    equal(microtome("compare", a, b, "--measures-only").out, "nothing to compare: neither study has objects or a measure of the other's\n")


def test_pictures(folder):
    """photographs: pixels of a known size, matched where the operator says so"""
    a = write_objects(os.path.join(folder, "a.h5"), [{"class": "spot", "centre": [20, 20, 0], "longest_mm": 0.06, "area_mm2": 0.003}], mpp=10.0, size=(64, 64, 1))
    b = write_objects(os.path.join(folder, "b.h5"), [{"class": "spot", "centre": [22, 20, 0], "longest_mm": 0.09, "area_mm2": 0.006}], mpp=10.0, size=(64, 64, 1))
    equal(microtome("compare", a, b, "--same-frame").out, "grown    spot grew from 60 to 90 µm (+50 %)\n")
    volume = write_objects(os.path.join(folder, "v.h5"), [ball((5, 5, 0), 8)], FIRST, frame="x")
    refuse(65, f"compare {a} with {volume}: only one of them is a volume in a patient frame", a, volume, "--same-frame")


def test_refusals(folder):
    """options and files"""
    a = write_objects(os.path.join(folder, "a.h5"), [ball((5, 5, 0), 8)], FIRST, frame="x")
    refuse(64, "name two results of one patient, the prior one first\nSee microtome compare --help.", a)
    refuse(64, "--same-frame, --transform and --measures-only exclude each other\nSee microtome compare --help.", a, a, "--same-frame", "--measures-only")
    refuse(64, "--days -3: a number above 0 is wanted\nSee microtome compare --help.", a, a, "--days=-3")
    refuse(64, "--max-distance x: a number above 0 is wanted\nSee microtome compare --help.", a, a, "--max-distance", "x")
    refuse(64, "--language fr: en or ko is wanted\nSee microtome compare --help.", a, a, "--language", "fr")
    refuse(64, "-o g.txt: a name that ends in .json or .csv is wanted\nSee microtome compare --help.", a, a, "-o", "g.txt")
    gone = os.path.join(folder, "gone.h5")
    refuse(66, f"open {gone}: No such file or directory", a, gone)
    refuse(66, f"read the transform {gone}: there is no such file", a, a, "--transform", gone)
    other = os.path.join(folder, "other.h5")
    with open(other, "w") as f:
        f.write("no result")
    refuse(65, f"read {other}: not a result of microtome (no headline in front of HDF5 data)", other, a)


main([test_cohort, test_words, test_frames, test_pictures, test_refusals])
