"""Studies of many series, made by pydicom: the table, the rules, what is refused and how, runs of the series that was chosen.

usage: test_studies.py MICROTOME SYNTHETIC SOURCE
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import contains, data, equal, main, microtome  # noqa: E402

try:
    import h5py
    import numpy as np
    import onnx
    import pydicom
    from onnx import TensorProto, helper
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.fileset import FileSet
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

CT, MR, CR, SC = (f"1.2.840.10008.5.1.4.1.1.{n}" for n in ("2", "4", "1", "7"))
AXIAL, CORONAL, SAGITTAL = [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1]
SIDE = 24
NAMES = "Kim^Secret", "PAT-4711", "19990131"


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def basic(series, instance, modality, sop_class):
    ds = FileDataset("", {}, preamble=b"\0" * 128)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.9.{series}.{instance}"
    ds.is_little_endian, ds.is_implicit_VR = True, False
    ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID = sop_class, f"1.2.9.{series}.{instance}", f"1.2.9.{series}"
    ds.StudyInstanceUID, ds.SeriesNumber, ds.InstanceNumber, ds.Modality = "1.2.9", series, instance, modality
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = NAMES
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.StudyID = "20200102", "101112", "ACC77", "1"
    return ds


def image(series, instance, modality, sop_class, values, position=None, iop=AXIAL, **more):
    ds = basic(series, instance, modality, sop_class)
    ds.Rows, ds.Columns = values.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    if position is not None:
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [float(v) for v in position], iop
        ds.PixelSpacing, ds.FrameOfReferenceUID = [1.0, 1.0], "1.2.9.99"
    ds.PixelData = values.astype("<u2").tobytes()
    for name, value in more.items():
        setattr(ds, name, value)
    return ds


def volume(series, modality, n, level, iop=AXIAL, thickness=2.0, **more):
    """n slices; a cube of 8 px and 5 slices at `level` among 3"""
    normal = np.cross(iop[:3], iop[3:])
    more.setdefault("ImageType", ["ORIGINAL", "PRIMARY", "AXIAL"])
    all_of_it = []
    for k in range(n):
        values = np.full((SIDE, SIDE), 3)
        if 4 <= k < 9:
            values[6:14, 8:16] = level
        all_of_it.append(image(series, k + 1, modality, CT if modality == "CT" else MR, values, np.array([-10, -20, 30]) + k * thickness * normal, iop,
                               SliceThickness=thickness, **more))
    return all_of_it


def report(series):
    return basic(series, 1, "SR", "1.2.840.10008.5.1.4.1.1.88.67")


def save(folder, name, objects):
    os.makedirs(os.path.join(folder, name), exist_ok=True)
    for i, ds in enumerate(objects):
        ds.save_as(os.path.join(folder, name, f"{ds.SeriesNumber}-{i:03d}"), write_like_original=False)
    return os.path.join(folder, name)


def ct_study():
    scout = [image(1, i + 1, "CT", CT, np.full((SIDE, 40), 9), (0, 0, 0), iop, SliceThickness=600, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
                   SeriesDescription="Topogram") for i, iop in enumerate((CORONAL, SAGITTAL))]
    return (scout + volume(2, "CT", 12, 150, thickness=5, SeriesDescription="Chest 5mm", BodyPartExamined="CHEST") +
            volume(3, "CT", 12, 160, thickness=1, SeriesDescription="Chest 1mm", BodyPartExamined="CHEST") +
            volume(4, "CT", 10, 170, CORONAL, SeriesDescription="Chest cor MPR", ImageType=["DERIVED", "SECONDARY", "MPR"]) +
            [image(5, 1, "CT", SC, np.full((SIDE, SIDE), 7), SeriesDescription="Dose")] + [report(6)])


def mr(series, level, name, tr, te, ti=0, **more):
    more.setdefault("ScanningSequence", "SE")
    if ti:
        more["InversionTime"] = ti
    return volume(series, "MR", 12, level, SeriesDescription=name, RepetitionTime=tr, EchoTime=te, **more)


def mr_study():
    return (mr(11, 101, "AX T1", 500, 10) + mr(12, 102, "AX T1 POST", 510, 11, ContrastBolusAgent="Gd") + mr(13, 103, "AX T2", 4500, 100) +
            mr(14, 104, "AX T2 FLAIR", 9000, 120, 2500, ScanningSequence=["SE", "IR"]) +
            mr(15, 105, "DWI b1000", 5000, 90, ScanningSequence="EP") + mr(16, 106, "ADC", 5000, 90, ImageType=["DERIVED", "PRIMARY", "ADC"]))


def table(path, *options):
    answer = microtome("info", "--json", *options, path)
    return answer, json.loads(answer.out)["study"]


def rules(folder, text):
    return write(os.path.join(folder, "rules.ini"), text)


def chosen(folder, path, text):
    answer, series = table(path, "-r", rules(folder, text))
    equal((answer.code, answer.err), (0, ""))
    return [(s["series"], s["role"]) for s in series if s["selected"]]


def refused(folder, path, text, code=65):
    answer = microtome("info", "-r", rules(folder, text), path)
    equal(answer.code, code)
    return answer.err.replace(path, "STUDY").replace(folder, "FOLDER").strip()


def test_table(folder):
    """a study is listed series by series, what is skipped with the reason; nothing of the patient"""
    study = save(folder, "s", ct_study())
    answer, series = table(study)
    equal(answer.code, 0)
    equal([(s["modality"], s["images"], s["orientation"], s["reason"]) for s in series],
          [("CT", 1, "coronal", "a scout"), ("CT", 1, "sagittal", "a scout"), ("CT", 12, "axial", None), ("CT", 12, "axial", None),
           ("CT", 10, "coronal", "derived (MPR)"), ("CT", 1, None, "a screenshot (secondary capture)"), ("SR", 0, None, "a dose report")])
    text = microtome("info", study).out
    contains(text, '  [4]              CT, 12 images of 24 x 24, axial, 1 mm, CHEST, "Chest 1mm"\n')
    contains(text, '  [7]  skipped     SR: a dose report\n')
    for name in NAMES + ("20200102", "ACC77", "1.2.9"):
        assert name not in text + answer.out, name


def test_one(folder):
    """thickness, prefer and exclusion choose; two that fit are refused with both and the key that would decide; none with every reason"""
    study = save(folder, "s", ct_study())
    equal(chosen(folder, study, "[series]\nmodality=ct\nthickness=0.5-2\n"), [(4, "")])
    equal(chosen(folder, study, "[series]\nprefer=thinnest\n"), [(4, "")])
    equal(chosen(folder, study, "[series]\nprefer=most-images;newest\n"), [(4, "")])
    equal(chosen(folder, study, "[series]\nprefer=oldest\n"), [(3, "")])
    equal(chosen(folder, study, "[series]\ndescription=chest*;!*1MM\n"), [(3, "")])
    equal(chosen(folder, study, "[series]\nimage_type=MPR\n"), [(5, "")])
    equal(chosen(folder, study, "[series]\nthickness=3-\nbody_part=CHEST;THORAX\norientation=axial\ncontrast=no\nmin_images=12\n"), [(3, "")])
    equal(refused(folder, study, "[series]\nmodality=CT\n"),
          'microtome info: choose a series of STUDY: 2 series fit [series] ([3] CT, 12 images of 24 x 24, axial, 5 mm, CHEST, "Chest 5mm"; '
          '[4] CT, 12 images of 24 x 24, axial, 1 mm, CHEST, "Chest 1mm"): thickness= or prefer=thinnest would decide')
    equal(refused(folder, study, "[series]\nmodality=MR\n"),
          'microtome info: choose a series of STUDY: none of its 7 series fits [series] ([1] CT, 1 image of 40 x 24, coronal, 600 mm, "Topogram": '
          'a scout; [2] CT, 1 image of 40 x 24, sagittal, 600 mm, "Topogram": a scout; [3] CT, 12 images of 24 x 24, axial, 5 mm, CHEST, "Chest 5mm": '
          'modality is CT; [4] CT, 12 images of 24 x 24, axial, 1 mm, CHEST, "Chest 1mm": modality is CT; [5] CT, 10 images of 24 x 24, coronal, 2 mm, '
          '"Chest cor MPR": derived (MPR); [6] CT, 1 image of 24 x 24, "Dose": a screenshot (secondary capture); [7] SR: a dose report)')


def test_keys(folder):
    """keys and values that mean nothing are refused when the recipe is read"""
    study = save(folder, "s", volume(3, "CT", 5, 9))
    for text, message in (
            ("[series]\nthickness=thin\n", "[series] thickness=thin: MIN-MAX in mm is wanted"),
            ("[series]\nthickness=3-1\n", "[series] thickness=3-1: MIN-MAX in mm is wanted"),
            ("[series]\norientation=tilted\n", "[series] orientation=tilted: axial, coronal, sagittal or oblique is wanted"),
            ("[series]\ncontrast=maybe\n", "[series] contrast=maybe: yes or no is wanted"),
            ("[series]\nmin_images=0\n", "[series] min_images=0: a whole number from 1 to 1000000 is wanted"),
            ("[series]\nprefer=best\n", "[series] prefer=best: thinnest, thickest, most-images, newest or oldest is wanted"),
            ("[series]\nrole=T9\n", "[series] role=T9: T1, T1c, T2, FLAIR, PD or DWI is wanted"),
            ("[series]\nview=\n", "[series] view=: a view (PA, AP, lateral) is wanted"),
            ("[series]\ndate=new\n", "[series] key 'date' is not known: modality, body_part, orientation, thickness, contrast, description, view, "
             "laterality, image_type, role, min_images, prefer"),
            ("[series.t1]\nmodality=MR\n", "[series.t1] is none of [input] sequences: name it there"),
            ("[input]\nsequences=t1;late\n[series]\nmodality=MR\n", "sequence 'late' has no group [series.late] that describes it")):
        equal(refused(folder, study, text, 78), "microtome info: read FOLDER/rules.ini: " + message)


def test_roles(folder):
    """T1, T1c, T2 and FLAIR by their words, times and contrast; what contradicts itself is refused"""
    study = save(folder, "s", mr_study())
    four = "[input]\nsequences=t1;t1c;t2;flair\n[series]\nmodality=MR\norientation=axial\n"
    equal(chosen(folder, study, four), [(1, "t1"), (2, "t1c"), (3, "t2"), (4, "flair")])
    equal(chosen(folder, study, "[series]\nrole=dwi\n"), [(5, "")])
    equal(chosen(folder, study, "[series]\ncontrast=yes\n"), [(2, "")])
    equal(refused(folder, study, "[input]\nsequences=t2;other\n[series.other]\ndescription=*T2\n"),
          "microtome info: choose a series of STUDY: [series.t2] and [series.other] both choose [3]")
    for ds in mr(17, 9, "AX T1", 4500, 100):
        ds.save_as(os.path.join(study, f"x{ds.InstanceNumber}"), write_like_original=False)
    equal(refused(folder, study, "[series]\nrole=T2\n"),
          'microtome info: choose a series of STUDY: [series] may want [7] MR, 12 images of 24 x 24, axial, 2 mm, "AX T1", and whether it is T2 cannot be '
          'told from its words, times (TR 4500, TE 100, TI 0 ms) and contrast: description= would decide')
    equal(chosen(folder, study, "[series]\nrole=T2\ndescription=*T2*\n"), [(3, "")])
    for ds in mr(18, 9, "AX T1 PRE", 500, 10, ContrastBolusAgent="Gd"):
        ds.save_as(os.path.join(study, f"y{ds.InstanceNumber}"), write_like_original=False)
    contains(refused(folder, study, "[series]\ncontrast=yes\n"), "its words and its header disagree about contrast: description= would decide")


def xray(series, instance, level, **more):
    return image(series, instance, "CR", CR, np.full((SIDE, SIDE), level), ImageType=["DERIVED", "PRIMARY"], **more)


def test_views(folder):
    """PA against lateral, of one series or of two, by ViewPosition or by the only word of the description"""
    one = save(folder, "one", [xray(1, 1, 5, ViewPosition="PA"), xray(1, 2, 6, ViewPosition="LL")])
    two = save(folder, "two", [xray(1, 1, 5, SeriesDescription="CHEST PA"), xray(2, 1, 6, SeriesDescription="CHEST LAT")])
    for study in (one, two):
        equal(chosen(folder, study, "[series]\nview=PA;AP\n"), [(1, "")])
        equal(chosen(folder, study, "[series]\nview=lateral\n"), [(2, "")])
    equal(refused(folder, one, "[series]\nmodality=CR\n"),
          "microtome info: choose a series of STUDY: 2 series fit [series] ([1] CR, 1 image of 24 x 24, PA; [2] CR, 1 image of 24 x 24, LL): view= would decide")
    lone = os.path.join(two, os.listdir(two)[0])
    contains(refused(folder, lone, "[series]\nview=AP\n"), "none of its 1 series fits [series]")


def test_damaged(folder):
    """a damaged file refuses the series whose slice it may be, and no other"""
    study = save(folder, "s", ct_study())
    head = open(os.path.join(study, "3-014"), "rb").read()
    write_to = os.path.join(study, "zz")
    with open(write_to, "wb") as f:
        f.write(head[:700])
    text = "[series]\nprefer=thinnest\n"
    message = refused(folder, study, text)
    contains(message, "choose a series of STUDY: its file zz: ")
    contains(message, "; it may be a slice of the chosen series [4]")
    contains(microtome("info", study).out, "  damaged file zz: ")
    apart = os.path.join(folder, "t")
    os.makedirs(apart)
    save(apart, "a", volume(3, "CT", 12, 9))
    save(apart, "b", [xray(1, 1, 5), xray(1, 2, 5)])
    os.rename(write_to, os.path.join(apart, "b", "zz"))
    equal(chosen(folder, apart, "[series]\nmodality=CT\n"), [(3, "")])


def test_dicomdir(folder):
    """a DICOMDIR is the study of the files beside it"""
    files = FileSet()
    for ds in volume(2, "CT", 6, 9, thickness=5) + volume(3, "CT", 6, 9, thickness=1):
        files.add(ds)
    files.write(os.path.join(folder, "medium"))
    path = os.path.join(folder, "medium", "DICOMDIR")
    equal(chosen(folder, path, "[series]\nprefer=thinnest\n"), [(2, "")])
    equal(chosen(folder, os.path.dirname(path), "[series]\nprefer=thickest\n"), [(1, "")])
    answer = microtome("run", "-e", "builtin:demo", "-o", os.path.join(folder, "out"), path)
    equal(answer.code != 0, True)
    contains(answer.err, "it holds 2 series, a case is one of them: name a folder with one series, or choose by [series] of a recipe (")


def network(path, channels, limit):
    """Label 1 where the mean of the channels is above the limit."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2, channels, 1, 1, 1], [0.0] * channels + [0.1 / channels] * channels)
    bias = helper.make_tensor("b", TensorProto.FLOAT, [2], [0.0, -limit / 10])
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w", "b"], ["y"])], "threshold",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", channels, "d", "h", "w"])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2, "d", "h", "w"])], [weight, bias])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)


