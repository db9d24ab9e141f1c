"""The generator of phantoms: the same bytes twice, files as nibabel and Pillow read them, truth that its own voxels bear out.

    test_phantoms.py MICROTOME PHANTOMS SOURCE
"""
import csv
import filecmp
import math
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
from harness import SYNTHETIC as PHANTOMS, Answer, Skip, contains, equal, main, microtome  # noqa: E402

try:
    import nibabel
    import numpy as np
    from PIL import Image
    from scipy import ndimage
    WHY = None
except ImportError as missing:
    WHY = f"{missing.name} is not installed"

SMALL = {"ct-nodules": ["--size", "96x80x32"], "mr-tumour": ["--size", "48x56x40", "--spacing", "3,3,3"], "xray-opacity": ["--size", "160"],
         "fundus": ["--size", "256"], "prior": ["--size", "112x96x36"]}


def phantoms(*args):
    return Answer(subprocess.run([PHANTOMS, *map(str, args)], capture_output=True, text=True, timeout=600))


def make(folder, kind, *args):
    out = os.path.join(folder, kind)
    done = phantoms(kind, "-o", out, *args)
    assert done.code == 0, done
    return out


def table(*parts):
    with open(os.path.join(*parts), newline="") as f:
        return list(csv.DictReader(f))


def tree(folder):
    return sorted(os.path.relpath(os.path.join(d, f), folder) for d, _, fs in os.walk(folder) for f in fs)


def components(mask, rows):
    """The mask's connected parts, one for each row of the table: those about its place."""
    labels, n = ndimage.label(np.asarray(mask.dataobj), structure=np.ones((3, 3, 3)))
    equal(n, len(rows))
    inverse, out = np.linalg.inv(mask.affine), []
    for o in rows:
        voxel = nibabel.affines.apply_affine(inverse, [float(o[k]) for k in ("x", "y", "z")])
        out.append(labels == labels[tuple(np.round(voxel).astype(int))])
        assert not out[-1][tuple(np.argwhere(labels == 0)[0])], (o, "no voxel of the mask is there")
    return out


def need():
    if WHY:
        raise Skip(WHY)


def test_same_bytes(folder):
    """the same options give the same bytes, another seed gives others"""
    for kind, size in SMALL.items():
        one = make(os.path.join(folder, "one"), kind, "--count", 2, "--seed", 5, *size)
        two = make(os.path.join(folder, "two"), kind, "--count", 2, "--seed", 5, *size)
        other = make(os.path.join(folder, "other"), kind, "--count", 2, "--seed", 6, *size)
        equal(tree(one), tree(two))
        for name in tree(one):
            assert filecmp.cmp(os.path.join(one, name), os.path.join(two, name), shallow=False), name
        case = [n for n in tree(one) if n.endswith((".nii.gz", ".png")) and not n.startswith(("truth", "masks"))][0]
        assert not filecmp.cmp(os.path.join(one, case), os.path.join(other, case), shallow=False), case
        equal([r["id"] for r in table(one, "manifest.csv")], [r["id"] for r in table(one, "labels.csv")])
        for row in table(one, "manifest.csv"):
            assert os.path.exists(os.path.join(one, row["path"])), row


def rotation_of(affine, spacing):
    return affine[:3, :3] / spacing


