"""Recipes for pictures: chest X-ray and fundus.

usage: test_pictures.py MICROTOME SYNTHETIC SOURCE PHANTOMS
"""
from recipe_runs import Result, anomalies, equal, goals_of, phantoms, refused, run, table  # first: it finds the harness
from harness import data, main

import numpy as np


def films(folder, count=24):
    return phantoms(folder, "xray-opacity", "--count", count, "--seed", 7, "--size", 256)


def photographs(folder, count=16, size=512):
    return phantoms(folder, "fundus", "--count", count, "--seed", 7, "--size", size)


def test_chest_xray(folder):
    """chest X-ray: each finding with its score, its advice; goals met, a stricter one not"""
    made = films(folder)
    out = run(folder, "chest_xray", made + "/manifest.csv")
    for row in table(made, "labels.csv"):
        r = Result(out, row["id"])
        equal((r.status, r.labels), ("ok", ["opacity", "effusion", "cardiomegaly"]))
        for name, score in zip(r.labels, r.scores):
            assert abs(r[name] - score) < 1e-6 and r.unit(name) == "", (name, r[name], score)
        equal(r.decision, "review" if r.scores[0] >= 0.5 else "clear")
        opacity = "read today, lateral view or CT if unclear" if r.scores[0] >= 0.5 else "none"
        effusion = "ultrasound of the chest" if r.scores[1] >= 0.5 else "none"
        heart = "echocardiogram" if r.scores[2] >= 0.5 else "none"
        equal(r.actions, ["opacity: " + opacity, "effusion: " + effusion, "heart: " + heart])
    labels = ("--labels", made + "/labels.csv")
    equal(goals_of(out, "chest_xray", *labels), {"Macro AUROC": True, "Macro sensitivity": True, "Macro specificity": True})
    stricter = goals_of(out, "chest_xray", *labels, "--goal", "macro_sensitivity=0.999", code=None)
    equal(stricter["Macro sensitivity"], False)


def test_chest_xray_real(folder):
    """chest X-ray: a computed radiograph in DICOM, its bits and its inverted grey as the file says"""
    out = run(folder, "chest_xray", data("radiology", "dicom", "RG1_J2KI.dcm"))
    r = Result(out, "RG1_J2KI")
    equal((r.status, r.labels, len(r.actions)), ("ok", ["opacity", "effusion", "cardiomegaly"], 3))
    assert all(0 <= s <= 1 for s in r.scores), r.scores


def test_dr_grading(folder):
    """DR: the grade, that one or a worse decides, the advice in two languages; goals met"""
    made = photographs(folder)
    out = run(folder, "dr_grading", made + "/manifest.csv")
    words = ["photograph again in 12 months", "photograph again in 9 months", "within three months", "within two weeks", "within two weeks"]
    for row in table(made, "labels.csv"):
        r, grade = Result(out, row["id"]), int(row["grade"])
        equal((r.status, r.labels), ("ok", ["none", "mild", "moderate", "severe", "proliferative"]))
        np.testing.assert_allclose([r["any"], r["referable"], r["sight_threatening"]], [sum(r.scores[k:]) for k in (1, 2, 3)], atol=1e-5)
        assert abs(r.score - r["referable"]) < 1e-6, (r.score, r["referable"])  # a proliferative eye is no less referable than a moderate one
        equal((int(np.argmax(r.scores)), r.decision), (grade, "review" if grade >= 2 else "clear"))
        equal(r.actions, ["eye_clinic: " + words[grade]])
    equal(goals_of(out, "dr_grading", "--labels", made + "/labels.csv", "--task", "ordinal"), {"Quadratic kappa": True, "Accuracy": True})


def test_cup_to_disc(folder):
    """cup to disc: the ratio within 0.02 of what was drawn, the advice that follows; goals met"""
    made = photographs(folder, 8, 256)
    out = run(folder, "cup_to_disc", made + "/manifest.csv")
    for row in table(made, "labels.csv"):
        r, drawn = Result(out, row["id"]), float(row["cup_to_disc"])
        assert abs(r["cup_to_disc"] - drawn) < 0.035, (row, r["cup_to_disc"])
        assert 0 < r["cup_share"] < r["cup_to_disc"] and r.unit("cup_share") == "", r.measures
        ratio = r["cup_to_disc"]
        equal(r.actions, ["glaucoma: " + ("refer" if ratio >= 0.7 else "again in 6 months" if ratio >= 0.6 else "again in 1 year")])
        equal((r.status, r.decision), ("uncalibrated", "none"))
    met = goals_of(out, "cup_to_disc", "--masks", made + "/masks", "--classes", "1=disc,2=cup", "--no-distance")
    equal(met, {"dice:disc": True, "dice:cup": True})


def test_fundus_real(folder):
    """DR and cup to disc: a photograph of 3,504 px and one of scikit-image"""
    for name, case in (("dr_grading", "HRF_07_dr"), ("cup_to_disc", "retina")):
        r = Result(run(folder, name, data("fundus", case + ".jpg")), case)
        assert r.status in ("ok", "insufficient", "uncalibrated") and r.measures and len(r.actions) == 1, (name, r.status)


def test_xray_anomaly(folder):
    """X-ray anomaly: against normal films the score is a percentile, and opacities lie high"""
    normal = phantoms(folder, "xray-opacity", "--count", 40, "--seed", 103, "--size", 128, "--prevalence", 0, "--prefix", "n")
    plain = [r["id"] for r in table(normal, "labels.csv") if r["finding"] == "0"]
    files = [f"{normal}/{i}.png" for i in plain]
    made = phantoms(folder, "xray-opacity", "--count", 8, "--seed", 9, "--size", 128, "--prevalence", 1)
    sick, others = anomalies(folder, "xray_anomaly", files, [f"{made}/{r['id']}.png" for r in table(made, "labels.csv")])
    assert np.mean(sick) > 0.9 > np.mean(others), (sick, others)


def test_refused(folder):
    """another modality, range or kind of picture is refused, with the reason"""
    film = films(folder, 1) + "/xray-001.png"
    photograph = photographs(folder, 1) + "/fundus-001.png"
    refused(folder, [("chest_xray", photograph, "range up to more than four times what 8-bit pixels hold"),
                     ("dr_grading", film, "the card says value=rgb8, but the case has 16-bit or float pixels"),
                     ("cup_to_disc", film, "wants 3 channels"),
                     ("xray_anomaly", photograph, "wants 1 channel (gray), the case has 3")])
    refused(folder + "/real", [("chest_xray", data("radiology", "dicom", "CT_small.dcm"), "its modality is CT, and the recipe is for CR;DX;RG"),
                               ("xray_anomaly", data("radiology", "dicom", "MR_small.dcm"), "its modality is MR, and the recipe is for CR;DX;RG"),
                               ("dr_grading", data("radiology", "dicom", "US1_J2KR.dcm"), "its modality is US, and the recipe is for OP"),
                               ("cup_to_disc", data("wsi", "aperio-cmu-1-small-region.svs"), "its modality is SM, and the recipe is for OP")])


main([test_chest_xray, test_chest_xray_real, test_dr_grading, test_cup_to_disc, test_fundus_real, test_xray_anomaly, test_refused])
