"""Killed, or refused by the disk, at each change of the output folder: nothing lost, doubled or half written; then resumed.

usage: test_write_points.py MICROTOME SYNTHETIC SOURCE SHIM [POINTS [SEED]]      POINTS a test in the suite, `all` by hand
"""
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fault_points import MB_FREE, Batch  # noqa: E402
from harness import contains, equal, main  # noqa: E402

POINTS = sys.argv[5] if len(sys.argv) > 5 else "8"
SEED = int(sys.argv[6]) if len(sys.argv) > 6 else 1
FOR_READERS = ("report.html", "metrics.prom")  # made again at the next end; the batch is whole without
batch = None


def the_batch():
    global batch
    if batch is None:
        import tempfile
        batch = Batch(tempfile.mkdtemp(prefix="microtome-points-"))
    batch.fresh()
    return batch


def some(n_points, rng):
    """One point of each of POINTS equal parts, so that no stage of the batch is left out."""
    if POINTS == "all":
        return list(range(1, n_points + 1))
    parts = min(int(POINTS), n_points)
    return [1 + (n_points * i + rng.randrange(n_points)) // parts for i in range(parts)]


def at_point(k, what, check):
    try:
        check()
    except AssertionError as e:
        raise AssertionError(f"at change {k}, {what}: {e}") from None


def test_order(_):
    """every file is synced before it gets its name, and its folder after"""
    b = the_batch()
    synced, waiting, n = set(), {}, 0
    for _, _, call, result, path, new_path in b.log:
        if call in ("write", "pwrite", "writev", "ftruncate"):
            synced.discard(path)
        elif call == "fsync":
            synced.add(path)
            waiting.pop(path, None)
        elif call in ("rename", "link") and result == "0":
            assert path in synced, f"{new_path} got its name before it was synced"
            waiting[os.path.dirname(new_path)] = new_path
            n += 1
    equal(waiting, {})
    assert n >= 7, n  # three cases, recipe, two lists of the cases, summary
    print(f"# {b.changes} changes in a batch of 3 cases, {n} files published", flush=True)


def one_kill(b, k, whom, second):
    b.fresh()
    b.run(at=k, do=whom)
    b.check_published()
    if second is not None:
        b.run(at=second, do="kill")
        b.check_published()
    b.check_resumed()
    kills = 1 if second is None else 2
    assert len(b.events("started")) <= len(b.whole) + kills, f"{len(b.events('started'))} starts after {kills} kills"


def test_kills(_):
    """killed at a change, supervisor or worker, then resumed: every case once, at most one redone"""
    b, rng = the_batch(), random.Random(SEED)
    points = some(b.changes, rng)
    for k in points:
        at_point(k, "kill", lambda: one_kill(b, k, "kill", None))
    print(f"# killed at {len(points)} of {b.changes} changes", flush=True)


def test_group_kills(_):
    """all killed at a change, and killed again while resuming: every case once"""
    b, rng = the_batch(), random.Random(SEED + 1)
    points = some(b.changes, rng)
    for k in points:
        second = rng.randrange(1, b.changes + 1)
        at_point(k, f"all killed, then at {second}", lambda: one_kill(b, k, "group", second))
    print(f"# killed twice at {len(points)} pairs", flush=True)


LATE = 12


def one_error(b, k, name, always, only=""):
    b.fresh()
    ended = b.run(at=k, do=name, always=always, only=only)
    if ended.hits == 0:  # beats and progress come by the clock: a quick run has a few changes less
        assert k > b.changes - LATE, (k, b.changes)
    b.check_published()
    if ended.code == 0:
        equal(b.results(), b.whole)  # what failed was not needed: a log line, a beat, tidying up
    else:
        equal((ended.code, ended.err if ended.code != 74 else ""), (74, ""))
        contains(ended.err, b.out)
        if name in ("ENOSPC", "EDQUOT"):
            assert MB_FREE.search(ended.err), ended.err
    b.check_resumed()
    return ended


def test_errors(_):
    """a full or failing disk at a change, once or from there on: exit 74 with path and room, then resumed"""
    b, rng = the_batch(), random.Random(SEED + 2)
    tally = {}
    for name in ("ENOSPC", "EDQUOT", "EIO"):
        for always in (False, True):
            for k in some(b.changes, rng) if POINTS == "all" else sorted({1, 2, *rng.sample(some(b.changes, rng), max(1, int(POINTS) // 3))}):
                at_point(k, f"{name} {'from there on' if always else 'once'}", lambda: tally_error(tally, one_error(b, k, name, always)))
    n = sum(tally.values())
    print(f"# {n} runs: ENOSPC, EDQUOT, EIO, once and from there on, at {n // 6} of {b.changes} changes each; exit codes {tally}", flush=True)


def tally_error(tally, ended):
    tally[ended.code] = tally.get(ended.code, 0) + 1


def test_interrupted(_):
    """calls that were interrupted and writes that were short are taken up again: success, equal bytes"""
    b, rng = the_batch(), random.Random(SEED + 3)
    writes = [line for line in b.log if line[2] in ("write", "pwrite", "writev")]
    points = some(len(writes), rng)
    for k in points:
        for name, always in (("short", False), ("short", True), ("EINTR", False)):
            at_point(k, name, lambda: equal(one_error(b, k, name, always, "write").code, 0))
    print(f"# short once, short from there on and interrupted at {len(points)} of {len(writes)} writes: {3 * len(points)} runs", flush=True)


def test_sync_fails(_):
    """a sync that failed fails the case: no name is given, nothing is tried again into success"""
    b, rng = the_batch(), random.Random(SEED + 4)
    targets = synced_for(b)
    of_folder = next(k for k, name in enumerate(targets, 1) if name.endswith(".h5") and targets[k - 2] == name)
    points = some(len(targets), rng)
    for k in sorted({of_folder, *points}):
        def check():
            ended = one_error(b, k, "EIO", False, "sync")
            failed = next(line for line in ended.log if line[2] == "fsync" and line[3] == "-1")
            if os.path.basename(failed[4]).startswith(".tmp-"):
                equal([line for line in ended.log if line[2] == "rename" and line[4] == failed[4]], [])
            wanted = 0 if targets[k - 1] in FOR_READERS else 74
            equal(ended.code, wanted)
        at_point(k, f"sync of {targets[k - 1]}", check)
    print(f"# EIO at {len({of_folder, *points})} of {len(targets)} syncs", flush=True)


def synced_for(b):
    """The file of each sync: that which gets its name next, or got it last when it is the folder's."""
    targets = []
    for i, line in enumerate(b.log):
        if line[2] == "fsync":
            order = b.log[i:] if os.path.basename(line[4]).startswith(".tmp-") else b.log[i::-1]
            targets.append(os.path.basename(next(other[5] for other in order if other[2] == "rename")))
    return targets


def done(tests):
    try:
        main(tests)
    finally:
        if batch is not None:
            import shutil
            shutil.rmtree(batch.folder, ignore_errors=True)


done([test_order, test_kills, test_group_kills, test_errors, test_interrupted, test_sync_fails])
