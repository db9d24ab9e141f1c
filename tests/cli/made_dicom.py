"""DICOM sources made by pydicom, results over them made by h5py: for tests of what goes back to an archive."""
import os

import h5py
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from made_objects import write_objects

CT, CR, ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.4.1"


def uid(*parts):
    return generate_uid(entropy_srcs=["microtome", *map(str, parts)])


def instance(path, sop_class, name, patient="Doe^Jane", charset=None):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = sop_class, uid(name, path), ExplicitVRLittleEndian
    d = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    d.is_little_endian, d.is_implicit_VR = True, False
    if charset:
        d.SpecificCharacterSet = charset
    d.SOPClassUID, d.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    d.PatientName, d.PatientID, d.PatientBirthDate, d.PatientSex = patient, "P-17", "19500102", "F"
    d.StudyInstanceUID, d.SeriesInstanceUID, d.StudyID = uid(name, "study"), uid(name, "series"), "S1"
    d.StudyDate, d.StudyTime, d.AccessionNumber, d.ReferringPhysicianName = "20260102", "101112", "A-5", "Who^Doctor"
    d.SeriesNumber = d.InstanceNumber = 1
    return d


def put_pixels(d, pixels):
    d.Rows, d.Columns = pixels.shape[-2:]
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
    d.BitsAllocated = d.BitsStored = 16
    d.HighBit, d.PixelRepresentation = 15, 0
    d.PixelData = pixels.astype("<u2").tobytes()


def turn(degrees):
    """Row, column and normal of an oblique acquisition, by turning about three axes."""
    a, b, c = np.radians(degrees)
    x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return x @ y @ z


def series(folder, axes, size=(12, 10, 6), spacing=(0.7, 0.9, 3.0), origin=(-20.0, 11.0, 40.0), name="ct", **patient):
    """A CT series; `axes`: 3x3 whose columns are the LPS directions of column index, row index and slice.  Voxel value: its number."""
    os.makedirs(folder, exist_ok=True)
    for k in range(size[2]):
        path = os.path.join(folder, f"{k:03d}.dcm")
        d = instance(path, CT, name, **patient)
        d.Modality, d.FrameOfReferenceUID, d.InstanceNumber = "CT", uid(name, "frame"), k + 1
        d.ImageOrientationPatient = [f"{v:.10f}" for v in np.concatenate([axes[:, 0], axes[:, 1]])]
        d.ImagePositionPatient = [f"{v:.8f}" for v in np.array(origin) + axes[:, 2] * spacing[2] * k]
        d.PixelSpacing, d.SliceThickness = [spacing[1], spacing[0]], spacing[2]
        d.RescaleSlope, d.RescaleIntercept = 1, 0
        put_pixels(d, np.arange(size[0] * size[1]).reshape(size[1], size[0]) + 1000 * k)
        d.save_as(path, write_like_original=False)
    return folder


def identity(paths):
    """SHA-256 over size, first and last MiB of each file, in the order given: what a result says of its input."""
    import hashlib
    total = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as f:
            data = f.read()
        total.update(len(data).to_bytes(8, "little") + data[:1 << 20] + data[1 << 20:][-(1 << 20):])
    return total.hexdigest()


def series_identity(folder):
    paths = [os.path.join(at, n) for at, _, names in os.walk(folder) for n in names]
    return identity(sorted(paths, key=lambda p: str(pydicom.dcmread(p, stop_before_pixels=True).SOPInstanceUID)))


