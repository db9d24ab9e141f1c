"""A batch: every case accounted for, finished ones skipped, results equal whatever the threads."""
import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import PROGRAM, contains, equal, headline, main, microtome, read, synthetic, write_abmil  # noqa: E402

DIM = None


def slides(folder, count=2, size=2048, *args):
    return synthetic(os.path.join(folder, "slides"), "--count", count, "--size", size, "--seed", 5, *args)


def manifest_rows(folder):
    with open(os.path.join(folder, "manifest.csv"), newline="") as f:
        return list(csv.DictReader(f))


def run(folder, *args, out="out", **options):
    return microtome("run", "-e", "builtin:demo", "-o", os.path.join(folder, out), *args, **options)


def digest(path):
    return hashlib.sha256(read(path, "rb")).hexdigest()


def demo_head(folder):
    """A head of random weights as wide as the demonstration encoder's features."""
    global DIM
    if DIM is None:
        answer = microtome("model", "info", "--json", os.path.join(os.path.dirname(__file__), "..", "..", "samples", "encoders", "demo.onnx"))
        equal(answer.code, 0)
        DIM = json.loads(answer.out)["outputs"][0]["shape"][-1]
    path = os.path.join(folder, "head.safetensors")
    write_abmil(path, DIM)
    return path


def test_done_then_skipped(folder):
    """two slides: done, summarised, then skipped by a second run"""
    cohort = slides(folder)
    answer = run(folder, os.path.join(cohort, "manifest.csv"))
    equal(answer.code, 0)
    contains(answer.err, "2 done, 0 skipped, 0 failed")
    contains(answer.out, "DEMONSTRATION")
    rows = list(csv.DictReader(open(os.path.join(folder, "out", "summary.csv"), newline="")))
    equal(sorted(r["id"] for r in rows), sorted(r["id"] for r in manifest_rows(cohort)))
    equal({r["status"] for r in rows}, {"embedded"})
    equal([n for n in os.listdir(os.path.join(folder, "out", "cases")) if n.startswith(".")], [])
    before = {n: digest(os.path.join(folder, "out", "cases", n)) for n in os.listdir(os.path.join(folder, "out", "cases"))}
    answer = run(folder, os.path.join(cohort, "manifest.csv"))
    equal(answer.code, 0)
    contains(answer.err, "0 done, 2 skipped, 0 failed")
    equal(before, {n: digest(os.path.join(folder, "out", "cases", n)) for n in os.listdir(os.path.join(folder, "out", "cases"))})


def test_equal_bytes(folder):
    """any number of threads or workers, any room for tiles in memory, either order of cases, a second time: equal bytes"""
    cohort = slides(folder, 2)
    head = demo_head(folder)
    cases = sorted(os.path.join(cohort, name) for name in os.listdir(cohort) if name.endswith(".tif"))
    digests = []
    for k, (order, options) in enumerate(((cases, ["--threads", 1]), (cases, ["--threads", 2]), (cases, ["--threads", 2]),
                                          (cases, ["--threads", 4]), (cases, ["--threads", 2, "--workers", 2]),
                                          (cases[::-1], ["--threads", 2, "--memory", "64M"]))):
        equal(run(folder, "-m", head, *order, *options, out=f"out{k}").code, 0)
        made = os.path.join(folder, f"out{k}", "cases")
        digests.append({n: digest(os.path.join(made, n)) for n in sorted(os.listdir(made))})
    equal(len(digests[0]), 2)
    for other in digests[1:]:
        equal(other, digests[0])


def test_goes_on(folder):
    """a bad slide costs itself: recorded with its reason, the others are done, exit 65"""
    cohort = slides(folder)
    bad = os.path.join(folder, "bad.svs")
    open(bad, "w").write("no slide at all\n")
    good = [os.path.join(cohort, r["path"]) if not os.path.isabs(r["path"]) else r["path"] for r in manifest_rows(cohort)]
    answer = run(folder, bad, *good, os.path.join(folder, "missing.svs"))
    equal(answer.code, 65)
    contains(answer.err, "2 done, 0 skipped, 2 failed")
    failed = json.loads(read(os.path.join(folder, "out", "failed", "bad.json")))
    contains(failed["reason"], "open bad.svs: ")
    equal(failed["exit_code"], 65)
    assert folder not in json.dumps(failed), failed
    equal(json.loads(read(os.path.join(folder, "out", "failed", "missing.json")))["reason"], "open missing.svs: no such file")
    rows = {r["id"]: r for r in csv.DictReader(open(os.path.join(folder, "out", "summary.csv"), newline=""))}
    equal(rows["bad"]["status"], "failed")
    contains(rows["bad"]["error"], "open bad.svs: ")


