"""microtome worklist: what is scheduled and what is archived, as a manifest."""
import csv
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import PLUGINS, Orthanc, Scp, free_port  # noqa: E402
from made_captures import ROOT, needs_pydicom, secondary  # noqa: E402
from harness import Skip, contains, equal, main, microtome, read  # noqa: E402

COLUMNS = ["path", "id", "patient", "study_uid", "accession", "modality", "date", "time", "priority"]


def scheduled(path, number, date, modality="CT", priority="ROUTINE", accession=None, study=None, station="S1", clock="1000"):
    """a file of Orthanc's worklist folder"""
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = "1.2.276.0.7230010.3.1.0.1", f"{ROOT}.9.{number}", "1.2.840.10008.1.2.1"
    d = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    d.is_little_endian, d.is_implicit_VR = True, False
    d.PatientID, d.PatientName, d.PatientBirthDate, d.StudyInstanceUID = f"P{number}", "Planted^Name", "19700101", study or f"{ROOT}.{number}"
    d.AccessionNumber, d.RequestedProcedurePriority, d.RequestedProcedureID = f"A{number}" if accession is None else accession, priority, "R1"
    step = Dataset()
    step.Modality, step.ScheduledStationAETitle, step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = modality, station, date, clock
    step.ScheduledProcedureStepID = f"{number}"
    d.ScheduledProcedureStepSequence = [step]
    d.save_as(path, write_like_original=False)


def rows(path):
    with open(path, newline="") as f:
        table = list(csv.reader(f))
    equal(table[0], COLUMNS)
    return [dict(zip(COLUMNS, r)) for r in table[1:]]


def test_scheduled(folder):
    """the modality worklist: by date and modality, urgent ones first, one row a study, no names"""
    needs_pydicom()
    if not os.path.exists(PLUGINS + "/libModalityWorklists.so"):
        raise Skip("Orthanc has no worklist plug-in")
    os.mkdir(folder + "/lists")
    today = time.strftime("%Y%m%d")
    scheduled(folder + "/lists/1.wl", 1, today, clock="1100")
    scheduled(folder + "/lists/2.wl", 2, today, priority="STAT", clock="1200")
    scheduled(folder + "/lists/3.wl", 3, today, modality="MR", priority="LOW", clock="0900")
    scheduled(folder + "/lists/4.wl", 4, "20200101")
    scheduled(folder + "/lists/5.wl", 5, today, accession="A1", clock="1300")  # another study with an accession number that is taken
    scheduled(folder + "/lists/6.wl", 6, today, accession="A2", study=f"{ROOT}.2", station="S2")  # a second step of study 2
    scheduled(folder + "/lists/7.wl", 7, today, accession="", priority="", clock="1400")
    with Orthanc(folder + "/pacs", Plugins=[PLUGINS + "/libModalityWorklists.so"], Worklists={"Enable": True, "Database": folder + "/lists"}) as pacs:
        out = folder + "/today.csv"
        answer = microtome("worklist", pacs.store, "-o", out)
        equal((answer.code, answer.out, answer.err), (0, "5 studies\n", ""))
        table = rows(out)
        equal([(r["path"], r["id"], r["priority"]) for r in table],
              [(f"{ROOT}.2", "A2", "urgent"), (f"{ROOT}.3", "A3", "low"), (f"{ROOT}.1", f"{ROOT}.1", "routine"), (f"{ROOT}.5", f"{ROOT}.5", "routine"), (f"{ROOT}.7", f"{ROOT}.7", "")])
        equal(table[1], {"path": f"{ROOT}.3", "id": "A3", "patient": "P3", "study_uid": f"{ROOT}.3", "accession": "A3", "modality": "MR", "date": today, "time": "0900",
                         "priority": "low"})
        equal(any(word in read(out) for word in ("Planted", "19700101")), False)
        for arguments, ids in ((("--modality", "MR"), ["A3"]), (("--date", "20200101"), ["A4"]), (("--date", "20190101-20201231"), ["A4"]), (("--date", "20190101"), [])):
            equal(microtome("worklist", pacs.store, "-o", out, *arguments).code, 0)
            equal((arguments, [r["id"] for r in rows(out)]), (arguments, ids))
        equal((microtome("worklist", pacs.store, "-o", out, "--date", "any").out), "6 studies\n")


def test_archived(folder):
    """the archive's studies of a day"""
    with Orthanc(folder + "/pacs") as pacs:
        for i in range(1, 21):
            secondary(f"{folder}/a/{i}.dcm", i, **({"StudyDate": "20260103"} if i > 17 else {}))
        equal(microtome("send", folder + "/a", "--store", pacs.store).code, 0)
        out = folder + "/studies.csv"
        equal(microtome("worklist", "ASKER:" + pacs.store, "--archived", "--date", "20260102", "-o", out).out, "17 studies\n")
        equal({(r["id"], r["patient"], r["study_uid"], r["modality"], r["time"]) for r in rows(out)},
              {(f"A{i}", f"P{i}", f"{ROOT}.{i}", "OT", "101500") for i in range(1, 18)})
        equal(microtome("worklist", pacs.store, "--archived", "--date", "20260101-20260131", "-o", out).out, "20 studies\n")
        equal("Family" in read(out), False)


def test_manifest(folder):
    """the table is a manifest that run takes"""
    needs_pydicom()
    with Orthanc(folder + "/pacs") as pacs:
        secondary(f"{folder}/a/1.dcm", 1)
        equal(microtome("send", folder + "/a", "--store", pacs.store).code, 0)
        equal(microtome("worklist", pacs.store, "--archived", "--date", "any", "-o", folder + "/m.csv").code, 0)
        secondary(f"{folder}/{ROOT}.1/1.dcm", 1)
        answer = microtome("plan", "-e", os.path.join(os.path.dirname(__file__), "..", "..", "samples", "encoders", "demo.onnx"), folder + "/m.csv", "--json")
        contains(answer.out + answer.err, '"A1"')


def test_faults(folder):
    """addresses, dates, no server, a server without such a query"""
    for arguments, code, words in (
            (["X@127.0.0.1:1"], 64, "name one DICOM application, and the manifest with -o"),
            (["X@127.0.0.1:1", "-o", "o.csv", "--date", "yesterday"], 64, "--date yesterday: YYYYMMDD or YYYYMMDD-YYYYMMDD is wanted"),
            (["X@127.0.0.1:1", "-o", "o.csv", "--modality", "ct*"], 64, "--modality ct*: one of DICOM's is wanted, as CT, MR, SM"),
            (["127.0.0.1:1", "-o", "o.csv"], 64, "is no address of a DICOM application"),
            (["X@127.0.0.1:1", "-o", "o.csv", "--timeout", "0"], 64, "--timeout: 1 to 3600 seconds are wanted"),
            ([f"X@127.0.0.1:{free_port()}", "-o", "o.csv"], 74, "no association with X@127.0.0.1:")):
        answer = microtome("worklist", *arguments, cwd=folder)
        equal((arguments, answer.code), (arguments, code))
        contains(answer.err, words)
    with Scp(None, syntaxes=[]) as fake:
        answer = microtome("worklist", fake.address, "-o", folder + "/o.csv")
        equal(answer.code, 74)
        contains(answer.err, "it has no such query; try without, or with, --archived")
    equal(os.path.exists(folder + "/o.csv"), False)


main([test_scheduled, test_archived, test_manifest, test_faults])
