"""`microtome deidentify`: what names a patient is gone from every byte, pixels and geometry are the same, what may be burnt in is refused."""
import csv
import json
import os
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import DATA, SOURCE, contains, data, equal, main, microtome  # noqa: E402

try:
    import numpy as np
    import openslide
    import pydicom
    import tifffile
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.sequence import Sequence
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

# attribute, value, in which way it is planted; every value stands nowhere else
PLANTED = {
    "PatientName": "Kwon^Minseo", "PatientID": "PID-7781-03", "OtherPatientIDs": "OPID-5512", "PatientBirthName": "Hwangbo^Jia", "PatientMotherBirthName": "Namgung^Sol",
    "PatientAddress": "12 Elderberry Lane Springfield", "PatientTelephoneNumbers": "+1-202-555-0147", "MedicalRecordLocator": "MRL-884-221", "PatientBirthDate": "19530417",
    "EthnicGroup": "group-zz81", "Occupation": "lamplighter-9", "PatientComments": "neighbour of Dr. Okonkwo-Byrne", "AdditionalPatientHistory": "fell at Cloverfield station",
    "AccessionNumber": "ACC-0099812", "StudyID": "STU-55-1", "StudyDate": "20140823", "SeriesDate": "20140824", "AcquisitionDate": "20140825", "ContentDate": "20140826",
    "AcquisitionDateTime": "20140827101112", "StudyTime": "131415.1617", "InstitutionName": "Hollowbrook Infirmary", "InstitutionAddress": "9 Quillfeather Road",
    "InstitutionalDepartmentName": "Ward Marigold 4", "ReferringPhysicianName": "Abernathy^Rosalind", "ReferringPhysicianTelephoneNumbers": "202-555-0199",
    "PhysiciansOfRecord": "Castellanos^Ines", "PerformingPhysicianName": "Dragomir^Vlad", "NameOfPhysiciansReadingStudy": "Ekwueme^Ada", "OperatorsName": "Fjeldstad^Nils",
    "StationName": "SCANNER-NORTH-3", "DeviceSerialNumber": "SN-448812-A", "PlateID": "PLATE-9921", "GantryID": "GANTRY-77x", "CassetteID": "CASS-0042",
    "StudyDescription": "follow-up for Mr. Kwonsuli", "SeriesDescription": "as asked by Wilhelmina", "ProtocolName": "Protocol-Thistlewood", "ImageComments": "call Xanthippe on ext 9034",
    "PerformedProcedureStepID": "PPS-31337", "PerformedProcedureStepDescription": "done by Yggdrasil team", "RequestedProcedureDescription": "wanted by Zebediah",
    "AdmittingDiagnosesDescription": "seen at Quicksilver clinic", "CurrentPatientLocation": "bed Bluebell-12", "PatientInstitutionResidence": "Larkspur House", "IssuerOfPatientID": "ISSUER-77-Q",
    "ClinicalTrialSubjectID": "TRIAL-SUBJ-19", "ClinicalTrialSiteName": "Site Foxglove", "ScheduledProcedureStepID": "SPS-8832", "CountryOfResidence": "Republic of Zubrowka"}
KOREAN = "홍길동전사"
PRIVATE, NESTED_NAME, NESTED_ID, HIDDEN, META, OVERLAY, COMMENT = (
    "private-Oleander-5", "Peregrine^Tobias", "REQ-55512", "AXIAL-Kwon-view", "AE-MISTLETOE", "overlay-Hawthorn", "made by Gwendolyn at PID-7781-03")


import warnings

warnings.filterwarnings("ignore")


def jpeg_with_comment(pixels, text):
    import io
    from PIL import Image
    raw = io.BytesIO()
    Image.fromarray(pixels).save(raw, "JPEG", quality=95, comment=text.encode())
    body = raw.getvalue()
    if text.encode() not in body:
        body = body[:2] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text.encode() + body[2:]
    return body[:2] + b"\xff\xe1" + struct.pack(">H", len(text) + 8) + b"Exif\0\0" + text.encode() + body[2:]


