"""`microtome evaluate` on masks and findings: against SciPy, scikit-image and the definitions written out in NumPy."""
import csv
import json
import math
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import contains, equal, main, microtome, read  # noqa: E402

try:
    import h5py  # noqa: F401
    import nibabel
    import numpy as np
    from made_results import write_result
    from PIL import Image
    from scipy import ndimage
    from skimage import measure
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

RATES = [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8]


def evaluate(*args):
    answer = microtome("evaluate", *args, "--json")
    assert answer.code == 0, answer
    return json.loads(answer.out)


def refuse(code, message, *args):
    answer = microtome("evaluate", *args)
    equal((answer.code, answer.out, answer.err), (code, "", f"microtome evaluate: {message}\n"))


def close(is_, wanted, what=""):
    assert is_ is not None and abs(is_ - wanted) <= 1e-10 * max(1, abs(wanted)), f"{what}: is {is_}, wanted {wanted}"


def table(path, header, rows):
    with open(path, "w") as f:
        f.write("\n".join([header] + [",".join(str(v) for v in row) for row in rows]) + "\n")
    return path


def folder_of(*parts):
    path = os.path.join(*parts)
    os.makedirs(path, exist_ok=True)
    return path


# ---- masks

def blob(rng, shape, n):
    return sum(ndimage.gaussian_filter(rng.random(shape), 3) > 0.5 + 0.003 * k for k in range(n)).astype("u1")


def border(mask):
    return mask & ~ndimage.binary_erosion(mask, ndimage.generate_binary_structure(mask.ndim, 1), border_value=0)


def hausdorff_95(a, b, spacing):
    a, b = border(a), border(b)
    to_b, to_a = ndimage.distance_transform_edt(~b, spacing), ndimage.distance_transform_edt(~a, spacing)
    return max(np.percentile(to_b[a], 95), np.percentile(to_a[b], 95))


def numbers(a, b, spacing):
    both, either, total = (a & b).sum(), (a | b).sum(), a.sum() + b.sum()
    if total == 0:
        return [math.nan] * 3
    return [2 * both / total, both / either, hausdorff_95(a, b, spacing) if a.any() and b.any() else math.nan]


def write_nifti(path, mask, spacing, shift=0.0):
    affine = np.diag(list(spacing) + [1.0])
    affine[0, 3] = shift
    image = nibabel.Nifti1Image(mask, affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)


def volumes(folder, n=6, seed=3):
    """Two runs of predictions and the reference, classes 1 and 2; one case without class 2 in either, one whose prediction is empty."""
    rng = np.random.default_rng(seed)
    spacing, made = tuple(float(np.float32(s)) for s in (0.7, 0.9, 2.5)), {}  # as the header holds them
    dirs = [folder_of(folder, d) for d in ("pred", "other", "ref")]
    for i in range(n):
        ref = blob(rng, (20, 18, 9), 2)
        preds = [np.where(rng.random(ref.shape) < rate, 0, np.roll(ref, 1, i % 3)).astype("u1") for rate in (0.02, 0.25)]
        if i == 1:
            ref[ref == 2] = 1
            preds = [np.minimum(p, 1) for p in preds]
        if i == 2:
            preds[0] = np.zeros_like(ref)
        made[f"c{i}"] = preds + [ref]
        for d, mask in zip(dirs, made[f"c{i}"]):
            write_nifti(os.path.join(d, f"c{i}.nii.gz"), mask, spacing)
    return dirs, made, spacing


