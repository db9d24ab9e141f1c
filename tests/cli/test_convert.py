"""convert, as nibabel, NumPy, Pillow and pydicom see what it writes: samples, geometry, windows, and that nothing of a patient is in it."""
import gzip
import json
import os
import resource
import signal
import subprocess
import sys
import zlib

try:
    import nibabel
    import numpy as np
    import pydicom
    from PIL import Image
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.sequence import Sequence
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

sys.path.insert(0, os.path.dirname(__file__))
from harness import PROGRAM, SOURCE, contains, data, equal, main, microtome, read, synthetic  # noqa: E402

sys.path.insert(0, os.path.join(SOURCE, "tests", "unit"))
sys.path.insert(0, os.path.join(SOURCE, "tests", "golden"))
RANDOM = np.random.default_rng(5)
OBLIQUE = np.array([[0.8, 0.36, 0.48], [0.6, -0.48, -0.64], [0, -0.8, 0.6]])


# ---- made inputs ----


def image(number=1, position=(0, 0, 0), iop=(1, 0, 0, 0, 1, 0), values=None, signed=True, **more):
    ds = FileDataset("", {}, preamble=b"\0" * 128)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    ds.is_little_endian, ds.is_implicit_VR = True, False
    values = RANDOM.integers(-1000, 1500, (6, 5)) if values is None else np.asarray(values)
    ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID, ds.Modality = "1.2.840.10008.5.1.4.1.1.2", f"1.2.{number}", "1.2.3", "CT"
    ds.Rows, ds.Columns = values.shape[:2]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, int(signed)
    ds.PixelSpacing, ds.SliceThickness = [0.75, 0.5], 2
    if position is not None:
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [float(v) for v in position], [float(v) for v in iop]
    ds.PixelData = values.astype("<i2" if signed else "<u2").tobytes()
    for name, value in more.items():
        setattr(ds, name, value)
    return ds


def put(folder, *files):
    os.makedirs(folder, exist_ok=True)
    for i, ds in enumerate(files):
        ds.save_as(os.path.join(folder, f"{i}.dcm"), write_like_original=False)
    return folder


def series(folder, n=4, step=(0, 0, 2.5), iop=(1, 0, 0, 0, 1, 0), **more):
    return put(folder, *[image(i + 1, np.array([3, -4, 5]) + i * np.array(step, float), iop, **more) for i in range(n)])


def nifti(path, values, affine, code=1):
    image = nibabel.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code)
    image.set_qform(affine, 0)
    image.to_filename(path)
    return path


def oblique(path, dtype="i2", shape=(5, 4, 3), flip=(1, -1, 1)):
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = OBLIQUE * [0.5, 0.75, 2] * flip, [3, -4, 5]
    return nifti(path, RANDOM.integers(0, 200, shape).astype(dtype), affine)


def convert(*args, code=0, **more):
    answer = microtome("convert", *args, **more)
    equal((answer.code, answer), (code, answer))
    return answer


def refused(code, message, *args, **more):
    answer = convert(*args, code=code, **more)
    contains(answer.err, message)
    equal(answer.out, "")


# ---- what is looked at ----


def as_truth(path):
    """planes x rows x columns (x channels) in RAS and the affine, as nibabel has the file"""
    image = nibabel.load(path)
    values = np.asanyarray(image.dataobj)
    if values.dtype.fields:
        values = np.stack([values[c] for c in "RGB"], -1)
    return np.moveaxis(values, [0, 1, 2], [2, 1, 0]), image


def same_place(a, b):
    """one world has both: every voxel of `a` stands in `b` where its affine says"""
    inverse = np.linalg.inv(b.affine) @ a.affine
    index = np.indices(a.shape[:3]).reshape(3, -1)
    there = inverse[:3, :3] @ index + inverse[:3, 3:]
    assert np.abs(there - there.round()).max() < 2e-2, "the grids do not meet"
    there = there.round().astype(int)
    equal(there.min(), 0)
    return np.array_equal(np.asanyarray(a.dataobj)[tuple(index)], np.asanyarray(b.dataobj)[tuple(there)])


