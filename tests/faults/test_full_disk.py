"""A real file system of 64 MiB that fills up: exit 74 with path and room, nothing half written; with room again the batch is resumed."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fault_points import HEAD, MB_FREE, digests, manifest  # noqa: E402
from harness import PROGRAM, Skip, contains, equal, main, read, synthetic  # noqa: E402

CASES = 6
# in a mount namespace of its own: ballast leaves room for two results and a part of the third
SCRIPT = """
set -u
mount -t tmpfs -o size=64m tmpfs "$DISK" || exit 99
dd if=/dev/zero of="$DISK/ballast" bs=1024 count=$(( 64 * 1024 - KIB )) 2>/dev/null
"$@" -o "$DISK/out" "$CASES" >/dev/null 2>"$TOLD.full"; echo $? >"$TOLD.full.code"
cp -r "$DISK/out" "$TOLD.out"
rm "$DISK/ballast"
"$@" -o "$DISK/out" "$CASES" >/dev/null 2>"$TOLD.again"; echo $? >"$TOLD.again.code"
cp -r "$DISK/out" "$TOLD.resumed"
"""


def in_namespace(folder, cases, kib):
    disk, told = os.path.join(folder, "disk"), os.path.join(folder, "told")
    os.makedirs(disk)
    env = {**os.environ, "DISK": disk, "TOLD": told, "KIB": str(kib), "CASES": cases}
    command = [PROGRAM, "run", "-e", "builtin:demo", "-m", HEAD, "--threads", "1"]
    try:
        done = subprocess.run(["unshare", "-rm", "sh", "-c", SCRIPT, "sh", *command], env=env, capture_output=True, text=True, timeout=300)
    except FileNotFoundError:
        raise Skip("there is no unshare") from None
    if not os.path.exists(told + ".full.code"):
        raise Skip(f"a file system of one's own is not permitted here: {done.stderr.strip()[-100:]}")
    return disk, told


def test_full(folder):
    """64 MiB that fill up in the third of six results: 74 with path and room, the finished ones whole, then resumed"""
    slides = synthetic(os.path.join(folder, "slides"), "--count", 3, "--size", 768, "--seed", 3)
    cases = manifest(folder, slides, [f"case-{i}" for i in range(CASES)])
    whole = os.path.join(folder, "whole")
    equal(subprocess.run([PROGRAM, "run", "-e", "builtin:demo", "-m", HEAD, "--threads", "1", "-o", whole, cases], capture_output=True).returncode, 0)
    wanted = digests(whole)
    size_kib = os.path.getsize(os.path.join(whole, "cases", "case-0.h5")) // 1024
    disk, told = in_namespace(folder, cases, size_kib * 5 // 2 + 64)
    err = read(told + ".full")
    equal((read(told + ".full.code").strip(), err[-400:] if read(told + ".full.code").strip() != "74" else ""), ("74", ""))
    contains(err, os.path.join(disk, "out"))
    assert MB_FREE.search(err), err
    contains(err, "and the results of 5 cases will need about ")  # told after the first, long before the end
    contains(err, "make room, or the batch ends with exit code 74")
    found = digests(told + ".out")
    equal(found, {name: wanted[name] for name in found})
    equal([n for n in os.listdir(os.path.join(told + ".out", "cases")) if n.startswith(".")], [])
    equal((read(told + ".again.code").strip(), digests(told + ".resumed")), ("0", wanted))
    equal(os.listdir(os.path.join(told + ".resumed", "failed")), [])
    print(f"# {len(found)} of {CASES} results were finished; {MB_FREE.search(err).group(0)}", flush=True)


main([test_full])
