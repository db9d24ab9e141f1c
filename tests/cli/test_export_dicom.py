"""Results as DICOM objects: clean in dciodvfy, right in pydicom, in the place of the source's voxels."""
import os
import resource
import shutil
import signal
import subprocess

from harness import PROGRAM, Skip, contains, data, equal, headline, main, microtome, read

try:
    import h5py
    import numpy as np
    import pydicom
    import made_dicom as made
    from made_results import write_headline
except ImportError:
    h5py = None


def tools(*names):
    if h5py is None:
        raise Skip("h5py, NumPy or pydicom is not installed")
    for name in names:
        if shutil.which(name) is None:
            raise Skip(f"{name} is not installed (tools/setup.sh --tests)")


def clean(path):
    """No Error line of dciodvfy."""
    done = subprocess.run(["dciodvfy", path], capture_output=True, text=True)
    errors = [line for line in (done.stdout + done.stderr).split("\n") if line.startswith("Error")]
    equal(errors, [])


def export(kinds, out, *args):
    return microtome("export", "--to", kinds, "-o", out, *args)


def opened(answer, kind):
    """The one file of the kind that was written."""
    equal((answer.code, answer.err), (0, ""))
    paths = [p for p in answer.out.split("\n") if p.endswith(f"_{kind}.dcm")]
    equal(len(paths), 1)
    return paths[0], pydicom.dcmread(paths[0])


STRAIGHT = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def series_result(folder, axes=STRAIGHT, mask=True, **more):
    patient = {k: more.pop(k) for k in ("patient", "charset") if k in more}
    source = made.series(os.path.join(folder, "sources", "case1"), np.array(axes, float), **patient)
    result = os.path.join(folder, "cases", "case1.h5")
    size = made.canonical(*made.series_affine(source))[1]
    drawn = np.zeros(size[::-1], "u1")
    drawn[1, 2:5, 3:6] = 1
    drawn[2:, 1, 2] = 1
    affine, size = made.result_over(result, source, mask=drawn if mask else None, **more)
    return source, result, affine, drawn


def test_pdf(folder):
    """pdf: the source's patient in UTF-8, a page; twice the same bytes"""
    tools("dciodvfy")
    source, result, _, _ = series_result(folder, patient="Hong^Gildong=洪^吉洞=홍^길동", charset=["", "ISO 2022 IR 149"])
    answer = export("pdf", os.path.join(folder, "out"), result, "--sources", os.path.join(folder, "sources"))
    path, d = opened(answer, "pdf")
    clean(path)
    equal((str(d.PatientName), d.PatientID, d.StudyInstanceUID), ("Hong^Gildong=洪^吉洞=홍^길동", "P-17", made.uid("ct", "study")))
    equal((d.AccessionNumber, d.StudyDate, d.PatientSex, d.SpecificCharacterSet), ("A-5", "20260102", "F", "ISO_IR 192"))
    equal(d.EncapsulatedDocument[:5], b"%PDF-")
    export("pdf", os.path.join(folder, "again"), result, "--sources", source)
    equal(read(os.path.join(folder, "again", "case1_pdf.dcm"), "rb") == read(path, "rb"), True)
    again = export("pdf", os.path.join(folder, "out"), result, "--sources", source)
    equal(again.code, 64)
    contains(again.err, "--force replaces it")
    equal(export("pdf", os.path.join(folder, "out"), result, "--sources", source, "--force").code, 0)


