#!/usr/bin/env python3
"""What pydicom, GDCM and nibabel see in the DICOM files and series of the sample data, turned as <microtome/case.h> says.

usage: dicom_expected.py DATA > dicom_expected.json      the checksum weighs each sample by its place: 1 + (3x + 5y + 7z) mod 251
"""
import json
import os
import sys
import warnings

import nibabel
import numpy as np
import pydicom
from pydicom.pixel_data_handlers.util import apply_color_lut, apply_modality_lut, convert_color_space

warnings.filterwarnings("ignore")
LOSSY = {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91"}
SERIES = ["ct-head-phantom-philips", "d2n-failing-gantrytilting-001", "d2n-generic-compressed_j2k/dicom", "d2n-generic-compressed_jpegls/dicom",
          "d2n-generic-compressed_rle/dicom", "d2n-siemens-anatomical/dicom", "d2n-siemens_multiframe-anatomical/dicom", "mr-t1-structural", "d2s-ct-3slice"]
SKIP = {"highdicom-seg_image_ct_binary_overlap.dcm", "highdicom-seg_image_sm_dots_tiled_full.dcm"}  # refused


def read(path):
    ds = pydicom.dcmread(path, force=True)
    if not hasattr(ds.file_meta, "TransferSyntaxUID"):
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2" if ds.is_implicit_VR else "1.2.840.10008.1.2.1"
    return ds


def samples(ds):
    """frames x rows x columns (x 3), as a case has them, not turned."""
    if "PixelData" not in ds:  # floating point
        return ds.pixel_array.reshape((int(getattr(ds, "NumberOfFrames", 1)), ds.Rows, ds.Columns)).astype(np.float64)
    is_signed = ds.PixelRepresentation == 1  # before GDCM's handler has changed it
    a = ds.pixel_array
    photometric = ds.PhotometricInterpretation
    frames = int(getattr(ds, "NumberOfFrames", 1))
    stored = ds.BitsStored
    if photometric == "PALETTE COLOR":
        a = apply_color_lut(a, ds)
        a = (a >> 8 if a.dtype == np.uint16 else a).astype(np.uint8)
    elif photometric in ("YBR_FULL", "YBR_FULL_422"):
        a = convert_color_space(a, photometric, "RGB")
    elif ds.SamplesPerPixel == 1 and stored > 1:
        a = a.astype(np.int64)
        mask = (1 << stored) - 1
        if not is_signed and ds.file_meta.TransferSyntaxUID not in LOSSY:
            a &= mask
        # pydicom leaves the sign where it is stored; one negative value tells that the words have it already
        if is_signed and stored < 16 and "1.2.840.10008.1.2.4" not in ds.file_meta.TransferSyntaxUID and (a >= 0).all():
            a = ((a & mask) ^ (1 << (stored - 1))) - (1 << (stored - 1))
        if "ModalityLUTSequence" in ds:
            a = apply_modality_lut(a, ds).astype(np.int64)
            is_signed, mask = False, (1 << ds.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
        if photometric == "MONOCHROME1":
            a = (-1 if is_signed else mask) - a
    colour = ds.SamplesPerPixel == 3 or photometric == "PALETTE COLOR"
    return a.reshape((frames,) + a.shape[-3 if colour else -2:])


def places(ds):
    """per frame: position, orientation, (row, column) spacing, thickness, slope, intercept; None where the file has none"""
    out = []
    shared = getattr(ds, "SharedFunctionalGroupsSequence", [None])[0]
    frames = int(getattr(ds, "NumberOfFrames", 1))
    groups = getattr(ds, "PerFrameFunctionalGroupsSequence", [])
    for k in range(frames):
        p = {"ipp": getattr(ds, "ImagePositionPatient", None), "iop": getattr(ds, "ImageOrientationPatient", None), "ps": getattr(ds, "PixelSpacing", None),
             "depth": getattr(ds, "SpacingBetweenSlices", None) or getattr(ds, "SliceThickness", None), "slope": getattr(ds, "RescaleSlope", 1),
             "intercept": getattr(ds, "RescaleIntercept", 0)}
        for g in [shared, groups[k] if k < len(groups) else None]:
            if g is None:
                continue
            if "PlanePositionSequence" in g:
                p["ipp"] = g.PlanePositionSequence[0].ImagePositionPatient
            if "PlaneOrientationSequence" in g:
                p["iop"] = g.PlaneOrientationSequence[0].ImageOrientationPatient
            if "PixelMeasuresSequence" in g:
                m = g.PixelMeasuresSequence[0]
                p["ps"] = m.PixelSpacing
                p["depth"] = getattr(m, "SpacingBetweenSlices", None) or getattr(m, "SliceThickness", None)
            if "PixelValueTransformationSequence" in g:
                p["slope"], p["intercept"] = g.PixelValueTransformationSequence[0].RescaleSlope, g.PixelValueTransformationSequence[0].RescaleIntercept
        if k > 0 and not groups:
            p["ipp"] = None
            if "GridFrameOffsetVector" in ds:
                n = np.cross(np.array(p["iop"][:3], float), np.array(p["iop"][3:], float))
                p["ipp"] = np.array(ds.ImagePositionPatient, float) + (float(ds.GridFrameOffsetVector[k]) - float(ds.GridFrameOffsetVector[0])) * n
        out.append(p)
    return out


def describe(a, affine, lossy):
    """a: planes x rows x columns (x 3)"""
    z, y, x = np.ogrid[: a.shape[0], : a.shape[1], : a.shape[2]]
    weight = (1 + (3 * x + 5 * y + 7 * z) % 251).astype(np.float64)
    total = (a.astype(np.float64).sum(axis=3) if a.ndim == 4 else a.astype(np.float64)) * weight
    return {"size": [a.shape[2], a.shape[1], a.shape[0]], "channels": 3 if a.ndim == 4 else 1, "checksum": float(total.sum()),
            "mean": float(a.mean(dtype=np.float64)), "min": float(a.min()), "max": float(a.max()), "lossy": lossy,
            "affine": None if affine is None else [[float(v) for v in row] for row in affine]}


def turned(files):
    """One series: slices by their place along the normal, turned to RAS by nibabel: planes x rows x columns (x 3), affine, whether lossy."""
    slices = []
    lossy = False
    for ds in files:
        lossy |= str(ds.file_meta.TransferSyntaxUID) in LOSSY
        for frame, p in zip(samples(ds), places(ds)):
            if float(p["slope"]) != 1 or float(p["intercept"]) != 0:
                frame = frame * float(p["slope"]) + float(p["intercept"])
            slices.append((p, frame))
    if any(p["ipp"] is None or p["iop"] is None for p, _ in slices):
        return np.stack([f for _, f in slices]), None, lossy
    row, column = (np.array(slices[0][0]["iop"], float)[i : i + 3] for i in (0, 3))
    row, column = row / np.linalg.norm(row), column / np.linalg.norm(column)
    normal = np.cross(row, column)
    slices.sort(key=lambda s: float(np.dot(np.array(s[0]["ipp"], float), normal)))
    first, last = (np.array(slices[i][0]["ipp"], float) for i in (0, -1))
    step = (last - first) / (len(slices) - 1) if len(slices) > 1 else normal * float(slices[0][0]["depth"] or 1)
    ps = slices[0][0]["ps"]
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2], affine[:3, 3] = row * float(ps[1]), column * float(ps[0]), step, first
    affine = np.diag([-1, -1, 1, 1]) @ affine
    volume = np.stack([f for _, f in slices]).transpose(2, 1, 0)  # x, y, z
    turn = nibabel.orientations.io_orientation(affine)
    whole = nibabel.orientations.apply_orientation(volume, turn)
    return whole.transpose(2, 1, 0), affine @ nibabel.orientations.inv_ornt_aff(turn, volume.shape), lossy


def slide(ds):
    """The whole matrix of one TILED_FULL level, as turned() gives a series."""
    tiles = samples(ds)
    across = -(-ds.TotalPixelMatrixColumns // ds.Columns)
    down = -(-ds.TotalPixelMatrixRows // ds.Rows)
    rows = [np.concatenate(list(tiles[r * across : (r + 1) * across]), axis=1) for r in range(down)]
    whole = np.concatenate(rows, axis=0)[: ds.TotalPixelMatrixRows, : ds.TotalPixelMatrixColumns]
    return whole[None], None, str(ds.file_meta.TransferSyntaxUID) in LOSSY


def main(data):
    out = {}
    names = [f"{d}/{f}" for d in ("radiology/dicom", "wsi/dicom") for f in sorted(os.listdir(f"{data}/{d}")) if f not in SKIP]
    names += [f"malformed/dicom/{f}" for f in ("GDCMJ2K_TextGBR.dcm", "J2K_pixelrep_mismatch.dcm",
                                               "SC_rgb_jpeg_app14_dcmd.dcm")]
    for name in names:
        ds = read(f"{data}/{name}")
        out[name] = describe(*(slide(ds) if "TotalPixelMatrixColumns" in ds else turned([ds])))
    for name in SERIES:
        folder = f"{data}/radiology/{name}"
        out[f"radiology/{name}"] = describe(*turned([read(f"{folder}/{f}") for f in sorted(os.listdir(folder)) if not f.endswith(".nrrd")]))
    print("{")
    print(",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(out.items())))
    print("}")


if __name__ == "__main__":
    main(sys.argv[1])
