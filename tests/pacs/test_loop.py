"""samples/pacs: a PACS sends studies, a watching run works on them, the objects made of its results are stored in the PACS; what breaks on the way."""
import io
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import Orthanc, Program, Proxy, free_port, needs, wait_for  # noqa: E402
from made_captures import needs_pydicom, secondary  # noqa: E402
from harness import PROGRAM, SOURCE, Skip, contains, equal, main, microtome, read  # noqa: E402

PHANTOMS = os.path.abspath(sys.argv[4]) if len(sys.argv) > 4 else None
SAMPLES = os.path.join(SOURCE, "samples", "pacs")
RECIPE = os.path.join(SOURCE, "samples", "recipes", "ct_nodules", "recipe.ini")
CT = "1.2.840.10008.5.1.4.1.1.2"


def write_series(folder, volume, study):
    """a NIfTI phantom as a CT study, a file a slice; returns the study UID"""
    import nibabel
    import numpy as np
    import pydicom
    from made_captures import ROOT
    image = nibabel.load(volume)
    voxels, affine = np.asarray(image.dataobj), np.diag([-1, -1, 1, 1]) @ image.affine  # LPS
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    directions = affine[:3, :3] / steps
    for k in range(voxels.shape[2]):
        path = f"{folder}/{k:03}.dcm"
        sop = secondary(path, study, k + 1, edge=8)
        d = pydicom.dcmread(path)
        d.file_meta.MediaStorageSOPClassUID = d.SOPClassUID = CT
        d.Modality, d.FrameOfReferenceUID, d.PositionReferenceIndicator, d.ImageType = "CT", f"{ROOT}.{study}.2", "", ["ORIGINAL", "PRIMARY", "AXIAL"]
        d.ImageOrientationPatient = [f"{v:.8f}" for v in (*directions[:, 0], *directions[:, 1])]
        d.ImagePositionPatient = [f"{v:.6f}" for v in affine[:3, :3] @ [0, 0, k] + affine[:3, 3]]
        d.PixelSpacing, d.SliceThickness = [f"{steps[1]:.6f}", f"{steps[0]:.6f}"], f"{steps[2]:.6f}"
        d.Columns, d.Rows = voxels.shape[:2]
        d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation, d.RescaleSlope, d.RescaleIntercept, d.RescaleType = 16, 16, 15, 1, 1, 0, "HU"
        d.PixelData = np.rint(voxels[:, :, k]).astype("<i2").T.tobytes()
        d.save_as(path, write_like_original=False)
        equal(sop, str(d.SOPInstanceUID))
    return f"{ROOT}.{study}"


def receiver(folder, port):
    return Program(["sh", os.path.join(SAMPLES, "receive.sh"), folder + "/drop", str(port), "MICROTOME"], folder + "/receive.log", env={**os.environ, "QUIET": "1"})


def give_back(folder, *receiver_options):
    done = subprocess.run(["sh", os.path.join(SAMPLES, "return_results.sh"), folder + "/out", folder + "/drop", folder + "/return", *receiver_options],
                          capture_output=True, text=True, timeout=120, env={**os.environ, "MICROTOME": PROGRAM})
    return done


def test_loop(folder):
    """two studies: PACS, storescp, drop folder, run --watch, objects, an association that breaks, PACS; each once, with the patient's identity"""
    needs("storescp")
    needs_pydicom()
    try:
        import nibabel  # noqa: F401
    except ImportError:
        raise Skip("no nibabel")
    import pydicom
    done = subprocess.run([PHANTOMS, "ct-nodules", "-o", folder + "/phantoms", "--count", "2", "--size", "64x64x16"], capture_output=True, text=True)
    equal((done.returncode, done.stderr), (0, ""))
    studies = {write_series(f"{folder}/sent/{i}", f"{folder}/phantoms/ct-00{i}.nii.gz", i): f"P{i}" for i in (1, 2)}
    port = free_port()
    with Orthanc(folder + "/pacs", DicomModalities={"microtome": {"AET": "MICROTOME", "Host": "127.0.0.1", "Port": port}}) as pacs:
        equal(microtome("send", folder + "/sent", "--store", pacs.store).code, 0)
        equal(pacs.count(), 32)
        with receiver(folder, port):
            wait_for("the receiver", lambda: os.path.isdir(folder + "/drop/.incoming"))
            watch = Program([PROGRAM, "run", "-r", RECIPE, "-o", folder + "/out", "--watch", folder + "/drop", "--settle", "1"], folder + "/watch.log")
            with watch:
                body = json.dumps(pacs.get("/studies")).encode()
                wait_for("storescp", lambda: post(pacs.url + "/modalities/microtome/store", body))
                wait_for("the results", lambda: all(os.path.exists(f"{folder}/out/cases/{s}.h5") for s in studies), 60)
                watch.process.send_signal(signal.SIGTERM)
                equal(watch.process.wait(30), 75)
        with Proxy(pacs.dicom, budget=9000) as proxy:
            back = give_back(folder, "--store", f"ORTHANC@127.0.0.1:{proxy.port}", "--pause", "0.1")
            equal((back.returncode, proxy.broken), (0, 1))
        contains(back.stdout, " 0 refused, 0 waiting\n")
        made = sum(len([n for n in names if n.endswith(".dcm")]) for _, _, names in os.walk(folder + "/return"))
        assert made >= 5, made  # one study has no nodules, and no mask
        equal(pacs.count(), 32 + made)
        found = set()
        for sop, data in pacs.files().items():
            d = pydicom.dcmread(io.BytesIO(data))
            equal((sop, d.PatientID), (sop, studies[d.StudyInstanceUID]))
            found.add((d.PatientID, d.Modality, d.SOPClassUID.name))
        equal({kind for _, _, kind in found if kind != "CT Image Storage"} >= {"Segmentation Storage"}, True)
        equal({patient for patient, modality, _ in found if modality == "SR"}, {"P1", "P2"})
        # as STOW-RS to the same PACS: it has them already; and again: nothing to do
        for wanted in (f"{made} objects: {made} sent, 0 sent before, ", f"{made} objects: 0 sent, {made} sent before, "):
            back = give_back(folder, "--stow", pacs.stow)
            equal((back.returncode, back.stdout.split("0 refused")[0], back.stderr), (0, wanted, ""))
        equal(pacs.count(), 32 + made)


