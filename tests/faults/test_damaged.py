"""Damaged files among good slides: the good ones done, each bad one with its reason, the supervisor untouched."""
import csv
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import contains, data, equal, headline, main, microtome, read, synthetic  # noqa: E402


def damaged_files():
    found = []
    for kind in ("tiff", "wsi", "nifti"):
        folder = data("malformed", kind)
        found += [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    return found


def good_slides(folder):
    cohort = synthetic(os.path.join(folder, "slides"), "--count", 2, "--size", 2048, "--seed", 3)
    with open(os.path.join(cohort, "manifest.csv"), newline="") as f:
        return [os.path.join(cohort, row["path"]) for row in csv.DictReader(f)]


def test_batch(folder):
    """damaged TIFF, slide and NIfTI files in one batch with two good slides"""
    bad = damaged_files()
    assert len(bad) > 10, bad
    good = good_slides(folder)
    out = os.path.join(folder, "out")
    answer = microtome("run", "-e", "builtin:demo", "-o", out, "--mask", "none", good[0], *bad, good[1])
    equal((answer.code, answer.err if answer.code != 65 else ""), (65, ""))
    done = {n for n in os.listdir(os.path.join(out, "cases")) if n.endswith(".h5")}
    failed = {n for n in os.listdir(os.path.join(out, "failed"))}
    wanted = {os.path.splitext(os.path.basename(p))[0] for p in good}
    equal({n[:-len(".h5")] for n in done}, wanted)
    equal({headline(os.path.join(out, "cases", n))["status"] for n in done}, {"embedded"})
    equal(sorted(n[:-len(".json")] for n in failed), sorted(os.path.splitext(os.path.basename(p))[0] for p in bad))
    for name in sorted(failed):
        record = json.loads(read(os.path.join(out, "failed", name)))
        assert len(record["reason"]) > 20, record
        assert data("malformed") not in record["reason"], record  # parent folders may hold names
        print(f"# {record['id']}: exit {record['exit_code']}, signal {record.get('signal')}: {record['reason'][:200]!r}", flush=True)
    contains(answer.err, f"2 done, 0 skipped, {len(bad)} failed")


def test_twice(folder):
    """the same batch again: the good ones skipped, the bad ones tried again, their reasons unchanged"""
    bad = damaged_files()[:6]
    good = good_slides(folder)
    out = os.path.join(folder, "out")
    arguments = ["run", "-e", "builtin:demo", "-o", out, *good, *bad]
    equal(microtome(*arguments).code, 65)
    first = {n: read(os.path.join(out, "failed", n)) for n in os.listdir(os.path.join(out, "failed"))}
    answer = microtome(*arguments)
    equal(answer.code, 65)
    contains(answer.err, f"0 done, 2 skipped, {len(bad)} failed")
    equal(first, {n: read(os.path.join(out, "failed", n)) for n in os.listdir(os.path.join(out, "failed"))})


main([test_batch, test_twice])