def test_every_sample(folder):
    """every file and series of the samples, as NIfTI and NumPy, against pydicom and nibabel"""
    import test_case_sources as sources
    files, folders = sources.find(data())
    paths = [p for p in files + folders if "wsi" not in p]
    outs = {to: os.path.join(folder, to) for to in ("nii", "npy")}
    for to, out in outs.items():
        answer = microtome("convert", *paths, "-o", out, "--to", to, timeout=900)
        equal(answer.code, 65)
    compared = 0
    for i, path in enumerate(paths, 1):
        there = os.path.join(outs["nii"], f"case-{i:03d}.nii")
        try:
            volume, affine, lossy = sources.truth_of(path)
        except (sources.Refused, sources.Unknown):
            continue
        assert os.path.exists(there), f"{path} was not converted"
        got, image = as_truth(there)
        array = np.load(os.path.join(outs["npy"], f"case-{i:03d}.npy"))
        side = json.loads(read(os.path.join(outs["npy"], f"case-{i:03d}.json")))
        equal((path, got.shape, array.shape, tuple(side["shape"])), (path, volume.shape, volume.shape, volume.shape[:3]))
        assert np.array_equal(got, array, equal_nan=True), path
        off = np.abs(array.astype(float) - volume)
        assert off.mean() <= 1 if lossy else off.max() <= 1e-6 * max(1, np.abs(volume).max()), f"{path}: {off.max()}"
        equal((path, int(image.header["sform_code"]) > 0), (path, affine is not None))
        if affine is not None:
            assert np.abs(image.get_sform() - affine).max() < 1e-3, path
            assert np.abs(np.array(side["affine_xyz_to_ras"]) - affine).max() < 1e-3, path
            assert np.array_equal(image.get_sform(), np.float32(side["affine_xyz_to_ras"]).astype(float)), path
        compared += 1
    assert compared > 60, compared


def test_expected(folder):
    """dicom2nifti's expected.nii.gz through the affines, in both orders"""
    for name in sorted(os.listdir(data("radiology"))):
        wanted = data("radiology", name, "expected.nii.gz")
        if not os.path.exists(wanted):
            continue
        for order in ("ras", "stored"):
            out = os.path.join(folder, f"{name}-{order}.nii.gz")
            convert(data("radiology", name, "dicom"), "-o", out, "--order", order)
            assert same_place(nibabel.load(out), nibabel.load(wanted)), f"{name} {order}"


def test_round_trip(folder):
    """NIfTI to NIfTI in the stored order gives the same array and affine, whatever the axes; info opens it"""
    for i, order in enumerate([(0, 1, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]):
        for dtype in ("u1", "i2", "u2", "f4"):
            path, out = os.path.join(folder, f"{i}{dtype}.nii.gz"), os.path.join(folder, f"{i}{dtype}-out.nii")
            turned = nibabel.load(oblique(path, dtype, flip=((1, -1, 1), (-1, -1, 1), (1, 1, 1), (-1, 1, -1))[i]))
            affine = turned.affine[:, list(order) + [3]]
            nifti(path, np.asanyarray(turned.dataobj).transpose(order), affine)
            convert(path, "-o", out, "--order", "stored")
            a, b = nibabel.load(path), nibabel.load(out)
            assert np.array_equal(np.asanyarray(a.dataobj), np.asanyarray(b.dataobj)) and a.get_data_dtype() == b.get_data_dtype(), out
            assert np.array_equal(a.affine, b.affine), out
            # half a turn and more: a quaternion of float32 is right to 1e-3 mm at the corners, or not written
            corner = [*np.array(b.shape) - 1, 1]
            assert b.header["qform_code"] == 0 or np.abs((b.get_qform() - a.affine) @ corner).max() < 2e-3, f"{b.get_qform()} {a.affine}"
            equal((int(b.header["sform_code"]), b.header.get_xyzt_units()[0]), (1, "mm"))
            equal(microtome("info", out).code, 0)
            convert(path, "-o", out, "--force")
            b = nibabel.load(out)
            equal((nibabel.aff2axcodes(b.affine), int(b.header["qform_code"])), (tuple("RAS"), 1))
            assert np.abs(b.get_qform() - b.get_sform()).max() < 2e-6, f"{b.get_qform()} {b.get_sform()}"
            assert same_place(b, a)
    path = oblique(os.path.join(folder, "mni.nii"))
    image = nibabel.load(path)
    nifti(path, np.asanyarray(image.dataobj), image.affine, code=4)
    convert(path, "-o", os.path.join(folder, "mni-out.nii"))
    equal(int(nibabel.load(os.path.join(folder, "mni-out.nii")).header["sform_code"]), 4)


def test_tilted(folder):
    """a tilted series is sheared: sform alone says where it is"""
    out = os.path.join(folder, "t.nii.gz")
    convert(series(os.path.join(folder, "s"), step=(0, 1.0, 2.5)), "-o", out)
    image = nibabel.load(out)
    equal((int(image.header["sform_code"]), int(image.header["qform_code"])), (1, 0))
    assert np.allclose(image.affine, [[-0.5, 0, 0, -3], [0, -0.75, -1, 4], [0, 0, 2.5, 5], [0, 0, 0, 1]]) or np.allclose(
        image.affine @ [image.shape[0] - 1, image.shape[1] - 1, 0, 1], [-3, 4, 5, 1]), image.affine
    equal(microtome("info", out).code, 0)


def write_png48(path, values):
    def chunk(kind, body):
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
    rows, columns = values.shape[:2]
    head = columns.to_bytes(4, "big") + rows.to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    body = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b""))