def post(url, body):
    """false while nobody listens behind it"""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body, method="POST"), timeout=60) as answer:
            return answer.status == 200
    except OSError:
        return False


def test_receiver(folder):
    """the receiver: a study is in the drop folder when it is complete, joined when more of it comes, finished after a stop"""
    needs("storescp", "storescu")
    sops = [secondary(f"{folder}/a/{i}.dcm", 1, i) for i in (1, 2, 3)] + [secondary(f"{folder}/b/1.dcm", 2, 1)]
    port, drop = free_port(), folder + "/drop"

    def files(study):
        there = f"{drop}/{sops[0].rsplit('.', 3)[0]}.{study}"
        return len(os.listdir(there)) if os.path.isdir(there) else 0

    def send(*paths):
        done = subprocess.run(["storescu", "127.0.0.1", str(port), *paths], capture_output=True, text=True, timeout=60)
        return done.returncode == 0
    with receiver(folder, port) as first:
        wait_for("storescp", lambda: send(folder + "/a/1.dcm", folder + "/a/2.dcm"))
        equal(files(1), 0)  # not yet
        wait_for("the study", lambda: files(1) == 2)
        equal(send(folder + "/b/1.dcm", folder + "/a/3.dcm"), True)
        wait_for("the other study", lambda: files(2) == 1)
        first.process.send_signal(signal.SIGKILL)  # with the third object received
        first.process.wait()
    equal(files(1) + len([n for _, _, ns in os.walk(drop + "/.incoming") for n in ns]), 3)
    with receiver(folder, free_port()):
        wait_for("what was left", lambda: files(1) == 3 and os.listdir(drop + "/.incoming") == [])


def test_samples(folder):
    """scripts and units call options that there are; the sample of orthanc.json starts an Orthanc"""
    texts = {name: read(os.path.join(SAMPLES, name)) for name in sorted(os.listdir(SAMPLES))}
    for verb in ("run", "send", "export", "worklist"):
        known = set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", microtome(verb, "--help").out))
        for name, text in texts.items():
            for rest in re.findall(rf"(?:microtome|\$program\") {verb} ([^\n`\"|>;&]*)", text.replace("\\\n", " ")):
                equal((name, verb, sorted(set(re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", rest)) - known)), (name, verb, []))
    for name in ("receive.sh", "study_complete.sh", "return_results.sh"):
        equal(subprocess.run(["sh", "-n", os.path.join(SAMPLES, name)]).returncode, 0)
        assert any(name in text for other, text in texts.items() if other != name), name
    usage = subprocess.run(["sh", os.path.join(SAMPLES, "return_results.sh")], capture_output=True, text=True)
    equal(usage.returncode, 64)
    contains(usage.stderr, "usage: return_results.sh OUT DROP RETURN RECEIVER...")
    settings = json.loads(texts["orthanc.json"])
    for name in ("StorageDirectory", "IndexDirectory", "HttpPort", "DicomPort"):
        del settings[name]
    settings.update(RemoteAccessAllowed=False, AuthenticationEnabled=False, Worklists={"Enable": True, "Database": folder})
    with Orthanc(folder + "/pacs", **settings) as pacs:
        equal(pacs.get("/modalities"), ["microtome"])
        equal(microtome("worklist", pacs.store, "-o", folder + "/w.csv").out, "0 studies\n")


main([test_loop, test_receiver, test_samples])
