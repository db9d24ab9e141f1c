"""--identifiers hash: names planted in paths, ids, patients and columns are in no byte of the output folder, nor on the terminal."""
import hashlib
import hmac
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import PROGRAM, contains, equal, main, microtome, read, synthetic  # noqa: E402

CANARIES = [b"CANARYPATH", b"CANARYFILE", b"CANARYID", b"CANARYPAT", b"CANARYWARD", b"CANARYSTAIN", b"CANARYBAD"]


def found_below(out):
    found = []
    for base, _, names in os.walk(out):
        for name in names:
            path = os.path.join(base, name)
            found += [(c, path) for c in CANARIES if c in os.fsencode(path[len(out):]) or c in read(path, "rb")]
    return found


def test_canaries(folder):
    """seven canaries: none is found; the same key gives the same hashes, and KEY.ids.csv says whose they are"""
    cohort = synthetic(os.path.join(folder, "CANARYPATH^DOE"), "--count", 1, "--size", 1024, "--seed", 5)
    os.rename(os.path.join(cohort, "slide-001.tif"), os.path.join(cohort, "CANARYFILE.tif"))
    open(os.path.join(cohort, "CANARYBAD.svs"), "w").write("nothing")
    with open(os.path.join(cohort, "m.csv"), "w") as f:
        f.write("path,id,patient,ward,stain\nCANARYFILE.tif,CANARYID,CANARYPAT,CANARYWARD,CANARYSTAIN\nCANARYBAD.svs,,CANARYPAT,,\nCANARYGONE.svs,,,,\n")
    out, key = os.path.join(folder, "out"), os.path.join(folder, "key")
    command = ["run", "-r", os.path.join(os.path.dirname(__file__), "..", "..", "samples", "demo.ini"), "-o", out, "--identifiers", "hash",
               "--identifiers-key", key, os.path.join(cohort, "m.csv")]
    answer = microtome(*command)
    equal(answer.code, 66)
    contains(answer.err, "make one with: head -c 32 /dev/urandom > ")
    with open(key, "wb") as f:
        f.write(b"k" * 32)
    answer = microtome(*command)
    equal(answer.code, 65)
    told = answer.out + answer.err + microtome("status", out).out + microtome("report", out).err
    equal([c for c in CANARIES if c.decode() in told], [])
    equal(found_below(out), [])
    wanted = hmac.new(b"k" * 32, b"id:CANARYID", hashlib.sha256).hexdigest()[:32]
    equal(os.listdir(os.path.join(out, "cases")), [wanted + ".h5"])
    contains(read(key + ".ids.csv"), wanted + ",CANARYID\n")
    contains(microtome(*command).err, "0 done, 1 skipped, 2 failed")
    os.rename(key, os.path.join(out, "key"))
    answer = microtome(*command[:-2], os.path.join(out, "key"), command[-1])
    equal(answer.code, 64)
    contains(answer.err, "it lies in the output folder, beside what it hides: keep it elsewhere")
    equal(microtome("run", "-e", "builtin:demo", "-o", out, "--identifiers", "hash", "x.tif").code, 64)


def files_in(*folder):
    """0 where it is not there yet."""
    folder = os.path.join(*folder)
    return len(os.listdir(folder)) if os.path.isdir(folder) else 0


def test_watched_canaries(folder):
    """a drop folder: a slide, one that is damaged and a second one of a name; no canary is found, on the terminal neither"""
    cohort = synthetic(os.path.join(folder, "slides"), "--count", 1, "--size", 1024, "--seed", 5)
    drop, out, key = (os.path.join(folder, name) for name in ("CANARYPATH", "out", "key"))
    os.makedirs(os.path.join(drop, "CANARYWARD"))
    shutil.copy(os.path.join(cohort, "slide-001.tif"), os.path.join(drop, "CANARYFILE.tif"))
    for name in ("CANARYBAD.svs", "CANARYWARD/CANARYFILE.svs", "CANARYID.txt"):
        open(os.path.join(drop, name), "w").write("nothing")
    with open(key, "wb") as f:
        f.write(b"k" * 32)
    process = subprocess.Popen([PROGRAM, "run", "-e", "builtin:demo", "-o", out, "--identifiers", "hash", "--identifiers-key", key,
                                "--watch", drop, "--settle", "0.4"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until = time.monotonic() + 120
    try:
        while not (files_in(out, "cases") and files_in(out, "failed") == 2):
            assert time.monotonic() < until and process.poll() is None, process.poll()
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=60)[0]
        equal(process.returncode, 75)
    finally:
        process.kill()
        process.wait()
    told += microtome("status", out).out
    equal([c for c in CANARIES if c.decode() in told], [])
    equal(found_below(out), [])
    contains(told, "another file there has its name: rename one of them")
    wanted = hmac.new(b"k" * 32, b"id:CANARYFILE", hashlib.sha256).hexdigest()[:32]
    contains(read(key + ".ids.csv"), wanted + ",CANARYFILE\n")


if __name__ == "__main__":
    main([test_canaries, test_watched_canaries])
