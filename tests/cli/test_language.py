"""--language ko where it is offered: run, aggregate and report speak Korean, for a patient as for a case, and refuse what they do not speak."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import SOURCE, contains, equal, headline, main, microtome, read, synthetic  # noqa: E402

RECIPE = os.path.join(SOURCE, "samples", "demo.ini")
HEAD = os.path.join(SOURCE, "samples", "heads", "demo.safetensors")


def is_korean(text):
    """sentences in Hangul: of Latin letters only what has a name (labels, ids, units)"""
    return len(re.findall("[가-힣]", text)) > 10 and not re.search(r"\b(the|is|of|tiles|without|no result|below|reaches)\b", text)


def cohort_of(folder):
    """Two slides of one patient, and a third that is not there."""
    slides = synthetic(os.path.join(folder, "slides"), "--count", 2, "--size", 2048, "--seed", 5)
    table = os.path.join(slides, "cohort.csv")
    with open(table, "w") as f:
        f.write("path,id,patient\nslide-001.tif,s1,P\nslide-002.tif,s2,P\ngone.tif,s3,P\n")
    return table


def test_run(folder):
    """run: the reasons of cases and of a patient that lacks one; the page of the folder; the scores are those of the run in English"""
    table, ko, en = cohort_of(folder), os.path.join(folder, "ko"), os.path.join(folder, "en")
    equal(microtome("run", "-r", RECIPE, "--language", "ko", "-o", ko, table).code, 65)
    equal(microtome("run", "-r", RECIPE, "-o", en, table).code, 65)
    for name in ("cases/s1.h5", "cases/s2.h5", "patients/P.h5"):
        spoken, plain = headline(os.path.join(ko, name)), headline(os.path.join(en, name))
        assert is_korean(spoken["reason"]), spoken["reason"]
        assert not re.search("[가-힣]", plain["reason"]), plain["reason"]
        for key in ("score", "scores", "status", "decision"):
            equal((name, key, spoken[key]), (name, key, plain[key]))
    equal(headline(os.path.join(ko, "patients/P.h5"))["reason"].split(";")[0], "제외된 증례: s3 (결과 없음)")
    equal(headline(os.path.join(en, "patients/P.h5"))["reason"].split(";")[0], "without s3 (no result)")
    contains(read(os.path.join(ko, "report.html")), '<html lang="ko">')
    contains(read(os.path.join(en, "report.html")), '<html lang="en">')


def test_aggregate(folder):
    """aggregate and report over the same features"""
    table, out, again = cohort_of(folder), os.path.join(folder, "out"), os.path.join(folder, "again")
    microtome("run", "-r", RECIPE, "-o", out, table)
    equal(microtome("aggregate", "-m", HEAD, "--language", "ko", "-o", again, "--labels", table, out).code, 0)
    for name in ("cases/s1.h5", "patients/P.h5"):
        assert is_korean(headline(os.path.join(again, name))["reason"])
    page = os.path.join(folder, "ko.html")
    equal(microtome("report", out, "--language", "ko", "-o", page).code, 0)
    contains(read(page), "전체 3건 중 완료 2건, 실패 1건")


def test_refused(folder):
    """another language is a mistake, said before any work is done"""
    for arguments in (("run", "-r", RECIPE, "-o", os.path.join(folder, "x"), "y.tif"), ("report", folder),
                      ("aggregate", "-m", HEAD, "-o", os.path.join(folder, "x"), folder)):
        answer = microtome(*arguments, "--language", "fr")
        equal(answer.code, 64)
        contains(answer.err, "--language fr: en or ko is wanted")
    equal(os.listdir(folder), [])


main([test_run, test_aggregate, test_refused])
