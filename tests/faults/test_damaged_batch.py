"""Damaged files of every kind between good ones in one batch: the good ones are done, each bad one has its reason, exit code 65."""
import csv
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from damage import Tiff  # noqa: E402
from harness import PROGRAM, Skip, contains, data, equal, main, read, synthetic  # noqa: E402

GOOD, MUTATED, SEED = 24, 24, 1
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "damaged_files.csv")


def cut(raw, rng):
    del raw[rng.randrange(1, len(raw) * 3 // 4):]


def no_header(raw, rng):
    raw[:8] = bytes(rng.randrange(256) for _ in range(8))


def directory_elsewhere(raw, rng):
    raw[4:16] = rng.randrange(len(raw), 2 * len(raw)).to_bytes(4, "little") * 3


def tiles_gone(raw, path):
    """All stored tiles of all levels are noise."""
    tiff = Tiff(path)
    for d in tiff.tiled():
        for tile in range(tiff.tiles(d)):
            tiff.spoil(d, tile, "noise")
    raw[:] = tiff.data


def mutants(folder, slides):
    """24 files that nobody can read, by four ways of damage."""
    paths = []
    for i in range(MUTATED):
        rng, source = random.Random(SEED * 1000 + i), slides[i % len(slides)]
        raw = bytearray(read(source, "rb"))
        if i % 4 == 3:
            tiles_gone(raw, source)
        else:
            (cut, no_header, directory_elsewhere)[i % 4](raw, rng)
        paths.append(os.path.join(folder, f"mutant-{i:02}.tif"))
        with open(paths[-1], "wb") as f:
            f.write(raw)
    return paths


def known():
    """The damaged files of the test data, each with what is said of it."""
    try:
        data()
    except Skip:
        return []
    with open(TABLE, newline="") as f:
        return [(data("malformed", *row["file"].split("/")), row["reason"]) for row in csv.DictReader(f)]


def test_batch(folder):
    """the damaged files of the test data, 24 mutants and 24 good slides in one batch: good ones done, bad ones with reasons, 65"""
    made = synthetic(os.path.join(folder, "slides"), "--count", GOOD, "--size", 768, "--seed", 3)
    good = sorted(os.path.join(made, n) for n in os.listdir(made) if n.endswith(".tif"))
    bad = known() + [(path, None) for path in mutants(folder, good)]
    order = good + [path for path, _ in bad]
    random.Random(SEED).shuffle(order)
    out = os.path.join(folder, "out")
    done = subprocess.run([PROGRAM, "run", "-e", "builtin:demo", "-o", out, "--mpp", "0.5", "--threads", "2", "--workers", "2", *order],
                          capture_output=True, text=True, timeout=600)
    equal((done.returncode, done.stderr[-600:] if done.returncode != 65 else ""), (65, ""))
    contains(done.stderr, f"{GOOD} done, 0 skipped, {len(bad)} failed")
    names = sorted(n[:-3] for n in os.listdir(os.path.join(out, "cases")))
    equal(names, sorted(os.path.splitext(os.path.basename(path))[0] for path in good))
    equal(len(os.listdir(os.path.join(out, "failed"))), len(bad))
    for path, reason in bad:
        stem = os.path.splitext(os.path.basename(path))[0]
        record = json.loads(read(os.path.join(out, "failed", stem + ".json")))
        equal((stem, record["exit_code"], record.get("signal")), (stem, 65, None))
        contains(record["reason"], reason or os.path.basename(path))
    print(f"# {len(bad)} bad cases, each with its reason; {GOOD} good ones done", flush=True)


main([test_batch])
