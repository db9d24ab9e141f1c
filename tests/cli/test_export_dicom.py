"""Results as DICOM objects: clean in dciodvfy, right in pydicom, in the place of the source's voxels."""
import os
import shutil
import subprocess

from harness import Skip, contains, equal, main, microtome, read

try:
    import h5py
    import numpy as np
    import pydicom
    import made_dicom as made
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


if __name__ == "__main__":
    main([test_pdf, test_identity])