def test_affine(folder):
    """nibabel reads one affine from the quaternion and from the rows, of every pose, with the wanted spacing"""
    need()
    out = make(folder, "ct-nodules", "--count", 4, "--size", "64x56x20", "--spacing", "0.7,0.8,2.5", "--prevalence", 0)
    poses, signs = [r["pose"] for r in table(out, "labels.csv")], []
    equal(poses, ["straight", "flipped", "oblique", "upside-down"])
    for row in table(out, "labels.csv"):
        image = nibabel.load(os.path.join(out, row["id"] + ".nii.gz"))
        q, s = image.get_qform(), image.get_sform()
        assert np.abs(q - s).max() < 1e-3, (q, s)
        np.testing.assert_allclose(image.header.get_zooms(), (0.7, 0.8, 2.5), rtol=1e-6)
        turn = rotation_of(image.affine, (0.7, 0.8, 2.5))
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-5)
        signs.append(round(float(np.linalg.det(turn))))
        equal(image.get_data_dtype(), np.dtype("<i2"))
        equal(image.header.get_xyzt_units()[0], "mm")
        values = np.asarray(image.dataobj)
        assert -1024 <= values.min() < -950 and 400 < values.max() < 900, (values.min(), values.max())
    equal(signs, [1, 1, 1, -1])
    codes = ["".join(nibabel.aff2axcodes(nibabel.load(os.path.join(out, r["id"] + ".nii.gz")).affine)) for r in table(out, "labels.csv")]
    equal(codes, ["RAS", "LPS", "RAS", "RAI"])


def test_nodules(folder):
    """each nodule's voxels have its place, diameter and volume"""
    need()
    out = make(folder, "ct-nodules", "--count", 6, "--seed", 3, "--prevalence", 0.5)
    rows, objects = table(out, "labels.csv"), table(out, "truth", "objects.csv")
    equal(sum(r["label"] == "nodule" for r in rows), 3)
    errors = []
    for row in rows:
        mask = nibabel.load(os.path.join(out, "masks", row["id"] + ".nii.gz"))
        image = nibabel.load(os.path.join(out, row["id"] + ".nii.gz"))
        np.testing.assert_array_equal(mask.affine, image.affine)
        hu = np.asarray(image.dataobj)
        mine = [o for o in objects if o["id"] == row["id"]]
        equal(int(row["nodules"]), len(mine))
        for o, part in zip(mine, components(mask, mine)):
            voxels = np.argwhere(part)
            volume = len(voxels) * abs(np.linalg.det(mask.affine[:3, :3]))
            diameter = float(o["diameter_mm"])
            equal(round(math.pi / 6 * diameter ** 3 / float(o["volume_mm3"]), 3), 1)
            # voxels that are filled by half are in: what is left is the error of counting, greatest for the smallest
            errors.append(volume / float(o["volume_mm3"]) - 1)
            assert abs(errors[-1]) < 0.04, (row, o, volume)
            place = nibabel.affines.apply_affine(mask.affine, voxels.mean(0))
            assert np.abs(place - [float(o["x"]), float(o["y"]), float(o["z"])]).max() < 0.25, (o, place)
            world = nibabel.affines.apply_affine(mask.affine, voxels)
            longest = max(np.linalg.norm(world - w, axis=1).max() for w in world[::7])
            assert abs(longest - diameter) < 2, (o, longest)
            inside = hu[tuple(voxels.T)]
            assert -150 < np.median(inside) < 200, np.median(inside)
            # a malignant nodule is mottled
            core = ndimage.binary_erosion(part, iterations=1)
            assert (hu[core].std() > 40) == (o["malignant"] == "1"), (o, hu[core].std())
    print(f"# {len(errors)} nodules: volume by voxels off by {100 * np.mean(np.abs(errors)):.2f} % on average, {100 * np.max(np.abs(errors)):.2f} % at most")
    assert len(errors) >= 3 and np.mean(np.abs(errors)) < 0.02


