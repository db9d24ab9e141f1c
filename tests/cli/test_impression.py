"""A case in words (`report --case`): what, where, how large, how sure, what limits it, what would change it, next step; English and Korean."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import contains, equal, main, microtome  # noqa: E402

try:
    import h5py
    import numpy as np
    from made_objects import write_objects
    from made_results import write_headline
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

TEXT = h5py.string_dtype()


def said(out, case, *options):
    answer = microtome("report", out, "--case", case, "--json", *options)
    equal((answer.code, answer.err), (0, ""))
    return json.loads(answer.out)


def write_slide(path, score, hot=(), threshold=0.5, high=None, status="ok", mpp=0.5, labels=("normal", "tumour"), positive="tumour"):
    """10 x 8 tiles of 512 px; those of `hot` (column, row) speak for the last label."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    coords = np.array([[512 * x, 512 * y] for y in range(8) for x in range(10)], "i8")
    scores = np.full((80, len(labels)), 0.02, "f4")
    for x, y in hot:
        scores[10 * y + x, -1] = 0.9
    with h5py.File(path, "w", userblock_size=4096) as f:
        d = f.create_dataset("coords", data=coords)
        d.attrs["tile_level0"] = np.array([512.0, 512.0])
        d.attrs["level0_width"], d.attrs["level0_height"] = 5120, 4096
        f.create_dataset("tile_scores", data=scores).attrs["labels"] = list(labels)
        f.create_dataset("embedding", data=np.array([score, 1 - score, 0.3], "f4"))
        f.create_dataset("prediction/scores", data=np.array([1 - score, score], "f4")).attrs["labels"] = list(labels)
        if high is not None:
            f.create_dataset("triage/reasons", data=["ready-made"], dtype=TEXT).attrs["threshold_high"] = float(high)
    decision = "urgent" if high and score >= high else "review" if score >= threshold else "clear" if status == "ok" else "none"
    name = os.path.basename(path)[:-3]
    write_headline(path, {"schema": 1, "id": name, "status": status, "decision": decision, "score": score, "threshold": threshold,
                          "positive": positive, "scores": {labels[0]: 1 - score, labels[1]: score}, "tiles": 80, "invalid_tiles": 0,
                          "tissue_mm2": 5.24, "mpp_x": mpp, "mpp_y": mpp, "head": "h", "head_sha256": "ab" * 32, "model_sha256": "cd" * 32})


def test_slide(folder):
    """regions of two hot places, by their edges in mm; none of a clear slide; the margin to the next decision"""
    cases = os.path.join(folder, "cases")
    write_slide(os.path.join(cases, "hot.h5"), 0.83, hot=[(2, 1), (3, 1), (3, 2), (8, 6)])
    write_slide(os.path.join(cases, "cold.h5"), 0.31)
    write_slide(os.path.join(cases, "first.h5"), 0.97, hot=[(0, 0)], high=0.9, mpp=None)
    write_slide(os.path.join(cases, "poor.h5"), 0.31, status="insufficient")
    hot = said(folder, "hot", "--like", "1")
    # 2 to 4 columns of 0.256 mm; 3 tiles of 0.065536 mm2
    equal(hot["where"], ["tumour: 0.2 mm2, 0.5 to 1.0 mm from the left, 0.3 to 0.8 mm from the top, evidence 0.90 on average.",
                         "tumour: 0.066 mm2, 2.0 to 2.3 mm from the left, 1.5 to 1.8 mm from the top, evidence 0.90 on average."])
    equal(hot["change"], ["tumour: below 0.5 it would be clear; the score is 0.33 above."])
    equal((hot["next"], hot["size"], hot["like"]), (["To be read."], ["Tissue: 5.2 mm2."], ["first: likeness 0.99, tumour 0.97."]))
    past = os.path.join(folder, "past")
    write_slide(os.path.join(past, "cases", "old.h5"), 0.79)
    equal(said(folder, "hot", "--like", "2", "--past", past)["like"], ["old: likeness 1.00, tumour 0.79."])
    contains(hot["intended_use"], "not a medical device")
    cold = said(folder, "cold", "--language", "ko")
    equal((cold["where"], cold["next"], cold["change"]), ([], [], ["tumour: 0.5 이상이면 판독 대상입니다(현재 0.19 미달)."]))
    first = said(folder, "first")
    equal(first["where"], ["tumour: x 0 to 512 px, y 0 to 512 px, evidence 0.90 on average."])
    equal((first["what"], first["next"]), (["ready-made"], ["To be read first."]))
    equal(first["change"], ["tumour: below 0.9 it would be for review, no longer urgent; the score is 0.07 above."])
    poor = said(folder, "poor")
    equal(poor["next"], ["To be read without the score, or taken again."])
    answer = microtome("report", folder, "--case", "hot")
    equal(answer.out.splitlines()[0], "hot")
    contains(answer.out, "\nWhat would change it\n  tumour: below 0.5")


