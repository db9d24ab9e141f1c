"""20 studies and the objects made of their results: Orthanc stores, finds and returns them, pixels and UIDs as they went."""
import csv
import io
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import Orthanc  # noqa: E402
from harness import Skip, equal, main, microtome, read  # noqa: E402

try:
    import numpy as np
    import pydicom
    import made_dicom as made
except ImportError:
    np = None

STUDIES = 20


def content(d):
    """what has to be the same after the return"""
    return {e.tag: e.value if e.VR != "SQ" else str(e.value) for e in d if e.tag != (0x7FE0, 0x10)}, d.get("PixelData"), d.get("EncapsulatedDocument")


def test_results(folder):
    """stored by STOW-RS, found by C-FIND, returned with every value; again by C-STORE: nothing new"""
    if np is None:
        raise Skip("no h5py, NumPy or pydicom")
    with Orthanc(folder + "/pacs") as pacs:
        for i in range(STUDIES):
            source = made.series(f"{folder}/sources/case{i:02}", np.eye(3), size=(24, 20, 4), name=f"study{i}", patient=f"Family{i}^Given")
            mask = np.zeros((4, 20, 24), "u1")
            mask[1:3, 4:9, 5:8 + i % 9] = 1
            voxels = int(mask.sum())
            made.result_over(f"{folder}/out/cases/case{i:02}.h5", source, mask=mask, measures=[("nodules", 1.0, "", "count(nodule)")],
                             objects=[{"class": "nodule", "voxels": voxels, "centre": [6, 6, 2], "volume_mm3": voxels * 1.89, "longest_mm": 5.0 + i / 10}])
        answer = microtome("export", folder + "/out", "--to", "sr,seg", "--sources", folder + "/sources", "-o", folder + "/results")
        equal((answer.code, answer.err), (0, ""))
        n = STUDIES * 4 + len(os.listdir(folder + "/results"))
        answer = microtome("send", folder + "/sources", folder + "/results", "--stow", pacs.stow, "--ledger", folder + "/stow.jsonl")
        equal((answer.code, answer.err, answer.out), (0, "", f"{n} objects: {n} sent, 0 sent before, 0 refused, 0 waiting\n"))
        answer = microtome("send", folder + "/sources", folder + "/results", "--store", pacs.store, "--ledger", folder + "/store.jsonl")
        equal((answer.code, answer.out, pacs.count()), (0, f"{n} objects: {n} sent, 0 sent before, 0 refused, 0 waiting\n", n))
        equal(microtome("worklist", pacs.store, "--archived", "--date", "any", "-o", folder + "/found.csv").out, f"{STUDIES} studies\n")
        with open(folder + "/found.csv") as f:
            equal({r["study_uid"] for r in csv.DictReader(f)}, {made.uid(f"study{i}", "study") for i in range(STUDIES)})
        there, seen = pacs.files(), {}
        for root in ("sources", "results"):
            for path in (os.path.join(d, name) for d, _, names in os.walk(f"{folder}/{root}") for name in names):
                mine = pydicom.dcmread(path, defer_size=4096)
                data = there[str(mine.SOPInstanceUID)]
                equal(data == read(path, "rb") or content(pydicom.dcmread(io.BytesIO(data))) == content(pydicom.dcmread(path)), True)
                seen.setdefault(mine.StudyInstanceUID, set()).add(mine.Modality)
        equal([sorted(found) for found in seen.values()], [["CT", "SEG", "SR"]] * STUDIES)


main([test_results])