def test_other_file_of_that_name(folder):
    """a finished case and another file of its name: refused, never given the first one's score"""
    cohort = slides(folder, 2, 1024)
    first, second = (os.path.join(cohort, r["path"]) for r in manifest_rows(cohort))
    equal(run(folder, first).code, 0)
    os.mkdir(os.path.join(folder, "other"))
    same_name = os.path.join(folder, "other", os.path.basename(first))
    os.rename(second, same_name)
    answer = run(folder, same_name)
    equal(answer.code, 65)
    contains(answer.err, "the folder holds a finished case 'slide-001' of another file")
    equal(run(folder, first).code, 0)
    equal(os.listdir(os.path.join(folder, "out", "failed")), [])


def test_not_utf8(folder):
    """a path that is not UTF-8: 64 before anything starts"""
    path = os.fsencode(folder) + b"/bad\xff.png"
    answer = subprocess.run([PROGRAM, "run", "-e", "builtin:demo", "-o", os.path.join(folder, "out"), path, "x.png"], capture_output=True)
    equal((answer.returncode, b"is not UTF-8: rename the file" in answer.stderr), (64, True))


def test_blank(folder):
    """a slide of bare glass: no tile, insufficient, exit 0"""
    cohort = synthetic(os.path.join(folder, "slides"), "--count", 0, "--size", 2048, "--seed", 5, "--blank", 1)
    answer = run(folder, "-m", demo_head(folder), os.path.join(cohort, "manifest.csv"))
    equal(answer.code, 0)
    name = os.listdir(os.path.join(folder, "out", "cases"))[0]
    line = headline(os.path.join(folder, "out", "cases", name))
    equal((line["status"], line["decision"], line["tiles"]), ("insufficient", "none", 0))


def test_resume(folder):
    """stopped in the middle: exit 75, no temporary file, then resumed to the same bytes"""
    cohort = slides(folder, 3, 4096)
    command = [PROGRAM, "run", "-e", "builtin:demo", "-o", os.path.join(folder, "out"), os.path.join(cohort, "manifest.csv"), "--threads", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    cases = os.path.join(folder, "out", "cases")
    while process.poll() is None and not (os.path.isdir(cases) and any(n.startswith(".tmp-") for n in os.listdir(cases))):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    equal(process.returncode, 75)
    contains(err, "stopped (run the same command again to resume)")
    equal([n for n in os.listdir(cases) if n.startswith(".")], [])
    equal(os.listdir(os.path.join(folder, "out", "failed")), [])
    equal(microtome(*command[1:]).code, 0)
    equal(run(folder, os.path.join(cohort, "manifest.csv"), out="whole").code, 0)
    for name in os.listdir(cases):
        equal(digest(os.path.join(cases, name)), digest(os.path.join(folder, "whole", "cases", name)))


def child_of(pid):
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if f"\nPPid:\t{pid}\n" in read(f"/proc/{entry}/status"):
                    return int(entry)
            except OSError:
                pass
    return None


def test_worker_killed(folder):
    """a worker killed in the middle of a slide: tried once more, done"""
    cohort = slides(folder, 1, 4096)
    command = [PROGRAM, "run", "-e", "builtin:demo", "-o", os.path.join(folder, "out"), os.path.join(cohort, "manifest.csv"), "--threads", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    cases = os.path.join(folder, "out", "cases")
    while process.poll() is None and not (os.path.isdir(cases) and any(n.startswith(".tmp-") for n in os.listdir(cases))):
        time.sleep(0.01)
    os.kill(child_of(process.pid), signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    equal(process.returncode, 0)
    contains(err, "the worker died with signal 9 (Killed)")
    contains(err, "1 done, 0 skipped, 0 failed")


main([test_done_then_skipped, test_equal_bytes, test_goes_on, test_other_file_of_that_name, test_not_utf8, test_blank, test_resume, test_worker_killed])