def test_tumour(folder):
    """the tumour's parts lie in each other, and fill what the table says, on an anisotropic grid too"""
    need()
    for spacing, size in (("2,2,2", "72x88x64"), ("1.5,1.5,4", "96x112x32")):
        out = make(os.path.join(folder, size), "mr-tumour", "--count", 3, "--seed", 4, "--spacing", spacing, "--size", size)
        for row in table(out, "labels.csv"):
            sequences = [nibabel.load(os.path.join(out, row["id"], f"{row['id']}_{s}.nii.gz")) for s in ("t1", "t1c", "t2", "flair")]
            mask = nibabel.load(os.path.join(out, "masks", row["id"] + ".nii.gz"))
            labels, voxel = np.asarray(mask.dataobj), abs(np.linalg.det(mask.affine[:3, :3]))
            for s in sequences:
                np.testing.assert_array_equal(s.affine, mask.affine)
                assert (np.asarray(s.dataobj)[labels > 0] > 0).all()
                assert 0.3 < (np.asarray(s.dataobj) > 0).mean() < 0.6
            for region, inside in (("whole_mm3", labels > 0), ("core_mm3", labels > 1), ("enhancing_mm3", labels > 2)):
                assert abs(inside.sum() * voxel / float(row[region]) - 1) < 0.05, (row, region, inside.sum() * voxel)
            core = ndimage.binary_dilation(labels > 1)
            assert (labels[core] > 0).all(), "the core touches the outside"
            rim = np.asarray(sequences[1].dataobj)[labels == 3].mean() / np.asarray(sequences[1].dataobj)[labels == 1].mean()
            assert rim > 1.7, rim


def test_xray(folder):
    """opacities are where the mask has them, denser than round about; 8 and 16 bits are one picture"""
    need()
    deep = make(folder, "xray-opacity", "--count", 8, "--seed", 2, "--size", 256)
    flat = make(os.path.join(folder, "8"), "xray-opacity", "--count", 8, "--seed", 2, "--size", 256, "--bits", 8)
    objects = {o["id"]: o for o in table(deep, "truth", "objects.csv")}
    equal(sum(r["opacity"] == "1" for r in table(deep, "labels.csv")), 4)
    for row in table(deep, "labels.csv"):
        sixteen, eight = (np.asarray(Image.open(os.path.join(d, row["id"] + ".png"))).astype(float) for d in (deep, flat))
        assert sixteen.max() > 40000 and np.abs(sixteen / 257 - eight).max() <= 0.51
        mask = np.asarray(Image.open(os.path.join(deep, "masks", row["id"] + ".png")))
        equal(row["label"], "opacity" if row["opacity"] == "1" else "normal")
        equal(bool(mask.any()), row["opacity"] == "1")
        if mask.any():
            o, (ys, xs) = objects[row["id"]], np.nonzero(mask)
            assert abs(mask.sum() / float(o["area_px"]) - 1) < 0.03
            assert abs(xs.mean() - float(o["x"])) < 0.3 and abs(ys.mean() - float(o["y"])) < 0.3
            ring = ndimage.binary_dilation(mask, iterations=6) & (mask == 0)
            assert sixteen[mask > 0].mean() > sixteen[ring].mean() + 3000


def test_fundus(folder):
    """the masks' vertical diameters give the ratio, the spots are counted, and the grade is their number's"""
    need()
    out = make(folder, "fundus", "--count", 8, "--seed", 2, "--prevalence", 0.75)
    number = {"none": (0, 0), "mild": (1, 4), "moderate": (7, 12), "severe": (17, 25), "proliferative": (34, 48)}
    equal(sum(r["grade"] != "0" for r in table(out, "labels.csv")), 6)
    for row in table(out, "labels.csv"):
        equal(Image.open(os.path.join(out, row["id"] + ".png")).mode, "RGB")
        mask = np.asarray(Image.open(os.path.join(out, "masks", row["id"] + ".png")))
        high = [np.ptp(np.nonzero(mask >= k)[0]) + 1 for k in (1, 2)]
        assert abs(high[1] / high[0] - float(row["cup_to_disc"])) < 0.02, (row, high)
        spots = ndimage.label(np.asarray(Image.open(os.path.join(out, "truth", row["id"] + "_lesions.png"))))[1]
        equal(spots, int(row["microaneurysms"]))
        low, most = number[row["label"]]
        assert low <= spots <= most, row
        vessels = np.asarray(Image.open(os.path.join(out, "truth", row["id"] + "_vessels.png")))
        assert 0.02 < vessels.mean() < 0.2, vessels.mean()