def test_reasons_in_both_languages(folder):
    """sentences stand below their questions, in the language that is asked for whatever the run's was"""
    path = os.path.join(folder, "cases", "a.h5")
    write_slide(path, 0.31)
    with h5py.File(path, "r+") as f:
        d = f.create_dataset("triage/reasons", data=["하나", "둘", "셋", "넷"], dtype=TEXT)
        d.attrs["kinds"] = ["what", "sure", "limit", "audit"]
        d.attrs["en"], d.attrs["ko"] = ["one", "two", "three", "four"], ["하나", "둘", "셋", "넷"]
    en, ko = said(folder, "a"), said(folder, "a", "--language", "ko")
    equal((en["what"], en["sure"], en["limit"]), (["one"], ["two"], ["three", "four"]))
    equal((ko["what"], ko["sure"], ko["limit"]), (["하나"], ["둘"], ["셋", "넷"]))


def test_labels(folder):
    """labels with thresholds of their own: what reaches its own, with its place; the others by name"""
    path = os.path.join(folder, "cases", "x.h5")
    write_slide(path, 0.83, hot=[(4, 4)], labels=("edema", "effusion"), positive=None, threshold=None or 2)
    with h5py.File(path, "r+") as f:
        f["prediction/scores"].attrs["thresholds"] = np.array([0.6, 0.4])
        f["prediction/scores"].attrs["found"] = "effusion"
    x = said(folder, "x")
    equal(x["what"], ["effusion: score 0.83 reaches its threshold of 0.40.", "Not found: edema 0.17."])
    equal(len(x["where"]), 1)
    contains(x["where"][0], "effusion: 0.066 mm2")


def test_objects(folder):
    """what a radiologist measures, and what would change the next step"""
    path = os.path.join(folder, "cases", "ct.h5")
    write_objects(path, [{"class": "nodule", "centre": [20, 20, 9], "location": "right, lower third", "finding": "malignancy", "finding_score": 0.846,
                          "longest_mm": 8.2, "perpendicular_mm": 6.1, "volume_mm3": 231.0}], measures=[("burden", 231.0, "mm3", "volume(nodule)")],
                  actions=["next: CT in 3 months"])
    with h5py.File(path, "r+") as f:
        f["actions"].attrs["en"], f["actions"].attrs["ko"] = ["next: CT in 3 months"], ["next: 3개월 후 CT"]
        f["actions"].attrs["changes_en"], f["actions"].attrs["changes_ko"] = ["next: none if not burden >= 100 mm3"], ["next: burden >= 100 mm3이(가) 아니면 없음"]
    ct = said(folder, "ct")
    equal(ct["what"], ["8 mm nodule, right, lower third, malignancy 0.85"])
    equal(ct["size"], ["nodule: 8 mm x 6 mm, 231 mm3", "burden 231 mm3"])
    equal(ct["next"], ["next: CT in 3 months", "To be read."])
    equal(ct["change"][-1], "next: none if not burden >= 100 mm3")
    ko = said(folder, "ct", "--language", "ko")
    equal((ko["what"], ko["next"][0], ko["change"][-1]), (["nodule 8 mm, 우측, 하부 1/3, malignancy 0.85"], "next: 3개월 후 CT", "next: burden >= 100 mm3이(가) 아니면 없음"))


def test_refused(folder):
    """a case that is not there, options that do not fit"""
    write_slide(os.path.join(folder, "cases", "a.h5"), 0.31)
    answer = microtome("report", folder, "--case", "b")
    equal(answer.code, 66)
    contains(answer.err, "no case of")
    equal(microtome("report", folder, "--json").code, 64)
    equal(microtome("report", folder, "--case", "a", "--past", folder).code, 64)
    equal(microtome("report", folder, "--case", "a", "--findings", "f.csv").code, 64)
    equal(microtome("report", folder, "--case", "a", "--like", "-1").code, 64)


main([test_slide, test_reasons_in_both_languages, test_labels, test_objects, test_refused])