def write_slice(path, z, study, series, frame, jpeg=False, **other):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.50" if jpeg else ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = other.get("sop_class", "1.2.840.10008.5.1.4.1.1.2")
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.SourceApplicationEntityTitle = META
    ds = FileDataset(path, {}, file_meta=meta, preamble=b"secret-Primrose".ljust(128, b"\0"))
    ds.SpecificCharacterSet = ["", "ISO 2022 IR 149"] if other.get("korean") else "ISO_IR 100"
    for name, value in PLANTED.items():
        setattr(ds, name, value)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
    ds.Modality, ds.PatientSex, ds.PatientAge, ds.Manufacturer = other.get("modality", "CT"), "F", "061Y", "Imaginary"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.FilterType = HIDDEN
    ds.InstanceNumber, ds.SeriesNumber = z + 1, 3
    ds.PositionReferenceIndicator = ""
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-10, -20, 2.5 * z], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness, ds.SpacingBetweenSlices = [0.7, 0.7], 2.5, 2.5
    if other.get("korean"):
        ds.PatientName = KOREAN
    request = Dataset()
    request.RequestedProcedureID, request.ReferringPhysicianName = NESTED_ID, NESTED_NAME
    ds.RequestAttributesSequence = Sequence([request])
    kept = Dataset()
    kept.ReferencedSOPClassUID, kept.ReferencedSOPInstanceUID = ds.SOPClassUID, series + ".9"
    person = Dataset()
    person.PersonName = "Quillon^Bertram"
    kept.PersonIdentificationCodeSequence = Sequence([person])
    ds.SourceImageSequence = Sequence([kept])
    block = ds.private_block(0x0029, "MADE UP", create=True)
    block.add_new(0x10, "LO", PRIVATE)
    block.add_new(0x11, "OB", b"Kwon in bytes of Marzipan!")
    ds.add_new(0x60000022, "LO", OVERLAY)
    ds.add_new(0x60003000, "OW", b"overlaybits-Nightshade")
    rng = np.random.default_rng(z)
    shape = other.get("shape", (24, 32))
    ds.Rows, ds.Columns = shape[:2]
    if jpeg:
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.BitsAllocated, ds.BitsStored, ds.HighBit = 1, "MONOCHROME2", 8, 8, 7
        ds.PixelData = pydicom.encaps.encapsulate([jpeg_with_comment(rng.integers(0, 255, shape[:2]).astype("u1"), COMMENT)])
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    elif len(shape) == 3:
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 8, 8, 7
        ds.PixelData = rng.integers(1, 255, shape).astype("u1").tobytes()
    else:
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.BitsAllocated, ds.BitsStored, ds.HighBit = 1, "MONOCHROME2", 16, 12, 11
        ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
        ds.PixelData = rng.integers(0, 4000, shape).astype("<u2").tobytes()
    ds.PixelRepresentation = 0
    for name, value in other.get("extra", {}).items():
        setattr(ds, name, value)
    ds.add_new(0xFFFCFFFC, "OB", b"trailing-Snapdragon!")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.save_as(path, write_like_original=False)
    return ds


def needles():
    values = [v for v in PLANTED.values()] + [PRIVATE, NESTED_NAME, NESTED_ID, HIDDEN, META, OVERLAY, COMMENT, "Quillon^Bertram", "secret-Primrose", "Marzipan", "Nightshade",
                                             "Snapdragon", "19530417", KOREAN]
    for name in list(values):
        values += [part for part in name.split("^") if len(part) >= 4]
    return set(values)


def left_in(folder):
    found = []
    for root, _, names in os.walk(folder):
        for name in names:
            whole = open(os.path.join(root, name), "rb").read() + os.path.join(root, name).encode()
            low = whole.lower()
            for needle in needles():
                for code in ("utf-8", "euc_kr", "utf-16-le"):
                    if needle.encode(code, "ignore") and needle.encode(code, "ignore").lower() in low:
                        found.append((name, needle, code))
    return found


def written(out):
    return sorted(os.path.join(r, n) for r, _, names in os.walk(out) for n in names if n.endswith(".dcm"))


def study(folder, **other):
    uids = generate_uid(), generate_uid(), generate_uid()
    for z in range(4):
        write_slice(os.path.join(folder, "Kwon_Minseo_PID-7781-03", f"{z}.dcm"), z, *uids, **other)
    return uids