def segmenter(folder, channels, limit, more):
    network(os.path.join(folder, "net.onnx"), len(channels), limit)
    write(os.path.join(folder, "net.card"), "[encoder]\nname=threshold\nsize_px=16x16x8\nchannels=" + ";".join(channels) +
          "\nvalue=none\nmean=0\nstd=1\nactivation=softmax\nlabels=background;nodule\n")
    return write(os.path.join(folder, "r.ini"), more + "[encoder]\nmodel=net.onnx\n[head]\ntask=segment\n[labels]\npositive=nodule\n[thresholds]\n"
                 "nodule=0.5\n")


def test_run(folder):
    """the chosen series is the case: its mask, its spacing, and the table in the result, without free text of the files"""
    study = save(folder, "s", ct_study())
    recipe = segmenter(folder, ["ct"], 100, "[series]\nprefer=thinnest\n")
    out = os.path.join(folder, "out")
    answer = microtome("run", "-r", recipe, "-o", out, study)
    equal(answer.code, 0)
    with h5py.File(os.path.join(out, "cases", "s.h5")) as f:
        equal((f["map/segmentation"].shape, int(f["map/segmentation"][:].sum())), ((12, SIDE, SIDE), 5 * 64))
        np.testing.assert_allclose(abs(np.linalg.det(f["geometry/affine"][:3, :3])), 1.0)
        equal(list(f["input/series"].attrs["columns"]), ["series", "chosen", "modality", "images", "columns", "rows", "orientation", "thickness_mm",
                                                         "contrast", "reason"])
        lines = f["input/series"].asstr()[:].tolist()
        equal(lines[2], "3\t-\tCT\t12\t24\t24\taxial\t5\tnone\tanother is preferred")
        equal(lines[3], "4\tselected\tCT\t12\t24\t24\taxial\t1\tnone\t-")
        equal(lines[6], "7\t-\tSR\t0\t0\t0\t-\t0\tnone\ta dose report")
        contains(f["provenance"].asstr()[()], "[series]\\nprefer=thinnest")
    whole = open(os.path.join(out, "cases", "s.h5"), "rb").read()
    for name in NAMES + ("20200102", "ACC77", "Chest 1mm", "Topogram"):
        assert name.encode() not in whole, name
    contains(open(os.path.join(out, "recipe.ini")).read(), "\n[series]\nprefer=thinnest\n")
    again = microtome("run", "-r", recipe, "-o", out, study)
    equal(again.code, 0)
    other = segmenter(folder, ["ct"], 100, "[series]\nprefer=thickest\n")
    equal(microtome("run", "-r", other, "-o", out, study).code, 64)


