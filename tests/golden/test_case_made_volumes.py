#!/usr/bin/env python3
"""NIfTI, MetaImage and NRRD of every kind, made here: types, byte orders, encodings, frames, scalings, volumes that are no volume. NIfTI is
written and read by nibabel; of the others the bytes and the geometry are put down by hand and turned by nibabel. The NRRD files of the
samples too. Prints TAP.

usage: test_case_made_volumes.py CASE_DUMP SOURCE_ROOT
"""
import gzip
import json
import os
import subprocess
import sys
import tempfile
import zlib

try:
    import nibabel
    import numpy as np
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_case_sources import difference, nifti_truth, turn  # noqa: E402

RANDOM = np.random.default_rng(11)
SHAPE = (5, 4, 3)  # x, y, z
LPS = np.diag([-1.0, -1, 1, 1])
OBLIQUE = np.array([[0.8, 0.36, 0.48], [0.6, -0.48, -0.64], [0, -0.8, 0.6]])


def values(dtype, shape=SHAPE):
    t = np.dtype(dtype)
    if t.kind == "f":
        return (RANDOM.normal(size=shape) * 1000).astype(t)
    info = np.iinfo(t)
    return RANDOM.integers(max(info.min, -(2**23)), min(info.max, 2**23), shape, endpoint=True).astype(t)


def turned(volume, affine):
    """planes x rows x columns and the affine, in the patient's order; in the stored order without a frame."""
    if affine is None or not np.isfinite(affine).all():
        return volume.astype(np.float64).transpose(2, 1, 0), None, False
    turns = nibabel.orientations.io_orientation(affine)
    whole = nibabel.orientations.apply_orientation(volume.astype(np.float64), turns)
    return whole.transpose(2, 1, 0), affine @ nibabel.orientations.inv_ornt_aff(turns, volume.shape), False


def placed(rotation, spacing, origin, space=LPS):
    """Columns of a rotation, mm, an origin in `space`: to RAS."""
    a = np.eye(4)
    a[:3, :3], a[:3, 3] = np.asarray(rotation) * spacing, origin
    return space @ a


# ---- NIfTI ----


def nifti(folder, name, data, affine=None, kind=nibabel.Nifti1Image, order="<", units=2, sform=1, qform=0, slope=None, inter=None, squeeze=True):
    affine = placed(OBLIQUE, [0.5, 0.75, 2], [3, -4, 5]) if affine is None else affine
    path = os.path.join(folder, name)
    header = kind.header_class(endianness=order)
    header.set_data_dtype(data.dtype)
    image = kind(data, affine, header)
    image.header.set_xyzt_units(units)
    image.set_sform(affine if sform else None, sform)
    image.set_qform(affine if qform else None, qform)
    if slope is not None:
        image.header.set_slope_inter(slope, inter)
    nibabel.save(image, path)
    return path


def patched(path, at, raw):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(raw)
    return path


def nifti_right(folder):
    for k, t in enumerate(("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")):
        for order in "<>":
            name = f"{t}-{'little' if order == '<' else 'big'}"
            yield name, nifti(folder, name + (".nii", ".nii.gz")[k % 2], values(t), order=order)
    yield "nifti2", nifti(folder, "n2.nii", values("i2"), kind=nibabel.Nifti2Image)
    yield "nifti2, big, gzip", nifti(folder, "n2b.nii.gz", values("f4"), kind=nibabel.Nifti2Image, order=">")
    yield "pair by .hdr", nifti(folder, "pair.img", values("i2"), kind=nibabel.Nifti1Pair).replace(".img", ".hdr")
    yield "pair by .img", nifti(folder, "pair2.img", values("u1"), kind=nibabel.Nifti1Pair)
    yield "nifti2 pair", nifti(folder, "pair3.img", values("i2"), kind=nibabel.Nifti2Pair)
    yield "qform alone", nifti(folder, "q.nii", values("i2"), sform=0, qform=1)
    left = placed(OBLIQUE, [0.5, 0.75, 2], [3, -4, 5], np.eye(4))
    yield "qform, the other hand", nifti(folder, "ql.nii", values("i2"), affine=left, sform=0, qform=2)
    both = nifti(folder, "both.nii", values("i2"), qform=1)
    yield "sform before qform", patched(both, 268, np.array([99, 98, 97], "<f4").tobytes())
    yield "neither", nifti(folder, "none.nii", values("i2"), sform=0, qform=0)
    yield "micrometres", nifti(folder, "um.nii", values("i2"), units=3)
    scaled = nifti(folder, "scaled.nii", values("i2"))
    yield "slope and intercept", patched(scaled, 112, np.array([0.25, -7], "<f4").tobytes())
    zero = nifti(folder, "zero.nii", values("i2"))
    yield "slope 0: none", patched(zero, 112, np.array([0, 5], "<f4").tobytes())
    nan = nifti(folder, "nan.nii", values("i2"))
    yield "slope NaN: none", patched(nan, 112, np.array([np.nan, np.nan], "<f4").tobytes())
    yield "one volume in four dimensions", nifti(folder, "four.nii", values("i2", SHAPE + (1,)))
    yield "a slice", nifti(folder, "flat.nii", values("i2", SHAPE[:2] + (1,)))
    members = nifti(folder, "members.nii", values("i2"))
    with open(members, "rb") as f:
        raw = f.read()
    with open(members + ".gz", "wb") as f:
        f.write(gzip.compress(raw[:200]) + gzip.compress(raw[200:]))
    yield "gzip in two members", members + ".gz"
    empty = nifti(folder, "empty.nii.gz", np.zeros((64, 64, 64), np.uint8))
    yield "nothing but zeros, packed as far as can be", empty