def test_volumes(folder):
    """masks: Dice, IoU and Hausdorff-95 of each case and class are SciPy's, with mean and median; empty ones are told"""
    (pred, _, ref), made, spacing = volumes(folder)
    labels = table(os.path.join(folder, "l.csv"), "id,patient", [(c, f"P{i // 2}") for i, c in enumerate(made)])
    answer = evaluate(pred, "--masks", ref, "--classes", "1=organ,2=tumour", "--labels", labels, "-o", os.path.join(folder, "report"))
    means = {}
    for k, name in ((1, "organ"), (2, "tumour")):
        values = np.array([numbers(m[0] == k, m[2] == k, spacing) for m in made.values()])
        for j, measure_ in enumerate(("dice", "iou", "hausdorff_95_mm")):
            for case, value in zip(answer["cases"], values[:, j]):
                if math.isnan(value):
                    equal(case[f"{measure_}_{name}"], None)
                else:
                    close(case[f"{measure_}_{name}"], value, f"{case['id']} {measure_}")
            got = answer["metrics"]
            means[measure_] = means.get(measure_, []) + [np.nanmean(values[:, j])]
            close(got[f"{measure_}:{name}"]["value"], np.nanmean(values[:, j]))
            close(got[f"{measure_}_median:{name}"]["value"], np.nanmedian(values[:, j]))
            equal(got[f"{measure_}:{name}"]["interval"], "bootstrap, percentile")
            assert got[f"{measure_}:{name}"]["low"] < got[f"{measure_}:{name}"]["value"] < got[f"{measure_}:{name}"]["high"]
    for measure_, of_classes in means.items():
        close(answer["metrics"][measure_]["value"], np.mean(of_classes))
    equal([(c["class"], c["both_empty"], c["reference_empty"], c["predicted_empty"]) for c in answer["classes"]],
          [("organ", 0, 0, 1), ("tumour", 1, 0, 1)])
    contains(" ".join(answer["warnings"]), "class tumour: 1 cases have it in neither mask: they are in no number of it")
    rows = list(csv.DictReader(open(os.path.join(folder, "report", "cases.csv"))))
    equal((rows[0]["id"], rows[1]["patient"], rows[1]["dice_tumour"]), ("c0", "P0", ""))
    contains(read(os.path.join(folder, "report", "evaluation.html")), "Hausdorff-95, mm")


