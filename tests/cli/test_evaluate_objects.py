"""`microtome evaluate --lesions` on the objects of results: volumes in mm, pictures in pixels, against NumPy and SciPy."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import equal, main, microtome  # noqa: E402

try:
    import h5py  # noqa: F401
    import nibabel
    import numpy as np
    from made_objects import write_objects
    from PIL import Image
    from scipy import ndimage
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

RATES = [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8]


def turned(angle, spacing, origin):
    c, s = np.cos(angle), np.sin(angle)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[-c, s, 0], [-s, -c, 0], [0, 0, 1]]) @ np.diag(spacing)
    affine[:3, 3] = origin
    return affine


GRID = turned(0.2, (0.8, 0.8, 2.0), (30, 42, -25))


def evaluate(*args):
    answer = microtome("evaluate", *args, "--json")
    assert answer.code == 0, answer
    return json.loads(answer.out)


def refuse(code, message, *args):
    answer = microtome("evaluate", *args)
    equal((answer.code, answer.out, answer.err), (code, "", f"microtome evaluate: {message}\n"))


def table(path, header, rows):
    with open(path, "w") as f:
        f.write("\n".join([header] + [",".join(str(v) for v in row) for row in rows]) + "\n")
    return path


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


def hold(answer, detections, n_lesions, n):
    got = answer["metrics"]
    for rate, value in zip(RATES, froc(detections, n_lesions, n)):
        assert abs(got[f"froc_{rate:g}"]["value"] - value) < 1e-10, (rate, got[f"froc_{rate:g}"], value)
    called = [h for s, h in detections if s >= 0.5]
    assert abs(got["lesion_sensitivity"]["value"] - len({h for h in called if h}) / n_lesions) < 1e-10
    assert abs(got["false_positives_per_scan"]["value"] - sum(h is None for h in called) / n) < 1e-10


def volume_cohort(folder, n=8, seed=6):
    """Balls on an oblique grid, found twice or near; masks of their voxels, and a table of places in mm."""
    rng = np.random.default_rng(seed)
    out, masks, rows, by_ball, by_voxel, total = os.path.join(folder, "out"), os.path.join(folder, "masks"), [], [], [], 0
    os.makedirs(masks, exist_ok=True)
    shape = (64, 56, 24)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    mm = grid @ GRID[:3, :3].T + GRID[:3, 3]
    for i in range(n):
        case, mask, centres = f"v{i}", np.zeros(shape, "u1"), []
        for _ in range(int(rng.integers(0, 4)) if i else 0):
            voxel = rng.uniform((10, 10, 4), (54, 46, 20))
            place, radius = GRID[:3, :3] @ voxel + GRID[:3, 3], float(rng.uniform(3, 5))
            if all(np.linalg.norm(place - p) > radius + r + 4 for p, r in centres):
                centres.append((place, radius))
                mask[np.linalg.norm(mm - place, axis=-1) <= radius] = 1
        rows += [(case, *p, r) for p, r in centres] or [(case, "", "", "", "")]
        image = nibabel.Nifti1Image(mask, GRID)
        image.header.set_xyzt_units("mm")
        nibabel.save(image, os.path.join(masks, case + ".nii.gz"))
        parts, found = ndimage.label(mask, np.ones((3, 3, 3)))
        equal(found, len(centres))
        total += found
        spots = [p + rng.normal(0, 2.5, 3) for p, _ in centres for _ in range(2)]
        spots += list(rng.uniform((10, 10, 4), (54, 46, 20), (3, 3)) @ GRID[:3, :3].T + GRID[:3, 3])
        objects = []
        for p in spots:
            score = round(float(rng.random()), 2)
            objects.append({"class": "nodule", "centre_mm": p, "score": score, "longest_mm": 6.0})
            far = [(np.linalg.norm(p - c), k) for k, (c, r) in enumerate(centres) if np.linalg.norm(p - c) <= r]
            by_ball.append((score, (case, min(far)[1]) if far else None))
            at = np.floor(np.linalg.inv(GRID) @ [*p, 1] + 0.5).astype(int)[:3]
            inside = ((at >= 0) & (at < shape)).all() and parts[tuple(at)]
            by_voxel.append((score, (case, inside) if inside else None))
        objects.append({"class": "vessel", "centre_mm": [0, 0, 0], "score": 0.99, "longest_mm": 6.0})
        path = write_objects(os.path.join(out, "cases", case + ".h5"), objects, GRID, shape)
        with h5py.File(path, "r+") as f:
            f["objects"].attrs["labels"] = ["nodule", "vessel"]
    return out, masks, table(os.path.join(folder, "l.csv"), "id,x,y,z,radius", rows), by_ball, by_voxel, total, n


def test_volumes(folder):
    """volumes: centres in mm against spheres of a table, in LUNA16's frame too, and against the parts of a mask on an oblique grid"""
    out, masks, lesions, by_ball, by_voxel, total, n = volume_cohort(folder)
    hold(evaluate(out, "--lesions", lesions, "--classes", "nodule", "--threshold", "0.5"), by_ball, total, n)
    hold(evaluate(out, "--lesions", masks, "--classes", "nodule", "--threshold", "0.5"), by_voxel, total, n)
    with open(lesions) as f:
        rows = [line.strip().split(",") for line in f][1:]
    luna = table(os.path.join(folder, "luna.csv"), "seriesuid,coordX,coordY,coordZ,diameter_mm",
                 [(i, -float(x), -float(y), z, 2 * float(r)) if x else (i, "", "", "", "") for i, x, y, z, r in rows])
    hold(evaluate(out, "--lesions", luna, "--classes", "nodule", "--threshold", "0.5"), by_ball, total, n)
    every = evaluate(out, "--lesions", masks, "--threshold", "0.5")
    equal(sum(c["findings"] for c in every["cases"]), sum(s >= 0.5 for s, _ in by_voxel) + n)


