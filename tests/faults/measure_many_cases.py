"""What the keeping of accounts costs: many tiny cases, run by hand.

usage: measure_many_cases.py MICROTOME [CASES [WORKERS]]        (10,000 cases, 2 workers)

Each case is a picture of one tile, of bytes of its own.  Printed: wall time and time of the processors per case, of the supervisor alone and of
the workers, what the workers say they spent on the cases, `status`, a run that finds all done, and the report.  The overhead of the
bookkeeping is the supervisor's processor time per case; wall minus the workers' own time is given beside it, but holds whatever else runs.
"""
import json
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib

PROGRAM = sys.argv[1]
CASES = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
WORKERS = int(sys.argv[3]) if len(sys.argv) > 3 else 2
EDGE = 224


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture(i):
    """A PNG of one colour with the number as text: small, and unlike the others."""
    row = b"\0" + bytes((200 - i % 50, 60 + i % 90, 150)) * EDGE
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", EDGE, EDGE, 8, 2, 0, 0, 0)) +
            chunk(b"tEXt", b"number\0%d" % i) + chunk(b"IDAT", zlib.compress(row * EDGE, 1)) + chunk(b"IEND", b""))


def make(folder):
    os.makedirs(os.path.join(folder, "slides"))
    with open(os.path.join(folder, "cases.csv"), "w") as f:
        f.write("path,id,mpp,patient\n")
        for i in range(CASES):
            with open(os.path.join(folder, "slides", f"case-{i:05}.png"), "wb") as png:
                png.write(picture(i))
            f.write(f"slides/case-{i:05}.png,case-{i:05},0.5,\n")


def timed(*command, sample=False):
    """Wall s, processor s of the process alone (where sampled), of all with children, exit code."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    told = tempfile.TemporaryFile(mode="w+")  # a pipe that nobody reads would hold the run up
    process = subprocess.Popen([PROGRAM, *command], stdout=subprocess.DEVNULL, stderr=told)
    own = 0.0
    ticks = os.sysconf("SC_CLK_TCK")
    while sample and process.poll() is None:
        try:
            fields = open(f"/proc/{process.pid}/stat").read().rsplit(")", 1)[1].split()
            own = (int(fields[11]) + int(fields[12])) / ticks
        except OSError:
            pass
        time.sleep(0.25)
    process.wait()
    told.seek(0)
    err = told.read()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if process.returncode != 0:
        print(err[-2000:], file=sys.stderr)
    return time.monotonic() - start, own, spent, process.returncode


def in_cases(out):
    seconds = 0.0
    for name in (n for n in os.listdir(os.path.join(out, "runs")) if n.endswith(".jsonl")):
        for line in open(os.path.join(out, "runs", name)):
            event = json.loads(line) if line.startswith("{") else {"event": line}
            seconds += event.get("seconds", 0) if event["event"] == "done" else 0
    return seconds


def main():
    folder = tempfile.mkdtemp(prefix="microtome-many-")
    out = os.path.join(folder, "out")
    try:
        make(folder)
        run = ["run", "-e", "builtin:demo", "--mask", "none", "-o", out, "--threads", str(WORKERS), "--workers", str(WORKERS),
               os.path.join(folder, "cases.csv")]
        wall, own, spent, code = timed(*run, sample=True)
        done = len([n for n in os.listdir(os.path.join(out, "cases")) if n.endswith(".h5")])
        inside = in_cases(out)
        print(f"{CASES} cases, {WORKERS} workers: exit {code}, {done} published, {wall:.1f} s, {wall / CASES * 1e3:.2f} ms a case")
        print(f"  supervisor: {own / CASES * 1e3:.2f} ms of processor a case; all processes: {spent / CASES * 1e3:.2f} ms")
        print(f"  in the cases, by the workers' clocks: {inside / CASES * 1e3:.2f} ms; the rest of the wall: "
              f"{(wall - inside / WORKERS) / CASES * 1e3:.2f} ms a case", flush=True)
        for title, command in (("status", ["status", out]), ("status --json", ["status", out, "--json"]), ("report", ["report", out])):
            wall, _, spent, code = min(timed(*command) for _ in range(3))
            print(f"{title}: {wall:.2f} s ({spent:.2f} s of processor), exit {code}", flush=True)
        wall, _, spent, code = min(timed(*run) for _ in range(2))
        print(f"run again, all done: {wall:.2f} s ({spent:.2f} s of processor), {wall / CASES * 1e6:.0f} ms per 1,000 cases, exit {code}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