def test_planted(folder):
    """60 names, dates and numbers, in 12 kinds of places: none is left in any byte; pixels, geometry and the series are the same"""
    assert len(PLANTED) + 12 >= 60
    source, out = os.path.join(folder, "in"), os.path.join(folder, "out")
    uids = study(source)
    links = os.path.join(folder, "links.csv")
    answer = microtome("deidentify", source, "-o", out, "--links", links, "--json")
    equal((answer.code, json.loads(answer.out)["written"]), (0, 4))
    equal(left_in(out), [])
    files = written(out)
    equal(len(files), 4)
    before = sorted((pydicom.dcmread(os.path.join(r, n)) for r, _, names in os.walk(source) for n in names), key=lambda d: d.InstanceNumber)
    after = sorted((pydicom.dcmread(f) for f in files), key=lambda d: d.InstanceNumber)
    for a, b in zip(before, after):
        equal((b.pixel_array == a.pixel_array).all(), True)
        for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleIntercept", "ImageType", "Modality", "Manufacturer"):
            equal(getattr(b, name), getattr(a, name))
        equal((b.PatientIdentityRemoved, b.DeidentificationMethodCodeSequence[0].CodeValue, b.PatientBirthDate, b.PatientSex), ("YES", "113100", "", ""))
        assert b.PatientID == b.PatientName and b.PatientID.startswith("ID-"), b.PatientID
        assert b.SOPInstanceUID == b.file_meta.MediaStorageSOPInstanceUID != a.SOPInstanceUID and b.SOPInstanceUID.startswith("2.25.")
        equal(b.preamble, b"\0" * 128)
    equal(len({d.SeriesInstanceUID for d in after}), 1)
    equal(len({d.SOPInstanceUID for d in after}), 4)
    info = json.loads(microtome("info", os.path.dirname(files[0]), "--json").out)
    equal((info["planes"], info["modality"]), (4, "CT"))
    equal(os.stat(links).st_mode & 0o777, 0o600)
    rows = list(csv.DictReader(open(links)))
    equal((len(rows), rows[0]["patient"], rows[0]["pseudonym"]), (4, "PID-7781-03", after[0].PatientID))
    report = open(os.path.join(out, "report.csv")).read()
    contains(report, "(0010,0010) PatientName: replaced")
    contains(report, "removed: it named the patient")
    assert uids[0] not in report


def test_same_key(folder):
    """a key makes the same patient the same in every call; dates move alike; Korean names"""
    source = os.path.join(folder, "in")
    study(source, korean=True)
    outs = [os.path.join(folder, n) for n in ("a", "b", "c")]
    for out, options in zip(outs, (["--key", os.path.join(folder, "key")], ["--key", os.path.join(folder, "key"), "--shift-dates", "--keep-characteristics"], [])):
        equal(microtome("deidentify", source, "-o", out, *options).code, 0)
        equal([f for f in left_in(out) if f[1] in (KOREAN, "PID-7781-03", "19530417", "20140823")], [])
    a, b, c = (pydicom.dcmread(written(o)[0]) for o in outs)
    equal((a.PatientID, a.SeriesInstanceUID), (b.PatientID, b.SeriesInstanceUID))
    assert c.PatientID != a.PatientID and c.SeriesInstanceUID != a.SeriesInstanceUID
    assert len(b.StudyDate) == 8 and b.StudyDate != "20140823" and int(b.SeriesDate) - int(b.StudyDate) in (1, 70, 71, 72, 73, 8870)
    equal((b.PatientSex, b.PatientAge, b.LongitudinalTemporalInformationModified), ("F", "061Y", "MODIFIED"))
    equal(os.stat(os.path.join(folder, "key")).st_mode & 0o777, 0o600)


def test_compressed(folder):
    """comments inside compressed frames are overwritten, the picture is the same"""
    source, out = os.path.join(folder, "in"), os.path.join(folder, "out")
    study(source, jpeg=True)
    equal(microtome("deidentify", source, "-o", out).code, 0)
    equal(left_in(out), [])
    before = {pydicom.dcmread(os.path.join(source, "Kwon_Minseo_PID-7781-03", f"{z}.dcm")).InstanceNumber: pydicom.dcmread(os.path.join(source, "Kwon_Minseo_PID-7781-03", f"{z}.dcm")) for z in range(4)}
    for f in written(out):
        d = pydicom.dcmread(f)
        equal(d.file_meta.TransferSyntaxUID, "1.2.840.10008.1.2.4.50")
        assert (d.pixel_array == before[d.InstanceNumber].pixel_array).all()


