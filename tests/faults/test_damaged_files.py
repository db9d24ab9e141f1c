"""Damaged TIFF and slide files, one by one and by every verb: the right exit code, one message of ours, nothing else printed, little memory.

usage: test_damaged_files.py MICROTOME SYNTHETIC SOURCE [MUTATIONS [SEED]]     (60 mutations in the suite; thousands by hand)
"""
import csv
import os
import random
import resource
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import PROGRAM, contains, data, equal, main  # noqa: E402

MUTATIONS = int(sys.argv[4]) if len(sys.argv) > 4 else 60
SEED = int(sys.argv[5]) if len(sys.argv) > 5 else 1
MAX_RSS_KIB = 300 * 1024
ADDRESS_SPACE = 3 << 30  # bounds what a damaged size may ask for; libraries alone map half a GiB
TIMEOUT_S = 120
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "damaged_files.csv")
SANITIZED = "san" in os.environ.get("ASAN_OPTIONS", "") or b"__asan_init" in open(PROGRAM, "rb").read()


def limit():
    if not SANITIZED:  # the shadow of AddressSanitizer is terabytes of address space
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def call(verb, path, folder):
    """Exit code (negative: the signal), stdout, stderr, peak KiB."""
    out = os.path.join(folder, "out")
    more = {"info": [], "tissue": ["-o", out], "tile": ["-o", out, "--mpp", "0", "--tile", "16", "--mask", "none"],
            "run": ["-o", out, "-e", "builtin:demo", "--mpp", "0", "--mask", "none", "--threads", "1"]}[verb]
    process = subprocess.Popen([PROGRAM, verb, path, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=limit)
    try:
        text, err = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    subprocess.run(["rm", "-rf", out], check=True)
    return process.returncode, text.decode(errors="replace"), err.decode(errors="replace")


def peak_kib():
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def is_ours(verb, code, err):
    """One message of ours; a library's own words would be further lines.  `tile` warns of what it left out and then says so."""
    lines = err.strip().split("\n")
    return all(line.startswith(f"microtome {verb}: ") for line in lines) and (len(lines) == 1 or verb == "tile" and len(lines) == 2)


def check_refusal(verb, path, code, text, err):
    equal((verb, code, text if verb != "tile" else ""), (verb, 65, ""))
    assert is_ours(verb, code, err), err
    contains(err, os.path.splitext(os.path.basename(path))[0])


def table():
    with open(TABLE, newline="") as f:
        return list(csv.DictReader(f))


def test_table(folder):
    """every file of the table: refused by info, tissue and tile in one line with its reason"""
    rows = table()
    names = {os.path.join(kind, n) for kind in ("tiff", "wsi") for n in os.listdir(data("malformed", kind))}
    assert {r["file"] for r in rows} <= names, {r["file"] for r in rows} - names
    for row in rows:
        path = data("malformed", *row["file"].split("/"))
        for verb in ("info", "tissue", "tile"):
            code, text, err = call(verb, path, folder)
            if verb == "info" and row["opens"] == "yes":
                equal((row["file"], code, err), (row["file"], 0, ""))
                continue
            check_refusal(verb, path, code, text, err)
            contains(err, row["reason"])
    assert SANITIZED or peak_kib() < MAX_RSS_KIB, peak_kib()
    print(f"# {len(rows)} files, at most {peak_kib() // 1024} MiB", flush=True)


def test_run(folder):
    """the same in a batch: each is a failed case with its reason, no worker is lost"""
    rows = table()
    out = os.path.join(folder, "out")
    paths = [data("malformed", *row["file"].split("/")) for row in rows]
    done = subprocess.run([PROGRAM, "run", "-e", "builtin:demo", "-o", out, "--mpp", "0", "--mask", "none", *paths], capture_output=True, text=True)
    equal(done.returncode, 65)
    import json
    for row, path in zip(rows, paths):
        stem = os.path.splitext(os.path.basename(path))[0]
        with open(os.path.join(out, "failed", stem + ".json")) as f:
            record = json.load(f)
        equal((stem, record["exit_code"], record["attempts"], record.get("signal")), (stem, 65, 1, None))
        contains(record["reason"], row["reason"])


def good_files():
    found = [data("wsi", "aperio-tiny-16px.svs"), data("wsi", "generic-pyramid-boxes.tiff")]
    for folder in (data("tiff", "shapes"), data("tiff", "bigtiff")):
        found += [os.path.join(folder, n) for n in sorted(os.listdir(folder))]
    return found


def mutate(source, rng):
    """A few bytes changed, mostly where the directories are, or the end cut off."""
    raw = bytearray(open(source, "rb").read())
    if rng.random() < 0.2:
        del raw[rng.randrange(8, len(raw)):]
        return raw
    middle = rng.choice([4, int.from_bytes(raw[4:8], "little" if raw[:2] == b"II" else "big") % len(raw), rng.randrange(len(raw))])
    for _ in range(rng.randrange(1, 9)):
        at = min(len(raw) - 1, max(2, middle + rng.randrange(-4, 250)))
        raw[at] = rng.choice([0, 1, 0x7f, 0x80, 0xff, rng.randrange(256)])
    return raw


def test_mutations(folder):
    """bytes of good files changed at fixed seeds: read or refused, never a signal, never a library's words"""
    files, tally, bad = good_files(), {0: 0, 65: 0}, []
    for i in range(MUTATIONS):
        rng = random.Random(SEED * 1000003 + i)
        source = rng.choice(files)
        path = os.path.join(folder, "mutant" + os.path.splitext(source)[1])
        with open(path, "wb") as f:
            f.write(mutate(source, rng))
        for verb in (("info", "tissue", "tile", "run") if MUTATIONS > 100 else (rng.choice(["info", "tissue", "tile"]),)):
            name = f"seed {SEED} mutation {i} {os.path.basename(source)} {verb}"
            try:
                code, text, err = call(verb, path, folder)
            except subprocess.TimeoutExpired:
                bad.append((name, "no end"))
                continue
            if code not in (0, 65):
                bad.append((name, code, err[-300:]))
            elif verb != "run" and err != "" and not is_ours(verb, code, err):
                bad.append((name, "more than a message", err[-300:]))
            elif verb == "run" and "signal" in err:
                bad.append((name, "a worker died", err[-300:]))
            tally[code] = tally.get(code, 0) + 1
    print(f"# {MUTATIONS} mutations: {tally}, at most {peak_kib() // 1024} MiB", flush=True)
    for entry in bad:
        print(f"# {entry}", flush=True)
    equal(bad, [])
    assert SANITIZED or peak_kib() < MAX_RSS_KIB, peak_kib()


main([test_table, test_run, test_mutations])
