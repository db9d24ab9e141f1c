"""Workers that crash or hang: the case is tried again, then recorded with all that is known; no other case is affected.

usage: test_crashes.py MICROTOME SYNTHETIC SOURCE SHIM [CRASHES]      (12 in the suite; 100 by hand; 0 measures what one crash in 20 cases costs)
"""
import datetime
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fault_points import HEAD, digests, events_of, manifest, sanitizer, shim_env  # noqa: E402
from harness import PROGRAM, contains, equal, main, read, synthetic  # noqa: E402

CRASHES = int(sys.argv[5]) if len(sys.argv) > 5 else 12
KINDS = {"segv": signal.SIGSEGV, "abrt": signal.SIGABRT, "ill": signal.SIGILL, "hang": signal.SIGKILL, "nomem": None}  # the last one ends in many ways
if sanitizer():  # which has a malloc of its own
    del KINDS["nomem"]
STALL_S = 6  # loading on a busy machine takes a while


def run(folder, out, cases, **faults):
    return subprocess.run([PROGRAM, "run", "-e", "builtin:demo", "-m", HEAD, "-o", out, "--threads", "2", "--workers", "2",
                           "--stall-limit", str(STALL_S), cases],
                          capture_output=True, text=True, timeout=1200, env=shim_env(folder, out, **faults))


def crashing_ids():
    """As many crashes as asked for: a third in cases that crash twice, for good."""
    ids, left, i = [], CRASHES, 0
    while left > 0:
        kind = list(KINDS)[i % len(KINDS)]
        twice = i % 6 == 2 and left > 1 and kind != "nomem"
        ids.append(f"bad-{i:03}-{kind}" + ("" if twice else "-once"))
        left -= 2 if twice else 1
        i += 1
    return ids


def check_record(record, kind):
    """What whoever is asked for help wants to know."""
    equal((record["quarantined"], record["kind"]), (True, "stalled" if kind == "hang" else "crash"))
    equal([(e["stage"], e["signal"]) for e in record["endings"]], [("encode", int(KINDS[kind]))] * 2)
    first, second = (e["budget"] for e in record["endings"])
    equal(second["tile_cache_bytes"] * 2, first["tile_cache_bytes"])
    for name in ("microtome", "OpenSlide", "libvips", "HDF5"):
        assert record["libraries"][name], name
    assert record["host"] and record["cpu"] and record["isa"], record


def test_crashes(folder):
    """crashes in workers: the cases between them are whole, a crash that comes again is recorded with its signal"""
    made = synthetic(os.path.join(folder, "slides"), "--count", 3, "--size", 768, "--seed", 3)
    bad = crashing_ids()
    ids = [id for i, name in enumerate(bad) for id in (name, f"good-{i:03}")]
    cases, out, calm = manifest(folder, made, ids), os.path.join(folder, "out"), os.path.join(folder, "calm")
    done = run(folder, out, cases, by_name=True)
    gone = [id for id in bad if not id.endswith("-once")]
    equal((done.returncode, done.stderr[-600:] if done.returncode != 65 else ""), (65, ""))
    contains(done.stderr, f"{len(ids) - len(gone)} done, 0 skipped, {len(gone)} failed")
    equal(os.listdir(os.path.join(out, "claims")), [])
    equal(sorted(n[:-5] for n in os.listdir(os.path.join(out, "failed"))), sorted(gone))
    for id in gone:
        record = json.loads(read(os.path.join(out, "failed", id + ".json")))
        kind = id.rsplit("-", 1)[1]
        number = KINDS[kind]
        equal((id, record["signal"], record["attempts"]), (id, int(number), 2))
        how = "made no progress for" if kind == "hang" else f"died with signal {int(number)}"
        contains(record["reason"], f"the worker {how}")
        contains(record["reason"], "the case is set aside: ")
        check_record(record, kind)
    crashes = len(events_of(out, "retry")) + len(gone)
    equal(crashes, CRASHES)
    equal(sorted(id for _, id, _ in events_of(out, "done")), sorted(set(ids) - set(gone)))
    equal([n for n in os.listdir(os.path.join(out, "cases")) if n.startswith(".")], [])
    status = subprocess.run([PROGRAM, "status", out], capture_output=True, text=True).stdout
    equal(status.count("the case is set aside: "), len(gone))
    equal(read(os.path.join(out, "report.html")).count("the case is set aside: "), len(gone))
    equal(read(os.path.join(out, "summary.csv")).count("the case is set aside: "), len(gone))
    equal(run(folder, calm, cases).returncode, 0)
    wanted = digests(calm)
    equal(digests(out), {name: digest for name, digest in wanted.items() if name[:-3] not in gone})
    print(f"# {crashes} crashes in a batch of {len(ids)} cases, {len(gone)} cases given up", flush=True)


def restart_seconds(out):
    """From each worker's death to the start of its case in a fresh one."""
    moment, gaps = {}, []
    for name in os.listdir(os.path.join(out, "runs")):
        for line in read(os.path.join(out, "runs", name)).splitlines() if name.endswith(".jsonl") else []:
            event = json.loads(line)
            at = datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()
            if event["event"] == "retry":
                moment[event["id"]] = at
            elif event["event"] == "started" and event["id"] in moment:
                gaps.append(at - moment.pop(event["id"]))
    return gaps


def test_throughput(folder):
    """one crash in 20 cases: what it costs (measured, not judged)"""
    made = synthetic(os.path.join(folder, "slides"), "--count", 2, "--size", 4096, "--seed", 3)
    seconds, gaps = {True: [], False: []}, []
    for k in range(3):
        for crashing in (True, False):
            ids = [f"c-{i:02}" + ("-segv-once" if crashing and i % 20 == 7 else "") for i in range(40)]
            out, began = os.path.join(folder, f"out{k}{crashing}"), time.monotonic()
            equal(run(folder, out, manifest(folder, made, ids), by_name=True).returncode, 0)
            seconds[crashing].append(time.monotonic() - began)
            gaps += restart_seconds(out) if crashing else []
    calm, crashed = sorted(seconds[False])[1], sorted(seconds[True])[1]
    print(f"# 40 cases, median of 3: {calm:.1f} s without, {crashed:.1f} s with 2 crashes: {100 * (crashed / calm - 1):.1f} %", flush=True)
    case_s, gap_s = 2 * calm / 40, sorted(gaps)[len(gaps) // 2]
    print(f"# a case takes a worker {case_s:.2f} s, a fresh worker {gap_s:.2f} s to begin: with half a case lost on average, "
          f"{100 * (case_s / 2 + gap_s) / (20 * case_s):.1f} % at one crash in 20 cases", flush=True)


main([test_crashes] if CRASHES else [test_throughput])