def test_prior(folder):
    """both studies show a nodule at one place of the patient's frame, grown by what the table says"""
    need()
    out = make(folder, "prior", "--count", 2, "--seed", 9)
    objects = table(out, "truth", "objects.csv")
    for patient in ("patient-001", "patient-002"):
        mine = [o for o in objects if o["patient"] == patient]
        equal([o["state"] for o in mine if o["state"] in ("new", "gone")], ["new", "gone"])
        seen = {"prior": [o for o in mine if o["prior_diameter_mm"]], "current": [o for o in mine if o["diameter_mm"]]}
        masks = {s: nibabel.load(os.path.join(out, "masks", f"{patient}_{s}.nii.gz")) for s in seen}
        assert np.abs(masks["prior"].affine - masks["current"].affine).max() > 0.1
        for study, rows in seen.items():
            for o, part in zip(rows, components(masks[study], rows)):
                voxels = np.argwhere(part)
                place = nibabel.affines.apply_affine(masks[study].affine, voxels.mean(0))
                assert np.abs(place - [float(o[k]) for k in ("x", "y", "z")]).max() < 0.3, (o, place)
        for o in mine:
            if o["state"] == "grown":
                growth = 100 * (float(o["volume_mm3"]) / float(o["prior_volume_mm3"]) - 1)
                assert abs(growth - float(o["growth_percent"])) < 0.1 and growth > 25, o


def test_info(folder):
    """the program reads the phantoms as what they are"""
    ct = make(folder, "ct-nodules", "--count", 2, "--size", "64x56x20", "--spacing", "0.7,0.7,2")
    done = microtome("info", os.path.join(ct, "ct-002.nii.gz"), "--json")
    equal(done.code, 0)
    contains(done.out, '"backend": "nifti"')
    picture = make(folder, "fundus", "--count", 1, "--size", 128)
    equal(microtome("info", os.path.join(picture, "fundus-001.png"), "--json").code, 0)


def test_refusals(folder):
    """what cannot be made is refused by name"""
    for args, words in ((["knee", "-o", folder], "KIND is ct-nodules, mr-tumour, xray-opacity, fundus or prior; see --help"),
                        (["fundus"], "-o DIR is missing; see --help"),
                        (["fundus", "-o", folder, "--count", 0], "--count is within 1 to 10000; see --help"),
                        (["fundus", "-o", folder, "--bits", 12], "--bits is 8 or 16; see --help"),
                        (["fundus", "-o", folder, "--prevalence", 2], "--prevalence is within [0, 1]; see --help"),
                        (["fundus", "-o", folder, "--size", "12"], "--size is 48 to 4096 pixels, 16 to 1024 slices of a volume, one of a picture; see --help"),
                        (["fundus", "-o", folder, "--size", "big"], "--size wants PX, WxH or WxHxD; see --help"),
                        (["prior", "-o", folder, "--spacing", "1,1,99"], "--spacing is within 0.001 to 20 mm; see --help"),
                        (["prior", "-o", folder, "--prefix", "a b"], "--prefix is at most 32 letters, digits, - and _; see --help"),
                        (["prior", "-o", folder, "more"], "'more' is no option; see --help")):
        done = phantoms(*args)
        equal(done.code, 64)
        equal(done.err.strip(), "microtome-phantoms: " + words)
    blocked = os.path.join(folder, "file")
    open(blocked, "w").close()
    done = phantoms("fundus", "-o", blocked, "--count", 1)
    equal(done.code, 74)
    contains(done.err, f"make folder {blocked}/truth: ")


if __name__ == "__main__":
    main([test_same_bytes, test_affine, test_nodules, test_tumour, test_xray, test_fundus, test_prior, test_info, test_refusals])