def test_values(folder):
    """rescale by a fraction gives float32, NaN and infinity stay and are counted; colours as RGB24, wide ones along dimension 5"""
    out = os.path.join(folder, "a.nii")
    source = series(os.path.join(folder, "s"), RescaleSlope=0.5, RescaleIntercept=-3)
    convert(source, "-o", out)
    equal(nibabel.load(out).get_data_dtype(), np.dtype("f4"))
    values = np.zeros((4, 3, 2), "f4")
    values[1, 2, 0], values[0, 0, 1] = np.nan, np.inf
    answer = convert(nifti(os.path.join(folder, "n.nii"), values, np.eye(4)), "-o", os.path.join(folder, "b.nii"))
    contains(answer.out, ", 2 samples are no finite numbers\n")
    assert np.array_equal(np.asanyarray(nibabel.load(os.path.join(folder, "b.nii")).dataobj), values, equal_nan=True)
    rgb = RANDOM.integers(0, 256, (5, 7, 3)).astype("u1")
    Image.fromarray(rgb).save(os.path.join(folder, "rgb.png"))
    convert(os.path.join(folder, "rgb.png"), "-o", os.path.join(folder, "c.nii.gz"))
    got, image = as_truth(os.path.join(folder, "c.nii.gz"))
    equal((int(image.header["datatype"]), got[0].tolist()), (128, rgb.tolist()))
    equal((int(image.header["sform_code"]), int(image.header["qform_code"])), (0, 0))
    refused(65, "its planes have no place in the patient and are drawn as they are stored: leave --plane out", os.path.join(folder, "rgb.png"), "-o",
            os.path.join(folder, "d.png"), "--plane", "coronal")
    wide = RANDOM.integers(0, 65536, (5, 7, 3)).astype("u2")
    write_png48(os.path.join(folder, "wide.png"), wide)
    convert(os.path.join(folder, "wide.png"), "-o", os.path.join(folder, "w.nii"))
    image = nibabel.load(os.path.join(folder, "w.nii"))
    equal((image.shape, int(image.header["intent_code"])), ((7, 5, 1, 1, 3), 1007))
    equal(np.asanyarray(image.dataobj)[:, :, 0, 0].transpose(1, 0, 2).tolist(), wide.tolist())
    Image.fromarray(np.zeros((2, 32768), "u1")).save(os.path.join(folder, "long.png"))
    refused(65, "it has 32768 samples along an axis, NIfTI-1 holds 32767: take npy or png", os.path.join(folder, "long.png"), "-o",
            os.path.join(folder, "l.nii"))
    convert(os.path.join(folder, "rgb.png"), "-o", os.path.join(folder, "c.npy"))
    equal(np.load(os.path.join(folder, "c.npy"))[0].tolist(), rgb.tolist())


def test_sidecar(folder):
    """the JSON beside an array: shape, affine, spacing, unit, modality, values, window"""
    out = os.path.join(folder, "a.npy")
    source = series(os.path.join(folder, "s"), WindowCenter=40, WindowWidth=400)
    answer = convert(source, "-o", out)
    equal(answer.out, f"{out}: 5 x 6 x 4, 0.5 x 0.75 x 2.5 mm, int16 (Hounsfield units)\n")
    side = json.loads(read(os.path.join(folder, "a.json")))
    equal({k: side[k] for k in ("shape", "axes", "dtype", "channels", "order", "spacing_xyz", "unit", "modality", "values", "window")},
          {"shape": [4, 6, 5], "axes": ["z", "y", "x"], "dtype": "<i2", "channels": 1, "order": "ras", "spacing_xyz": [0.5, 0.75, 2.5], "unit": "mm",
           "modality": "CT", "values": "Hounsfield units", "window": {"centre": 40.0, "width": 400.0, "function": "LINEAR"}})
    array = np.load(out)
    equal((array.dtype.str, array.flags["C_CONTIGUOUS"]), ("<i2", True))
    os.unlink(out)
    refused(64, f"write {folder}/a.json: it exists already", source, "-o", out)