def test_burnt_in(folder):
    """pictures that may hold text are refused; ultrasound keeps its regions, a profile blacks out what it says; reports are refused"""
    region = Dataset()
    region.RegionLocationMinX0, region.RegionLocationMinY0, region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 4, 3, 20, 15
    region.RegionSpatialFormat = 1
    us = {"sop_class": "1.2.840.10008.5.1.4.1.1.6.1", "modality": "US", "shape": (24, 32, 3)}
    uids = [generate_uid() for _ in range(3)]
    source = os.path.join(folder, "in")
    a = write_slice(os.path.join(source, "a.dcm"), 0, *uids, extra={"SequenceOfUltrasoundRegions": Sequence([region])}, **us)
    b = write_slice(os.path.join(source, "b.dcm"), 1, *uids, **us)
    write_slice(os.path.join(source, "c.dcm"), 2, *uids, extra={"BurnedInAnnotation": "YES"})
    write_slice(os.path.join(source, "d.dcm"), 3, *uids, sop_class="1.2.840.10008.5.1.4.1.1.88.11", modality="SR")
    out = os.path.join(folder, "out")
    answer = microtome("deidentify", source, "-o", out, "--json")
    equal((answer.code, [json.loads(answer.out)[k] for k in ("written", "refused")]), (65, [1, 3]))
    contains(answer.err, "may hold burnt-in text (US), and the profile has no rule for them: add a line pixels US * * 32x24")
    contains(answer.err, "is text through and through")
    kept = pydicom.dcmread(written(out)[0]).pixel_array
    inside = np.zeros((24, 32), bool)
    inside[3:16, 4:21] = True
    assert (kept[inside] == a.pixel_array[inside]).all() and (kept[~inside] == 0).all()
    equal(left_in(out), [])
    profile = os.path.join(folder, "site.txt")
    with open(profile, "w") as f:
        f.write("# ours\npixels US Imaginary * 32x24 0,0,32,5\n0018,1160 X FilterType\n")
    out = os.path.join(folder, "ruled")
    equal(microtome("deidentify", os.path.join(source, "b.dcm"), "-o", out, "--profile", profile).code, 0)
    ruled = pydicom.dcmread(written(out)[0])
    assert (ruled.pixel_array[:5] == 0).all() and (ruled.pixel_array[5:] == b.pixel_array[5:]).all() and "FilterType" not in ruled
    with open(profile, "w") as f:
        f.write("0018;1160 X\n")
    answer = microtome("deidentify", source, "-o", out, "--profile", profile)
    equal(answer.code, 65)
    contains(answer.err, "line 1 is neither")


def test_slides(folder):
    """a slide's pyramid alone, tile for tile; label and macro, names in its description and tags are gone"""
    path, out = os.path.join(folder, "S14-0815.svs"), os.path.join(folder, "out")
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 255, (1024, 1536, 3)).astype("u1")
    description = ("Aperio Image Library v11.2.1 \r\n1536x1024 [0,0 1536x1024] (256x256) JPEG/RGB Q=30|AppMag = 20|MPP = 0.4990|Filename = S14-0815|User = abcdefgh-Gwendolyn"
                   "|Date = 08/23/14|ScanScope ID = SS-55512-Q|Title = Kwon Minseo")
    with tifffile.TiffWriter(path) as t:
        t.write(pixels, tile=(256, 256), photometric="rgb", description=description, metadata=None, software="Hollowbrook Infirmary", datetime="2014:08:23 10:11:12",
                extratags=[(315, "s", 0, "Abernathy", True), (316, "s", 0, "SCANNER-NORTH-3", True), (700, "B", 22, b"<xmp>Rosalind-Kwon</x>", True)])
        t.write(pixels[::4, ::4], photometric="rgb", description="Aperio thumbnail", metadata=None)
        t.write(pixels[::4, ::4], tile=(256, 256), photometric="rgb", description="Aperio Image Library v11.2.1 \r\n384x256|Filename = S14-0815", metadata=None)
        t.write(np.full((200, 180, 3), 7, "u1"), photometric="rgb", description="Aperio label 180x200 Kwon", metadata=None)
        t.write(np.full((100, 300, 3), 9, "u1"), photometric="rgb", description="Aperio macro 300x100", metadata=None)
    answer = microtome("deidentify", path, "-o", out, "--json")
    equal((answer.code, json.loads(answer.out)["written"]), (0, 1))
    copy = os.path.join(out, next(n for n in os.listdir(out) if n.endswith(".svs")))
    whole = open(copy, "rb").read()
    for needle in (b"S14-0815", b"Gwendolyn", b"08/23/14", b"2014:08:23", b"SS-55512-Q", b"Kwon", b"Hollowbrook", b"Abernathy", b"SCANNER", b"Rosalind", b"label", b"macro"):
        assert needle not in whole and needle.decode() not in copy[len(out):], needle
    slide = openslide.OpenSlide(copy)
    equal((slide.dimensions, slide.level_count, slide.properties["aperio.MPP"], slide.properties["openslide.vendor"], list(slide.associated_images)),
          ((1536, 1024), 2, "0.4990", "aperio", []))
    assert (np.asarray(slide.read_region((0, 0), 0, (1536, 1024)))[:, :, :3] == pixels).all()
    contains(open(os.path.join(out, "report.csv")).read(), "ImageDescription: Filename: removed")
    if DATA is not None:
        for name in ("CMU-1-Small-Region.svs",):
            found = [os.path.join(r, n) for r, _, names in os.walk(os.path.join(DATA, "wsi")) for n in names if n == name]
            for source in found:
                equal(microtome("deidentify", source, "-o", os.path.join(folder, "real")).code, 0)
                a, b = openslide.OpenSlide(source), openslide.OpenSlide(os.path.join(folder, "real", [n for n in os.listdir(os.path.join(folder, "real")) if n.endswith(".svs")][0]))
                equal((a.dimensions, b.properties["openslide.mpp-x"], list(b.associated_images)), (b.dimensions, a.properties["openslide.mpp-x"], []))
                assert (np.asarray(a.read_region((500, 500), 0, (600, 600))) == np.asarray(b.read_region((500, 500), 0, (600, 600)))).all()


