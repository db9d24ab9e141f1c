#!/usr/bin/env python3
"""The long matrices of faults, each with a line of its figures; exit 1 when any rule was broken.

usage: matrix.py [--build DIR] [--short] --all | NAME...      (names and what they hold: matrix.py --list)

Takes an hour and more; --short takes of each what tells most in a few minutes.  MICROTOME_TEST_DATA adds the damaged files of the test data.
"""
import argparse
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable  # the distribution's knows onnx
# name: (program, its arguments, those of --short, what must hold); SHIM is the library that counts changes
MATRICES = {
    "kills": ("kill_loop.py", ["200"], ["20"],
              "killed at random moments: 0 lost, 0 doubled, 0 unreadable, byte-equal, at most one case redone for each worker killed"),
    "points": ("test_write_points.py", ["SHIM", "all"], ["SHIM", "4"],
               "each change of the folder killed, killed twice, refused or cut short, once and from there on; resumed"),
    "disk": ("test_full_disk.py", [], [], "64 MiB that fill up: exit 74 with path and room, then resumed"),
    "contention": ("test_contention.py", ["SHIM", "10", "100"], ["SHIM", "2", "6"],
                   "8 runs on one folder: each case once; owners that were stopped and taken over publish nothing"),
    "stops": ("test_stops.py", ["100"], ["12"], "SIGTERM, SIGINT, SIGUSR1: gone within 20 s, exit 75, nothing unfinished; a second: 2 s"),
    "damaged": ("test_damaged_batch.py", [], [], "damaged files between good ones: good ones done, each bad one with its reason, exit 65"),
    "crashes": ("test_crashes.py", ["SHIM", "100"], ["SHIM", "12"], "workers that crash or hang: no other case affected; what a crash in 20 cases costs"),
}


def run(name, build, short):
    """Prints the figures as they come; true when all held."""
    program, full, few, _ = MATRICES[name]
    shim = os.path.join(build, "tests", "faults", "fault_shim.so")
    arguments = [shim if a == "SHIM" else a for a in (few if short else full)]
    command = [PYTHON, "-u", os.path.join(HERE, program), os.path.join(build, "tools", "microtome"),
               os.path.join(build, "samples", "microtome-synthetic"), SOURCE, *arguments]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    held = 0
    for line in process.stdout:
        held += line.startswith("ok ")
        if not line.startswith("1.."):
            print(f"{name}: {line}", end="", flush=True)
    ok = process.wait() == 0 and held > 0
    print(f"{name}: {'HELD' if ok else 'BROKEN'} in {time.monotonic() - began:.0f} s", flush=True)
    return ok


def main():
    parser = argparse.ArgumentParser(description="The long matrices of faults.")
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *MATRICES])
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--build", default=os.path.join(SOURCE, "build"))
    o = parser.parse_args()
    if o.list or not (o.all or o.names):
        print("\n".join(f"{name:11} {what}" for name, (_, _, _, what) in MATRICES.items()))
        return 0 if o.list else 64
    os.nice(10)
    broken = [name for name in (MATRICES if o.all else o.names) if not run(name, os.path.abspath(o.build), o.short)]
    print("all held" if not broken else f"broken: {', '.join(broken)}", flush=True)
    return 1 if broken else 0


sys.exit(main())
