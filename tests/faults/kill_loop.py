"""Killed at random moments, run again: every case once, none unreadable, the bytes of an uninterrupted run.

usage: kill_loop.py MICROTOME SYNTHETIC SOURCE [KILLS [SEED]]      (50 in the suite; 200 by hand)
"""
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import PROGRAM, SOURCE, contains, equal, headline, main, read, synthetic  # noqa: E402

KILLS = int(sys.argv[4]) if len(sys.argv) > 4 else 50
SEED = int(sys.argv[5]) if len(sys.argv) > 5 else 1
SLIDES, SIZE_PX = 6, 1536
LONGEST_S = 1.0       # until the kill; on a slow machine SHARE of the uninterrupted run, or nothing would ever be finished
SHARE = 0.6
HEAD = os.path.join(SOURCE, "samples", "heads", "demo.safetensors")


def command(folder, out, n_workers):
    return [PROGRAM, "run", "-e", "builtin:demo", "-m", HEAD, "-o", os.path.join(folder, out), "--threads", "2", "--workers", str(n_workers),
            os.path.join(folder, "slides", "manifest.csv")]


def start(folder, out, n_workers=2):
    return subprocess.Popen(command(folder, out, n_workers), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


def workers(group, supervisor):
    """Processes of the group but the supervisor."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = read(f"/proc/{entry}/stat").rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group and int(entry) != supervisor and fields[0] != "Z":
            found.append(int(entry))
    return sorted(found)


def kill(process, whom, rng):
    if whom == "group":
        os.killpg(process.pid, signal.SIGKILL)
    elif whom == "supervisor":
        os.kill(process.pid, signal.SIGKILL)
    else:
        alive = workers(process.pid, process.pid)
        if alive:
            try:
                os.kill(rng.choice(alive), signal.SIGKILL)
            except ProcessLookupError:
                pass


def finish(process, whom):
    """After the kill: nothing of the group may go on alone; a run that lost a worker is killed in its turn or ends."""
    if whom == "worker":
        return
    process.wait(timeout=30)
    until = time.monotonic() + 60
    while workers(process.pid, process.pid) and time.monotonic() < until:
        time.sleep(0.02)  # a worker without its supervisor ends by itself, at the next batch
    equal(workers(process.pid, process.pid), [])


def one_kill(folder, rng, longest_s, n_workers):
    """Whom it met, and how often a case may have been begun in vain: one case a killed worker."""
    whom = rng.choices(["supervisor", "worker", "group"], [4, 4, 2])[0]
    process = start(folder, "out", n_workers)
    lost = 0
    try:
        process.wait(timeout=rng.uniform(0, longest_s))
        whom = "nobody"  # it was done before
    except subprocess.TimeoutExpired:
        kill(process, whom, rng)
        lost = 1 if whom == "worker" else n_workers
    finish(process, whom)
    if whom == "worker":  # the supervisor goes on: give it a moment, then take all
        try:
            process.wait(timeout=rng.uniform(0, longest_s))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            lost += n_workers
        finish(process, "group")
    process.stderr.close()
    return whom, lost


def told(folder, kind):
    """The cases of the events of a kind, by the logs of all runs."""
    runs, ids = os.path.join(folder, "out", "runs"), []
    for name in os.listdir(runs) if os.path.isdir(runs) else []:
        events = [json.loads(line) for line in read(os.path.join(runs, name)).splitlines()] if name.endswith(".jsonl") else []
        ids += [e["id"] for e in events if e["event"] == kind]
    return sorted(ids)


def results(folder, out):
    cases = os.path.join(folder, out, "cases")
    return {n: hashlib.sha256(read(os.path.join(cases, n), "rb")).hexdigest() for n in sorted(os.listdir(cases)) if not n.startswith(".tmp-")}


def published(folder):
    cases = os.path.join(folder, "out", "cases")
    names = [n for n in os.listdir(cases) if n.endswith(".h5")] if os.path.isdir(cases) else []
    for name in names:
        equal(headline(os.path.join(cases, name))["id"], name[:-len(".h5")])
    return len(names)


def whole_run(folder, out):
    process = start(folder, out)
    _, err = process.communicate(timeout=600)
    return process.returncode, err.decode()


def test_kills(folder):
    """killed at random moments and resumed: every case once, byte-equal to an uninterrupted run"""
    rng = random.Random(SEED)
    synthetic(os.path.join(folder, "slides"), "--count", SLIDES, "--size", SIZE_PX, "--seed", SEED)
    began = time.monotonic()
    equal(whole_run(folder, "whole")[0], 0)
    longest_s = max(LONGEST_S, SHARE * (time.monotonic() - began))
    wanted = results(folder, "whole")
    equal(len(wanted), SLIDES)
    tally, restarts, progress, may_be_lost, redone, n_workers = {}, 0, [], 0, 0, 1
    for i in range(KILLS):
        whom, lost = one_kill(folder, rng, longest_s, n_workers)
        may_be_lost += lost
        tally[whom] = tally.get(whom, 0) + 1
        n = published(folder)
        progress.append(n)
        for name, digest in (results(folder, "out") if n else {}).items():
            equal((name, digest), (name, wanted[name]))  # what has its final name is whole, after every kill
        if n == SLIDES:  # all done: begin again in a new folder, so that every kill finds work
            redone += check_end(folder, wanted, may_be_lost)
            shutil.rmtree(os.path.join(folder, "out"))
            restarts, may_be_lost, n_workers = restarts + 1, 0, 3 - n_workers
    redone += check_end(folder, wanted, may_be_lost)
    print(f"# seed {SEED}, kills within {longest_s:.1f} s: {KILLS} kills, {tally}, 0 lost, 0 doubled, 0 unreadable, all byte-equal; "
          f"finished cases after each: {progress}, whole cohorts: {restarts}, "
          f"cases redone: {redone}", flush=True)
    if KILLS >= 12:  # kills that never meet a finished case would prove nothing about resuming
        assert any(progress), progress


def check_end(folder, wanted, may_be_lost):
    """Resumed to the end; returns how many cases were begun more than once, at most one for each worker that was killed."""
    code, err = whole_run(folder, "out")
    equal((code, err if code else ""), (0, ""))
    contains(err, "0 failed")
    published(folder)
    equal(results(folder, "out"), wanted)
    equal(os.listdir(os.path.join(folder, "out", "failed")), [])
    done = told(folder, "done")
    equal(done, sorted(set(done)))  # none twice
    redone = len(told(folder, "started")) - SLIDES
    assert redone <= may_be_lost, f"{redone} cases were redone after kills that can have cost {may_be_lost}"
    return redone


def test_stale(folder):
    """an unfinished result is removed by the next run when it is older than an hour, and not before"""
    synthetic(os.path.join(folder, "slides"), "--count", 1, "--size", 1024, "--seed", SEED)
    cases = os.path.join(folder, "out", "cases")
    os.makedirs(cases)
    for name, age_s in ((".tmp-00000000000000aa", 7200), (".tmp-00000000000000bb", 60), ("kept.h5.bak", 7200)):
        open(os.path.join(cases, name), "w").write("unfinished")
        os.utime(os.path.join(cases, name), (time.time() - age_s,) * 2)
    code, err = whole_run(folder, "out")
    equal((code, err if code else ""), (0, ""))
    equal(sorted(n for n in os.listdir(cases) if not n.endswith(".h5")), [".tmp-00000000000000bb", "kept.h5.bak"])


main([test_stale, test_kills])