def test_run_roles(folder):
    """four series are the channels: 101 .. 104 have the mean 102.5"""
    study = save(folder, "s", mr_study())
    for limit, voxels in ((102.3, 5 * 64), (102.7, 0)):
        recipe = segmenter(folder, ["t1", "t1c", "t2", "flair"], limit, "[input]\nsequences=t1;t1c;t2;flair\n[series]\nmodality=MR\n")
        out = os.path.join(folder, f"out{voxels}")
        answer = microtome("run", "-r", recipe, "-o", out, study)
        equal(answer.code, 0)
        with h5py.File(os.path.join(out, "cases", "s.h5")) as f:
            equal(int(f["map/segmentation"][:].sum()), voxels)
            equal([line.split("\t")[1] for line in f["input/series"].asstr()[:]], ["t1", "t1c", "t2", "flair", "-", "-"])
            equal([line.split("\t")[-1] for line in f["input/series"].asstr()[:]], ["-"] * 4 + ["fits no role", "derived"])


def mean_encoder(folder):
    """A feature is the mean of the picture."""
    graph = helper.make_graph([helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])], "mean",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 16, 16])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, os.path.join(folder, "mean.onnx"))
    write(os.path.join(folder, "mean.card"), "[encoder]\nname=mean\nsize_px=16\nfit=stretch\nvalue=range:0,256\nmean=0\nstd=1\n")