def test_identity(folder):
    """another source, no identity, a manifest's identity: refused by name, others go on"""
    tools()
    source, result, _, _ = series_result(folder)
    nobody = export("pdf", os.path.join(folder, "a"), result)
    equal(nobody.code, 65)
    contains(nobody.err, "case1.h5: nobody says whose it is")
    other = made.series(os.path.join(folder, "other", "case1"), np.array(STRAIGHT, float), name="other")
    wrong = export("pdf", os.path.join(folder, "b"), result, "--sources", other)
    equal(wrong.code, 65)
    contains(wrong.err, "and the result was made from")
    plain = os.path.join(folder, "cases", "plain.h5")
    shutil.copy(result, plain)
    manifest = os.path.join(folder, "m.csv")
    with open(manifest, "w") as f:
        f.write("path,id,patient,study_uid,accession\nnowhere.svs,plain,김-7,1.2.3.4,A9\n")
    one = export("pdf", os.path.join(folder, "c"), result, plain, "--manifest", manifest)
    equal(one.code, 65)
    path = os.path.join(folder, "c", "plain_pdf.dcm")
    equal(one.out, path + "\n")
    d = pydicom.dcmread(path)
    equal((d.PatientID, d.StudyInstanceUID, d.AccessionNumber), ("김-7", "1.2.3.4", "A9"))
    with open(manifest, "w") as f:
        f.write("path,id,patient,study_uid\nnowhere.svs,plain,P,1.02.3\n")
    contains(export("pdf", os.path.join(folder, "d"), plain, "--manifest", manifest).err, "study_uid '1.02.3' of its manifest is no UID")
    equal(export("jpg", os.path.join(folder, "d"), plain).code, 64)
    # a head over stored features: the hash is of these, and what they were made from stands in the provenance
    over = os.path.join(folder, "cases", "over.h5")
    shutil.copy(result, over)
    record = '{"aggregated":"case","hashes":{"source":"%s"}}'
    with h5py.File(over, "r+") as f:
        f.create_dataset("provenance", data=record % made.series_identity(source), dtype=h5py.string_dtype())
    write_headline(over, {**headline(over), "id": "over", "input_sha256": "ab" * 32})
    opened(export("pdf", os.path.join(folder, "e"), over, "--sources", os.path.dirname(source)), "pdf")
    with h5py.File(over, "r+") as f:
        f["provenance"][()] = record % ("cd" * 32)
    contains(export("pdf", os.path.join(folder, "f"), over, "--sources", source).err, "nobody says whose it is")


def test_character_sets(folder):
    """names of any character set come out in UTF-8; bytes that are of none are refused, and not repeated"""
    tools()
    for n, (charset, name) in enumerate(((["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"), ("ISO_IR 100", "Müller^Jörg"), ("GB18030", "王^小东"), ("ISO_IR 192", "홍^길동"))):
        here = os.path.join(folder, str(n))
        source, result, _, _ = series_result(here, patient=name, charset=charset)
        equal(str(opened(export("sr", here + "out", result, "--sources", source), "sr")[1].PatientName), name)
    for n, (raw, code) in enumerate((("홍^길동".encode(), 0), ("홍^길동".encode("euc-kr"), 65))):
        here = os.path.join(folder, "raw", str(n))
        source = made.series(os.path.join(here, "case1"), np.array(STRAIGHT, float), patient="QQ^QQQQQQQ" if n == 0 else "QQ^QQQQ")
        for name in os.listdir(source):
            path = os.path.join(source, name)
            stored = read(path, "rb").replace(b"QQ^QQQQQQQ" if n == 0 else b"QQ^QQQQ ", raw.ljust(10 if n == 0 else 8)[:10])
            with open(path, "wb") as f:
                f.write(stored)
        result = os.path.join(here, "case1.h5")
        made.result_over(result, source, mask=np.zeros((6, 10, 12)))
        answer = export("sr", here + "out", result, "--sources", source)
        equal(answer.code, code)
        if code:
            contains(answer.err, "its texts are not of the character set that it declares (Specific Character Set)")
        else:
            equal(str(pydicom.dcmread(os.path.join(here + "out", "case1_sr.dcm")).PatientName), "홍^길동")


def segments(d):
    """For each frame its segment (from 0), its pixels and its (column, row) to LPS mm matrix, as the object's own groups say it."""
    shared = d.SharedFunctionalGroupsSequence[0]
    spacing = [float(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing]
    directions = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    pixels = d.pixel_array.reshape(int(d.NumberOfFrames), d.Rows, d.Columns)
    for frame, groups in zip(pixels, d.PerFrameFunctionalGroupsSequence):
        position = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        place = np.stack([directions[:3] * spacing[1], directions[3:] * spacing[0], position], 1)
        yield groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber - 1, frame, place, groups


def places(d, segment):
    """LPS mm of each pixel that is set."""
    found = []
    for k, frame, place, _ in segments(d):
        rows, columns = np.nonzero(frame)
        if k == segment:
            found += [place @ [c, r, 1] for r, c in zip(rows, columns)]
    return np.array(sorted(map(tuple, np.round(found, 6))))


def expected(mask, affine):
    plane, y, x = np.nonzero(mask)
    ras = affine @ np.stack([x, y, plane, np.ones(len(x))])
    return np.array(sorted(map(tuple, np.round((np.diag([-1, -1, 1, 1]) @ ras)[:3].T, 6))))


def close(found, wanted):
    equal(found.shape, wanted.shape)
    difference = np.sqrt(((found[:, None] - wanted[None]) ** 2).sum(2)).min(1).max()
    assert difference < 1e-3, f"{difference} mm from the source's voxels"


def test_seg_volume(folder):
    """seg: voxels stand where the source's do: straight, oblique, flipped, coronal, sagittal, unequal spacing"""
    tools("dciodvfy")
    kinds = {"straight": np.eye(3), "oblique": made.turn((11, -17, 23)), "flipped": np.eye(3) * [-1, 1, -1], "backward": np.eye(3) * [1, 1, -1],
             "coronal": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]).T, "sagittal": np.array([[0, 1, 0], [0, 0, -1], [-1, 0, 0]]).T}
    for name, axes in kinds.items():
        here = os.path.join(folder, name)
        source, result, affine, mask = series_result(here, axes, labels=["1=nodule", "2=무엇"])
        mask[3, 4:6, 0:2] = 2
        with h5py.File(result, "r+") as f:
            f["map/segmentation"][...] = mask
        path, d = opened(export("seg", os.path.join(here, "out"), result, "--sources", source), "seg")
        clean(path)
        close(places(d, 0), expected(mask == 1, affine))
        close(places(d, 1), expected(mask == 2, affine))
        equal((d.Modality, d.SegmentationType, d.FrameOfReferenceUID, d.PatientID), ("SEG", "BINARY", made.uid("ct", "frame"), "P-17"))
        first, second = d.SegmentSequence
        equal((first.SegmentLabel, first.SegmentedPropertyTypeCodeSequence[0].CodeValue, second.SegmentLabel), ("nodule", "27925004", "무엇"))
        equal(second.SegmentedPropertyTypeCodeSequence[0].CodeMeaning, "무엇")
        contains(first.SegmentationAlgorithmIdentificationSequence[0].AlgorithmParameters, "model_sha256=cdcd")
        files = {str(f.SOPInstanceUID): np.array(f.ImagePositionPatient, float) for f in map(pydicom.dcmread, (os.path.join(source, n) for n in os.listdir(source)))}
        for _, _, place, groups in segments(d):
            referenced = groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
            assert np.abs(files[referenced] - place[:, 2]).max() < 1e-3


