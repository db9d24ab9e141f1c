"""Small DICOM objects of made-up patients."""
import os

from harness import Skip

try:
    import numpy as np
    from pydicom.dataset import FileDataset, FileMetaDataset
except ImportError:
    np = None

ROOT = "1.2.826.0.1.3680043.10.999"
EXPLICIT = "1.2.840.10008.1.2.1"


def needs_pydicom():
    if np is None:
        raise Skip("no pydicom")


def secondary(path, study, number=1, edge=64, syntax=EXPLICIT, **more):
    """A secondary capture of noise; returns its SOP instance."""
    needs_pydicom()
    os.makedirs(os.path.dirname(path), exist_ok=True)
    sop = f"{ROOT}.{study}.1.{number}"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = "1.2.840.10008.5.1.4.1.1.7", sop, syntax
    d = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    d.is_little_endian, d.is_implicit_VR = True, syntax == "1.2.840.10008.1.2"
    d.SOPClassUID, d.SOPInstanceUID = meta.MediaStorageSOPClassUID, sop
    d.StudyInstanceUID, d.SeriesInstanceUID = f"{ROOT}.{study}", f"{ROOT}.{study}.1"
    d.PatientID, d.PatientName, d.PatientBirthDate, d.PatientSex = f"P{study}", f"Family{study}^Given", "", ""
    d.StudyDate, d.StudyTime, d.AccessionNumber, d.StudyID, d.ReferringPhysicianName = "20260102", "101500", f"A{study}", "", ""
    d.Modality, d.ConversionType, d.SeriesNumber, d.InstanceNumber = "OT", "WSD", 1, number
    d.Rows = d.Columns = edge
    d.SamplesPerPixel, d.PhotometricInterpretation, d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 1, "MONOCHROME2", 8, 8, 7, 0
    d.PixelData = np.random.default_rng(study * 1000 + number).integers(0, 256, (edge, edge), dtype=np.uint8).tobytes()
    for name, value in more.items():
        setattr(d, name, value)
    d.save_as(path, write_like_original=False)
    return sop