def nifti_truth_mm(path):
    """nibabel keeps the file's unit; a case has millimetres."""
    volume, affine, lossy = nifti_truth(path)
    scale = {"micron": 1e-3, "meter": 1e3}.get(nibabel.load(path).header.get_xyzt_units()[0], 1)
    return volume, None if affine is None else np.diag([scale, scale, scale, 1]) @ affine, lossy


def nifti_wrong(folder):
    yield "nifti", "many volumes", nifti(folder, "many.nii", values("i2", SHAPE + (6,))), "it has 6 volumes; choose one and save it as a file of its own"
    rgb = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    yield "nifti", "colour", nifti(folder, "rgb.nii", rgb), "its voxels are of type RGB24 (128); integers and floats of up to 64 bits are read"
    yield "nifti", "complex", nifti(folder, "c.nii", np.zeros(SHAPE, "c8")), (
        "its voxels are of type COMPLEX64 (32); integers and floats of up to 64 bits are read")
    cut = nifti(folder, "cut.nii", values("i2"))
    os.truncate(cut, 352 + 60)
    yield "nifti", "cut short", cut, "its header claims 120 bytes of voxels at byte 352, the file has 412 bytes"
    greedy = nifti(folder, "greedy.nii", values("u1"))
    with open(greedy, "rb") as f:
        header = f.read()[:352]
    claim = np.array([3, 3000, 3000, 2000, 1, 1, 1, 1], "<i2").tobytes()
    with open(greedy + ".gz", "wb") as f:
        f.write(gzip.compress(header[:40] + claim + header[56:], 9, mtime=0).ljust(377, b"\0"))
    yield "nifti", "377 bytes that ask for 18 GB", greedy + ".gz", "its header claims more than the limit of 8589934592 voxels"


# ---- MetaImage and NRRD ----

MET = {"u1": "UCHAR", "i1": "CHAR", "u2": "USHORT", "i2": "SHORT", "u4": "UINT", "i4": "INT", "u8": "ULONG_LONG", "i8": "LONG_LONG", "f4": "FLOAT", "f8": "DOUBLE"}
NRRD = {"u1": "uchar", "i1": "int8", "u2": "unsigned short", "i2": "short", "u4": "uint32_t", "i4": "int", "u8": "uint64", "i8": "longlong", "f4": "float", "f8": "double"}


def line(numbers):
    return " ".join(f"{v:.10g}" for v in np.ravel(numbers))


def voxel_bytes(data, order):
    return data.astype(data.dtype.newbyteorder(order)).transpose(2, 1, 0).tobytes()


def save(folder, name, header, body, beside=None):
    if beside:
        with open(os.path.join(folder, beside), "wb") as f:
            f.write(body)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(header.encode() + (b"" if beside else body))
    return os.path.join(folder, name)


def meta(folder, name, data, order="<", packed=False, rotation=OBLIQUE, spacing=(0.5, 0.75, 2), origin=(3, -4, 5), beside=None, more="", skip=0):
    body = b"x" * skip + voxel_bytes(data, order)
    body = zlib.compress(body) if packed else body
    header = (f"ObjectType = Image\nNDims = 3\n{more}BinaryData = True\nBinaryDataByteOrderMSB = {order == '>'}\nCompressedData = {packed}\n"
              f"TransformMatrix = {line(np.transpose(rotation))}\nOffset = {line(origin)}\nCenterOfRotation = 0 0 0\nAnatomicalOrientation = RAI\n"
              f"ElementSpacing = {line(spacing)}\nDimSize = {line(data.shape)}\n" + (f"HeaderSize = {skip}\n" if skip else "") +
              f"ElementType = MET_{MET[data.dtype.str[1:]]}\nElementDataFile = {beside or 'LOCAL'}\n")
    return save(folder, name, header, body, beside), turned(data, placed(rotation, spacing, origin))


def vectors(m):
    return " ".join(f"({line(v).replace(' ', ',')})" for v in np.transpose(m))


