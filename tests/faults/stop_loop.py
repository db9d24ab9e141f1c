"""Stopped at random moments by SIGTERM, SIGINT and SIGUSR1, some twice: how long it takes, what is left, whether the rest follows.

usage: stop_loop.py MICROTOME SYNTHETIC SOURCE [STOPS [SEED [ENCODER]]]      (8 in the suite; 100 by hand, with a slow ENCODER too)
"""
import os
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from fault_points import digests  # noqa: E402
from harness import PROGRAM, contains, equal, main, synthetic  # noqa: E402

STOPS = int(sys.argv[4]) if len(sys.argv) > 4 else 8
SEED = int(sys.argv[5]) if len(sys.argv) > 5 else 1
ENCODER = sys.argv[6] if len(sys.argv) > 6 else "builtin:demo"
SLIDES, SIZE_PX = 6, 1536
STOP_S, SECOND_S = 20.0, 2.0  # what is promised: from the signal to the end
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


def start(folder, *more):
    args = [PROGRAM, "run", "-e", ENCODER, "--off-contract", "-o", os.path.join(folder, "out"), "--threads", "2", *more]
    return subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)


def of_group(group):
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(entry))
    return found


def handled(pid, number):
    """The signal is caught by now: before, it ends the process as it ends any."""
    try:
        with open(f"/proc/{pid}/status") as f:
            caught = next(line.split()[1] for line in f if line.startswith("SigCgt:"))
    except (OSError, StopIteration):
        return False
    return bool(int(caught, 16) >> (number - 1) & 1)


def stop(process, rng):
    """Seconds from the (last) signal to the end, and whether there was a second one; None: it had ended by itself."""
    first, twice = rng.choice(SIGNALS), rng.random() < 0.3
    while process.poll() is None and not handled(process.pid, first):
        time.sleep(0.002)
    if process.poll() is not None:
        return None
    process.send_signal(first)
    began = time.monotonic()
    if twice:
        time.sleep(rng.uniform(0, 0.3))
        began = time.monotonic()
        if process.poll() is None:
            process.send_signal(rng.choice((signal.SIGTERM, signal.SIGINT)))
    process.wait(timeout=120)
    return time.monotonic() - began, twice


def left_over(folder):
    """Everything under OUT that only a run that goes on may have."""
    found = []
    for where, _, names in os.walk(os.path.join(folder, "out")):
        found += [os.path.join(where, n) for n in names if n.startswith(".tmp") or n.endswith(".beat") or os.path.basename(where) == "claims"]
    return found


def check_stopped(folder, process, wanted, took, watched):
    err = process.stderr.read()
    if took is None:
        equal((process.returncode, watched), (0, False))
    elif not (process.returncode == 0 and digests(os.path.join(folder, "out")) == wanted and not watched):  # the signal came after the last case
        equal((process.returncode, err[-600:] if process.returncode != 75 else ""), (75, ""))
        contains(err, "resume")
    equal(of_group(process.pid), [])
    equal(left_over(folder), [])
    found = digests(os.path.join(folder, "out"))
    equal(found, {n: wanted[n] for n in found})
    failed = os.path.join(folder, "out", "failed")
    equal(os.listdir(failed) if os.path.isdir(failed) else [], [])
    return len(found)


def check_end(folder, wanted, manifest):
    process = start(folder, manifest)
    err = process.communicate(timeout=1200)[1]
    equal((process.returncode, err[-600:] if process.returncode else ""), (0, ""))
    equal(digests(os.path.join(folder, "out")), wanted)


def test_stops(folder):
    """stopped at random moments, by one signal and by two: in time, nothing left behind, the rest follows, equal to the byte"""
    rng, slides = random.Random(SEED), os.path.join(folder, "slides")
    synthetic(slides, "--count", SLIDES, "--size", SIZE_PX, "--seed", SEED)
    manifest, out = os.path.join(slides, "manifest.csv"), os.path.join(folder, "out")
    began = time.monotonic()
    process = start(folder, manifest)
    equal((process.wait(1200), process.stderr.close()), (0, None))
    whole_s, wanted = time.monotonic() - began, digests(out)
    equal(len(wanted), SLIDES)
    shutil.rmtree(out)
    once, twice, by_itself, progress, resumed = [], [], 0, [], 0
    for _ in range(STOPS):
        watched = rng.random() < 0.25
        given = ["--watch", slides] if watched else [manifest]
        process = start(folder, "--workers", str(rng.choice((1, 2))), *given)
        try:
            process.wait(timeout=rng.uniform(0, 0.8 * whole_s))
        except subprocess.TimeoutExpired:
            pass
        took = stop(process, rng)
        if took is None:
            by_itself += 1
        else:
            (twice if took[1] else once).append(took[0])
        progress.append(check_stopped(folder, process, wanted, took, watched))
        process.stderr.close()
        if progress[-1] == SLIDES:
            check_end(folder, wanted, manifest)
            shutil.rmtree(out)
            resumed += 1
    check_end(folder, wanted, manifest)
    print(f"# seed {SEED}: {STOPS} stops, {by_itself} had ended before; longest {max(once, default=0):.2f} s after one signal, "
          f"{max(twice, default=0):.2f} s after a second; finished cases after each {progress}, whole cohorts {resumed + 1}", flush=True)
    assert max(once, default=0) <= STOP_S and max(twice, default=0) <= SECOND_S, (once, twice)


main([test_stops])
