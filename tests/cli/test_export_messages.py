"""Results as messages to information systems: HL7 v2.5.1 ORU^R01 held against a parser written here, FHIR R4 against its required elements."""
import base64
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import Skip, contains, equal, main, microtome, read  # noqa: E402

try:
    import h5py
    import numpy as np
    import made_dicom as made
    from made_results import write_result
except ImportError:
    h5py = None

SCORES = {"normal": 0.17, "tumour|a^b&c~d\\": 0.83}
UCUM = "http://unitsofmeasure.org"


def needs_h5py():
    if h5py is None:
        raise Skip("h5py, NumPy or pydicom is not installed")


def classified(folder, patient="P|7^1", study="1.2.3.4", accession="A~9", status="ok"):
    """a slide's result with two scores, and a manifest that says whose it is"""
    needs_h5py()
    write_result(folder, "slide1", list(SCORES.values()), labels=list(SCORES), positive=list(SCORES)[1], threshold=0.31, status=status)
    with h5py.File(os.path.join(folder, "cases", "slide1.h5"), "r+") as f:
        f.create_dataset("geometry/bounds", data=np.array([0, 0, 4096, 3072], "i8"))  # a slide
    with open(os.path.join(folder, "m.csv"), "w") as f:
        f.write(f"path,id,patient,study_uid,accession\nnowhere.svs,slide1,{patient},{study},{accession}\n")
    return os.path.join(folder, "cases", "slide1.h5"), os.path.join(folder, "m.csv")


def measured(folder):
    """a CT series with two objects and a measure"""
    needs_h5py()
    source = made.series(os.path.join(folder, "sources", "case1"), np.eye(3), patient="Hong^Gil dong^M^Dr^II")
    result = os.path.join(folder, "cases", "case1.h5")
    os.makedirs(os.path.dirname(result))
    row = {"class": "nodule", "voxels": 30, "centre": [3, 3, 2], "volume_mm3": 56.7, "longest_mm": 6.2, "perpendicular_mm": 4.1}
    made.result_over(result, source, objects=[row], measures=[("burden", 56.7, "mm3", "sum(volume)")])
    return result, os.path.join(folder, "sources")


def export(kind, folder, result, *args):
    out = os.path.join(folder, "out")
    answer = microtome("export", result, "--to", kind, "-o", out, *args)
    equal((answer.code, answer.err), (0, ""))
    return answer.out.strip()


# HL7: chapter 2 of version 2.5.1

ESCAPES = {"F": "|", "S": "^", "T": "&", "R": "~", "E": "\\"}


def unescaped(text):
    return re.sub(r"\\([FSTRE])\\", lambda m: ESCAPES[m.group(1)], text)


def parsed(path):
    """segments: lists of fields, each a list of components; numbered as the standard does"""
    data = read(path, "rb").decode("utf-8")
    assert data.endswith("\r") and "\n" not in data
    segments = []
    for line in data[:-1].split("\r"):
        fields = line.split("|")
        if fields[0] == "MSH":
            fields.insert(1, "|")
        segments.append([f if fields[0] == "MSH" and i < 3 else [unescaped(c) for c in f.split("^")] for i, f in enumerate(fields)])
    return segments


def of(segments, name):
    return [s for s in segments if s[0][0] == name or s[0] == name]


def test_hl7(folder):
    """one message: header, patient, order, scores with threshold and flag, the case in words; delimiters escaped"""
    result, manifest = classified(folder)
    path = export("hl7", folder, result, "--manifest", manifest)
    equal(os.path.basename(path), "slide1_hl7.hl7")
    segments = parsed(path)
    equal([s[0] if isinstance(s[0], str) else s[0][0] for s in segments][:4], ["MSH", "PID", "OBR", "NTE"])
    msh, pid, obr = segments[:3]
    equal((msh[1], msh[2], msh[3], msh[9], msh[11], msh[12], msh[18]), ("|", "^~\\&", ["MICROTOME"], ["ORU", "R01", "ORU_R01"], ["P"], ["2.5.1"], ["UNICODE UTF-8"]))
    assert re.fullmatch(r"\d{14}\+0000", msh[7][0]) and re.fullmatch(r"\d{1,20}", msh[10][0]), msh
    equal((pid[1], pid[3], pid[5]), (["1"], ["P|7^1"], ["", "", "", "", "", "", "U"]))
    equal((obr[2], obr[3], obr[4], obr[18], obr[24], obr[25]), (["A~9"], ["A~9"], ["11526-1", "Pathology study", "LN"], ["A~9"], ["SP"], ["P"]))
    equal(of(segments, "NTE")[0][3], ["For research and decision support; not a medical device."])
    rows = of(segments, "OBX")
    equal([r[1][0] for r in rows], [str(i + 1) for i in range(len(rows))])
    equal({(r[11][0], r[14][0], r[18][0]) for r in rows}, {("P", msh[7][0], "MICROTOME")})
    found = {r[3][0]: r for r in rows}
    equal((found["study_uid"][2], found["study_uid"][5]), (["TX"], ["1.2.3.4"]))
    equal((found["decision"][2], found["decision"][5]), (["TX"], ["review"]))
    low, high = found["score.normal"], found["score.tumour_a_b_c_d_"]
    equal((low[2], low[5], low[6], low[7], low[8]), (["NM"], ["0.17"], ["1", "1", "UCUM"], [""], [""]))
    equal((high[3], high[5], high[7], high[8]), (["score.tumour_a_b_c_d_", "score of tumour|a^b&c~d\\", "L"], ["0.83"], ["<0.31"], ["H"]))
    report = found["report"]
    equal((report[2], report[5][:4]), (["ED"], ["MICROTOME", "TEXT", "PLAIN", "Base64"]))
    contains(base64.b64decode(report[5][4]).decode(), "not a medical device")
    first = read(path, "rb")
    export("hl7", folder, result, "--manifest", manifest, "--force")
    equal(read(path, "rb") == first, True)