def test_real_and_hostile(folder):
    """every sample is written clean or refused by name; damaged files name their fault; the standard's checker finds nothing new"""
    out = os.path.join(folder, "out")
    source = data("radiology")
    answer = microtome("deidentify", os.path.join(source, "dicom"), os.path.join(source, "d2n-siemens-anatomical"), data("malformed", "dicom"), "-o", out, "--json", "--allow-burned-in")
    equal(answer.code, 65)
    counts = json.loads(answer.out)
    assert counts["written"] >= 25 and all(p["words"] for p in counts["problems"]), counts
    for f in written(out):
        d = pydicom.dcmread(f, force=True)
        assert d.PatientIdentityRemoved == "YES" and not any(e.tag.is_private for e in d)
    if shutil.which("dciodvfy"):
        def errors(path):
            lines = subprocess.run(["dciodvfy", path], capture_output=True, text=True, errors="replace").stderr.split("\n")
            return {line.split(" = ")[0] for line in lines if line.startswith("Error")}
        sources = {}
        for root, _, names in os.walk(source):
            for name in names:
                if name.endswith(".dcm"):
                    sources.setdefault(os.path.getsize(os.path.join(root, name)), os.path.join(root, name))
        links = os.path.join(folder, "links.csv")
        equal(microtome("deidentify", os.path.join(source, "d2n-siemens-anatomical"), "-o", os.path.join(folder, "again"), "--links", links).code, 0)
        for row in list(csv.DictReader(open(links)))[:2]:
            new = errors(os.path.join(folder, "again", row["output"])) - errors(row["input"])
            equal({e for e in new if "Missing attribute Type 2" not in e}, set())


def test_other_outputs(folder):
    """nothing of it stands in what run, convert, info, report, heatmap and export write by default"""
    source, out = os.path.join(folder, "in"), os.path.join(folder, "out")
    study(source, shape=(64, 64))
    os.rename(os.path.join(source, "Kwon_Minseo_PID-7781-03"), os.path.join(source, "s1"))
    with open(os.path.join(source, "manifest.csv"), "w") as f:
        f.write("path,id\ns1,case-1\n")
    recipe = os.path.join(SOURCE, "samples", "recipes", "brain_haemorrhage", "recipe.ini")
    run = microtome("run", "-r", recipe, "-o", out, os.path.join(source, "manifest.csv"))
    os.makedirs(out, exist_ok=True)
    convert = microtome("convert", os.path.join(source, "s1"), "-o", os.path.join(out, "volume.nii.gz"))
    equal(convert.code, 0)
    info = microtome("info", os.path.join(source, "s1"), "--json")
    texts = run.out + run.err + convert.out + convert.err + info.out
    report = microtome("report", out)
    if run.code == 0:
        result = os.path.join(out, "cases", "case-1.h5")
        equal(microtome("heatmap", result, "-o", os.path.join(out, "pictures")).code, 0)
        equal(microtome("export", result, "--to", "pdf,fhir", "-o", os.path.join(out, "none")).code in (0, 65), True)
    equal(report.code, 0)
    with open(os.path.join(out, "texts"), "w") as f:
        f.write(texts)
    equal(left_in(out), [])


main([test_planted, test_same_key, test_compressed, test_burnt_in, test_slides, test_real_and_hostile, test_other_outputs])