def stored(folder):
    """slices x rows x columns of a made series, by position"""
    files = sorted((pydicom.dcmread(os.path.join(folder, n)) for n in os.listdir(folder)), key=lambda ds: ds.ImagePositionPatient[2])
    return np.stack([ds.pixel_array for ds in files])


def linear(v, c, w):
    return np.clip(np.floor((v - (c - 0.5 - (w - 1) / 2)) / (w - 1) * 255 + 0.5), 0, 255)


def exact(v, c, w):
    return np.clip(np.floor((v - (c - w / 2)) / w * 255 + 0.5), 0, 255)


def test_windows(folder):
    """pictures through a stated window and the file's own, MONOCHROME1 with its window turned round; upright as a viewer has them"""
    source = series(os.path.join(folder, "s"), WindowCenter=40, WindowWidth=401)
    volume = stored(source).astype(float)
    out = os.path.join(folder, "out")
    answer = convert(source, "-o", out, "--to", "png", "--window", "300/1000")
    equal(answer.out, f"{out}/case-001: 5 x 6 x 4, 0.5 x 0.75 x 2.5 mm, uint8\n")
    for k in range(4):
        picture = Image.open(os.path.join(out, "case-001", f"plane-{k:04d}.png"))
        equal((picture.mode, np.asarray(picture).tolist()), ("L", exact(volume[k], 300, 1000).tolist()))
        equal([round(25.4 / d, 3) for d in picture.info["dpi"]], [0.5, 0.75])
    one = os.path.join(folder, "one.png")
    convert(source, "-o", one, "--slice", 2, "--window", "dicom")
    equal(np.asarray(Image.open(one)).tolist(), linear(volume[2], 40, 401).tolist())
    convert(source, "-o", one, "--slice", 2, "--window", "dicom", "--plane", "coronal", "--force")
    equal(np.asarray(Image.open(one)).tolist(), linear(volume[::-1, 3], 40, 401).tolist())
    convert(source, "-o", one, "--slice", 1, "--window", "dicom", "--plane", "sagittal", "--force")
    equal(np.asarray(Image.open(one)).tolist(), linear(volume[::-1, :, 3], 40, 401).tolist())
    values = np.arange(30).reshape(5, 6) * 100
    bright = put(os.path.join(folder, "m1"), image(position=None, values=values, signed=False, BitsStored=12, HighBit=11, Modality="CR",
                                                   PhotometricInterpretation="MONOCHROME1", WindowCenter=1000, WindowWidth=801))
    convert(bright, "-o", one, "--window", "dicom", "--force")
    off = np.abs(np.asarray(Image.open(one)).astype(float) - (255 - linear(values, 1000, 801)))
    assert off.max() <= 1 and (off > 0).mean() < 0.5, off
    exactly = series(os.path.join(folder, "e"), WindowCenter=40, WindowWidth=400, VOILUTFunction="LINEAR_EXACT")
    convert(exactly, "-o", one, "--window", "dicom", "--slice", 0, "--force")
    equal(np.asarray(Image.open(one)).tolist(), exact(stored(exactly)[0].astype(float), 40, 400).tolist())
    refused(65, "the file's window (40/400) is a sigmoid, which is not drawn: state one, as --window 40/400",
            series(os.path.join(folder, "g"), WindowCenter=40, WindowWidth=400, VOILUTFunction="SIGMOID"), "-o", os.path.join(folder, "x.png"),
            "--slice", 0, "--window", "dicom")