def test_seg_other(folder):
    """seg: nothing found, a probability, another grid, no map"""
    tools("dciodvfy")
    source, result, affine, mask = series_result(folder)
    with h5py.File(result, "r+") as f:
        f["map/segmentation"][...] = 0
        f.create_dataset("map/probability", data=np.linspace(0, 1, mask.size).astype("f4").reshape(mask.shape))
    out = os.path.join(folder, "out")
    path, d = opened(export("seg", out, result, "--sources", source), "seg")
    clean(path)
    equal((int(d.NumberOfFrames), int(d.pixel_array.sum())), (6, 0))
    path, d = opened(export("seg-fractional", out, result, "--sources", source), "seg-fractional")
    clean(path)
    equal((d.SegmentationType, d.SegmentationFractionalType, d.MaximumFractionalValue, int(d.NumberOfFrames)), ("FRACTIONAL", "PROBABILITY", 255, 6))
    values = np.linspace(0, 1, mask.size).reshape(mask.shape)
    equal(sorted(np.floor(values.ravel() * 255 + 0.5).astype(int).tolist()), sorted(d.pixel_array.ravel().tolist()))
    with h5py.File(result, "r+") as f:
        del f["map/segmentation"]
    none = export("seg,pdf", os.path.join(folder, "b"), result, "--sources", source)
    equal((none.code, os.listdir(os.path.join(folder, "b"))), (65, ["case1_pdf.dcm"]))
    contains(none.err, "case1.h5 as seg: it has no /map/segmentation")
    with h5py.File(result, "r+") as f:
        f["geometry/affine"][0, 3] += 1
    moved = export("pdf", os.path.join(folder, "c"), result, "--sources", source)
    equal(moved.code, 65)
    contains(moved.err, "no series of it has the size and the place in the patient that the result has")


