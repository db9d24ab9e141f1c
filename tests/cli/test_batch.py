"""A batch: every case accounted for, finished ones skipped, results equal whatever the threads."""
import csv
import hashlib
import json
import os
import re
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
    """a finished case and another file of its name, as a slide that was scanned again: done anew, the older result kept beside"""
    cohort = slides(folder, 2, 1024)
    first, second = (os.path.join(cohort, r["path"]) for r in manifest_rows(cohort))
    equal(run(folder, first).code, 0)
    result = os.path.join(folder, "out", "cases", "slide-001.h5")
    old = digest(result)
    os.mkdir(os.path.join(folder, "other"))
    same_name = os.path.join(folder, "other", os.path.basename(first))
    os.rename(second, same_name)
    answer = run(folder, same_name)
    equal(answer.code, 0)
    contains(answer.err, "case 'slide-001': the folder held a result of another file: it is kept as superseded/slide-001.1.h5")
    equal(digest(os.path.join(folder, "out", "superseded", "slide-001.1.h5")), old)
    new = digest(result)
    assert new != old
    equal(run(folder, same_name).code, 0)
    equal((digest(result), os.listdir(os.path.join(folder, "out", "superseded"))), (new, ["slide-001.1.h5"]))


def test_force(folder):
    """another recipe: refused before the start; forced, every case is done anew, half way too; the older results are kept"""
    cohort = slides(folder, 2, 1024)
    manifest = os.path.join(cohort, "manifest.csv")
    equal(run(folder, manifest).code, 0)
    answer = run(folder, "--overlap", "0.25", manifest)
    equal(answer.code, 64)
    contains(answer.err, "it holds results of another recipe (the folder has 'overlap=0', this run 'overlap=0.25'): "
                         "choose another folder, or --force to do its cases again")
    first = os.path.join(cohort, manifest_rows(cohort)[0]["path"])
    answer = run(folder, "--overlap", "0.25", "--force", first)
    equal(answer.code, 0)
    contains(answer.err, "the folder held a result of another recipe: it is kept as superseded/slide-001.1.h5")
    equal(run(folder, manifest).code, 64)
    answer = run(folder, "--overlap", "0.25", manifest)  # the folder's recipe is the new one: what is left of the old is done anew
    equal(answer.code, 0)
    contains(answer.err, "1 done, 1 skipped, 0 failed")
    recipes = {headline(os.path.join(folder, "out", "cases", name))["recipe_sha256"] for name in os.listdir(os.path.join(folder, "out", "cases"))}
    equal((len(recipes), sorted(os.listdir(os.path.join(folder, "out", "superseded")))), (1, ["slide-001.1.h5", "slide-002.1.h5"]))


def test_shards(folder):
    """--shard I/N and auto: each case belongs to one"""
    cohort = slides(folder, 3, 1024)
    manifest = os.path.join(cohort, "manifest.csv")
    equal(run(folder, "--shard", "2/2", manifest).code, 0)
    equal(os.listdir(os.path.join(folder, "out", "cases")), ["slide-002.h5"])
    array = {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_MAX": "5", "SLURM_ARRAY_TASK_STEP": "2"}
    equal(run(folder, "--shard", "auto", manifest, out="slurm", env={**os.environ, **array}).code, 0)
    equal(os.listdir(os.path.join(folder, "slurm", "cases")), ["slide-002.h5"])
    for shard, why in (("0/2", "--shard 0/2: I/N with I from 1 to N is wanted, or auto"), ("3/2", "--shard 3/2: I/N with I from 1 to N"),
                       ("half", "--shard half: I/N"), ("auto", "--shard auto: no array variable of Slurm, Grid Engine, PBS or Kubernetes")):
        answer = run(folder, "--shard", shard, manifest)
        equal(answer.code, 64)
        contains(answer.err, why)
    answer = run(folder, "--shard", "auto", manifest, env={**os.environ, "JOB_COMPLETION_INDEX": "0"})
    equal(answer.code, 64)
    contains(answer.err, "--shard auto: the variable MICROTOME_SHARDS is not set: give --shard I/N")


def test_until(folder):
    """--until: nothing begins in its last moments, the rest is for the next run; an hour that is none is refused"""
    cohort = slides(folder, 1, 1024)
    manifest = os.path.join(cohort, "manifest.csv")
    equal(run(folder, "--until", (time.strftime("%H:%M", time.localtime(time.time() + 3600))), manifest).code, 0)
    for hour in ("24:00", "6", "06:30h", "-1:30"):
        answer = run(folder, "--until", hour, manifest)
        equal(answer.code, 64)
        contains(answer.err, f"--until {hour}: a time of day HH:MM is wanted, as 06:30")


def test_claimed_elsewhere(folder):
    """two runs on one folder: every case once; a case that a dead run held is taken over at once, one of a silent run after the lease"""
    cohort = slides(folder, 4, 1024)
    manifest, out = os.path.join(cohort, "manifest.csv"), os.path.join(folder, "out")
    command = [PROGRAM, "run", "-e", "builtin:demo", "-o", out, "--threads", "1", "--lease", "2", manifest]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [process.communicate(timeout=120)[1] for process in both]
    equal([process.returncode for process in both], [0, 0])
    equal(done_events(out), ["slide-001", "slide-002", "slide-003", "slide-004"])
    equal(sum(int(re.search(r"(\d+) done, \d+ skipped", end).group(1)) for end in ends), 4)
    equal(os.listdir(os.path.join(out, "claims")), [])
    os.remove(os.path.join(out, "cases", "slide-003.h5"))
    with open(os.path.join(out, "claims", "slide-003.1"), "w") as f:  # of another machine, and silent
        f.write("0123456789abcdef\nelsewhere\nboot\nspace\n17\n4711\n")
    answer = run(folder, "--lease", "2", manifest)
    equal(answer.code, 0)
    contains(answer.err, "case 'slide-003' is being worked on (elsewhere, process 17): it is looked at again later")
    contains(answer.err, "1 done, 3 skipped")
    equal(os.listdir(os.path.join(out, "claims")), [])


def done_events(out):
    """The ids of all cases that any run of the folder says to have done."""
    ids = []
    for name in filter(lambda n: n.endswith(".jsonl"), os.listdir(os.path.join(out, "runs"))):
        for line in read(os.path.join(out, "runs", name)).splitlines():
            event = json.loads(line)
            if event["event"] == "done":
                ids.append(event["id"])
    return sorted(ids)


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


main([test_done_then_skipped, test_equal_bytes, test_goes_on, test_other_file_of_that_name, test_force, test_shards, test_until, test_claimed_elsewhere, test_not_utf8, test_blank, test_resume, test_worker_killed])