def test_pictures(folder):
    """pictures: boxes of a detector against boxes and masks in pixels, average precision too"""
    rng = np.random.default_rng(8)
    out, masks = os.path.join(folder, "out"), os.path.join(folder, "masks")
    os.makedirs(masks, exist_ok=True)
    boxes, total, detections = [], 0, []
    for i in range(6):
        case, mask, objects = f"p{i}", np.zeros((80, 100), "u1"), []
        for k in range(2):
            x, y = 8 + 45 * k + int(rng.integers(0, 10)), int(rng.integers(5, 50))
            mask[y:y + 20, x:x + 20] = 1
            boxes.append((case, x, y, x + 20, y + 20))
            shift = int(rng.integers(0, 12))
            objects.append({"class": "spot", "kind": "box", "box": [x + shift, y, 0, x + shift + 20, y + 20, 1],
                            "centre": [x + shift + 9.5, y + 9.5, 0], "score": round(float(rng.random()), 2)})
            hit = shift + 10 <= 19  # the middle of the box is pixel edge x + shift + 10
            detections.append((objects[-1]["score"], (case, k) if hit else None))
            total += 1
        Image.fromarray(mask).save(os.path.join(masks, case + ".png"))
        write_objects(os.path.join(out, "cases", case + ".h5"), objects, size=(100, 80, 1), mpp=100.0)
    hold(evaluate(out, "--lesions", masks, "--threshold", "0.5"), detections, total, 6)
    lesions = table(os.path.join(folder, "b.csv"), "id,x0,y0,x1,y1", boxes)
    answer = evaluate(out, "--lesions", lesions, "--threshold", "0.5", "--iou", "0.01")
    hold(answer, detections, total, 6)
    assert abs(answer["metrics"]["average_precision_0.01"]["value"] - 1) < 1e-12


def test_refusals(folder):
    """what has no score or place, classes that are not there, a frame that is not the other's"""
    out = os.path.join(folder, "out")
    path = os.path.join(out, "cases", "a.h5")
    lesions = table(os.path.join(folder, "l.csv"), "id,x,y,z,radius", [("a", 1, 1, 1, 5)])
    write_objects(path, [{"class": "nodule", "centre_mm": [0, 0, 0], "score": np.nan}], GRID)
    where = f"case a: findings of {path}: read {path}: "
    refuse(65, where + "object 0 has no score: findings are ranked by it", out, "--lesions", lesions)
    write_objects(path, [{"class": "nodule", "centre": [5, 5, 5]}])
    refuse(65, where + "object 0 has no place in mm: the case has no patient frame", out, "--lesions", lesions)
    write_objects(path, [{"class": "nodule", "centre_mm": [0, 0, 0]}], GRID)
    with h5py.File(path, "r+") as f:
        f["objects"].attrs["labels"] = ["nodule", "vessel"]
    refuse(65, where + "no class cyst among its objects': nodule, vessel", out, "--lesions", lesions, "--classes", "nodule,cyst")
    masks = os.path.join(folder, "masks")
    os.makedirs(masks)
    Image.fromarray(np.ones((8, 8), "u1")).save(os.path.join(masks, "a.png"))
    refuse(65, "case a: the findings are of a volume, the mask of the lesions is of a picture", out, "--lesions", masks)
    os.remove(os.path.join(masks, "a.png"))
    image = nibabel.Nifti1Image(np.ones((8, 8, 8), "u1"), GRID)
    image.header.set_xyzt_units("mm")
    mask = os.path.join(masks, "a.nii.gz")
    nibabel.save(image, mask)
    refuse(64, f"case a: read the mask {mask}: --join-um and --ignore-um are for pictures, it has 8 planes", out, "--lesions", masks, "--join-um", "5")
    write_objects(path, [{"class": "nodule", "centre": [5, 5, 0]}], size=(64, 64, 1))
    refuse(65, "case a: the findings are of a picture, the mask of the lesions is of a volume", out, "--lesions", masks)


main([test_volumes, test_pictures, test_refusals])