def test_hl7_dicom(folder):
    """a CT series: the source's patient, findings and measures with units; python3-hl7 reads it where it is installed"""
    result, sources = measured(folder)
    path = export("hl7", folder, result, "--sources", sources)
    segments = parsed(path)
    pid, obr = segments[1:3]
    equal((pid[3], pid[5], pid[7], pid[8]), (["P-17"], ["Hong", "Gil dong", "M", "II", "Dr"], ["19500102"], ["F"]))
    equal((obr[3], obr[4], obr[7], obr[24]), (["A-5"], ["18748-4", "Diagnostic imaging study", "LN"], ["20260102101112"], ["RAD"]))
    found = {r[3][0]: r for r in of(segments, "OBX")}
    equal((found["measure.burden"][2], found["measure.burden"][5], found["measure.burden"][6]), (["NM"], ["56.7"], ["mm3", "mm3", "UCUM"]))
    contains(found["finding.1"][5][0], "6 mm nodule")
    equal("score" in " ".join(found), False)
    try:
        import hl7
    except ImportError:
        return
    message = hl7.parse(read(path, "rb").decode())
    equal((str(message.segment("PID")[5]), len(message.segments("OBX"))), ("Hong^Gil dong^M^II^Dr", len(of(segments, "OBX"))))


# FHIR R4: cardinalities and value sets of the resources that are used

REQUIRED = {"DiagnosticReport": ["status", "code"], "Observation": ["status", "code"], "ImagingStudy": ["status", "subject"], "Device": []}
STATUS = {"DiagnosticReport": {"registered", "partial", "preliminary", "final"}, "Observation": {"registered", "preliminary", "final", "amended"},
          "ImagingStudy": {"registered", "available", "cancelled", "entered-in-error", "unknown"}, "Device": {"active", "inactive"}}
KNOWN = {"DiagnosticReport": {"resourceType", "meta", "language", "text", "contained", "identifier", "basedOn", "status", "category", "code", "subject", "effectiveDateTime",
                              "result", "imagingStudy", "conclusion"},
         "Observation": {"resourceType", "id", "status", "code", "subject", "effectiveDateTime", "valueQuantity", "valueString", "interpretation", "device", "referenceRange"},
         "ImagingStudy": {"resourceType", "id", "identifier", "status", "modality", "subject", "started"},
         "Device": {"resourceType", "id", "status", "deviceName", "version", "note"}}
LISTS = {"contained", "identifier", "basedOn", "category", "result", "imagingStudy", "interpretation", "referenceRange", "deviceName", "version", "note", "coding", "security"}


def check_shapes(value, name=""):
    """no null, no empty string, list or object; lists where the model has them; codings and identifiers with a system that is a URI"""
    assert value not in (None, "", [], {}), name
    if isinstance(value, dict):
        if "coding" in value:
            assert all(c["system"].startswith(("http://", "urn:")) and c["code"] == c["code"].strip() for c in value["coding"]), value
        for key, inner in value.items():
            is_list = key in LISTS or (key == "modality")
            equal((name, key, isinstance(inner, list)), (name, key, is_list and not (name == "subject" or key == "identifier" and name in ("subject", "basedOn"))))
            check_shapes(inner, key)
    elif isinstance(value, list):
        for inner in value:
            check_shapes(inner, name)
    else:
        assert isinstance(value, (str, int, float, bool)), value


def check_resource(r):
    kind = r["resourceType"]
    equal(sorted(set(r) - KNOWN[kind]), [])
    equal([k for k in REQUIRED[kind] if k not in r], [])
    assert r["status"] in STATUS[kind], r["status"]
    if "effectiveDateTime" in r:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", r["effectiveDateTime"])
    if kind == "Observation":
        equal(("valueQuantity" in r) != ("valueString" in r), True)
        for q in [r[k] for k in ("valueQuantity",) if k in r] + [x["high"] for x in r.get("referenceRange", [])]:
            equal((q["system"], q["code"]), (UCUM, q["unit"]))