def test_deep(folder):
    """16 bits hold the values, with an offset where they are signed, or are refused"""
    source = series(os.path.join(folder, "s"))
    one = os.path.join(folder, "one.png")
    convert(source, "-o", one, "--slice", 1, "--bits", 16, "--offset", 1024)
    picture = Image.open(one)
    equal((picture.mode[:1], np.asarray(picture).astype(int).tolist()), ("I", (stored(source)[1].astype(int) + 1024).tolist()))
    refused(65, "its samples are signed, and a PNG holds 0 to 65535: give --offset 1024 for Hounsfield units, or 32768 for all", source, "-o",
            one, "--slice", 1, "--bits", 16, "--force")
    refused(65, "with offset 10 outside 0 to 65535: another --offset, or --window", source, "-o", one, "--slice", 1, "--bits", 16, "--offset", 10,
            "--force")
    deep = RANDOM.integers(0, 65536, (5, 7)).astype("u2")
    Image.fromarray(deep).save(os.path.join(folder, "deep.png"))
    convert(os.path.join(folder, "deep.png"), "-o", one, "--bits", 16, "--force")
    equal(np.asarray(Image.open(one)).tolist(), deep.tolist())
    half = np.full((3, 3, 1), 0.5, "f4")
    path = nifti(os.path.join(folder, "h.nii"), half, np.eye(4))
    refused(65, "plane 0: the sample at (0, 0) is 0.5, no whole number: --window, or NIfTI and npy", path, "-o", one, "--bits", 16, "--force")
    half[1, 2, 0] = np.nan
    nifti(path, half, np.eye(4))
    refused(65, "plane 0: the sample at (1, 0) is not a number: NIfTI and npy can hold it", path, "-o", one, "--window", "0/1", "--force")


def test_square(folder):
    """--square resamples; without it the size of the pixels is stated, and none where it is unknown"""
    values = np.repeat(np.arange(0, 200, 20, dtype="u1")[:, None, None], 8, 1)
    path = nifti(os.path.join(folder, "a.nii"), values, np.diag([2.0, 1, 1, 1]))
    one = os.path.join(folder, "one.png")
    answer = convert(path, "-o", one, "--square")
    equal((Image.open(one).size, answer.out), ((20, 8), f"{one}: 20 x 8 x 1, 1 x 1 x 1 mm, uint8\n"))
    got = np.asarray(Image.open(one)).astype(float)[0, 2:-2]
    assert np.abs(got - (180 - 10 * np.arange(20) + 5)[2:-2]).max() <= 1.01, got
    Image.fromarray(np.zeros((4, 4), "u1")).save(os.path.join(folder, "plain.png"))
    convert(os.path.join(folder, "plain.png"), "-o", os.path.join(folder, "copy.png"))
    convert(os.path.join(folder, "plain.png"), "-o", os.path.join(folder, "copy.png"), "--window", "dicom", "--force")
    equal("dpi" in Image.open(os.path.join(folder, "copy.png")).info, False)
    refused(65, "square pixels are wanted, and the size of its own is unknown", os.path.join(folder, "plain.png"), "-o",
            os.path.join(folder, "x.png"), "--square")


PLANTED = {
    "PatientName": "DOE^JOHANNA", "PatientID": "PID-77A1", "PatientBirthDate": "19510203", "PatientSex": "F", "PatientAge": "073Y",
    "PatientAddress": "12 Elm Street", "OtherPatientIDs": "OTHER-5512", "PatientComments": "allergic to iodine", "PatientMotherBirthName": "KOWALSKI",
    "AccessionNumber": "ACC-90210", "StudyID": "STUDY-31", "StudyDate": "20240131", "SeriesDate": "20240130", "AcquisitionDate": "20240129",
    "ContentDate": "20240128", "StudyTime": "081733.25", "InstitutionName": "Saint Elsewhere", "InstitutionAddress": "Boston MA",
    "ReferringPhysicianName": "HOUSE^GREGORY", "PerformingPhysicianName": "CUDDY^LISA", "OperatorsName": "OPERATOR^OTTO",
    "StationName": "CTSCANNER9", "DeviceSerialNumber": "SN-445566", "StudyDescription": "follow-up of Johanna", "SeriesDescription": "head of Doe",
    "ProtocolName": "doe protocol", "ImageComments": "note on doe", "StudyInstanceUID": "1.2.826.7777.1", "FrameOfReferenceUID": "1.2.826.7777.2",
    "SeriesInstanceUID": "1.2.826.7777.3", "RequestedProcedureDescription": "procedure of doe", "Manufacturer": "ACMEMED",
    "SoftwareVersions": "v9.8.7-x", "AdmissionID": "ADM-1"}


