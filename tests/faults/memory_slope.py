"""Resident memory of one worker over many cases: what grows from slide to slide.

usage: memory_slope.py MICROTOME SYNTHETIC [CASES [SLIDE...]]      (by hand; 300 cases of made slides, or of copies of SLIDE...)
Prints the slope after the first 50 cases; exit 1 above 1 MiB per 100 cases.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

CASES = int(sys.argv[3]) if len(sys.argv) > 3 else 300
SETTLED, LIMIT_KIB = 50, 1024


def links(folder, slides):
    """CASES names for a few files."""
    os.makedirs(os.path.join(folder, "cases"))
    paths = []
    for i in range(CASES):
        source = slides[i % len(slides)]
        path = os.path.join(folder, "cases", f"case{i:04d}{os.path.splitext(source)[1]}")
        try:
            os.link(source, path)
        except OSError:
            shutil.copyfile(source, path)
        paths.append(path)
    return paths


def made_slides(folder):
    subprocess.run([sys.argv[2], "-o", os.path.join(folder, "made"), "--count", "3", "--size", "1024", "--seed", "9"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return [os.path.join(folder, "made", n) for n in sorted(os.listdir(os.path.join(folder, "made"))) if n.endswith(".tif")]


def worker_of(pid):
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as f:
                if int(f.read().rsplit(")", 1)[1].split()[1]) == pid:
                    return int(entry)
        except OSError:
            continue
    return None


def status(pid, key):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key))


def least_squares(points):
    """KiB per 100 cases."""
    n = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    return 100 * sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def median_slope(points):
    """The same as the median of all pairs: one step of the allocator is not a leak, growth from case to case is."""
    slopes = sorted(100 * (b[1] - a[1]) / (b[0] - a[0]) for i, a in enumerate(points) for b in points[i + 1:] if b[0] > a[0])
    return slopes[len(slopes) // 2]


def main(folder):
    paths = links(folder, sys.argv[4:] or made_slides(folder))
    out = os.path.join(folder, "out")
    process = subprocess.Popen([sys.argv[1], "run", "-e", "builtin:demo", "-o", out, "--mpp", "0", "--slide-mpp", "0.5", "--mask", "none",
                                "--workers", "1", "--threads", "2", *paths], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    points, worker, peak = [], None, 0
    while process.poll() is None:
        time.sleep(0.02)
        worker = worker or worker_of(process.pid)
        cases = os.path.join(out, "cases")
        if worker is None or not os.path.isdir(cases):
            continue
        done = sum(not n.startswith(".") for n in os.listdir(cases))
        try:
            rss, peak = status(worker, "VmRSS:"), status(worker, "VmHWM:")
        except (OSError, StopIteration):
            continue
        if points and points[-1][0] == done:
            points[-1] = (done, min(points[-1][1], rss))  # between two cases, not in the middle of one
        else:
            points.append((done, rss))
    err = process.stderr.read().decode()
    late = [p for p in points if p[0] >= SETTLED]
    if process.returncode != 0 or len(late) < 10:
        sys.exit(f"exit {process.returncode}, {len(points)} samples: {err[-500:]}")
    k = median_slope(late)
    step = max(1, len(points) // 12)
    print("cases: KiB", ", ".join(f"{x}: {y}" for x, y in points[::step]))
    print(f"{CASES} cases, peak {peak} KiB, slope after {SETTLED}: median {k:.0f}, least squares {least_squares(late):.0f} KiB per "
          f"100 cases (wanted: median below {LIMIT_KIB})")
    return k < LIMIT_KIB


with tempfile.TemporaryDirectory(prefix="microtome-") as scratch:
    sys.exit(0 if main(scratch) else 1)
