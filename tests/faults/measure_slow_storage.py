"""Wall time of a run over slow storage against the plain file, in alternating runs.

usage: measure_slow_storage.py MICROTOME SLOW_FS SLIDE ENCODER [ROUNDS [MORE ARGUMENTS OF run]]
"""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from slow_storage import Mount  # noqa: E402

PROGRAM, SLOW_FS, SLIDE, ENCODER = sys.argv[1:5]
ROUNDS = int(sys.argv[5]) if len(sys.argv) > 5 else 1
MORE = sys.argv[6:]
WAYS = [("plain file", None)] + [(f"{ms} ms a read, {'no page cache' if direct else 'page cache'}", {"delay_ms": ms, "direct": direct})
                                 for direct in (False, True) for ms in (50, 500)]


def seconds(path, folder):
    out = os.path.join(folder, "out")
    began = time.monotonic()
    subprocess.run([PROGRAM, "run", "-e", ENCODER, "-o", out, *MORE, path], check=True, capture_output=True)
    took = time.monotonic() - began
    shutil.rmtree(out)
    return took


def one(options, folder):
    """(seconds, reads of the storage) of one run."""
    if options is None:
        return seconds(SLIDE, folder), 0
    log = os.path.join(folder, "log")
    with Mount(SLOW_FS, os.path.dirname(os.path.abspath(SLIDE)), os.path.join(folder, "mount"), log=log, **options) as mount:
        took = seconds(mount.path(os.path.basename(SLIDE)), folder)
    with open(log) as f:
        return took, sum(1 for _ in f)


def main():
    folder = tempfile.mkdtemp(prefix="microtome-")
    took = {name: [] for name, _ in WAYS}
    for _ in range(ROUNDS):
        for name, options in WAYS:
            took[name].append(one(options, folder))
            print(f"{name}: {took[name][-1][0]:.1f} s, {took[name][-1][1]} reads", flush=True)
    plain = statistics.median(s for s, _ in took["plain file"])
    for name, _ in WAYS:
        s = statistics.median(s for s, _ in took[name])
        print(f"{name}: median {s:.1f} s, {s / plain:.2f} of the plain file")
    shutil.rmtree(folder)


main()