def inflated(path):
    """the file's bytes, and what is packed inside"""
    raw = read(path, "rb")
    found = [raw]
    if path.endswith(".gz"):
        found.append(gzip.decompress(raw))
    at = 8
    packed = b""
    while path.endswith(".png") and at < len(raw):
        n = int.from_bytes(raw[at:at + 4], "big")
        packed += raw[at + 8:at + 8 + n] if raw[at + 4:at + 8] == b"IDAT" else b""
        equal(raw[at + 4:at + 8] in (b"IHDR", b"pHYs", b"IDAT", b"IEND"), True)
        at += 12 + n
    return b"\n".join(found + ([zlib.decompress(packed)] if packed else []))


def planted(folder):
    def one(i):
        ds = image(i + 1, (3, -4, 5 + 2 * i), **PLANTED)
        ds.SOPInstanceUID = f"1.2.826.7777.4.{i}"
        ds.add_new(0x00091010, "LO", "PRIVATE CREATOR")
        ds.add_new(0x00091101, "LO", "private of doe")
        item = Dataset()
        item.PatientName = "NESTED^NANCY"
        ds.ReferencedPatientSequence = Sequence([item])
        return ds
    return put(os.path.join(folder, "DOE_JOHANNA_19510203"), *[one(i) for i in range(3)])


def test_nobody(folder):
    """34 names, dates, numbers and UIDs planted in a series, a private and a nested one: none in what is written, its names or what is said"""
    source = planted(folder)
    words = [str(v) for v in PLANTED.values() if len(str(v)) > 3] + ["1.2.826", "private of doe", "NESTED", "JOHANNA", "Johanna"]
    for to, more in (("nii", ()), ("nii.gz", ()), ("npy", ()), ("png", ("--window", "40/400")), ("png", ("--bits", 16, "--offset", 1024))):
        out = os.path.join(folder, f"out-{to}-{len(more)}")
        answer = convert(source, "-o", out, "--to", to, *more)
        names, blob = [], answer.out.encode()
        for at, _, files in os.walk(out):
            names += [os.path.relpath(os.path.join(at, f), out) for f in files]
            blob += b"".join(inflated(os.path.join(at, f)) for f in files)
        assert names, out
        blob += "\n".join(names).encode()
        for word in words:
            for text in (word.encode(), word.lower().encode(), word.encode("utf-16-le")):
                assert text not in blob, f"{word} is in {to}"
        equal(answer.err, "")
    header = nibabel.load(os.path.join(folder, "out-nii-0", "case-001.nii")).header
    equal([bytes(header[k]).strip(b"\0") for k in ("descrip", "aux_file", "db_name", "intent_name", "data_type")], [b""] * 5)
    kept = os.path.join(folder, "kept")
    convert(source, "-o", kept, "--to", "nii", "--keep-name")
    equal(os.listdir(kept), ["DOE_JOHANNA_19510203.nii"])


def test_same_bytes(folder):
    """twice the same, packed or not: no time and no name in the file"""
    source = series(os.path.join(folder, "s"))
    for ending in ("nii.gz", "npy", "nii"):
        outs = [os.path.join(folder, f"{n}.{ending}") for n in "ab"]
        for out in outs:
            convert(source, "-o", out)
        equal(read(outs[0], "rb") == read(outs[1], "rb"), True)


def test_existing(folder):
    """what exists is written over only when told; nothing else stays behind"""
    source = series(os.path.join(folder, "s"))
    for out, more in (("a.nii.gz", ()), ("a.npy", ()), ("a.png", ("--slice", 0, "--window", "40/400"))):
        path = os.path.join(folder, out)
        convert(source, "-o", path, *more)
        refused(64, f"convert {source}: write {path}: it exists already: take another name, or --force to write over it", source, "-o", path, *more)
        convert(source, "-o", path, "--force", *more)
    planes = os.path.join(folder, "planes")
    args = (source, "-o", planes, "--to", "png", "--window", "40/400")
    convert(*args)
    refused(64, f"write {planes}/case-001: it exists already", *args)
    open(os.path.join(planes, "case-001", "plane-0099.png"), "w").close()
    convert(*args, "--force")
    equal(sorted(os.listdir(os.path.join(planes, "case-001"))), [f"plane-{k:04d}.png" for k in range(4)])
    open(os.path.join(planes, "case-001", "mine.txt"), "w").close()
    refused(64, "it is no folder of planes alone (mine.txt), and stays as it is: take another name", *args, "--force")
    equal(os.path.exists(os.path.join(planes, "case-001", "plane-0000.png")), True)
    equal([n for at, _, names in os.walk(folder) for n in names + [at] if ".tmp-" in n], [])