def test_seg_pictures(folder):
    """seg: an X-ray without a patient frame, an enhanced multi-frame stored backwards"""
    tools("dciodvfy")
    source = made.xray(os.path.join(folder, "cr.dcm"))
    mask = np.zeros((1, 35, 27), "u1")
    mask[0, 3:9, 20:27] = 1
    result = made.result_of(os.path.join(folder, "cases", "cr.h5"), source, (27, 35, 1), mask=mask)
    path, d = opened(export("seg", os.path.join(folder, "out"), result, "--sources", source), "seg")
    clean(path)
    equal(np.array_equal(d.pixel_array.reshape(mask.shape), mask), True)
    one = d.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    equal((one.ReferencedSOPInstanceUID, one.SpatialLocationsPreserved), (pydicom.dcmread(source).SOPInstanceUID, "YES"))
    with h5py.File(result, "r+") as f:
        f.create_dataset("map/probability", data=mask.astype("f4"))
    path, d = opened(export("seg-fractional", os.path.join(folder, "out"), result, "--sources", source), "seg-fractional")
    clean(path)
    answer = export("pmap", os.path.join(folder, "out"), result, "--sources", source)
    equal(answer.code, 65)
    contains(answer.err, "cr.h5 as pmap: a parametric map stands in a patient or on a slide")

    source, affine, size = made.enhanced(os.path.join(folder, "mr.dcm"), made.turn((5, 8, -12)))
    turned, size, _, _ = made.canonical(affine, size)
    mask = np.zeros(size[::-1], "u1")
    mask[1, 2:4, 3:6] = mask[4, 0, 0] = 1
    result = made.result_of(os.path.join(folder, "cases", "mr.h5"), source, size, affine=turned, mask=mask)
    path, d = opened(export("seg", os.path.join(folder, "out"), result, "--sources", source), "seg")
    clean(path)
    close(places(d, 0), expected(mask, turned))
    frames = pydicom.dcmread(source).PerFrameFunctionalGroupsSequence
    for _, _, place, groups in segments(d):
        number = groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        assert np.abs(np.array(frames[number - 1].PlanePositionSequence[0].ImagePositionPatient, float) - place[:, 2]).max() < 1e-3


def test_seg_volume_file(folder):
    """seg: a volume that is no DICOM lies as its affine says; one whose axes are no image's is refused"""
    tools("dciodvfy")
    source = os.path.join(folder, "v.nii.gz")
    with open(source, "wb") as f:
        f.write(b"no volume is opened")
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = made.turn((5, 8, -12)) * [0.6, 0.9, 2.2], (3, -40, 17)
    mask = np.zeros((5, 8, 9), "u1")
    mask[2:4, 1:3, 6] = 1
    manifest = os.path.join(folder, "m.csv")
    with open(manifest, "w") as f:
        f.write("path,id,patient,study_uid\nv.nii.gz,v,P-3,1.2.3\nv.nii.gz,sheared,P-3,1.2.3\n")
    result = made.result_of(os.path.join(folder, "cases", "v.h5"), source, (9, 8, 5), affine=affine, mask=mask)
    path, d = opened(export("seg", os.path.join(folder, "out"), result, "--manifest", manifest), "seg")
    clean(path)
    close(places(d, 0), expected(mask, affine))
    equal((d.PatientID, d.FrameOfReferenceUID[:5]), ("P-3", "2.25."))
    affine[:3, 1] += 0.3 * affine[:3, 0]
    result = made.result_of(os.path.join(folder, "cases", "sheared.h5"), source, (9, 8, 5), affine=affine, mask=mask)
    answer = export("seg", os.path.join(folder, "out"), result, "--manifest", manifest)
    equal(answer.code, 65)
    contains(answer.err, "sheared.h5 as seg: nobody knows where its pixels lie")