def nrrd(folder, name, data, order="<", encoding="raw", space="left-posterior-superior", rotation=OBLIQUE, spacing=(0.5, 0.75, 2), origin=(3, -4, 5),
         beside=None, more="", kinds="domain domain domain"):
    signs = {"left-posterior-superior": LPS, "RAS": np.eye(4), "left-anterior-superior": np.diag([-1.0, 1, 1, 1])}
    body = voxel_bytes(data, order)
    body = gzip.compress(body) if encoding != "raw" else body
    endian = f"endian: {'little' if order == '<' else 'big'}\n" if data.dtype.itemsize > 1 else ""
    header = (f"NRRD0005\n# made here\ntype: {NRRD[data.dtype.str[1:]]}\ndimension: 3\nspace: {space}\nsizes: {line(data.shape)}\n"
              f"space directions: {vectors(np.asarray(rotation) * spacing)}\nkinds: {kinds}\n{endian}encoding: {encoding}\n"
              f"space origin: ({line(origin).replace(' ', ',')})\n{more}a remark:=of nobody\n" + (f"data file: {beside}\n" if beside else "\n"))
    scale = 1e-3 if "um" in more else 1
    affine = placed(rotation, np.asarray(spacing) * scale, np.asarray(origin) * scale, signs[space]) if space in signs else None
    return save(folder, name, header, body, beside), turned(data, affine)


def text_right(folder):
    for k, t in enumerate(MET):
        for order in "<>":
            name = f"{t}-{'little' if order == '<' else 'big'}"
            yield f"metaimage {name}", *meta(folder, name + ".mha", values(t), order, packed=k % 2 == 0)
            yield f"nrrd {name}", *nrrd(folder, name + ".nrrd", values(t), order, encoding=("gzip", "raw")[k % 2])
    flipped = np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]], float)
    yield "metaimage, turned and flipped", *meta(folder, "turned.mha", values("i2"), rotation=flipped)
    yield "metaimage with its voxels beside", *meta(folder, "pair.mhd", values("i2"), beside="pair.raw")
    yield "metaimage with zlib beside", *meta(folder, "pairz.mhd", values("f4"), packed=True, beside="pairz.zraw")
    yield "metaimage, a header before the voxels beside", *meta(folder, "skip.mhd", values("i2"), beside="skip.raw", skip=17)
    yield "nrrd, turned and flipped", *nrrd(folder, "turned.nrrd", values("i2"), rotation=flipped)
    yield "nrrd in RAS", *nrrd(folder, "ras.nrrd", values("i2"), space="RAS")
    yield "nrrd in LAS", *nrrd(folder, "las.nrrd", values("u1"), space="left-anterior-superior")
    yield "nrrd in micrometres", *nrrd(folder, "um.nrrd", values("i2"), more='space units: "um" "um" "um"\n')
    yield "nrrd in no patient's space", *nrrd(folder, "free.nrrd", values("i2"), space="3D-right-handed")
    yield "nrrd with its voxels beside", *nrrd(folder, "pair.nhdr", values("i2"), beside="pair.bin")
    yield "nrrd with gzip beside", *nrrd(folder, "pairz.nhdr", values("i2"), encoding="gzip", beside="pair.gz")