def test_disk(folder):
    """no room, or no folder to write to: named, and nothing under the final name"""
    path = nifti(os.path.join(folder, "big.nii"), RANDOM.integers(0, 30000, (64, 64, 64)).astype("i2"), np.eye(4))

    def little():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))

    for to in ("nii", "nii.gz", "npy"):
        out = os.path.join(folder, f"out.{to}")
        done = subprocess.run([PROGRAM, "convert", path, "-o", out], capture_output=True, text=True, preexec_fn=little)
        equal((done.returncode, os.path.exists(out)), (74, False))
        contains(done.stderr, f"write {out}: File too large")
    refused(74, "create a temporary file for " + os.path.join(folder, "none", "a.nii") + ": No such file or directory", path, "-o",
            os.path.join(folder, "none", "a.nii"))
    equal([n for n in os.listdir(folder) if n.startswith(".tmp")], [])


def test_usage(folder):
    """what is asked wrongly is said exactly"""
    source = series(os.path.join(folder, "s"))
    out = os.path.join(folder, "a.nii")
    see = "\nSee microtome convert --help.\n"
    for message, args in (
            ("name pictures, volumes or folders of a DICOM series, and give -o OUT", (source,)),
            ("-o a.txt: its ending names no format: .nii.gz, .nii, .npy or .png is wanted, or a folder and --to FORMAT", (source, "-o", "a.txt")),
            ("-o a.nii is one file and there are 2 inputs: name a folder and --to FORMAT", (source, source, "-o", "a.nii")),
            ("--to tiff: nii.gz, nii, npy or png is wanted", (source, "-o", folder, "--to", "tiff")),
            ("--order lps: ras or stored is wanted", (source, "-o", out, "--order", "lps")),
            ("--plane oblique: axial, coronal or sagittal is wanted", (source, "-o", "a.png", "--plane", "oblique")),
            ("--slice -7: a number from 0 is wanted", (source, "-o", "a.png", "--slice", "-7")),
            ("--window 40: CENTRE/WIDTH is wanted, as 40/400, or dicom for the file's own", (source, "-o", "a.png", "--window", "40")),
            ("--window 40/0: CENTRE/WIDTH is wanted, as 40/400, or dicom for the file's own", (source, "-o", "a.png", "--window", "40/0")),
            ("--window nan/1: CENTRE/WIDTH is wanted, as 40/400, or dicom for the file's own", (source, "-o", "a.png", "--window", "nan/1")),
            ("--window, --bits, --offset, --plane, --slice and --square are for png, and nii is wanted", (source, "-o", out, "--slice", 1)),
            ("--order is for nii, nii.gz and npy: pictures are drawn as they are looked at (--plane)", (source, "-o", "a.png", "--order", "ras"))):
        equal(convert(*args, code=64, cwd=folder).err, f"microtome convert: {message}{see}")
    for code, message, args in (
            (64, "it has planes 0 to 3, no 4", ("--slice", 4)),
            (64, f"it has 4 planes and {folder}/p.png is one picture: pick one by --slice, or name a folder and --to png", ("--window", "1/2")),
            (64, "pictures of 12 bits: 8 or 16 are wanted", ("--slice", 0, "--bits", 12)),
            (64, "an offset is for the values of 16 bits: give --bits 16 too", ("--slice", 0, "--offset", 3)),
            (64, "16 bits hold the values themselves: leave --window out", ("--slice", 0, "--bits", 16, "--window", "1/2")),
            (65, "its samples are int16, and a picture of 8 bits needs a window: --window CENTRE/WIDTH, --window dicom, or --bits 16 for the "
                 "values themselves", ("--slice", 0)),
            (65, "the file names no window: state one, as --window 40/400", ("--slice", 0, "--window", "dicom"))):
        equal(convert(source, "-o", os.path.join(folder, "p.png"), *args, code=code).err, f"microtome convert: convert {source}: {message}\n")


