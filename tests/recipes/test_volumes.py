"""Recipes for CT and MR volumes whose input microtome-phantoms draws: nodules, brain tumour.

usage: test_volumes.py MICROTOME SYNTHETIC SOURCE PHANTOMS
"""
from recipe_runs import Result, equal, goals_of, phantoms, refused, run, table  # first: it finds the harness
from harness import Skip, data, main

import numpy as np

try:
    import nibabel
except ImportError:
    nibabel = None


def nodules_of(made, case):
    return [o for o in table(made, "truth", "objects.csv") if o["id"] == case]


def follow_up(r):
    """The action's words, by its own measures."""
    if r["malignancy"] >= 0.5:
        return "follow_up: biopsy"
    if r["longest"] >= 8:
        return "follow_up: specialist within two weeks"
    return "follow_up: CT again in 6 months" if r["nodules"] >= 1 else "follow_up: none"


def check_nodules(folder, file, mm, extra=0):
    """Each planted nodule found, in mm, and called benign or malignant as drawn; the advice is that of the measures."""
    made = phantoms(folder, "ct-nodules", "--count", 2, "--seed", 5, "--size", "144x120x48")
    out = run(folder, "ct_nodules", made + "/manifest.csv", file=file)
    for row in table(made, "labels.csv"):
        r, planted = Result(out, row["id"]), nodules_of(made, row["id"])
        equal((r.status, r.decision), ("ok", "review" if r["nodules"] else "clear"))
        equal((r.unit("longest"), r.unit("volume"), r.unit("nodules")), ("mm", "mm3", ""))
        assert len(planted) <= r["nodules"] <= len(planted) + extra, (row, r.measures)
        equal((len(r.objects["score"]), r.actions), (r["nodules"], [follow_up(r)]))
        for o in planted:
            off = np.linalg.norm(r.objects["centre_mm"] - [float(o[k]) for k in "xyz"], axis=1)
            k = int(off.argmin())
            assert off[k] < 3 and abs(r.objects["longest_mm"][k] - float(o["diameter_mm"])) < mm, (o, off, r.objects["longest_mm"])
            equal(r.objects["finding_score"][k] >= 0.5, o["malignant"] == "1")
    return out, made


def test_ct_nodules(folder):
    """CT nodules in 3-D: found, sized, called; goals told"""
    out, made = check_nodules(folder, "recipe.ini", 1.5)
    met = goals_of(out, "ct_nodules", "--lesions", made + "/masks", "--labels", made + "/labels.csv", "--threshold", 0.5, code=None)
    equal(sorted(met), ["False positives a scan", "Lesion sensitivity"])


def test_ct_nodules_25d(folder):
    """CT nodules in 2.5-D: a slice and its neighbours"""
    check_nodules(folder, "recipe_25d.ini", 1.5, extra=1)


def test_ct_nodules_2d(folder):
    """CT nodules by boxes of slices: joined, their ends by the 3-D network, their kind by the third"""
    check_nodules(folder, "recipe_2d.ini", 1.5, extra=1)  # a vessel that is cut across is round too


def test_brain_tumour(folder):
    """brain tumour: volumes of WT, TC and ET in mm3 as planted, from four sequences; what to do"""
    made = phantoms(folder, "mr-tumour", "--count", 1, "--seed", 5)
    out = run(folder, "brain_tumour", made + "/manifest.csv")
    (row,) = table(made, "labels.csv")
    r = Result(out, row["id"])
    equal((r.status, r.decision, r.labels), ("ok", "review", ["WT", "TC", "ET"]))
    for name, share in ("whole_mm3", 0.05), ("core_mm3", 0.1), ("enhancing_mm3", 0.3):  # a rim of 2 mm voxels
        equal(r.unit(name), "mm3")
        assert abs(r[name] / float(row[name]) - 1) < share, (name, r[name], row[name])
    assert r["whole_mm3"] > r["core_mm3"] > r["enhancing_mm3"] and 0 < r["enhancing_share"] < 1, r.measures
    equal((r.unit("longest"), r.actions), ("mm", ["tumour: tumour board"]))
    met = goals_of(out, "brain_tumour", "--masks", made + "/masks", "--classes", "1=oedema,2=inside,3=rim", code=None)
    equal(list(met), ["Dice"])


def silent(folder, name, affine, unit=True, shape=(20, 20, 8)):
    """A NIfTI of zeros."""
    if nibabel is None:
        raise Skip("nibabel is not installed")
    image = nibabel.Nifti1Image(np.zeros(shape, np.int16), affine)
    if unit:
        image.header.set_xyzt_units("mm")
    path = f"{folder}/{name}.nii.gz"
    nibabel.save(image, path)
    return path


def test_refused(folder):
    """another modality, no spacing, a sequence that is missing: refused, with the reason"""
    film = phantoms(folder, "xray-opacity", "--count", 1, "--size", 128) + "/xray-001.png"
    no_unit = silent(folder, "no_unit", np.diag([1, 1, 2, 1]), unit=False)
    refused(folder, [("ct_nodules", film, "a spacing is unknown"), ("ct_nodules", no_unit, "a spacing is unknown"),
                     ("brain_tumour", film, "sequences")])
    # a volume into what reads films, photographs and slides
    flat = ["chest_xray", "pneumonia_share", "xray_anomaly", "dr_grading", "cup_to_disc", "slide_classification", "nuclei"]
    refused(folder + "/flat", [(name, no_unit, "is stated, and the file has several planes") for name in flat])
    refused(folder + "/real", [("ct_nodules", data("radiology", "mr-t1-structural"), "its modality is MR, and the recipe is for CT"),
                               ("brain_tumour", data("radiology", "mr-t1-structural"), "none is called 't1'")])


main([test_ct_nodules, test_ct_nodules_25d, test_ct_nodules_2d, test_brain_tumour, test_refused])