def canonical(affine, size):
    """The stored grid turned so that x, y, plane run to the right, the front, the head: affine, size, axes, flips."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    axes, left = [], [0, 1, 2]
    best = max(((a, b, c) for a in left for b in left for c in left if len({a, b, c}) == 3),
               key=lambda p: sum(abs(directions[d, p[d]]) for d in range(3)))
    axes = list(best)
    flips = [directions[d, axes[d]] < 0 for d in range(3)]
    turned = np.eye(4)
    start = np.zeros(3)
    for d in range(3):
        turned[:3, d] = affine[:3, axes[d]] * (-1 if flips[d] else 1)
        start[axes[d]] = size[axes[d]] - 1 if flips[d] else 0
    turned[:3, 3] = affine[:3, :3] @ start + affine[:3, 3]
    return turned, [size[a] for a in axes], axes, flips


def series_affine(folder):
    """(column, row, slice) to RAS mm of a series as its files say, slices along the normal; and its size."""
    files = [pydicom.dcmread(os.path.join(folder, n)) for n in os.listdir(folder)]
    row, column = (np.array(files[0].ImageOrientationPatient[i:i + 3], float) for i in (0, 3))
    files.sort(key=lambda d: float(np.cross(row, column) @ np.array(d.ImagePositionPatient, float)))
    first, last = (np.array(files[i].ImagePositionPatient, float) for i in (0, -1))
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1] = row * float(files[0].PixelSpacing[1]), column * float(files[0].PixelSpacing[0])
    lps[:3, 2], lps[:3, 3] = (last - first) / max(1, len(files) - 1), first
    return np.diag([-1, -1, 1, 1]) @ lps, [int(files[0].Columns), int(files[0].Rows), len(files)]


def result_over(path, folder, labels=None, mask=None, probability=None, objects=(), **headline):
    """A result of a series: mask and probability are of the canonical grid, (plane, y, x)."""
    affine, size, _, _ = canonical(*series_affine(folder))
    write_objects(path, objects, affine=affine, size=size, thumbnail=np.full((64, 64, 3), 90, "u1"), input_sha256=series_identity(folder), **headline)
    with h5py.File(path, "r+") as f:
        f.create_dataset("geometry/axis", data="axial", dtype=h5py.string_dtype())
        if mask is not None:
            f.create_dataset("map/segmentation", data=mask.astype("u1")).attrs.create("labels", labels or ["1=nodule"], dtype=h5py.string_dtype())
        if probability is not None:
            f.create_dataset("map/probability", data=probability.astype("f4"))
    return affine, size


def xray(path):
    """One X-ray without a patient frame."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    d = instance(path, CR, "cr")
    d.Modality, d.BodyPartExamined, d.ViewPosition, d.ImagerPixelSpacing = "CR", "CHEST", "PA", [0.2, 0.2]
    put_pixels(d, np.arange(35 * 27).reshape(35, 27))
    d.save_as(path, write_like_original=False)
    return path


def enhanced(path, axes, size=(9, 7, 5), spacing=(0.5, 0.8, 2.5), origin=(4.0, -30.0, 12.0)):
    """One enhanced MR of several frames, stored from the last slice to the first."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    d = instance(path, ENHANCED_MR, "mr")
    d.Modality, d.FrameOfReferenceUID, d.NumberOfFrames, d.ImageType = "MR", uid("mr", "frame"), size[2], ["ORIGINAL", "PRIMARY"]
    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [spacing[1], spacing[0]], spacing[2]
    orientation.ImageOrientationPatient = [f"{v:.10f}" for v in np.concatenate([axes[:, 0], axes[:, 1]])]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Sequence([measures]), Sequence([orientation])
    d.SharedFunctionalGroupsSequence, frames = Sequence([shared]), []
    for k in reversed(range(size[2])):
        position, frame = Dataset(), Dataset()
        position.ImagePositionPatient = [f"{v:.8f}" for v in np.array(origin) + axes[:, 2] * spacing[2] * k]
        frame.PlanePositionSequence = Sequence([position])
        frames.append(frame)
    d.PerFrameFunctionalGroupsSequence = Sequence(frames)
    put_pixels(d, np.arange(int(np.prod(size))).reshape(size[::-1]))
    d.save_as(path, write_like_original=False)
    lps = np.eye(4)
    lps[:3, :3], lps[:3, 3] = axes * np.array(spacing), origin
    return path, np.diag([-1, -1, 1, 1]) @ lps, list(size)


def result_of(path, source, size, affine=None, mask=None, labels=("1=nodule",), mpp=None, slide=False, objects=(), **headline):
    """A result over one file that is no series; mpp stands in its /coords."""
    write_objects(path, objects, affine=affine, size=size, mpp=mpp, input_sha256=identity([source]), thumbnail=np.full((64, 64, 3), 90, "u1"), **headline)
    with h5py.File(path, "r+") as f:
        if slide:
            f.create_dataset("geometry/bounds", data=np.array([0, 0, *size[:2]], "i8"))
        elif affine is not None:
            f.create_dataset("geometry/axis", data="axial", dtype=h5py.string_dtype())
        if mpp is not None:
            coords = f.create_dataset("coords", data=np.zeros((1, 2), "i8"))
            coords.attrs["mpp_x"], coords.attrs["mpp_y"], coords.attrs["tile_level0"] = mpp, mpp, [224.0, 224.0]
            coords.attrs["level0_width"], coords.attrs["level0_height"], coords.attrs["patch_size"] = size[0], size[1], 224
        if mask is not None:
            f.create_dataset("map/segmentation", data=mask.astype("u1"), compression=1).attrs.create("labels", list(labels), dtype=h5py.string_dtype())
    return path