def test_bootstrap(folder):
    """masks: the interval is that of drawing patients again, all their cases together"""
    (pred, _, ref), made, spacing = volumes(folder, n=10, seed=8)
    patients = [i // 2 for i in range(10)]
    labels = table(os.path.join(folder, "l.csv"), "id,patient", list(zip(made, patients)))
    got = evaluate(pred, "--masks", ref, "--labels", labels, "--bootstrap", 20000, "--no-distance")["metrics"]
    dice = np.array([numbers(m[0] == 1, m[2] == 1, spacing)[0] for m in made.values()]).reshape(5, 2)
    rng = np.random.default_rng(1)
    means = dice[rng.integers(0, 5, (100000, 5))].mean((1, 2))
    for end, share in (("low", 2.5), ("high", 97.5)):
        assert abs(got["dice:1"][end] - np.percentile(means, share)) < 0.02 * np.ptp(means), (got["dice:1"], np.percentile(means, share))
    assert "hausdorff_95_mm" not in got


def test_pictures(folder):
    """masks: PNG with a spacing that is given, by columns of the labels, all that is not 0 as one class"""
    rng = np.random.default_rng(4)
    pred, ref = folder_of(folder, "p"), folder_of(folder, "r")
    rows, values = [], []
    for i in range(4):
        b, a = blob(rng, (60, 50), 1) > 0, blob(rng, (60, 50), 1) > 0
        Image.fromarray((a * 255).astype("u1")).save(os.path.join(pred, f"p{i}.png"))
        Image.fromarray(b.astype("u1")).save(os.path.join(ref, f"r{i}.png"))
        rows.append((f"s{i}", f"p{i}.png", os.path.join("r", f"r{i}.png")))
        values.append(numbers(a, b, (0.004, 0.002)))
    labels = table(os.path.join(folder, "l.csv"), "id,pred,mask", rows)
    args = (pred, "--masks", "mask", "--predicted", "pred", "--labels", labels, "--classes", "tumour")
    answer = microtome("evaluate", *args)
    equal((answer.code, answer.out), (65, ""))
    contains(answer.err, f"case s0: the mask {ref}/r0.png has no known spacing (")
    contains(answer.err, "), and a distance wants it: give --mask-mpp, or leave distances out with --no-distance")
    got = evaluate(*args, "--mask-mpp", "2,4")["metrics"]
    for j, name in enumerate(("dice", "iou", "hausdorff_95_mm")):
        close(got[name]["value"], np.mean([v[j] for v in values]), name)
        close(got[name + "_median"]["value"], np.median([v[j] for v in values]), name)


def test_mask_refusals(folder):
    """masks: missing, doubled, of another size, place or class: named, with what to do"""
    (pred, _, ref), made, spacing = volumes(folder, n=3)
    os.rename(f"{pred}/c1.nii.gz", f"{folder}/c1.nii.gz")
    refuse(65, f"evaluate {pred}: 1 case has no predicted mask: c1; --allow-missing leaves them out and counts them", pred, "--masks", ref)
    answer = evaluate(pred, "--masks", ref, "--allow-missing")
    equal((answer["evaluated"], answer["missing"]), (2, ["c1"]))
    refuse(65, f"evaluate {ref}: 1 case has a predicted mask but no reference mask: c1; --allow-missing leaves them out and counts them",
           ref, "--masks", pred)
    write_nifti(f"{pred}/c1.nii.gz", made["c1"][0][:, :, :5].copy(), spacing)
    refuse(65, f"case c1: {pred}/c1.nii.gz has 20 x 18 x 5 pixels and {ref}/c1.nii.gz 20 x 18 x 9: write both masks on one grid",
           pred, "--masks", ref)
    write_nifti(f"{pred}/c1.nii.gz", made["c1"][0], (0.7, 1.0, 2.5))
    refuse(65, f"case c1: {pred}/c1.nii.gz has a spacing of 1 mm along axis 1 and {ref}/c1.nii.gz 0.9 mm: write both masks on one grid",
           pred, "--masks", ref)
    write_nifti(f"{pred}/c1.nii.gz", made["c1"][0], spacing, shift=3)
    refuse(65, f"case c1: {pred}/c1.nii.gz and {ref}/c1.nii.gz lie in different places of the patient: write both masks on one grid",
           pred, "--masks", ref)
    odd = made["c1"][0].copy()
    odd[0, 0, 0] = 7
    write_nifti(f"{pred}/c1.nii.gz", odd, spacing)
    refuse(65, f"case c1: {pred}/c1.nii.gz holds the unknown class 7; known are: 1, 2; --classes names them", pred, "--masks", ref)
    write_nifti(f"{pred}/c1.nii", odd, spacing)
    refuse(65, f"read {pred}: case c1 has two files, c1.nii and c1.nii.gz: keep one of them", pred, "--masks", ref)
    refuse(64, "--classes 1=a,1=b: numbers with names are wanted, each once, as 1=liver,2=tumour, or one name for all that is not 0",
           ref, "--masks", ref, "--classes", "1=a,1=b")
    refuse(66, "--masks nowhere: there is no such folder; a column is read with --labels", ref, "--masks", "nowhere")
    refuse(64, "one of --masks and --lesions is wanted", ref, "--masks", ref, "--lesions", ref)


def test_mask_goals(folder):
    """masks: goals are held against the bound; those of a recipe that belong elsewhere are told"""
    (pred, _, ref), _, _ = volumes(folder)
    goals = os.path.join(folder, "goals.ini")
    with open(goals, "w") as f:
        f.write("[goals]\nsensitivity=0.95\ndice>=0.1\nhausdorff_95_mm=<100\n")
    answer = evaluate(pred, "--masks", ref, "--goals", goals, "--goal", "dice:1=0.99")
    equal([(g["goal"], g["bound"], g["met"]) for g in answer["goals"]],
          [("dice", "lower", True), ("hausdorff_95_mm", "upper", True), ("dice:1", "lower", False)])
    equal(answer["goals_met"], False)
    contains(" ".join(answer["warnings"]), f"the goal sensitivity of {goals} is not judged: it is no number of this evaluation")
    refuse(64, "--goal: dice: more is better: a goal below (>) it is wanted", pred, "--masks", ref, "--goal", "dice<0.5")


def test_mask_compare(folder):
    """masks: of two runs the mean difference over the cases that both define, with its interval"""
    (pred, other, ref), made, spacing = volumes(folder)
    answer = evaluate(pred, "--masks", ref, "--compare", other, "--bootstrap", 20000, "-o", os.path.join(folder, "report"))
    for k in (1, 2):
        values = np.array([[numbers(m[run] == k, m[2] == k, spacing) for run in (0, 1)] for m in made.values()])
        for j, name in enumerate(("dice", "iou", "hausdorff_95_mm")):
            paired = values[:, 0, j] - values[:, 1, j]
            got = next(d for d in answer["comparison"]["differences"] if d["metric"] == f"{name}:{k}")
            close(got["difference"]["value"], np.nanmean(paired), name)
            close(got["this"]["value"], np.mean(values[~np.isnan(paired), 0, j]))
            close(got["other"]["value"], np.mean(values[~np.isnan(paired), 1, j]))
            if j == 0 and k == 1:
                draws = np.random.default_rng(2).choice(paired, (100000, len(paired))).mean(1)
                assert abs(got["difference"]["low"] - np.percentile(draws, 2.5)) < 0.02 * np.ptp(draws)
    rows = list(csv.DictReader(open(os.path.join(folder, "report", "cases.csv"))))
    close(float(rows[0]["dice_1_difference"]), float(rows[0]["dice_1"]) - float(rows[0]["dice_1_other"]))


# ---- findings

def froc(detections, n_lesions, n_images):
    """detections: (score, (case, lesion) or None).  Sensitivity at each rate, read off every threshold."""
    points = [(0.0, 0.0)]
    for t in sorted({s for s, _ in detections}, reverse=True):
        called = [hit for s, hit in detections if s >= t]
        points.append((sum(h is None for h in called) / n_images, len({h for h in called if h is not None}) / n_lesions))
    out = []
    for rate in RATES:
        i = max(k for k, (x, _) in enumerate(points) if x <= rate)
        if i + 1 == len(points):
            out.append(points[i][1])
        else:
            (x0, y0), (x1, y1) = points[i], points[i + 1]
            out.append(y0 + (y1 - y0) * (rate - x0) / (x1 - x0))
    return out


def average_precision(detections, n_lesions):
    """detections: (score, true or false); the area under the precision made falling."""
    recall, precision = [0.0], []
    for t in sorted({s for s, _ in detections}, reverse=True):
        called = [hit for s, hit in detections if s >= t]
        recall.append(sum(called) / n_lesions)
        precision.append(sum(called) / len(called))
    falling = [max(precision[i:]) for i in range(len(precision))]
    return sum((b - a) * p for a, b, p in zip(recall, recall[1:], falling))


def points_cohort(folder, n=12, seed=2):
    rng = np.random.default_rng(seed)
    lesions, findings, detections, cases = [], [], [], []
    for i in range(n):
        case = f"s{i:02d}"
        cases.append((case, f"P{i * 2 // 3}"))
        centres = rng.uniform(100, 900, (int(rng.integers(0, 4)), 2)).round(1) if i else np.zeros((0, 2))
        radii = rng.uniform(20, 60, len(centres)).round(1)
        lesions += [(case, x, y, r) for (x, y), r in zip(centres, radii)]
        near = [c + rng.normal(0, 25, 2) for c in centres for _ in range(2)]
        for x, y in np.array(near + list(rng.uniform(0, 1000, (int(rng.integers(0, 12)), 2)))).reshape(-1, 2).round(1):
            score = round(float(rng.random()), 2)
            findings.append((case, x, y, score))
            d = np.hypot(*(centres - (x, y)).T) if len(centres) else np.array([])
            inside = [k for k in range(len(d)) if d[k] <= radii[k]]
            detections.append((score, (case, min(inside, key=lambda k: d[k])) if inside else None))
    files = (table(os.path.join(folder, "f.csv"), "id,x,y,score", findings), table(os.path.join(folder, "l.csv"), "id,x,y,radius", lesions),
             table(os.path.join(folder, "c.csv"), "id,patient", cases))
    return files, detections, len(lesions), n


def test_points(folder):
    """findings: FROC, the Camelyon16 score and false positives a scan are those of the definition"""
    (findings, lesions, cases), detections, n_lesions, n = points_cohort(folder)
    report = os.path.join(folder, "report")
    answer = evaluate(findings, "--lesions", lesions, "--labels", cases, "--threshold", 0.5, "-o", report)
    got, wanted = answer["metrics"], froc(detections, n_lesions, n)
    for rate, value in zip(RATES, wanted):
        close(got[f"froc_{rate:g}"]["value"], value, rate)
        equal(got[f"froc_{rate:g}"]["interval"], "bootstrap, percentile")
    close(got["froc_mean"]["value"], np.mean(wanted))
    close(got["camelyon16"]["value"], np.mean(wanted[1:]))
    called = [h for s, h in detections if s >= 0.5]
    close(got["lesion_sensitivity"]["value"], len({h for h in called if h}) / n_lesions)
    close(got["false_positives_per_scan"]["value"], sum(h is None for h in called) / n)
    equal(got["average_precision_0.5"]["undefined"], "some findings or lesions are points: boxes, outlines or radii are wanted")
    equal(sum(c["found"] for c in answer["cases"]), len({h for h in called if h}))
    equal(sum(c["false_positives"] for c in answer["cases"]), sum(h is None for h in called))
    page = read(os.path.join(report, "evaluation.html"))
    contains(page, ">FROC<")
    contains(page, "Camelyon16 score")
    contains(page, "share of lesions found at so many false positives a scan; interval: bootstrap, percentile")


def test_findings_bootstrap(folder):
    """findings: intervals are those of drawing patients again"""
    (findings, lesions, cases), _, _, _ = points_cohort(folder)
    answer = evaluate(findings, "--lesions", lesions, "--labels", cases, "--threshold", 0.5, "--bootstrap", 20000)
    by = {}
    for c in answer["cases"]:
        by.setdefault(c["patient"], []).append((c["lesions"], c["found"], c["false_positives"], 1))
    sums = np.array([np.sum(v, 0) for v in by.values()])
    drawn = sums[np.random.default_rng(5).integers(0, len(sums), (100000, len(sums)))].sum(1)
    for name, value in (("lesion_sensitivity", drawn[:, 1] / drawn[:, 0]), ("false_positives_per_scan", drawn[:, 2] / drawn[:, 3])):
        for end, share in (("low", 2.5), ("high", 97.5)):
            assert abs(answer["metrics"][name][end] - np.percentile(value, share)) < 0.02 * np.ptp(value), (name, end)


def iou(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(0, w) * max(0, h)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def test_boxes(folder):
    """findings: average precision at several IoU, greedy from the surest; a second hit is false"""
    rng = np.random.default_rng(11)
    lesions, findings = {}, {}
    for i in range(8):
        corners = rng.uniform(0, 800, (i % 4, 2))
        lesions[f"s{i}"] = [(x, y, x + w, y + h) for (x, y), (w, h) in zip(corners.round(1), rng.uniform(40, 120, (i % 4, 2)).round(1))]
        moved = [tuple(np.round(np.add(b, rng.normal(0, 9, 4)), 1)) for b in lesions[f"s{i}"] for _ in range(2)]
        wrong = [(x, y, x + 50, y + 40) for x, y in rng.uniform(0, 800, (4, 2)).round(1)]
        findings[f"s{i}"] = [(round(float(s), 1), b) for s, b in zip(rng.random(len(moved) + 4), moved + wrong)]
    f = table(os.path.join(folder, "f.csv"), "id,score,x0,y0,x1,y1", [(c, s, *b) for c, v in findings.items() for s, b in v])
    reference = table(os.path.join(folder, "l.csv"), "id,x0,y0,x1,y1", [(c, *b) for c, v in lesions.items() for b in v] + [("s0", "", "", "", "")] + [("s4", "", "", "", "")])
    got = evaluate(f, "--lesions", reference, "--iou", "0.5,0.75")["metrics"]
    for bound in (0.5, 0.75):
        hits = []
        for case, found in findings.items():
            free = list(lesions[case])
            for s, b in sorted(found, key=lambda v: -v[0]):
                best = max(free, key=lambda k: iou(b, k), default=None)
                hit = best is not None and iou(b, best) >= bound
                hits.append((s, hit))
                if hit:
                    free.remove(best)
        close(got[f"average_precision_{bound:g}"]["value"], average_precision(hits, sum(map(len, lesions.values()))), bound)


def camelyon_mask(mask, um, join=75, small=275):
    """evaluation_mask of the Camelyon16 evaluation code, and its isolated tumour cells."""
    near = ndimage.distance_transform_edt(~mask) < join / (um * 2)
    labels = measure.label(ndimage.binary_fill_holes(near), connectivity=2)
    itc = [p.label for p in measure.regionprops(labels) if p.major_axis_length < small / um]
    return labels, itc


def test_camelyon(folder):
    """findings: Camelyon16's masks and headerless files: joined within 75 µm, cells below 275 µm count neither way"""
    rng = np.random.default_rng(9)
    masks, found = folder_of(folder, "masks"), folder_of(folder, "found")
    um, scale, detections, n_lesions, rows = 7.776, 32, [], 0, []
    for i in range(6):
        case = f"t{i}"
        mask = np.zeros((120, 160), bool)
        for _ in range(4 if i < 4 else 0):
            y, x, r = rng.integers(10, 100), rng.integers(10, 140), rng.integers(3, 14)
            yy, xx = np.mgrid[0:120, 0:160]
            mask |= (yy - y) ** 2 + (xx - x) ** 2 < r * r
            mask[y - 1:y + 2, x - 1:x + 2] = False
        if i < 4:
            Image.fromarray((mask * 255).astype("u1")).save(os.path.join(masks, f"{case}.png"))
        labels, itc = camelyon_mask(mask, um) if i < 4 else (np.zeros_like(mask, int), [])
        n_lesions += labels.max() - len(itc)
        xy = rng.uniform(0, 1, (25, 2)) * (160 * scale, 120 * scale)
        scores = rng.random(25).round(2)
        with open(os.path.join(found, f"{case}.csv"), "w") as f:
            for s, (x, y) in zip(scores, xy):
                f.write(f"{s},{int(x)},{int(y)}\n")
                label = labels[int(y) // scale, int(x) // scale]
                if label not in itc:
                    detections.append((s, (case, label) if label else None))
        rows.append((case, 0 if i >= 4 else 1))
    cases = table(os.path.join(folder, "c.csv"), "id,lesions", rows)
    args = (found, "--lesions", masks, "--labels", cases, "--lesion-scale", scale, "--mask-mpp", um)
    got = evaluate(*args, "--join-um", 75, "--ignore-um", 275)
    equal(sum(c["lesions"] for c in got["cases"]), n_lesions)
    wanted = froc(detections, n_lesions, 6)
    for rate, value in zip(RATES, wanted):
        close(got["metrics"][f"froc_{rate:g}"]["value"], value, rate)
    close(got["metrics"]["camelyon16"]["value"], np.mean(wanted[1:]))
    table(cases, "id,lesions", [(c, 1) for c, _ in rows])
    refuse(65, f"evaluate {found}: 2 cases have no reference file and no 0 in a column lesions: t4, t5; --allow-missing leaves them out and "
               "counts them", *args)


def test_drawn(folder):
    """findings: GeoJSON with scores against ASAP's polygons, of which an exclusion is cut out"""
    found, drawn = folder_of(folder, "found"), folder_of(folder, "drawn")

    def feature(geometry, **properties):
        return {"type": "Feature", "geometry": geometry, "properties": properties}

    def square(x, y, side):
        return {"type": "Polygon", "coordinates": [[[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]]}

    def annotation(group, x, y, side):
        points = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
        inside = "".join(f'<Coordinate Order="{i}" X="{a}" Y="{b}"/>' for i, (a, b) in enumerate(points))
        return f'<Annotation Name="A" Type="Polygon" PartOfGroup="{group}" Color="#F4FA58"><Coordinates>{inside}</Coordinates></Annotation>'

    for case in ("a", "b"):
        with open(os.path.join(drawn, f"{case}.xml"), "w") as f:
            f.write(f'<?xml version="1.0"?><ASAP_Annotations><Annotations>{annotation("_0", 0, 0, 100)}{annotation("_2", 40, 40, 20)}'
                    f'{annotation("Tumor", 500, 500, 50)}</Annotations></ASAP_Annotations>')
        features = [feature({"type": "Point", "coordinates": [10, 10]}, score=0.9), feature({"type": "Point", "coordinates": [50, 50]}, score=0.8),
                    feature(square(505, 505, 30), measurements={"Probability": 0.7}),
                    feature({"type": "Point", "coordinates": [20, 90]}, measurements=[{"name": "score", "value": 0.6}])]
        with open(os.path.join(found, f"{case}.geojson"), "w") as f:
            json.dump({"type": "FeatureCollection", "features": features}, f)
    answer = evaluate(found, "--lesions", drawn)
    equal([(c["lesions"], c["found"], c["false_positives"], c["findings"]) for c in answer["cases"]], [(2, 2, 1, 4)] * 2)
    equal(answer["metrics"]["false_positives_per_scan"]["value"], 1.0)
    equal([answer["metrics"]["lesion_sensitivity"][k] for k in ("value", "interval", "high")], [1.0, "Wilson, by patients", 1.0])
    with open(os.path.join(found, "b.geojson"), "w") as f:
        json.dump([feature({"type": "Point", "coordinates": [1, 2]})], f)
    refuse(65, f"case b: read {found}/b.geojson: feature 1: no score among its properties", found, "--lesions", drawn)
    os.remove(os.path.join(found, "b.geojson"))
    refuse(65, f"evaluate {found}: 1 case has no file of findings: b; --allow-missing leaves them out and counts them", found, "--lesions", drawn)
    with open(os.path.join(drawn, "a.xml"), "w") as f:
        f.write('<ASAP_Annotations><Annotation Name="A"><Coordinates><Coordinate X="1" Y="2"/></Coordinates></Annotation></ASAP_Annotations>')
    refuse(65, f"case a: read {drawn}/a.xml: annotation A has 1 points: a polygon is wanted", found, "--lesions", drawn, "--allow-missing")


def test_results(folder):
    """findings: the hot tiles of stored results"""
    out = os.path.join(folder, "out")
    lesions, wanted = [], {}
    for case in ("a", "b"):
        write_result(out, case, [0.3, 0.7], tiles=True)
        with h5py.File(os.path.join(out, "cases", f"{case}.h5")) as f:
            attention, own = f["attention"][:, 0].astype("f8"), f["tile_scores"][:, 1].astype("f8")
        heat = (own * np.minimum(1, len(own) * attention)).reshape(6, 8)
        peaks = heat == ndimage.maximum_filter(heat, 3)
        wanted[case] = int(peaks.sum())
        y, x = np.argwhere(peaks)[0]
        lesions.append((case, x * 512 + 256, y * 512 + 256, 100))
    reference = table(os.path.join(folder, "l.csv"), "id,x,y,radius", lesions)
    answer = evaluate(out, "--lesions", reference)
    equal([(c["findings"], c["found"], c["false_positives"]) for c in answer["cases"]], [(n, 1, n - 1) for n in wanted.values()])


def test_findings_goals_and_compare(folder):
    """findings: false positives are held against the upper bound; two runs are compared over the same draws"""
    (findings, lesions, cases), detections, n_lesions, n = points_cohort(folder)
    rows = list(csv.reader(open(findings)))
    worse = table(os.path.join(folder, "g.csv"), ",".join(rows[0]), [r for i, r in enumerate(rows[1:]) if i % 3])
    answer = evaluate(findings, "--lesions", lesions, "--labels", cases, "--threshold", 0.5, "--goal", "false_positives_per_scan<20",
                      "--goal", "false_positives_per_scan<2", "--goal", "lesion_sensitivity=0.99", "--compare", worse)
    equal([(g["goal"], g["bound"], g["met"]) for g in answer["goals"]],
          [("false_positives_per_scan", "upper", True), ("false_positives_per_scan", "upper", False), ("lesion_sensitivity", "lower", False)])
    kept = [d for i, d in enumerate(detections) if i % 3]
    differences = {d["metric"]: d for d in answer["comparison"]["differences"]}
    a, b = froc(detections, n_lesions, n), froc(kept, n_lesions, n)
    close(differences["camelyon16"]["difference"]["value"], np.mean(a[1:]) - np.mean(b[1:]))
    close(differences["froc_2"]["other"]["value"], b[4])
    wrong = [sum(h is None for s, h in d if s >= 0.5) / n for d in (detections, kept)]
    got = differences["false_positives_per_scan"]["difference"]
    close(got["value"], wrong[0] - wrong[1])
    assert got["low"] < got["value"] < got["high"], got


def test_findings_refusals(folder):
    """findings: cases that do not fit, columns that are not there, values that are no numbers"""
    f, reference = os.path.join(folder, "f.csv"), os.path.join(folder, "l.csv")
    table(reference, "id,x,y,radius", [("a", 1, 1, 5), ("b", "", "", "")])
    table(f, "id,x,y,score", [("a", 1, 1, 0.5), ("c", 1, 1, 0.5)])
    refuse(65, f"evaluate {f}: 1 case has findings but no reference: a case without a lesion wants a row in --labels: c; --allow-missing leaves "
               "them out and counts them", f, "--lesions", reference)
    table(f, "id,x,y", [("a", 1, 1)])
    refuse(65, f"read {f}: no column score", f, "--lesions", reference)
    table(f, "id,x,score", [("a", 1, 1)])
    refuse(65, f"read {f}: no columns x and y, or x0, y0, x1 and y1", f, "--lesions", reference)
    table(f, "id,x,y,score", [("a", 1, "nan", 0.5)])
    refuse(65, f"read {f}: line 2: 'nan' in column y: a number is wanted", f, "--lesions", reference)
    table(f, "id,x,y,score", [("a", 1, 2, 0.5)])
    table(reference, "id,x,y,radius", [("a", 1, 1, -5)])
    refuse(65, f"read {reference}: line 2: it has no area: x1 > x0, y1 > y0 and a radius of 0 or more are wanted", f, "--lesions", reference)
    table(reference, "id,x,y,radius", [("a", 1, 1, 5), ("b", "", "", "")])
    answer = microtome("evaluate", f, "--lesions", reference)
    equal(answer.code, 0)
    contains(answer.err, f"1 of 2 cases have no row in {f}: they count as cases in which nothing was found")
    contains(answer.out, "not defined: some findings or lesions are points")
    refuse(66, "read nowhere: a CSV of all cases or a folder with a file for each is wanted", "nowhere", "--lesions", reference)
    answer = microtome("evaluate", f, "--lesions", reference, "--iou", "0.5,2")
    equal((answer.code, answer.err.split("\n")[0]),
          (64, "microtome evaluate: --iou 0.5,2: different shares above 0, at most 1, are wanted, as 0.5,0.75"))


main([test_volumes, test_bootstrap, test_pictures, test_mask_refusals, test_mask_goals, test_mask_compare, test_points,
      test_findings_bootstrap, test_boxes, test_camelyon, test_drawn, test_results, test_findings_goals_and_compare, test_findings_refusals])
