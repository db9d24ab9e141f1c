"""Recipes whose input samples/recipe_cases.py draws: haemorrhage, organs, knee, anomalies of MR and OCT, the share of an opacity.

usage: test_drawn.py MICROTOME SYNTHETIC SOURCE PHANTOMS
"""
import os
import sys

from recipe_runs import SOURCE, Result, anomalies, equal, goals_of, phantoms, refused, run, table  # first: it finds the harness
from harness import data, main

import h5py
import numpy as np

try:
    import nibabel
    from PIL import Image
    from scipy import ndimage  # noqa: F401 - recipe_cases draws with it
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

sys.path.insert(0, os.path.join(SOURCE, "samples"))
import recipe_cases as drawn  # noqa: E402


def save(path, values, affine, unit=True):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    image = nibabel.Nifti1Image(values, affine)
    if unit:
        image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return path


def heads(folder, n=16):
    """Every second head bleeds, in turn in each of the three ways: paths, and labels.csv."""
    paths, lines = [], ["id,any," + ",".join(drawn.BLEEDS)]
    for k in range(n):
        kind = drawn.BLEEDS[k // 2 % 3] if k % 2 else None
        values, _, affine = drawn.head_ct(100 + k, kind)
        paths.append(save(f"{folder}/heads/head{k:02}.nii.gz", values, affine))
        lines.append(f"head{k:02},{int(kind is not None)}," + ",".join(str(int(kind == b)) for b in drawn.BLEEDS))
    return paths, write(folder + "/heads.csv", "\n".join(lines) + "\n")


def test_brain_haemorrhage(folder):
    """brain haemorrhage: the worst slice decides, the kind is named, the worklist follows; goals told"""
    paths, labels = heads(folder)
    out = run(folder, "brain_haemorrhage", *paths)
    right = 0
    for row in table(labels):
        r = Result(out, row["id"])
        equal((r.status, r.labels), ("ok", ["any", *drawn.BLEEDS]))
        equal(r.decision, "urgent" if r["any"] >= 0.9 else "review" if r["any"] >= 0.5 else "clear")
        equal(r.actions, ["worklist: " + ("read now, call the ward" if r["any"] >= 0.9 else "read next" if r["any"] >= 0.5 else "in turn")])
        right += (r["any"] >= 0.5) == (row["any"] == "1")
        if row["any"] == "1" and r["any"] >= 0.5:
            kinds = [r[b] for b in drawn.BLEEDS]
            right += row[drawn.BLEEDS[int(np.argmax(kinds))]] == "1"
        with h5py.File(r.path) as f:
            np.testing.assert_allclose(f["tile_scores"][:].max(0), r.scores, atol=1e-6)
    assert right >= 21, right  # of 16 heads and the kinds of 8
    met = goals_of(out, "brain_haemorrhage", "--labels", labels, code=None)
    equal(list(met), ["Macro AUROC"])


def test_real(folder):
    """real series: a head phantom in CT, an MR head, three slices of a belly: they run, and say what they measured"""
    r = Result(run(folder, "brain_haemorrhage", data("radiology", "ct-head-phantom-philips")), "ct-head-phantom-philips")
    equal((r.status, len(r.actions)), ("ok", 1))
    r = Result(run(folder, "knee_mri", data("radiology", "mr-t1-structural")), "mr-t1-structural")
    equal((r.status, sorted(r.measures)), ("ok", ["abnormal", "acl", "meniscus"]))
    belly = folder + "/belly"
    os.makedirs(belly)
    for name in "01.dcm", "02.dcm", "03.dcm":
        os.symlink(data("radiology", "d2s-ct-3slice", name), f"{belly}/{name}")
    r = Result(run(folder, "organ_segmentation", belly), "belly")
    equal((r.unit("liver_mm3"), len(r.actions)), ("mm3", 2))


def test_organ_segmentation(folder):
    """organs: volumes in mm3 as drawn, two kidneys, advice by volume; Dice against the drawn labels"""
    for k in range(2):
        values, labels, affine = drawn.belly_ct(77 + k)
        save(f"{folder}/bellies/belly{k}.nii.gz", values, affine)
        save(f"{folder}/masks/belly{k}.nii.gz", labels, affine)
    out = run(folder, "organ_segmentation", *(f"{folder}/bellies/belly{k}.nii.gz" for k in range(2)))
    for k in range(2):
        r, labels = Result(out, f"belly{k}"), np.asarray(nibabel.load(f"{folder}/masks/belly{k}.nii.gz").dataobj)
        for value, name in enumerate(("liver_mm3", "spleen_mm3", "kidneys_mm3"), 1):
            equal(r.unit(name), "mm3")
            assert abs(r[name] / (36 * (labels == value).sum()) - 1) < 0.1, (name, r[name], 36 * (labels == value).sum())
        equal((r["kidneys"], r.unit("spleen_longest"), r.actions), (2, "mm", ["spleen: none", "kidneys: none"]))
    equal(goals_of(out, "organ_segmentation", "--masks", folder + "/masks", "--classes", "1=liver,2=spleen,3=kidney", code=None), {"Dice": True})


def test_knee_mri(folder):
    """knee: three series of an exam, the worst slice of each, their mean for the exam"""
    lines = ["path,id,patient"]
    tears = {"exam0": (False, False), "exam1": (True, False), "exam2": (False, True)}
    for k, (exam, (acl, meniscus)) in enumerate(tears.items()):
        for plane, (values, affine) in drawn.knee_mr(500 + k, acl, meniscus).items():
            save(f"{folder}/knees/{exam}/{plane}.nii.gz", values, affine)
            lines.append(f"{exam}/{plane}.nii.gz,{exam}-{plane},{exam}")
    out = run(folder, "knee_mri", write(folder + "/knees/manifest.csv", "\n".join(lines) + "\n"), options=("--patients", "mean"))
    for exam, (acl, meniscus) in tears.items():
        series = [Result(out, f"{exam}-{plane}") for plane in ("axial", "coronal", "sagittal")]
        for r in series:
            words = "stability test, surgeon" if r["acl"] >= 0.5 else "surgeon if it locks" if r["meniscus"] >= 0.5 else "none"
            equal((r.status, r.labels, r.actions), ("ok", ["abnormal", "acl", "meniscus"], ["orthopaedics: " + words]))
        with h5py.File(f"{out}/patients/{exam}.h5") as f:
            scores = f["prediction/scores"][:]
        np.testing.assert_allclose(scores, np.mean([r.scores for r in series], 0), atol=1e-6)
        equal([bool(s >= 0.5) for s in scores], [acl or meniscus, acl, meniscus])


def test_oct_anomaly(folder):
    """OCT: what the generator cannot draw; fluid lies above nearly all normal scans"""
    os.makedirs(folder + "/scans")
    paths = {}
    for sick in False, True:
        paths[sick] = [f"{folder}/scans/{'sick' if sick else 'plain'}{k:02}.png" for k in range(4 if sick else 24)]
        for k, path in enumerate(paths[sick]):
            Image.fromarray(drawn.oct_scan(20000 + k + 1000 * sick, sick)[0]).save(path)
    sick, normal = anomalies(folder, "oct_anomaly", paths[False], paths[True])
    assert min(sick) > 0.95 > min(normal), (sick, normal)


def test_mri_anomaly(folder):
    """MR: what the autoencoder of normal heads cannot draw; tumours lie above nearly all normal heads"""
    paths = {}
    for prevalence, count in (0, 8), (1, 1):
        made = phantoms(folder, "mr-tumour", "--count", count, "--seed", 61, "--prevalence", prevalence, "--prefix", "sick-" if prevalence else "plain-")
        paths[prevalence] = [f"{made}/{r['id']}/{r['id']}_flair.nii.gz" for r in table(made, "labels.csv")]
    sick, normal = anomalies(folder, "mri_anomaly", paths[0], paths[1])
    assert min(sick) > 0.95 > min(normal), (sick, normal)


def test_pneumonia_share(folder):
    """pneumonia: the opacity's share of the lungs near the drawn one, with its bounds; Dice against the drawn masks"""
    made = phantoms(folder, "xray-opacity", "--count", 8, "--seed", 7, "--size", 256)
    out = run(folder, "pneumonia_share", made + "/manifest.csv")
    os.makedirs(folder + "/masks")
    for row in table(made, "labels.csv"):
        opacity = np.asarray(Image.open(f"{made}/masks/{row['id']}.png")) > 0
        lungs = (np.asarray(Image.open(f"{made}/truth/{row['id']}_lungs.png")) > 0) | opacity
        Image.fromarray(lungs.astype(np.uint8) + opacity).save(f"{folder}/masks/{row['id']}.png")
        r, share = Result(out, row["id"]), opacity.sum() / lungs.sum()
        assert abs(r["share"] - share) < 0.02 and r.unit("share") == "", (row, r["share"], share)
        words = "admit, film again tomorrow" if r["share"] >= 0.25 else "treat, film again in 6 weeks" if r["share"] > 0 else "none"
        equal((r.status, r.actions), ("ok", ["extent: " + words]))
        equal(r.decision == "review", row["opacity"] == "1")
    met = goals_of(out, "pneumonia_share", "--masks", folder + "/masks", "--classes", "1=lung,2=opacity", "--no-distance", code=None)
    equal(sorted(met), ["dice:lung", "dice:opacity"])


def test_refused(folder):
    """another modality, range, number of channels or no spacing: refused, with the reason"""
    film = phantoms(folder, "xray-opacity", "--count", 1, "--size", 128) + "/xray-001.png"
    eight = phantoms(folder, "xray-opacity", "--count", 1, "--size", 160, "--bits", 8) + "/xray-001.png"
    eye = phantoms(folder, "fundus", "--count", 1, "--size", 128) + "/fundus-001.png"
    bare = save(folder + "/bare/v.nii.gz", np.zeros((30, 30, 10), np.int16), np.diag([3, 3, 4, 1]), unit=False)
    refused(folder, [("organ_segmentation", bare, "a spacing is unknown"), ("mri_anomaly", bare, "a spacing is unknown"),
                     ("pneumonia_share", eight, "8-bit samples, which hold less than a quarter of that"), ("oct_anomaly", film, "the model wants 8-bit samples"),
                     ("oct_anomaly", eye, "wants 1 channel (gray), the case has 3"), ("brain_haemorrhage", eye, "CT is stated, and the file has colours"), ("knee_mri", eye, "MR is stated, and the file has colours")])
    ct, mr = data("radiology", "d2s-ct-3slice", "01.dcm"), data("radiology", "dicom", "MR_small.dcm")
    refused(folder + "/real", [("brain_haemorrhage", mr, "its modality is MR, and the recipe is for CT"), ("knee_mri", ct, "its modality is CT, and the recipe is for MR"),
                               ("organ_segmentation", mr, "its modality is MR, and the recipe is for CT"), ("mri_anomaly", ct, "its modality is CT, and the recipe is for MR"),
                               ("oct_anomaly", data("radiology", "dicom", "US1_J2KR.dcm"), "its modality is US, and the recipe is for OPT;OP"),
                               ("pneumonia_share", ct, "its modality is CT, and the recipe is for CR;DX;RG")])


main([test_brain_haemorrhage, test_real, test_organ_segmentation, test_knee_mri, test_oct_anomaly, test_mri_anomaly, test_pneumonia_share, test_refused])