def text_wrong(folder):
    u = values("i2")
    yield "metaimage", "colour", meta(folder, "w1.mha", u, more="ElementNumberOfChannels = 3\n")[0], "its ElementNumberOfChannels is 3: one channel is read"
    yield "metaimage", "a list of files", meta(folder, "w2.mhd", u, beside="LIST")[0], (
        'its voxels are in "LIST": one file beside the header is read, no list, no other folder')
    other = meta(folder, "w3.mhd", u, beside="w3.raw")[0]
    with open(other) as f:
        text = f.read().replace("w3.raw", "../w3.raw")
    with open(other, "w") as f:
        f.write(text)
    yield "metaimage", "another folder", other, 'its voxels are in "../w3.raw": one file beside the header is read, no list, no other folder'
    gone = meta(folder, "w4.mhd", u, beside="w4.raw")[0]
    os.remove(os.path.join(folder, "w4.raw"))
    yield "metaimage", "voxels that are missing", gone, f"its voxels are missing: no file {os.path.join(folder, 'w4.raw')}"
    yield "metaimage", "a scaling", meta(folder, "w5.mha", u, more="ElementToIntensityFunctionSlope = 2\n")[0], (
        "its ElementToIntensityFunctionSlope is 2: readers disagree on what it means; store the values themselves")
    yield "metaimage", "a key twice", meta(folder, "w6.mha", u, more="NDims = 3\n")[0], 'its header says "NDims" twice'
    yield "metaimage", "a transform of NaN", meta(folder, "w7.mha", u, rotation=OBLIQUE * np.nan)[0], (
        'its "TransformMatrix" is "nan nan nan nan nan nan nan nan nan", not 9 numbers')
    flat = meta(folder, "w8.mha", u, rotation=np.ones((3, 3)))[0]
    yield "metaimage", "axes that point the same way", flat, "its affine is singular: two axes of the volume point the same way"
    cut = meta(folder, "w9.mha", u)[0]
    os.truncate(cut, os.path.getsize(cut) - 1)
    yield "metaimage", "cut short", cut, (
        f"its header claims 120 bytes of voxels at byte {os.path.getsize(cut) - 119}, the file has {os.path.getsize(cut)} bytes")
    yield "nrrd", "an encoding", nrrd(folder, "x1.nrrd", u, encoding="bzip2")[0], 'its "encoding" is bzip2: raw and gzip are read'
    yield "nrrd", "bytes to pass over", nrrd(folder, "x2.nrrd", u, more="byte skip: 4\n")[0], 'its "byte skip" is 4: voxels have to follow at once'
    tensor = nrrd(folder, "x3.nrrd", u)[0]
    with open(tensor, "rb") as f:
        raw = f.read().replace(b"dimension: 3", b"dimension: 4").replace(b"sizes: 5", b"sizes: 7 5")
    with open(tensor, "wb") as f:
        f.write(raw)
    yield "nrrd", "four dimensions", tensor, 'its "dimension" is 4: a picture or one volume of scalars is read'
    greedy = nrrd(folder, "x4.nrrd", u, encoding="gzip")[0]
    with open(greedy, "rb") as f:
        raw = f.read().replace(b"sizes: 5 4 3", b"sizes: 5000 4000 300")
    with open(greedy, "wb") as f:
        f.write(raw)
    yield "nrrd", "more than deflate can hold", greedy, f"its header claims 12000000000 bytes, more than 1032 times the file's {len(raw)}"


def samples(data):
    """The samples' own NRRD files, parsed here."""
    folder = os.path.join(data, "radiology", "d2s-ct-3slice")
    for name in sorted(n for n in os.listdir(folder) if n.endswith(".nrrd")):
        with open(os.path.join(folder, name), "rb") as f:
            head, _, body = f.read().partition(b"\n\n")
        fields = dict(v.split(": ", 1) for v in head.decode().splitlines()[1:] if ": " in v and not v.startswith("#"))
        shape = tuple(int(v) for v in fields["sizes"].split())
        volume = np.frombuffer(gzip.decompress(body), "<i2").reshape(shape[::-1]).transpose(2, 1, 0)
        matrix = np.array([float(v) for v in fields["space directions"].replace("(", " ").replace(")", " ").replace(",", " ").split()]).reshape(3, 3).T
        origin = [float(v) for v in fields["space origin"].strip("()").split(",")]
        yield f"sample {name}", os.path.join(folder, name), turned(volume, placed(matrix, 1, origin))


def dump(axis, paths, scratch):
    """One line of facts for each path, and the voxels of all."""
    out = os.path.join(scratch, axis + ".raw")
    run = subprocess.run([sys.argv[1], axis, out, *paths], stdout=subprocess.PIPE, text=True)
    lines = [json.loads(v) for v in run.stdout.splitlines()]
    return lines + [{"error": f"the reader died, exit {run.returncode}"}] * (len(paths) - len(lines)), np.memmap(out, np.uint8, "r")


def compare(seen, raw, axis, truth):
    frame = np.eye(4) if truth[1] is None else truth[1]  # without one the stored axes stand for the patient's
    volume, affine = turn(truth[0], frame, axis)
    return seen.get("error") or difference(seen, raw, (volume, None if truth[1] is None else affine, False))


def main():
    results = []
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as scratch:
        data = os.environ.get("MICROTOME_TEST_DATA")
        right = [(name, path, nifti_truth_mm(path)) for name, path in nifti_right(folder)] + list(text_right(folder)) + (list(samples(data)) if data else [])
        wrong = list(nifti_wrong(folder)) + list(text_wrong(folder))
        paths = [path for _, path, _ in right] + [path for _, _, path, _ in wrong]
        for axis in ("axial", "coronal"):
            seen, raw = dump(axis, paths, scratch)
            results += [(f"{name}, {axis}", compare(s, raw, axis, truth)) for s, (name, _, truth) in zip(seen, right)]
        for s, (backend, name, path, reason) in zip(seen[len(right) :], wrong):
            error = s.get("error", "it was read")
            results.append((f"{backend}: {name} is refused", None if error == f"open {path}: {backend}: {reason}" else error))
    print(f"1..{len(results)}")
    for number, (name, problem) in enumerate(results, 1):
        print(f"{'not ' if problem else ''}ok {number} - {name}" + (f" # {problem}" if problem else ""))
    return any(problem for _, problem in results)


if __name__ == "__main__":
    sys.exit(main())