def fhir(path):
    report = json.loads(read(path))
    equal(report["resourceType"], "DiagnosticReport")
    contained = report["contained"]
    check_shapes(report)
    for r in [report, *contained]:
        check_resource(r)
    ids = [r["id"] for r in contained]
    equal(len(set(ids)), len(ids))
    # dom-3: what is contained is referred to; what is referred to is contained; dom-2, dom-4, dom-5: nothing nested
    used = set(re.findall(r'"#([^"]+)"', json.dumps(report)))
    equal(used, set(ids))
    equal([r for r in contained if "contained" in r or "meta" in r], [])
    assert all(re.fullmatch(r"[A-Za-z0-9.-]{1,64}", i) for i in ids)
    equal([r["reference"] for r in report["result"]], ["#" + r["id"] for r in contained if r["resourceType"] == "Observation"])
    equal(report["meta"]["security"][0]["code"], "HRESCH")
    assert report["text"]["div"].startswith('<div xmlns="http://www.w3.org/1999/xhtml">')
    import xml.etree.ElementTree as tree
    tree.fromstring(report["text"]["div"])
    contains(report["conclusion"], "not a medical device")
    return report, {o["code"]["coding"][0]["code"]: o for o in contained if o["resourceType"] == "Observation"}


def test_fhir(folder):
    """DiagnosticReport: required elements, references, identity by number, scores with reference range"""
    result, manifest = classified(folder, patient="P7", accession="A9")
    path = export("fhir", folder, result, "--manifest", manifest)
    equal(os.path.basename(path), "slide1_fhir.json")
    report, items = fhir(path)
    equal((report["status"], report["code"]["coding"][0]["code"], report["subject"]["identifier"]["value"]), ("preliminary", "11526-1", "P7"))
    equal(report["basedOn"][0]["identifier"]["value"], "A9")
    study = next(r for r in report["contained"] if r["resourceType"] == "ImagingStudy")
    equal([i["value"] for i in study["identifier"]], ["urn:oid:1.2.3.4", "A9"])
    high = items["score.tumour_a_b_c_d_"]
    equal((high["valueQuantity"]["value"], high["referenceRange"][0]["high"]["value"], high["interpretation"][0]["coding"][0]["code"]), (0.83, 0.31, "H"))
    equal((items["decision"]["valueString"], items["score.normal"]["valueQuantity"]["value"]), ("review", 0.17))
    assert re.fullmatch(r"urn:oid:2\.25\.\d+", report["identifier"][0]["value"])
    korean = export("fhir", folder + "/ko", result, "--manifest", manifest, "--language", "ko")
    equal(json.loads(read(korean))["language"], "ko")


def test_fhir_dicom(folder):
    """a CT series: dates, findings, measures; no name of the patient"""
    result, sources = measured(folder)
    path = export("fhir", folder, result, "--sources", sources)
    report, items = fhir(path)
    equal((report["effectiveDateTime"], report["code"]["coding"][0]["code"]), ("2026-01-02", "18748-4"))
    equal(items["measure.burden"]["valueQuantity"], {"value": 56.7, "unit": "mm3", "system": UCUM, "code": "mm3"})
    contains(items["finding.1"]["valueString"], "6 mm nodule")
    equal("Hong" in read(path), False)


def test_withheld(folder):
    """a score that is withheld is in neither"""
    result, manifest = classified(folder, status="withheld")
    for kind in ("hl7", "fhir"):
        text = read(export(kind, folder, result, "--manifest", manifest))
        equal(("score.normal" in text, "0.83" in text, "withheld" in text), (False, False, True))


def test_refused(folder):
    """without an identity, or a patient's number, neither is written"""
    result, _ = classified(folder)
    for kind in ("hl7", "fhir"):
        answer = microtome("export", result, "--to", kind, "-o", folder + "/none")
        equal((answer.code, answer.out), (65, ""))
        contains(answer.err, "nobody says whose it is")
    source = made.series(os.path.join(folder, "sources", "case1"), np.eye(3))
    for name in os.listdir(source):
        d = made.pydicom.dcmread(os.path.join(source, name))
        d.PatientID = ""
        d.save_as(os.path.join(source, name))
    made.result_over(os.path.join(folder, "cases", "case1.h5"), source)
    answer = microtome("export", folder + "/cases/case1.h5", "--to", "hl7,fhir", "--sources", source, "-o", folder + "/none")
    equal((answer.code, answer.out), (65, ""))
    contains(answer.err, "case1.h5 as fhir: its source has no patient number (PatientID)")


main([test_hl7, test_hl7_dicom, test_fhir, test_fhir_dicom, test_withheld, test_refused])