def tiled(d, segment=0):
    """The total matrix of a TILED_FULL object, and the function from its column and row to mm on the slide."""
    across, down = -(-d.TotalPixelMatrixColumns // d.Columns), -(-d.TotalPixelMatrixRows // d.Rows)
    tiles = d.pixel_array.reshape(-1, down, across, d.Rows, d.Columns)[segment]
    matrix = tiles.transpose(0, 2, 1, 3).reshape(down * d.Rows, across * d.Columns)[:d.TotalPixelMatrixRows, :d.TotalPixelMatrixColumns]
    o, v = d.TotalPixelMatrixOriginSequence[0], np.array(d.ImageOrientationSlide, float)
    measures = d.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    start = np.array([float(o.XOffsetInSlideCoordinateSystem), float(o.YOffsetInSlideCoordinateSystem)])
    return matrix, lambda c, r: start + v[:2] * c * float(measures[1]) + v[3:5] * r * float(measures[0])


def test_seg_slides(folder):
    """seg: tiles of a DICOM slide's map, and of a TIFF slide's whose identity is the manifest's"""
    tools("dciodvfy")
    source = data("wsi", "dicom", "highdicom-sm_image.dcm")
    mask = np.zeros((1, 25, 25), "u1")
    mask[0, 10, 20], mask[0, 3:5, 7] = 1, 2
    result = made.result_of(os.path.join(folder, "cases", "sm.h5"), source, (50, 50, 1), mask=mask, labels=["1=tumour", "2=stroma"], slide=True)
    path, d = opened(export("seg", os.path.join(folder, "out"), result, "--sources", source), "seg")
    clean(path)
    slide = pydicom.dcmread(source, stop_before_pixels=True)
    equal((d.FrameOfReferenceUID, d.DimensionOrganizationType, d.PatientID), (slide.FrameOfReferenceUID, "TILED_FULL", "AA01"))
    o, spacing = slide.TotalPixelMatrixOriginSequence[0], slide.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    for k in (0, 1):
        matrix, to_mm = tiled(d, k)
        equal(np.array_equal(matrix, mask[0] == k + 1), True)
    # the map's pixel covers two by two of the slide's; rows run against y, columns against x
    wanted = np.array([float(o.XOffsetInSlideCoordinateSystem) - 20.5 * float(spacing[0]), float(o.YOffsetInSlideCoordinateSystem) - 40.5 * float(spacing[1])])
    assert np.abs(to_mm(20, 10) - wanted).max() < 1e-6, (to_mm(20, 10), wanted)

    tiff = os.path.join(folder, "a.tif")
    with open(tiff, "wb") as f:
        f.write(b"no slide is opened")
    mask = np.zeros((1, 700, 1300), "u1")
    mask[0, 600:, 1024:1100] = 1
    result = made.result_of(os.path.join(folder, "cases", "a.h5"), tiff, (5200, 2800, 1), mask=mask, mpp=0.25, slide=True)
    manifest = os.path.join(folder, "m.csv")
    with open(manifest, "w") as f:
        f.write("path,patient,study_uid,accession\na.tif,P-9,1.2.3,A1\n")
    path, d = opened(export("seg", os.path.join(folder, "out"), result, "--sources", manifest), "seg")
    clean(path)
    matrix, to_mm = tiled(d)
    equal((np.array_equal(matrix, mask[0]), d.PatientID, d.StudyInstanceUID), (True, "P-9", "1.2.3"))
    assert np.abs(to_mm(1024, 600) - [-(600 * 4 + 1.5) * 0.25e-3, -(1024 * 4 + 1.5) * 0.25e-3]).max() < 1e-6
    with h5py.File(result, "r+") as f:
        del f["coords"].attrs["mpp_x"]
    nowhere = export("seg", os.path.join(folder, "b"), result, "--sources", manifest)
    equal(nowhere.code, 65)
    contains(nowhere.err, "a.h5 as seg: nobody knows where its pixels lie")


def test_sc(folder):
    """sc: pictures of one size in colour, with a legend burnt in; a result without a picture is refused"""
    tools("dciodvfy")
    source, result, _, mask = series_result(folder, objects=[{"class": "nodule", "centre": [4, 3, 1], "centre_mm": [0, 0, 0], "longest_mm": 5.0}])
    with h5py.File(result, "r+") as f:
        f.create_dataset("map/probability", data=(mask * 0.9).astype("f4"))
    path, d = opened(export("sc", os.path.join(folder, "out"), result, "--sources", source), "sc")
    clean(path)
    pixels = d.pixel_array
    equal((d.SOPClassUID, pixels.shape, int(d.NumberOfFrames)), ("1.2.840.10008.5.1.4.1.1.7.4", (3, d.Rows, d.Columns, 3), 3))
    equal((d.BurnedInAnnotation, d.PhotometricInterpretation, d.ConversionType), ("YES", "RGB", "WSD"))
    equal(pixels[2, d.Rows // 2, d.Columns // 2].tolist(), [90, 90, 90])
    contains(d.DerivationDescription, "not a diagnosis")
    with h5py.File(result, "r+") as f:
        for name in ("map", "thumbnail", "objects"):
            del f[name]
    none = export("sc", os.path.join(folder, "b"), result, "--sources", source)
    equal(none.code, 65)
    contains(none.err, "case1.h5 as sc: it has no picture")


def floats(d):
    return np.frombuffer(d.FloatPixelData, "<f4").reshape(int(d.NumberOfFrames), d.Rows, d.Columns)


def test_pmap(folder):
    """pmap: a probability stands at its voxel in the patient, the evidence of tiles at their middle on the slide"""
    tools("dciodvfy")
    source, result, affine, mask = series_result(folder, made.turn((11, -17, 23)))
    numbers = np.arange(mask.size, dtype="f4").reshape(mask.shape) / mask.size
    with h5py.File(result, "r+") as f:
        f.create_dataset("map/probability", data=numbers)
    path, d = opened(export("pmap", os.path.join(folder, "out"), result, "--sources", source), "pmap")
    clean(path)
    shared = d.SharedFunctionalGroupsSequence[0]
    spacing = [float(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing]
    directions = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    equal(shared.RealWorldValueMappingSequence[0].LUTExplanation, "probability of nodule")
    back, seen = np.linalg.inv(np.diag([-1, -1, 1, 1]) @ affine), np.zeros(mask.size)
    for frame, groups in zip(floats(d), d.PerFrameFunctionalGroupsSequence):
        start = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        for (r, c), value in np.ndenumerate(frame):
            voxel = back @ [*(start + directions[:3] * spacing[1] * c + directions[3:] * spacing[0] * r), 1]
            x, y, plane = np.round(voxel[:3]).astype(int)
            assert np.abs(voxel[:3] - [x, y, plane]).max() < 1e-3 and value == numbers[plane, y, x]
            seen[np.ravel_multi_index((plane, y, x), mask.shape)] += 1
    equal(seen.tolist(), [1] * mask.size)

    tiff = os.path.join(folder, "a.tif")
    with open(tiff, "wb") as f:
        f.write(b"no slide is opened")
    slide = made.result_of(os.path.join(folder, "cases", "a.h5"), tiff, (2240, 1120, 1), mpp=0.5, slide=True)
    at = np.array([[x * 224, y * 224] for y in range(5) for x in range(10) if (x + y) % 3])
    with h5py.File(slide, "r+") as f:
        attributes = dict(f["coords"].attrs)
        del f["coords"], f["objects"]
        f.create_dataset("coords", data=at).attrs.update(attributes)
        f.create_dataset("tile_scores", data=np.stack([np.linspace(0, 1, len(at)), np.linspace(1, 0, len(at))], 1).astype("f4")).attrs.create(
            "labels", ["nodule", "other"], dtype=h5py.string_dtype())
        f.create_dataset("prediction/scores", data=np.array([0.9, 0.1], "f4")).attrs.create("labels", ["nodule", "other"], dtype=h5py.string_dtype())
        f["prediction/scores"].attrs["positive"] = "nodule"
    with open(os.path.join(folder, "m.csv"), "w") as f:
        f.write("path,patient,study_uid\na.tif,P-9,1.2.3\n")
    path, d = opened(export("pmap", os.path.join(folder, "out"), slide, "--sources", os.path.join(folder, "m.csv")), "pmap")
    clean(path)
    values = floats(d)[0]
    equal((values.shape, d.FloatPixelPaddingValue), ((5, 10), -1.0))
    wanted = np.full((5, 10), -1.0)
    wanted[at[:, 1] // 224, at[:, 0] // 224] = np.linspace(0, 1, len(at))
    assert np.abs(values - wanted).max() < 1e-6
    o, measures = d.TotalPixelMatrixOriginSequence[0], d.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
    assert abs(float(o.XOffsetInSlideCoordinateSystem) + 111.5 * 0.5e-3) < 1e-9 and abs(float(measures[0]) - 0.112) < 1e-9


def test_pmap_planes(folder):
    """pmap: what is said of each plane of a volume stands where that plane is, along the source's slices or across them"""
    tools("dciodvfy")
    for name, axes in (("oblique", made.turn((3, 9, -4))), ("flipped", np.eye(3) * [-1, 1, -1]), ("coronal", np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]).T)):
        source, result, affine, mask = series_result(os.path.join(folder, name), axes)
        planes, height, width = mask.shape
        scores = np.linspace(0, 1, planes)
        with h5py.File(result, "r+") as f:
            del f["map"], f["objects"]
            f.create_dataset("coords", data=np.array([[0, 0, k] for k in range(planes)])).attrs.update({
                "tile_level0": [float(width), float(height)], "level0_width": width, "level0_height": height, "patch_size": width})
            labels = {"labels": ["nodule", "other"]}
            f.create_dataset("tile_scores", data=np.stack([scores, 1 - scores], 1).astype("f4")).attrs.update(labels)
            f.create_dataset("prediction/scores", data=np.array([0.9, 0.1], "f4")).attrs.update({**labels, "positive": "nodule"})
        path, d = opened(export("pmap", os.path.join(folder, "out", name), result, "--sources", source), "pmap")
        clean(path)
        equal(int(d.NumberOfFrames), planes)
        shared, back = d.SharedFunctionalGroupsSequence[0], np.linalg.inv(np.diag([-1, -1, 1, 1]) @ affine)
        directions, spacing = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float), shared.PixelMeasuresSequence[0].PixelSpacing
        for frame, groups in zip(floats(d), d.PerFrameFunctionalGroupsSequence):
            start = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
            end = start + directions[:3] * float(spacing[1]) * (d.Columns - 1) + directions[3:] * float(spacing[0]) * (d.Rows - 1)
            corners = [(back @ [*v, 1])[:3] for v in (start, end)]
            k = int(round(corners[0][2]))
            assert np.abs(np.sort(corners, 0) - [[0, 0, k], [width - 1, height - 1, k]]).max() < 1e-3, corners
            assert np.abs(frame - scores[k]).max() < 1e-6


def items(node, name):
    """All content items below with this concept."""
    for item in node.get("ContentSequence", []):
        if "ConceptNameCodeSequence" in item and item.ConceptNameCodeSequence[0].CodeMeaning == name:
            yield item
        yield from items(item, name)


def number(node, name):
    (item,) = items(node, name)
    value = item.MeasuredValueSequence[0]
    return float(value.NumericValue), value.MeasurementUnitsCodeSequence[0].CodeValue


def test_sr(folder):
    """sr: score and threshold, sizes in UCUM, the middle in the patient, the segment of the object beside it; dsrdump reads it"""
    tools("dciodvfy", "dsrdump")
    voxel = np.array([4, 3, 1])
    source, result, affine, mask = series_result(folder, made.turn((11, -17, 23)), patient="홍^길동", charset="ISO_IR 192", decision="review", objects=[
        {"class": "nodule", "centre": voxel, "centre_mm": [9, 9, 9], "longest_mm": 5.25, "perpendicular_mm": 3.5, "volume_mm3": 33.25,
         "location": "right, lower third"}], measures=[("load", 33.25, "mm3", "volume(nodule)")], actions=["next: refer"])
    middle = affine @ [*voxel, 1]
    with h5py.File(result, "r+") as f:
        f["objects/centre_mm"][0] = middle[:3]
        scores = f.create_dataset("prediction/scores", data=np.array([0.1, 0.9], "f4"))
        scores.attrs.create("labels", ["normal", "nodule"], dtype=h5py.string_dtype())
    out = os.path.join(folder, "out")
    answer = export("sr,seg", out, result, "--sources", source)
    path, d = opened(answer, "sr")
    seg = opened(answer, "seg")[1]
    clean(path)
    done = subprocess.run(["dsrdump", path], capture_output=True, text=True)
    equal(done.returncode, 0)
    contains(done.stdout, "Imaging Measurement Report")
    equal((d.SOPClassUID.name, str(d.PatientName), d.PreliminaryFlag), ("Comprehensive 3D SR Storage", "홍^길동", "PRELIMINARY"))
    equal(number(d, "score of nodule"), (0.9, "1"))
    equal(number(next(items(d, "score of nodule")), "Threshold of a positive score"), (0.5, "1"))
    equal([number(d, n) for n in ("Volume", "Long Axis", "Short Axis", "load")], [(33.25, "mm3"), (5.25, "mm"), (3.5, "mm"), (33.25, "mm3")])
    (segment,), (point,), (decision,) = items(d, "Referenced Segment"), items(d, "Center"), items(d, "decision")
    equal(segment.ReferencedSOPSequence[0].ReferencedSOPInstanceUID, seg.SOPInstanceUID)
    assert np.abs(np.array(point.GraphicData) - middle[:3] * [-1, -1, 1]).max() < 1e-3
    equal((point.ReferencedFrameOfReferenceUID, decision.ConceptCodeSequence[0].CodeMeaning), (made.uid("ct", "frame"), "review"))
    evidence = d.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    equal([len(s.ReferencedSOPSequence) for s in evidence], [6, 1])
    contains([i.TextValue for i in items(d, "Comment")][-1], "research")
    contains({i.TextValue for i in items(d, "Algorithm Parameters")}, "model_sha256=" + "cd" * 32)

    korean = export("sr", os.path.join(folder, "ko"), result, "--sources", source, "--language", "ko")
    path, k = opened(korean, "sr")
    clean(path)
    equal((list(items(k, "Referenced Segment")), k.SOPInstanceUID != d.SOPInstanceUID), ([], True))
    contains(next(items(k, "Summary")).TextValue, "소견")
    tiff = os.path.join(folder, "a.tif")
    with open(tiff, "wb") as f:
        f.write(b"no slide is opened")
    slide = made.result_of(os.path.join(folder, "cases", "a.h5"), tiff, (5200, 2800, 1), mpp=0.25, slide=True,
                           objects=[{"class": "mitosis", "kind": "box", "centre": [1000, 40, 0], "longest_mm": 0.02}])
    with open(os.path.join(folder, "m.csv"), "w") as f:
        f.write("path,patient,study_uid\na.tif,P-9,1.2.3\n")
    path, d = opened(export("sr", out, slide, "--sources", os.path.join(folder, "m.csv")), "sr")
    clean(path)
    equal([round(v, 6) for v in next(items(d, "Center")).GraphicData], [-40 * 0.25e-3, -1000 * 0.25e-3, 0])


def test_all(folder):
    """all kinds of a segmentation twice: the same bytes, no two with one UID; a recipe's series of a study; a full disk leaves nothing"""
    tools("dciodvfy")
    source, result, _, mask = series_result(folder, made.turn((11, -17, 23)))
    other = made.series(os.path.join(os.path.dirname(source), "case1", "scout"), np.eye(3), size=(4, 4, 3), name="scout")
    with h5py.File(result, "r+") as f:
        f.create_dataset("map/probability", data=(mask * 0.9).astype("f4"))
        f.create_dataset("input/series", data=["1\tselected\tCT", "2\t-\tCT"], dtype=h5py.string_dtype())
    write_headline(result, {**headline(result), "input_sha256": made.series_identity(source)})
    kinds, out = "sr,seg,seg-fractional,pmap,sc,pdf", [os.path.join(folder, n) for n in "ab"]
    for o in out:
        answer = export(kinds, o, result, "--sources", source)
        equal((answer.code, answer.err, len(answer.out.split())), (0, "", 6))
    uids = set()
    for name in sorted(os.listdir(out[0])):
        equal((name, read(os.path.join(out[0], name), "rb") == read(os.path.join(out[1], name), "rb")), (name, True))
        clean(os.path.join(out[0], name))
        d = pydicom.dcmread(os.path.join(out[0], name))
        uids |= {d.SOPInstanceUID, d.SeriesInstanceUID}
        if "ReferencedSeriesSequence" in d:
            equal(d.ReferencedSeriesSequence[0].SeriesInstanceUID, made.uid("ct", "series"))
    equal((len(uids), os.path.isdir(other)), (12, True))

    def little_room():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))
    for kind in ("pmap", "sc", "pdf", "sr"):
        full = os.path.join(folder, "full")
        done = subprocess.run([PROGRAM, "export", "--to", kind, "-o", full, result, "--sources", source], capture_output=True, text=True,
                              preexec_fn=little_room)
        equal((done.returncode, os.listdir(full)), (74, []))
        contains(done.stderr, f"case1.h5 as {kind}: write ")


if __name__ == "__main__":
    main([test_pdf, test_identity, test_character_sets, test_seg_volume, test_seg_other, test_seg_pictures, test_seg_volume_file, test_seg_slides, test_sc, test_pmap, test_pmap_planes, test_sr, test_all])
