"""A slide on storage that is slow, fails for a moment, has a bad place, or goes away.

usage: test_slow_storage.py MICROTOME SYNTHETIC SOURCE SLOW_FS      (SLOW_FS empty: not built, the tests are skipped)
"""
import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import Skip, contains, equal, headline, main, microtome, read, synthetic  # noqa: E402
from slow_storage import Mount, tiles_of, why_not  # noqa: E402

SLOW_FS = sys.argv[4] if len(sys.argv) > 4 else ""
SLIDE = "slide-001.tif"
MIB = 1 << 20
# How the kernel keeps what it read: not at all, or in its page cache.
WAYS = ({"direct": True}, {})


def prepare(folder):
    """A folder with one slide, and the result of a run on it."""
    if why_not(SLOW_FS):
        raise Skip(why_not(SLOW_FS))
    slides = synthetic(os.path.join(folder, "slides"), "--count", 1, "--size", 6144, "--seed", 3)
    plain = run(os.path.join(slides, SLIDE), os.path.join(folder, "plain"))
    equal(plain.code, 0)
    return slides, digest(os.path.join(folder, "plain"))


def run(path, out, *more):
    return microtome("run", "-e", "builtin:demo", "-o", out, path, *more)


def result(out):
    return os.path.join(out, "cases", "slide-001.h5")


def digest(out):
    return hashlib.sha256(read(result(out), "rb")).hexdigest()


def failure(out):
    return json.loads(read(os.path.join(out, "failed", "slide-001.json")))


def stored_range(slides):
    """First and last byte of the full resolution's tiles."""
    tiles = tiles_of(os.path.join(slides, SLIDE))
    return min(o for o, _ in tiles), max(o + n for o, n in tiles)


def over(folder, slides, n, **options):
    """A run over a mount with these options: (answer, output folder)."""
    out = os.path.join(folder, f"out{n}")
    with Mount(SLOW_FS, slides, os.path.join(folder, f"mount{n}"), **options) as mount:
        return run(mount.path(SLIDE), out), out


def test_slow(folder):
    """slow storage: the bytes of the result are those of a run on the plain file"""
    slides, wanted = prepare(folder)
    for n, way in enumerate(WAYS):
        answer, out = over(folder, slides, n, delay_ms=5, **way)
        equal((answer.code, digest(out)), (0, wanted))


def test_transient(folder):
    """reads of tiles that fail once or twice cost nothing but time"""
    slides, wanted = prepare(folder)
    first, last = stored_range(slides)
    for n, way in enumerate(WAYS):
        answer, out = over(folder, slides, n, bad=f"{first}-{last}", bad_times=2, **way)
        equal((answer.code, digest(out)), (0, wanted))


def test_bad_place(folder):
    """a place that is never read costs its tiles, not the case"""
    slides, _ = prepare(folder)
    tiles = tiles_of(os.path.join(slides, SLIDE))
    end = os.path.getsize(os.path.join(slides, SLIDE)) - MIB
    # those with the most to see, outside of what tells who the case is
    places = sorted((t for t in tiles if t[0] > MIB and sum(t) < end), key=lambda t: t[1])[-2:]
    for n, way in enumerate(WAYS):
        offset, size = places[n]
        answer, out = over(folder, slides, n, bad=f"{offset + size // 3}-{offset + size // 2}", **way)
        equal(answer.code, 0)
        line = headline(result(out))
        assert 0 < line["invalid_tiles"] < line["tiles"] // 4, line


def test_gone(folder):
    """storage that goes away fails the case with the reason, and no other; the same command later finishes it"""
    slides, wanted = prepare(folder)
    point, out = os.path.join(folder, "mount"), os.path.join(folder, "out")
    with Mount(SLOW_FS, slides, point, direct=True, log=os.path.join(folder, "log")) as mount:
        equal(run(mount.path(SLIDE), os.path.join(folder, "counted")).code, 0)
    synthetic(os.path.join(folder, "other"), "--count", 2, "--size", 2048, "--seed", 4)
    reads = [list(map(int, line.split()[:2])) for line in read(os.path.join(folder, "log")).splitlines()]
    end = os.path.getsize(os.path.join(slides, SLIDE)) - MIB
    # a tile of the full resolution, which mask and thumbnail do not touch, and outside of what tells who the case is
    seen = [(t, n) for t, _ in tiles_of(os.path.join(slides, SLIDE)) if MIB < t < end
            for n in [sum(offset <= t < offset + count for offset, count in reads)] if n > 0]
    place, times = seen[len(seen) // 2]
    with Mount(SLOW_FS, slides, point, direct=True, gone_at=place, gone_times=times) as mount:
        answer = run(mount.path(SLIDE), out, os.path.join(folder, "other", SLIDE.replace("1", "2")))
    equal(answer.code, 65)
    contains(answer.err, "1 done, 0 skipped, 1 failed")
    assert not os.path.exists(result(out)), answer
    equal(failure(out)["stage"], "read")
    contains(failure(out)["reason"], "the storage is gone")
    with Mount(SLOW_FS, slides, point) as mount:
        answer = run(mount.path(SLIDE), out)
    equal((answer.code, digest(out)), (0, wanted))
    assert not os.path.exists(os.path.join(out, "failed", "slide-001.json"))


main([test_slow, test_transient, test_bad_place, test_gone])