def test_tiles(folder):
    """an encoder's tiles come from the chosen series too; of radiographs the view that is asked for"""
    study = save(folder, "s", ct_study())
    films = save(folder, "x", [xray(1, 1, 5, ViewPosition="PA"), xray(1, 2, 250, ViewPosition="LL")])
    mean_encoder(folder)
    for path, key, name, mean, taken in ((study, "thickness=5", "ct", (7 * 3 + 5 * (3 * 512 + 150 * 64) / 576) / 12, 3), (films, "view=PA", "pa", 5, 1),
                                         (films, "view=lateral", "side", 250, 2)):
        recipe = rules(folder, f"[series]\n{key}\n[encoder]\nmodel=mean.onnx\n[mask]\nmethod=none\n")
        out = os.path.join(folder, name)
        answer = microtome("run", "-r", recipe, "-o", out, path)
        equal((answer.code, answer.err if answer.code else ""), (0, ""))
        with h5py.File(os.path.join(out, "cases", os.path.basename(path) + ".h5")) as f:
            np.testing.assert_allclose(f["features"][:].astype(float).mean(), mean / 256, rtol=2e-3)
            equal([line.split("\t")[0] for line in f["input/series"].asstr()[:] if line.split("\t")[1] == "selected"], [str(taken)])


def test_mutations(folder):
    """damaged headers by the hundred: a table or a refusal, never a crash"""
    study, good = os.path.join(folder, "m"), os.path.join(save(folder, "s", mr(12, 102, "AX T1 POST", 510, 11, ContrastBolusAgent="Gd")), "12-003")
    os.makedirs(study)
    head, random = bytearray(open(good, "rb").read()), np.random.default_rng(5)
    for i in range(300):
        changed = head.copy()
        for at in random.integers(132, len(head) - 2 * SIDE * SIDE, random.integers(1, 6)):
            changed[at] = random.integers(0, 256)
        with open(os.path.join(study, f"{i:03d}"), "wb") as f:
            f.write(changed[:random.integers(300, len(head))] if i % 5 == 0 else changed)
    for options in ([], ["-r", rules(folder, "[series]\nrole=T1c\nmin_images=1\nimage_type=any\nprefer=most-images\n")]):
        answer = microtome("info", *options, study)
        assert answer.code in (0, 65), answer
    assert answer.out.count("damaged file") > 50, answer


