"""Masks as NIfTI, surfaces as STL, outlines as RT Structure Set: in the place of the source's voxels, whatever way its slices lie."""
import os
import shutil
import subprocess

from harness import Skip, contains, equal, main, microtome

try:
    import h5py
    import nibabel
    import numpy as np
    import pydicom
    import made_dicom as made
    from PIL import Image, ImageDraw
except ImportError:
    h5py = None

C, S = np.cos(0.4) if h5py else 0, np.sin(0.4) if h5py else 0
AXES = {"straight": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "oblique": [[C, S, 0], [-S, C, 0], [0, 0, 1]], "flipped": [[-1, 0, 0], [0, 1, 0], [0, 0, -1]],
        "sagittal": [[0, 1, 0], [0, 0, -1], [-1, 0, 0]]}


def tools():
    if h5py is None:
        raise Skip("h5py, nibabel, NumPy or pydicom is not installed")


def blob(size):
    """planes, height, width: two balls with a hole, and pixels that touch at a corner"""
    z, y, x = np.mgrid[:size[2], :size[1], :size[0]]
    mask = ((x - size[0] / 3) ** 2 + (y - size[1] / 2) ** 2 + (1.5 * (z - size[2] / 2)) ** 2 < 14).astype("u1")
    mask[size[2] // 2, size[1] // 2, size[0] // 3] = 0
    mask[size[2] // 2, 0, -2] = mask[size[2] // 2, 1, -1] = 1
    return mask


def made_case(folder, axes):
    source = made.series(os.path.join(folder, "sources", "case1"), np.array(AXES[axes], float))
    size = made.canonical(*made.series_affine(source))[1]
    mask = blob(size)
    result = os.path.join(folder, "cases", "case1.h5")
    affine, _ = made.result_over(result, source, mask=mask)
    return source, result, np.array(affine), mask


def export(kind, folder, result, source):
    answer = microtome("export", "--to", kind, "-o", os.path.join(folder, "out"), result, "--sources", os.path.dirname(source))
    equal((answer.code, answer.err), (0, ""))
    return answer.out.split()[0]


def test_nifti(folder):
    """the map's own values, each voxel within 1e-3 mm of its place"""
    tools()
    for axes in AXES:
        here = os.path.join(folder, axes)
        source, result, affine, mask = made_case(here, axes)
        image = nibabel.load(export("nifti", here, result, source))
        equal((np.asarray(image.dataobj) == mask.transpose(2, 1, 0)).all(), True)
        assert np.abs(image.affine - affine).max() < 1e-3, (image.affine, affine)
        equal((image.get_data_dtype(), image.header.get_xyzt_units()[0]), (np.uint8, "mm"))


def triangles(path):
    raw = open(path, "rb").read()
    n = int.from_bytes(raw[80:84], "little")
    equal(len(raw), 84 + 50 * n)
    record = np.frombuffer(raw[84:], np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("label", "<u2")]))
    return raw[:80], record


def test_stl(folder):
    """closed surfaces, outside outwards, the mask's volume within 3 %, in the mask's place"""
    tools()
    for axes in AXES:
        here = os.path.join(folder, axes)
        source, result, affine, mask = made_case(here, axes)
        header, record = triangles(export("stl", here, result, source))
        contains(header.decode("ascii", "replace"), "SPACE=LPS")
        corners = record["corners"].astype("f8")
        edges = {}
        for a, b, c in corners:
            for p, q in ((a, b), (b, c), (c, a)):
                key = tuple(np.round(p, 4)), tuple(np.round(q, 4))
                edges[key] = edges.get(key, 0) + 1
        assert all(edges.get((q, p), 0) == n for (p, q), n in edges.items()), "the surface is not closed"
        volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
        wanted = mask.sum() * abs(np.linalg.det(affine[:3, :3]))
        assert abs(volume - wanted) < 0.03 * wanted, (axes, volume, wanted)
        voxels = np.argwhere(mask)[:, ::-1]
        mm = (voxels @ affine[:3, :3].T + affine[:3, 3]) * [-1, -1, 1]
        step = np.abs(affine[:3, :3]).sum(1)
        assert (corners.reshape(-1, 3).min(0) > mm.min(0) - step).all() and (corners.reshape(-1, 3).max(0) < mm.max(0) + step).all()


