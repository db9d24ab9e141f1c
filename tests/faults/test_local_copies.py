"""--copy-to: the results of cases that are computed from local copies, and what is left of the copies.

usage: test_local_copies.py MICROTOME SYNTHETIC SOURCE
"""
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import PROGRAM, Skip, contains, equal, main, microtome, read, synthetic  # noqa: E402

# Names that are hard to write down.
NAMES = ["a b.tif", "two\nlines.tif", "quote\"back\\slash.tif", "%41.tif", "\u00e4\u6f22.tif", "x" * 240 + ".tif"]


def slides(folder, n, size=2048):
    cohort = synthetic(os.path.join(folder, "slides"), "--count", n, "--size", size, "--seed", 5)
    return [os.path.join(cohort, f"slide-{i + 1:03}.tif") for i in range(n)]


def command(out, copies, *paths):
    return ["run", "-e", "builtin:demo", "-o", out, *(["--copy-to", copies] if copies else []), *paths]


def run(out, copies, *paths):
    return microtome(*command(out, copies, *paths))


def results(out):
    cases = os.path.join(out, "cases")
    return {n: hashlib.sha256(read(os.path.join(cases, n), "rb")).hexdigest() for n in sorted(os.listdir(cases))}


def facts(paths):
    return [(hashlib.sha256(read(p, "rb")).hexdigest(), os.stat(p).st_mtime_ns, os.stat(p).st_ino) for p in paths]


def test_same_results(folder):
    """the results of the plain run, byte for byte, under hard names; no copy is left, no original is touched"""
    made = slides(folder, len(NAMES))
    paths = [os.path.join(folder, "slides", name) for name in NAMES]
    for one, path in zip(made, paths):
        os.rename(one, path)
    before, out = facts(paths), os.path.join(folder, "out")
    equal(run(os.path.join(folder, "plain"), None, *paths).code, 0)
    answer = run(out, os.path.join(out, "copies"), *paths)  # a folder inside OUT
    equal((answer.code, results(out)), (0, results(os.path.join(folder, "plain"))))
    assert "in place" not in answer.err, answer
    equal((os.listdir(os.path.join(out, "copies")), facts(paths)), ([], before))
    two = os.path.join(folder, "two")
    answer = microtome(*command(two, os.path.join(folder, "copies"), *paths), "--workers", 2, "--threads", 2)
    equal((answer.code, results(two), os.listdir(os.path.join(folder, "copies"))), (0, results(out), []))


def test_names(folder):
    """what fails is told under the name of the original"""
    path, out, copies = slides(folder, 1)[0], os.path.join(folder, "out"), os.path.join(folder, "copies")
    with open(path, "r+b") as f:  # no slide any more
        f.write(b"xxxxxxxx")
    answer = run(out, copies, path)
    equal(answer.code, 65)
    contains(answer.err, path)
    assert "microtome-copies" not in answer.err + read(os.path.join(out, "failed", "slide-001.json")), answer
    equal(os.listdir(copies), [])


def test_no_room(folder):
    """a case over the size is read in place and said so; what is no folder or no size is refused"""
    paths, out, copies = slides(folder, 2), os.path.join(folder, "out"), os.path.join(folder, "copies")
    os.mkdir(copies)
    open(os.path.join(copies, "mine"), "w").close()
    answer = run(out, copies + ":10K", *paths)
    equal((answer.code, os.listdir(copies)), (0, ["mine"]))
    contains(answer.err, "case 'slide-001' is read in place: its ")
    contains(answer.err, " are over the 0 MiB that copies may hold")
    answer = run(os.path.join(folder, "out2"), copies + ":3M", *paths)  # one at a time
    equal((answer.code, os.listdir(copies), "in place" in answer.err), (0, ["mine"], False))
    answer = run(out, copies + ":3X", *paths)
    equal(answer.code, 64)
    contains(answer.err, ":3X: DIR or DIR:SIZE is wanted, SIZE a number with K, M, G or T")
    answer = run(out, os.path.join(copies, "mine", "x"), *paths)
    equal(answer.code, 74)
    contains(answer.err, "Not a directory: choose a folder that can be written")


def test_full_disk(folder):
    """a disk without room to spare: read in place"""
    disk = os.path.join(folder, "disk")
    os.mkdir(disk)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", disk], capture_output=True).returncode != 0:
        raise Skip("a small disk cannot be mounted")
    try:
        answer = run(os.path.join(folder, "out"), disk + ":1G", *slides(folder, 2))
        equal((answer.code, os.listdir(disk)), (0, []))
        contains(answer.err, "MiB left")
    finally:
        subprocess.run(["umount", disk], check=True)


def files_below(folder):
    return sorted(os.path.join(where, name) for where, _, names in os.walk(folder) for name in names)


def interrupt(folder, number):
    """Start a run, send the signal to its group once a copy is there; the files that are left of the copies."""
    out, copies = os.path.join(folder, "out"), os.path.join(folder, "copies")
    process = subprocess.Popen([PROGRAM, *command(out, copies, *slides(folder, 3, 4096))], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    while not any(p.endswith(".tif") for p in files_below(copies)):
        assert process.poll() is None, process.returncode
        time.sleep(0.001)
    os.killpg(process.pid, number)
    process.wait()
    return out, copies


def test_killed(folder):
    """killed in the middle: the next run deletes what was left, and nothing else"""
    out, copies = interrupt(folder, signal.SIGKILL)
    left = files_below(copies)
    assert any(p.endswith(".tif") for p in left) and any(p.endswith("OWNER") for p in left), left
    own = os.path.dirname(next(p for p in left if p.endswith("OWNER")))
    victim = os.path.join(folder, "victim")
    kept = {os.path.join(own, "0", "mine.txt"): "", victim: "", os.path.join(copies, "microtome-copies-empty", "notes"): ""}
    with open(os.path.join(own, "OWNER"), "a") as f:  # names that lead out, and one that is not ours to make
        f.write("file ../../victim\nfile 0/../../../victim\nfile OWNER\n")
    start = read("/proc/self/stat").rsplit(")", 1)[1].split()[19]
    for name, host, pid, began in (("other", "another-host.example", 1, 1), ("alive", socket.gethostname(), os.getpid(), start)):
        where = os.path.join(copies, f"microtome-copies-{name}")
        kept[os.path.join(where, "OWNER")] = f"microtome copies 1\nhost {host}\npid {pid} {began}\nfile 0/slide.tif\n"
        kept[os.path.join(where, "0", "slide.tif")] = ""
    for path, text in kept.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
    answer = run(out, copies, *[os.path.join(folder, "slides", f"slide-{i:03}.tif") for i in (1, 2, 3)])
    equal(answer.code, 0)
    equal(files_below(copies) + [victim], sorted(p for p in kept if p != victim) + [victim])
    assert os.path.exists(victim)


def test_stopped(folder):
    """asked to stop: no copy is left"""
    _, copies = interrupt(folder, signal.SIGTERM)
    equal(os.listdir(copies), [])


main([test_same_results, test_names, test_no_room, test_full_disk, test_killed, test_stopped])
