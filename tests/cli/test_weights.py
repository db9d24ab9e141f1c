"""Packed weights shared by the workers of a run: the first packs, the others map; results stay the same."""
import glob
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import PROGRAM, Skip, equal, main, microtome, read, synthetic  # noqa: E402


def events(folder, out, kind):
    found = []
    for log in glob.glob(os.path.join(folder, out, "runs", "*.jsonl")):
        found += [json.loads(line) for line in read(log).splitlines(keepends=True) if line.endswith("\n")]
    return [e for e in found if e.get("event") == kind]


def origins(folder, out):
    return [e["origin"] for e in events(folder, out, "weights")]


def results(folder, out):
    return {os.path.basename(p): read(p, "rb") for p in glob.glob(os.path.join(folder, out, "cases", "*.h5"))}


def needs_onednn():
    if "oneDNN" not in microtome("doctor").out:
        raise Skip("built without oneDNN: nothing is packed")


def command(folder, out, workers):
    slides = sorted(glob.glob(os.path.join(folder, "slides", "*.tif")))
    return ["run", "-e", "builtin:demo", "-o", os.path.join(folder, out), "--workers", str(workers), "--threads", "2", *slides]


def test_shared(folder):
    """two workers: one packs, the other maps, and the results are those of one worker"""
    needs_onednn()
    synthetic(os.path.join(folder, "slides"), "--count", 6, "--size", 2048, "--seed", 5)
    equal(microtome(*command(folder, "one", 1)).code, 0)
    equal(microtome(*command(folder, "two", 2)).code, 0)
    equal(origins(folder, "one"), ["filled"])
    told = origins(folder, "two")
    equal(told[0], "filled")
    equal(set(told[1:]) <= {"shared"}, True)  # the second worker may come when all is done
    equal(results(folder, "one") == results(folder, "two"), True)
    equal(len(results(folder, "two")), 6)
    equal(microtome(*command(folder, "two", 2)).code, 0)
    equal(len(origins(folder, "two")), len(told))  # all done: nothing is packed


def test_restarted(folder):
    """a worker that replaces a killed one maps what that one had packed"""
    needs_onednn()
    synthetic(os.path.join(folder, "slides"), "--count", 6, "--size", 2048, "--seed", 5)
    run = subprocess.Popen([PROGRAM, *command(folder, "out", 1)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while run.poll() is None and not events(folder, "out", "weights"):
        time.sleep(0.005)
    if run.poll() is None:
        os.kill(events(folder, "out", "weights")[0]["pid"], signal.SIGKILL)
    equal(run.wait(timeout=600), 0)
    told = origins(folder, "out")
    equal(told, ["filled", "shared"])
    equal(len(results(folder, "out")), 6)


main([test_shared, test_restarted])
