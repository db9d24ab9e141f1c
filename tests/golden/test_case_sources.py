#!/usr/bin/env python3
"""Every file and series of the radiology samples and every DICOM slide, voxel by voxel, against pydicom with GDCM, nibabel and Pillow: samples,
rescale, spacing, orientation, order. What cannot be one volume has to be refused, in the words for its reason. Prints TAP.

usage: test_case_sources.py CASE_DUMP SOURCE_ROOT      samples: MICROTOME_TEST_DATA
"""
import json
import os
import subprocess
import sys
import tempfile

try:
    import gdcm  # noqa: F401  decodes for pydicom
    import nibabel
    import numpy as np
    import pydicom
    from PIL import Image
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)
sys.path.insert(0, os.path.join(sys.argv[2], "tests", "unit"))
import dicom_expected  # noqa: E402

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg")
TURNS = {"axial": (0, 1, 2), "coronal": (0, 2, 1), "sagittal": (1, 2, 0)}  # direction of x, y, plane


class Refused(Exception):
    """The truth: no volume, and a word that the refusal has to have."""


class Unknown(Exception):
    """No other reader decodes it: nothing to compare with."""


def has_image(ds):
    return "Rows" in ds and any(k in ds for k in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"))


def check_stack(files):
    """What makes slices no volume, by their headers alone."""
    if len({(ds.Rows, ds.Columns) for ds in files}) > 1:
        raise Refused("two sizes")
    places = [p for ds in files for p in dicom_expected.places(ds)]
    if len(places) == 1:
        return
    if any(p["ipp"] is None or p["iop"] is None for p in places):
        if len(files) == 1:
            return
        raise Refused("no position")
    iop = np.array([p["iop"] for p in places], float)
    if np.abs(iop - iop[0]).max() > 1e-3:
        raise Refused("different directions")
    normal = np.cross(iop[0][:3], iop[0][3:])
    along = np.sort([float(np.dot(np.array(p["ipp"], float), normal)) for p in places])
    gaps = np.diff(along)
    if (gaps < 1e-3).any():
        raise Refused("up to")
    usual = np.sort(gaps)[(len(gaps) - 1) // 2]
    if (np.abs(gaps - usual) > max(0.01 * usual, 0.01)).any():
        whole = np.abs(gaps / usual - np.round(gaps / usual)) < 0.01
        raise Refused("missing" if whole.all() else "unevenly spaced")


def dicom_truth(paths):
    files = [ds for ds in map(dicom_expected.read, paths) if has_image(ds)]
    if not files:
        raise Refused("no image")
    series = {str(getattr(ds, "SeriesInstanceUID", "")) for ds in files}
    if len(series) > 1:
        raise Refused(f"{len(series)} series")
    if "TotalPixelMatrixColumns" in files[0]:
        if files[0].Modality == "SEG":
            raise Refused("segmentation of a slide")
        return dicom_expected.slide(files[0])
    check_stack(files)
    try:
        return dicom_expected.turned(files)
    except Exception as e:  # of whatever kind pydicom and GDCM raise
        raise Unknown(str(e)) from e


def nifti_truth(path):
    image = nibabel.load(path)
    if int(np.prod(image.shape[3:])) != 1:
        raise Refused(f"{int(np.prod(image.shape[3:]))} volumes")
    framed = image.header["sform_code"] > 0 or image.header["qform_code"] > 0
    turned = nibabel.as_closest_canonical(image) if framed else image
    data = np.asarray(turned.dataobj).astype(np.float64).reshape(turned.shape[:3])
    return data.transpose(2, 1, 0), turned.affine if framed else None, False


def picture_truth(path):
    image = Image.open(path)
    a = np.asarray(image if image.mode in ("L", "RGB", "I;16") else image.convert("RGB"))
    return a[None], None, path.endswith((".jpg", ".jpeg"))


def truth_of(path):
    if os.path.isdir(path):
        return dicom_truth([os.path.join(at, f) for at, _, names in sorted(os.walk(path)) for f in sorted(names) if is_dicom(os.path.join(at, f))])
    if path.endswith((".nii", ".nii.gz", ".hdr", ".img")):
        return nifti_truth(path)
    if path.endswith(IMAGE_ENDINGS):
        return picture_truth(path)
    if os.path.basename(path) == "DICOMDIR":
        return truth_of(os.path.dirname(path))
    return dicom_truth([path])


def is_dicom(path):
    with open(path, "rb") as f:
        return f.read(132)[128:] == b"DICM" or path.endswith(".dcm")


def turn(volume, affine, axis):
    """planes x rows x columns of an axial reading as another axis has them."""
    if affine is None or axis == "axial":
        return volume, affine
    order = TURNS[axis]
    return volume.transpose([2 - order[2], 2 - order[1], 2 - order[0]]), affine[:, list(order) + [3]]


def spacing_is_right(seen, affine):
    """µm of the reader against the columns of the truth's affine, where the reader knows them. Tilted slices are given apart along their normal."""
    m = affine[:3, :3]
    lengths = [float(np.linalg.norm(m[:, i])) * 1000 for i in range(3)]
    apart = [abs(float(np.linalg.det(m)) / float(np.linalg.norm(np.cross(m[:, i - 1], m[:, i - 2])))) * 1000 for i in range(3)]
    seen = (seen["mpp_x"], seen["mpp_y"], seen["plane_spacing_um"])
    return all(a == 0 or min(abs(a - b), abs(a - c)) < 1e-3 * b for a, b, c in zip(seen, lengths, apart))


def difference(seen, raw, truth):
    """None, or what is not equal."""
    volume, affine, lossy = truth
    shape = (seen["planes"], seen["height"], seen["width"]) + ((3,) if seen["channels"] == 3 else ())
    if shape != volume.shape:
        return f"size {shape}, wanted {volume.shape}"
    got = np.frombuffer(raw, seen["type"], int(np.prod(shape)), seen["first_byte"]).reshape(shape).astype(np.float64)
    off = np.abs(got - volume)
    # 1 grey level is the tolerance of the sample set for what was stored with loss; else a float's rounding
    if lossy and off.mean() > 1 or not lossy and off.max() > 1e-6 * max(1.0, float(np.abs(volume).max())):
        return f"samples differ by up to {off.max():g}, by {off.mean():g} in the mean"
    if (seen["affine"] is None) != (affine is None):
        return "one has an affine, the other has none"
    if affine is not None and np.abs(np.reshape(seen["affine"], (4, 4)) - affine).max() > 1e-3:
        return f"affine {seen['affine']}, wanted {affine.tolist()}"
    if affine is not None and not spacing_is_right(seen, affine):
        return f"spacing {seen['mpp_x']} x {seen['mpp_y']} contradicts the affine"
    return None


def judge(path, axis, seen, raw):
    """Whether it is right, and a remark."""
    try:
        volume, affine, lossy = truth_of(path)
    except Refused as reason:
        ok = str(reason) in seen.get("error", "")
        return ok, seen.get("error", f"read, and had to be refused with \"{reason}\"")
    except Unknown as reason:
        return True, f"nothing to compare with ({reason}); {seen.get('error', 'read')}"
    if "error" in seen:
        return False, seen["error"]
    volume, affine = turn(volume, affine, axis)
    wrong = difference(seen, raw, (volume, affine, lossy))
    return wrong is None, wrong or seen["notes"]


def find(data):
    """Files to open one by one, and folders to open as series."""
    files, folders = [], []
    for top in ("radiology", "wsi/dicom"):
        for at, _, names in sorted(os.walk(os.path.join(data, top))):
            paths = [os.path.join(at, n) for n in sorted(names) if not n.endswith((".nrrd", ".md"))]
            files += paths
            if top == "radiology" and any(map(is_dicom, paths)) and os.path.basename(at) != "dicomdir" and at != os.path.join(data, "radiology/dicom"):
                folders.append(at)
    return files, folders


def main():
    data = os.environ.get("MICROTOME_TEST_DATA")
    if not data:
        print("1..0 # SKIP MICROTOME_TEST_DATA is not set")
        return 0
    files, folders = find(data)
    jobs = [("axial", files + folders), ("coronal", folders), ("sagittal", folders)]
    failed = number = 0
    print(f"1..{sum(len(paths) for _, paths in jobs)}")
    with tempfile.TemporaryDirectory() as scratch:
        for axis, paths in jobs:
            out = os.path.join(scratch, "out.raw")
            run = subprocess.run([sys.argv[1], axis, out, *paths], stdout=subprocess.PIPE, text=True)
            lines = run.stdout.splitlines()
            raw = np.memmap(out, np.uint8, "r") if os.path.getsize(out) else b""
            for i, path in enumerate(paths):
                number += 1
                ok, remark = judge(path, axis, json.loads(lines[i]), raw) if i < len(lines) else (False, f"the reader died, exit {run.returncode}")
                failed += not ok
                name = os.path.relpath(path, data)
                print(f"{'' if ok else 'not '}ok {number} - {axis} {name}" + (f" # {remark.replace(data, '').replace('#', '')}" if remark else ""))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
