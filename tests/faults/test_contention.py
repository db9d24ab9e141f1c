"""Eight runs on one folder: each case computed and published once; who comes back from a long stop publishes nothing.

usage: test_contention.py MICROTOME SYNTHETIC SOURCE SHIM [ROUNDS [STOPS]]      (1 and 3 in the suite; 10 and 100 by hand)
"""
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fault_points import HEAD, digests, events_of, manifest, shim_env, wait_for_group  # noqa: E402
from harness import PROGRAM, equal, main, read, synthetic  # noqa: E402

ROUNDS = int(sys.argv[5]) if len(sys.argv) > 5 else 1
STOPS = int(sys.argv[6]) if len(sys.argv) > 6 else 3
RUNS, CASES = 8, 50


def slides(folder):
    return synthetic(os.path.join(folder, "slides"), "--count", 2, "--size", 768, "--seed", 3)


def start(out, cases, *more, env=None):
    return subprocess.Popen([PROGRAM, "run", "-e", "builtin:demo", "-m", HEAD, "-o", out, "--threads", "1", *more, cases],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env, start_new_session=True)


def end(process, code):
    _, err = process.communicate(timeout=600)
    equal((process.returncode, err if process.returncode != code else ""), (code, ""))
    return err


def test_contention(folder):
    """8 runs on one folder, 50 cases: each started, done and published once"""
    cases = manifest(folder, slides(folder), [f"case-{i:02}" for i in range(CASES)])
    for k in range(ROUNDS):
        out = os.path.join(folder, f"out{k}")
        for process in [start(out, cases) for _ in range(RUNS)]:
            end(process, 0)
        for kind in ("started", "done"):
            ids = sorted(id for _, id, _ in events_of(out, kind))
            equal((kind, ids), (kind, [f"case-{i:02}" for i in range(CASES)]))
        equal(len(digests(out)), CASES)
        equal([n for n in os.listdir(os.path.join(out, "cases")) if n.startswith(".")], [])
        equal((os.listdir(os.path.join(out, "claims")), os.listdir(os.path.join(out, "failed"))), ([], []))
        share = {}
        for _, _, log in events_of(out, "done"):
            share[log] = share.get(log, 0) + 1
        print(f"# round {k + 1}: done by each run: {sorted(share.values())}", flush=True)


def is_stopped(group):
    """All threads of the group's processes stand still."""
    states = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = read(f"/proc/{entry}/stat").rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            states.append(fields[0])
    return bool(states) and all(s in "TZ" for s in states)


def points_of_case(folder, cases):
    """The numbers of the changes between the claim and the end of a batch of one case, without faults."""
    out = os.path.join(folder, "counted")
    env = shim_env(folder, out)
    end(start(out, cases, env=env), 0)
    log = [line.split("\t") for line in read(env["FAULT_LOG"]).splitlines()]
    first = next(int(line[0]) for line in log if line[2] == "create" and ".tmp-" in line[4] and "/cases/" in line[4])
    last = next(int(line[0]) for line in log if line[2] == "rename" and line[5].endswith(".h5"))
    return first, last, digests(out)


def one_stop(folder, cases, k, at, wanted):
    out = os.path.join(folder, f"stopped{k}")
    owner = start(out, cases, "--lease", "1", env=shim_env(folder, out, at, "stop"))
    until = time.monotonic() + 60
    while not is_stopped(owner.pid):
        assert time.monotonic() < until and owner.poll() is None, f"change {at}: the owner was not stopped"
        time.sleep(0.01)
    end(start(out, cases, "--lease", "1"), 0)
    path = os.path.join(out, "cases", next(iter(wanted)))
    before = os.stat(path)
    os.killpg(owner.pid, signal.SIGCONT)
    end(owner, 0)
    wait_for_group(owner.pid)
    after = os.stat(path)
    equal((before.st_ino, before.st_mtime_ns), (after.st_ino, after.st_mtime_ns))
    equal(digests(out), wanted)
    done = [log for _, _, log in events_of(out, "done")]
    equal((f"change {at}", len(done)), (f"change {at}", 1))
    equal([n for n in os.listdir(os.path.join(out, "cases")) if n.startswith(".")], [])
    equal((os.listdir(os.path.join(out, "claims")), os.listdir(os.path.join(out, "failed"))), ([], []))


def test_stopped_owner(folder):
    """an owner that was stopped for longer than the lease comes back and publishes nothing, wherever it stood"""
    cases = manifest(folder, slides(folder), ["the-case"])
    first, last, wanted = points_of_case(folder, cases)
    rng = random.Random(1)
    points = [last, *(rng.randrange(first, last + 1) for _ in range(STOPS - 1))]  # at the last the fence has been passed already
    for k, at in enumerate(points):
        one_stop(folder, cases, k, at, wanted)
    print(f"# {len(points)} owners stopped at changes {first} to {last}, taken over, resumed", flush=True)


main([test_contention, test_stopped_owner])