def filled(d, instance, source_slice):
    """even-odd, on the slice's own pixels"""
    ipp, iop, spacing = np.array(source_slice.ImagePositionPatient, float), np.array(source_slice.ImageOrientationPatient, float), source_slice.PixelSpacing
    image = np.zeros((source_slice.Rows, source_slice.Columns), bool)
    for roi in d.ROIContourSequence:
        for contour in roi.get("ContourSequence", []):
            if contour.ContourImageSequence[0].ReferencedSOPInstanceUID != instance:
                continue
            points = np.array(contour.ContourData, float).reshape(-1, 3) - ipp
            assert np.abs(points @ np.cross(iop[:3], iop[3:])).max() < 1e-3
            column, row = points @ iop[:3] / float(spacing[1]), points @ iop[3:] / float(spacing[0])
            equal(int(contour.NumberOfContourPoints), len(points))
            canvas = Image.new("1", (8 * source_slice.Columns, 8 * source_slice.Rows))
            ImageDraw.Draw(canvas).polygon([((c + 0.5) * 8 - 0.5, (r + 0.5) * 8 - 0.5) for c, r in zip(column, row)], fill=1)
            image ^= np.asarray(canvas)[4::8, 4::8]
    return image


def test_rtstruct(folder):
    """clean in dciodvfy; filled contours are the mask again (Dice 0.98 and more) on the source's own slices"""
    tools()
    if shutil.which("dciodvfy") is None:
        raise Skip("dciodvfy is not installed (tools/setup.sh --tests)")
    for axes in AXES:
        here = os.path.join(folder, axes)
        source, result, affine, mask = made_case(here, axes)
        path = export("rtstruct", here, result, source)
        said = subprocess.run(["dciodvfy", path], capture_output=True, text=True)
        equal([line for line in (said.stdout + said.stderr).split("\n") if line.startswith("Error")], [])
        d = pydicom.dcmread(path)
        equal((d.Modality, d.PatientID, len(d.StructureSetROISequence)), ("RTSTRUCT", "P-17", len(d.ROIContourSequence)))
        both = drawn = wanted = 0
        back = np.linalg.inv(affine)
        for name in os.listdir(source):
            s = pydicom.dcmread(os.path.join(source, name))
            equal(s.FrameOfReferenceUID, d.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID)
            got = filled(d, s.SOPInstanceUID, s)
            ipp, iop = np.array(s.ImagePositionPatient, float), np.array(s.ImageOrientationPatient, float)
            r, c = np.mgrid[:s.Rows, :s.Columns]
            lps = ipp + c[..., None] * float(s.PixelSpacing[1]) * iop[:3] + r[..., None] * float(s.PixelSpacing[0]) * iop[3:]
            x, y, z = np.rint(((lps * [-1, -1, 1]) @ back[:3, :3].T + back[:3, 3])).astype(int).transpose(2, 0, 1)
            truth = mask[z, y, x] > 0
            both, drawn, wanted = both + (got & truth).sum(), drawn + got.sum(), wanted + truth.sum()
        assert wanted > 20 and 2 * both / (drawn + wanted) >= 0.98, (axes, both, drawn, wanted)


def test_refused(folder):
    """no map, no place in a patient"""
    tools()
    source = made.series(os.path.join(folder, "sources", "case1"), np.array(AXES["straight"], float))
    result = os.path.join(folder, "cases", "case1.h5")
    made.result_over(result, source, mask=None)
    for kind in ("nifti", "stl", "rtstruct"):
        answer = microtome("export", "--to", kind, "-o", os.path.join(folder, "out"), result, "--sources", source)
        equal(answer.code, 65)
        contains(answer.err, "/map/segmentation")
    assert os.listdir(os.path.join(folder, "out")) == []


main([test_nifti, test_stl, test_rtstruct, test_refused])
