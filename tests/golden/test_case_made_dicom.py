#!/usr/bin/env python3
"""DICOM of every awkward shape, made here by pydicom and read back: tables, floating point, many frames, parts of one file, series that are
oblique, flipped, tilted, shuffled or not whole. Voxels equal pydicom's along all three axes, or the refusal names the reason. Prints TAP.

usage: test_case_made_dicom.py CASE_DUMP SOURCE_ROOT
"""
import copy
import json
import os
import subprocess
import sys
import tempfile

try:
    import nibabel  # noqa: F401
    import numpy as np
    import pydicom
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.sequence import Sequence
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)
sys.path.insert(0, os.path.join(sys.argv[2], "tests", "unit"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dicom_expected  # noqa: E402
from test_case_sources import difference, turn  # noqa: E402

RANDOM = np.random.default_rng(7)
ROWS, COLUMNS = 6, 5
AXIAL, CORONAL = [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1]
OBLIQUE = [0.8, 0.6, 0, 0.36, -0.48, -0.8]


def image(number=1, position=(0, 0, 0), iop=AXIAL, bits=12, signed=False, **more):
    ds = FileDataset("", {}, preamble=b"\0" * 128)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID, ds.Modality = "1.2.840.10008.5.1.4.1.1.2", f"1.2.{number}", "1.2.3", "CT"
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = ROWS, COLUMNS, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, bits, bits - 1, int(signed)
    ds.PixelSpacing, ds.SliceThickness = [0.75, 0.5], 2
    if position is not None:
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [float(v) for v in position], iop
    low = -(1 << (bits - 1)) if signed else 0
    put(ds, RANDOM.integers(low, low + (1 << bits), (ROWS, COLUMNS)))
    for name, value in more.items():
        setattr(ds, name, value)
    return ds


def put(ds, values):
    ds.PixelData = np.asarray(values).astype("<i2" if ds.PixelRepresentation else "<u2").tobytes()


def series(positions, iop=AXIAL, **more):
    return [image(i + 1, p, iop, **more) for i, p in enumerate(positions)]


def line(n, step, start=(3, -4, 5)):
    return [np.array(start) + k * np.array(step, float) for k in range(n)]


def table(entries, first, bits, values, vr="OW", signed=False):
    item = Dataset()
    item.add_new(0x00283002, "SS" if signed else "US", [entries, first, bits])
    item.add_new(0x00283006, vr, values)
    item.ModalityLUTType = "HU"
    return Sequence([item])


def with_table(entries, first, bits, signed=False, **more):
    lut = RANDOM.integers(0, 1 << bits, entries)
    ds = image(signed=signed, **more)
    ds.ModalityLUTSequence = table(entries, first, bits, [int(v) for v in lut], "US", signed)
    return ds


def floating(keyword, dtype, **more):
    ds = image(**more)
    del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
    ds.BitsAllocated = 8 * np.dtype(dtype).itemsize
    setattr(ds, keyword, RANDOM.normal(size=(ROWS, COLUMNS)).astype(dtype).tobytes())
    return ds


def item(**values):
    d = Dataset()
    for name, value in values.items():
        setattr(d, name, value)
    return Sequence([d])


def enhanced(positions, slopes=None, stacks=None, groups=None, iop=AXIAL, number=1, **more):
    ds = image(number, None, **more)
    del ds.PixelSpacing, ds.SliceThickness
    ds.NumberOfFrames = len(positions)
    put(ds, RANDOM.integers(0, 4096, (len(positions), ROWS, COLUMNS)))
    ds.SharedFunctionalGroupsSequence = item(PlaneOrientationSequence=item(ImageOrientationPatient=iop),
                                             PixelMeasuresSequence=item(PixelSpacing=[0.75, 0.5], SliceThickness=2))
    frames = []
    for k, p in enumerate(positions[:groups]):
        g = Dataset()
        g.PlanePositionSequence = item(ImagePositionPatient=[float(v) for v in p])
        g.FrameContentSequence = item(StackID=stacks[k] if stacks else "1", InStackPositionNumber=k + 1)
        if slopes:
            g.PixelValueTransformationSequence = item(RescaleIntercept=-10 * k, RescaleSlope=slopes[k], RescaleType="US")
        frames.append(g)
    ds.PerFrameFunctionalGroupsSequence = Sequence(frames)
    return ds


def parts(positions, total, said=True):
    out = []
    for k in range(0, len(positions), 2):
        ds = enhanced(positions[k : k + 2], number=k + 1, ConcatenationUID="1.2.9", SOPInstanceUIDOfConcatenationSource="1.2.8",
                      InConcatenationNumber=k // 2 + 1, ConcatenationFrameOffsetNumber=k)
        if said:
            ds.InConcatenationTotalNumber = total
        out.append(ds)
    return out


def dose():
    ds = image(position=(1, 2, 3), Modality="RTDOSE", NumberOfFrames=4, GridFrameOffsetVector=[0, 2.5, 5, 7.5], DoseGridScaling=1e-4)
    put(ds, RANDOM.integers(0, 4096, (4, ROWS, COLUMNS)))
    return ds


def zero_extended():
    ds = image(signed=True)
    values = np.frombuffer(ds.PixelData, "<i2") & 0x0FFF
    ds.PixelData = values.astype("<u2").tobytes()
    return ds


def sized():
    two = series(line(3, (0, 0, 2)))
    two[1].Columns = COLUMNS - 1
    put(two[1], RANDOM.integers(0, 100, (ROWS, COLUMNS - 1)))
    return two


def pet():
    slices = series(line(4, (0, 0, 3)))
    for k, ds in enumerate(slices):
        ds.Modality, ds.RescaleSlope, ds.RescaleIntercept = "PT", 0.25 + 0.5 * k, 0
    return slices


def shuffled(slices):
    return [slices[i] for i in np.random.default_rng(3).permutation(len(slices))]


def right():
    """Name and files of what is read."""
    normal = np.cross(OBLIQUE[:3], OBLIQUE[3:])
    yield "table of the modality", [with_table(4096, 0, 16)]
    yield "table shorter than the range, from a negative value", [with_table(100, -50, 16, signed=True)]
    yield "table of 8 bits under MONOCHROME1", [with_table(4096, 0, 8, PhotometricInterpretation="MONOCHROME1")]
    yield "floats", [floating("FloatPixelData", "<f4")]
    yield "doubles, rescaled", [floating("DoubleFloatPixelData", "<f8", RescaleSlope=2.5, RescaleIntercept=-3)]
    yield "many frames, a rescale each, out of order", [enhanced(line(5, (0, 0, 2))[::-1], slopes=[1, 2, 0.5, 4, 3])]
    yield "many frames, coronal", [enhanced(line(4, (0, 3, 0)), iop=CORONAL)]
    yield "all parts of a concatenation", parts(line(6, (0, 0, 2)), 3)
    yield "dose grid", [dose()]
    yield "PET, a slope each", pet()
    yield "shuffled", shuffled(series(line(7, (0, 0, 2.5))))
    yield "oblique, towards the feet", shuffled(series(line(5, -2 * normal), OBLIQUE))
    yield "coronal, flipped", series(line(5, (0, -1.5, 0)), CORONAL)
    yield "tilted gantry", series(line(5, (0, 1, 4)))
    yield "signed 12 bits without their sign in the word", [zero_extended()]
    yield "signed 12 bits with their sign in the word", [image(signed=True)]
    yield "signed and MONOCHROME1", [image(signed=True, PhotometricInterpretation="MONOCHROME1")]
    yield "padding stays", [image(signed=True, PixelPaddingValue=-2000, RescaleSlope=1, RescaleIntercept=-1024)]
    yield "one whole shift over 16 bits", [image(bits=16, RescaleSlope=1, RescaleIntercept=-1024)]


def wrong():
    """Name, files and the reason in the reader's words."""
    yield "a slice missing", series([p for i, p in enumerate(line(6, (0, 0, 2))) if i != 3]), (
        "1 of its slices is missing, the first after slice 3 in space (gap of 4 mm where 2 is usual): bring the series whole")
    yield "uneven", series([(0, 0, z) for z in (0, 2, 4, 7, 9)]), "its slices are unevenly spaced, 2 to 3 mm: resample them to even gaps"
    yield "two sizes", sized(), "the series has images of two sizes, 5 x 6 and 4 x 6: take out those that do not belong to it"
    yield "two at one place", series([(0, 0, 0), (0, 0, 2), (0, 0, 2), (0, 0, 4)]), (
        "1 position holds up to 2 images each (echoes, phases, segments or duplicates): give the folder one image a position")
    yield "two directions", series(line(2, (0, 0, 2))) + [image(9, (0, 0, 9), CORONAL)], (
        "its slices point in different directions (ImageOrientationPatient): it is no volume; give each orientation a folder")
    yield "sheared by more than a gantry", series(line(4, (0, 5, 2))), "its slices are displaced sideways by 68.2 degrees: it is no volume"
    yield "two stacks in one line", [enhanced(line(4, (0, 0, 2)), stacks=["1", "1", "2", "2"])], (
        "its frames belong to several stacks (StackID): a case is one of them, give each a file of its own")
    yield "two times at each place", [enhanced(line(3, (0, 0, 2)) * 2)], (
        "3 positions hold up to 2 images each (echoes, phases, segments or duplicates): give the folder one image a position")
    yield "frames without a place", [enhanced(line(4, (0, 0, 2)), groups=3)], (
        "1 of its 4 images have no position in the patient: name one file, or take them out")
    yield "a part of a concatenation", parts(line(6, (0, 0, 2)), 3)[:2], "it is a concatenation of 3 files and 2 of them are here: bring them all"
    yield "one part alone", parts(line(6, (0, 0, 2)), 3)[:1], "it is a concatenation of 3 files and 1 of them is here: bring them all"
    yield "a concatenation of unknown length", parts(line(6, (0, 0, 2)), 3, said=False), (
        "it is part of a concatenation that does not say how many files it has: join them")
    broken = with_table(4096, 0, 16)
    broken.ModalityLUTSequence[0].LUTData = [1, 2, 3]
    yield "a table cut short", [broken], "its modality look-up table is missing or damaged"
    mixed = series(line(2, (0, 0, 2)))
    mixed[1].ModalityLUTSequence = copy.deepcopy(with_table(4096, 0, 16).ModalityLUTSequence)
    yield "a table for some slices", mixed, "the series has images of two kinds of samples: take out those that do not belong to it"
    half = floating("FloatPixelData", "<f4")
    half.BitsAllocated = 16
    yield "floats of 16 bits", [half], "its floating-point samples of 16 bits, 1 a pixel, are not read"


def write(folder, files):
    os.makedirs(folder)
    for i, ds in enumerate(files):
        pydicom.dcmwrite(os.path.join(folder, f"{i:02d}"), ds, write_like_original=True)
    return folder if len(files) > 1 else os.path.join(folder, "00")


def dump(axis, path, scratch):
    out = os.path.join(scratch, "out.raw")
    run = subprocess.run([sys.argv[1], axis, out, path], stdout=subprocess.PIPE, text=True)
    with open(out, "rb") as f:
        return json.loads(run.stdout) if run.stdout else {"error": f"the reader died, exit {run.returncode}"}, f.read()


def check_right(path, axis, scratch):
    seen, raw = dump(axis, path, scratch)
    if "error" in seen:
        return seen["error"]
    names = [os.path.join(path, n) for n in sorted(os.listdir(path))] if os.path.isdir(path) else [path]
    volume, affine, _ = dicom_expected.turned([dicom_expected.read(n) for n in names])
    return difference(seen, raw, (*turn(volume, affine, axis), False))


def main():
    right_cases, wrong_cases, number, failed = list(right()), list(wrong()), 0, 0
    print(f"1..{3 * len(right_cases) + len(wrong_cases)}")
    with tempfile.TemporaryDirectory() as scratch:
        for name, files in right_cases:
            path = write(os.path.join(scratch, f"r{number}"), files)
            for axis in ("axial", "coronal", "sagittal"):
                number += 1
                problem = check_right(path, axis, scratch)
                failed += problem is not None
                print(f"{'not ' if problem else ''}ok {number} - {name}, {axis}" + (f" # {problem}" if problem else ""))
        for name, files, reason in wrong_cases:
            number += 1
            path = write(os.path.join(scratch, f"w{number}"), files)
            error = dump("axial", path, scratch)[0].get("error", "it was read")
            ok = error == f"open {path}: dicom: {reason}"
            failed += not ok
            print(f"{'' if ok else 'not '}ok {number} - {name} is refused" + ("" if ok else f" # {error}"))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