def test_refused(folder):
    """slides are for tile; a missing input; a damaged one costs itself alone"""
    slide = os.path.join(synthetic(os.path.join(folder, "cohort"), "--count", 1, "--size", 1024, "--seed", 3))
    slide = next(os.path.join(slide, n) for n in sorted(os.listdir(slide)) if n.endswith(".tif"))
    equal(convert(slide, "-o", os.path.join(folder, "a.png"), code=65).err,
          f"microtome convert: convert {slide}: it is a slide: `microtome tile` cuts it into pictures\n")
    refused(66, "no such file", os.path.join(folder, "none.nii"), "-o", os.path.join(folder, "a.nii"))
    source, broken = series(os.path.join(folder, "s")), os.path.join(folder, "b.nii")
    with open(broken, "wb") as f:
        f.write(read(oblique(os.path.join(folder, "o.nii")), "rb")[:380])
    out = os.path.join(folder, "out")
    answer = convert(broken, source, "-o", out, "--to", "nii", code=65)
    equal(os.listdir(out), ["case-002.nii"])


def test_study(folder):
    """a study of many series: a file each, or those picked; into one file only one"""
    study = os.path.join(folder, "study")
    for i, name in enumerate(("t1 mprage", "T1 post", "flair")):
        series(os.path.join(study, str(i)), n=3 + i, SeriesInstanceUID=f"1.2.3.{i}", SeriesDescription=name, Modality="MR", SeriesNumber=i + 70)
    for i in range(3):
        for n, name in enumerate(sorted(os.listdir(os.path.join(study, str(i))))):
            path = os.path.join(study, str(i), name)
            ds = pydicom.dcmread(path)
            ds.SOPInstanceUID = f"1.2.9.{i}.{n}"
            ds.save_as(path, write_like_original=False)
    table = json.loads(microtome("info", "--json", study).out)["study"]
    numbers = {s["description"]: s["series"] for s in table}
    out = os.path.join(folder, "out")
    answer = convert(study, "-o", out, "--to", "nii")
    equal(sorted(os.listdir(out)), [f"case-001-00{n}.nii" for n in (1, 2, 3)])
    for i, name in enumerate(("t1 mprage", "T1 post", "flair")):
        equal(nibabel.load(os.path.join(out, f"case-001-{numbers[name]:03d}.nii")).shape, (5, 6, 3 + i))
        equal(name in answer.out + answer.err, False)
    equal(answer.out.count("\n"), 3)
    one = os.path.join(folder, "one.nii.gz")
    convert(study, "-o", one, "--series", "FLAIR")
    equal(nibabel.load(one).shape, (5, 6, 5))
    convert(study, "-o", one, "--series", numbers["T1 post"], "--force")
    equal(nibabel.load(one).shape, (5, 6, 4))
    convert(study, "-o", os.path.join(folder, "two"), "--to", "npy", "--series", "t1*")
    equal(len(os.listdir(os.path.join(folder, "two"))), 4)
    refused(64, f"convert {study}: -o {one} is one file and these are 3 series: pick one by --series, or name a folder and --to FORMAT ([1] MR, ",
            study, "-o", one, "--force")
    refused(65, f"convert {study}: no series is t9*: it holds [1] MR, ", study, "-o", one, "--series", "t9*", "--force")
    path = oblique(os.path.join(folder, "a.nii"))
    refused(65, f"convert {path}: it is no DICOM study: leave --series out", path, "-o", one, "--series", 1, "--force")


def test_memory(folder):
    """512 x 512 x 300 in 16 bits takes planes, not the volume: along the slices"""
    values = (np.add.outer(np.arange(512), np.arange(512)) % 2000).astype("<i2")
    files = [image(i + 1, (0, 0, 2 * i), values=values + i) for i in range(300)]
    source, out = put(os.path.join(folder, "s"), *files), os.path.join(folder, "a.nii.gz")
    code = f"import resource, subprocess; subprocess.run({[PROGRAM, 'convert', source, '-o', out]!r}, check=True); " \
           "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    equal((done.returncode, done.stderr), (0, ""))
    image_ = nibabel.load(out)
    equal(image_.shape, (512, 512, 300))
    plane = np.asanyarray(image_.dataobj[:, :, 299])
    equal(plane[::-1, ::-1].T.tolist() == (values + 299).tolist(), True)
    peak = int(done.stdout.splitlines()[-1]) >> 10
    print(f"# peak {peak} MiB")
    assert peak < 120 or "ASAN_OPTIONS" in os.environ, f"{peak} MiB"


if __name__ == "__main__":
    main([test_expected, test_every_sample, test_round_trip, test_tilted, test_values, test_sidecar, test_windows, test_deep, test_square, test_nobody,
          test_same_bytes, test_existing, test_disk, test_usage, test_refused, test_study, test_memory])