def of_study(objects, study):
    for ds in objects:
        ds.StudyInstanceUID = study
    return objects


def test_batch(folder):
    """a folder of studies: each is one case, whatever its files are called; one that is not decided fails alone; local copies are whole"""
    studies = os.path.join(folder, "studies")
    save(studies, "a", of_study(ct_study(), "1.3.1"))
    save(studies, "b", volume(2, "CT", 12, 150, thickness=5) + volume(3, "CT", 12, 150, thickness=5))
    save(studies, "c", of_study(ct_study()[2:], "1.3.3"))
    recipe = segmenter(folder, ["ct"], 100, "[series]\nthickness=4-6\n")
    for n, options in enumerate(([], ["--copy-to", os.path.join(folder, "copies")])):
        if options:
            os.makedirs(options[1])
        out = os.path.join(folder, f"out{n}")
        answer = microtome("run", "-r", recipe, "-o", out, *options, studies)
        equal(sorted(os.listdir(os.path.join(out, "cases"))), ["a.h5", "c.h5"])
        failed = json.load(open(os.path.join(out, "failed", "b.json")))
        contains(failed["reason"], "2 series fit [series] (")
        contains(failed["reason"], ": prefer=newest would decide")
        equal(answer.code != 0, True)


def test_nested(folder):
    """studies whose series lie in folders of their own are one case each, copied or not; without [series] every series is one"""
    studies = os.path.join(folder, "studies")
    for name in ("a", "b"):
        uid = "1.3." + name.replace("a", "1").replace("b", "2")
        save(os.path.join(studies, name, "x"), "thick", of_study(volume(2, "CT", 12, 150, thickness=5), uid))
        save(os.path.join(studies, name, "y"), "1", of_study(volume(3, "CT", 12, 150, thickness=1), uid))
        save(os.path.join(studies, name), "sr", of_study([report(9)], uid))
    recipe = segmenter(folder, ["ct"], 100, "[series]\nprefer=thinnest\n")
    for n, options in enumerate(([], ["--copy-to", os.path.join(folder, "copies")])):
        if options:
            os.makedirs(options[1])
        out = os.path.join(folder, f"out{n}")
        answer = microtome("run", "-r", recipe, "-o", out, *options, studies)
        equal((answer.code, sorted(os.listdir(os.path.join(out, "cases")))), (0, ["a.h5", "b.h5"]))
        with h5py.File(os.path.join(out, "cases", "b.h5")) as f:
            equal([line.split("\t")[1] for line in f["input/series"].asstr()[:]], ["-", "selected", "-"])
    one = os.path.join(folder, "one")
    equal(microtome("run", "-r", recipe, "-o", one, os.path.join(studies, "a")).code, 0)
    equal(os.listdir(os.path.join(one, "cases")), ["a.h5"])
    plain = segmenter(folder, ["ct"], 100, "")
    answer = microtome("run", "-r", plain, "-o", os.path.join(folder, "plain"), os.path.join(studies, "a"))
    equal(sorted(os.listdir(os.path.join(folder, "plain", "cases"))), ["1.h5", "thick.h5"])


def test_shared_medium(folder):
    """a real DICOMDIR of 24 series"""
    path = data("radiology", "dicomdir", "DICOMDIR")
    answer, series = table(path)
    equal((answer.code, len(series)), (0, 24))
    equal(sum(s["reason"] == "a scout" for s in series), 6)
    equal([s["description"] for s in series if s["reason"] is None and s["modality"] == "CT"], ["Routine Brain", "SmartScore - Gated 0.5 sec"])
    picked = chosen(folder, path, "[series]\nmodality=CT\nbody_part=HEAD\n")
    equal(len(picked), 1)
    equal([s["view"] for s in series if s["modality"] == "CR"], ["LL", "AP", "AP"])


main([test_table, test_one, test_keys, test_roles, test_views, test_damaged, test_dicomdir, test_run, test_run_roles, test_tiles, test_mutations, test_batch, test_nested, test_shared_medium])
