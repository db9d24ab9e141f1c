"""Slides whose stored tiles are damaged at chosen places: what could not be read is counted, named and never painted over."""
import csv
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from damage import WAYS, Tiff  # noqa: E402
from harness import Skip, contains, data, equal, headline, main, microtome, read, synthetic, write_abmil  # noqa: E402

TILE = 256
BACKENDS = ["direct", "openslide"]


def slide(folder):
    """A JPEG pyramid of stored tiles of 256 px, and its grid at level 0 with tiles of the same edge."""
    cohort = synthetic(os.path.join(folder, "slides"), "--count", 1, "--size", 2560, "--seed", 5)
    name = next(n for n in sorted(os.listdir(cohort)) if n.endswith((".tif", ".tiff")))
    return os.path.join(cohort, name)


def spoilt(folder, source, tiles, way="noise", name="bad.tif", directory=0):
    tiff = Tiff(source)
    for tile in tiles:
        tiff.spoil(directory, tile, way)
    return tiff.save(os.path.join(folder, name))


def run(folder, path, *extra, out="out", mask="none"):
    out = os.path.join(folder, out)
    answer = microtome("run", "-e", "builtin:demo", "-o", out, "--mpp", 0, "--tile", TILE, "--off-contract", "--mask", mask, *extra, path)
    equal((answer.code, answer.err if answer.code else ""), (0, ""))
    result = os.path.join(out, "cases", os.path.splitext(os.path.basename(path))[0] + ".h5")
    with open(os.path.join(out, "summary.csv"), newline="") as f:
        return headline(result), next(csv.DictReader(f)), result


def stored(result):
    """valid, and (tile, reason) of the others."""
    try:
        import h5py
    except ImportError as e:
        raise Skip("no h5py") from e
    with h5py.File(result, "r") as f:
        bad = list(zip(f["invalid/tile"][:].tolist(), f["invalid/reason"].asstr()[:].tolist())) if "invalid" in f else []
        return f["valid"][:].tolist(), bad, f["features"][:], f["coords"][:].tolist(), "attention" in f and f["attention"][:, 0].tolist()


def stored_tile_of(tiff, coords):
    edge, across = tiff.grid(0)
    return [(y // edge) * across + x // edge for x, y in coords]


def test_recorded(folder):
    """each way of damage: exactly those tiles are invalid, with a reason, without features and without attention"""
    source = slide(folder)
    tiff = Tiff(source)
    equal(tiff.grid(0)[0], TILE)
    head = os.path.join(folder, "head.safetensors")
    _, _, result = run(folder, source, out="whole")
    dim = stored(result)[2].shape[1]
    write_abmil(head, dim)
    clean = stored(run(folder, source, "-m", head, out="scored")[2])
    for backend in BACKENDS:
        for k, way in enumerate(WAYS):
            damaged = [3 + k, 47, 48, tiff.tiles(0) - 2]
            path = spoilt(folder, source, damaged, way)
            line, row, result = run(folder, path, "-m", head, "--backend", backend, "--threads", 1 + k % 2, out=f"{backend}-{way}")
            valid, bad, features, coords, attention = stored(result)
            where = stored_tile_of(tiff, coords)
            wanted = [i for i, tile in enumerate(where) if tile in damaged]
            equal((backend, way, [i for i, v in enumerate(valid) if not v]), (backend, way, wanted))
            equal([tile for tile, _ in bad], wanted)
            equal((line["invalid_tiles"], int(row["invalid_tiles"])), (len(wanted), len(wanted)))
            for _, reason in bad:
                assert 3 < len(reason) < 200 and "/" not in reason and "bad" not in reason, reason
            for i in wanted:
                assert not features[i].any() and attention[i] == 0
            good = [i for i in range(len(valid)) if valid[i]]
            assert all((features[i] == clean[2][i]).all() for i in good)  # the neighbours are as they were
            assert abs(sum(attention) - 1) < 1e-4
            contains(row["error"], f"{len(wanted)} of {len(valid)} tiles could not be read")
            print(f"# {backend} {way}: {bad[0][1]}", flush=True)


def test_thresholds(folder):
    """1 % and 10 % by default, other shares by recipe: at a limit is not above it"""
    source = slide(folder)
    tiles = Tiff(source).tiles(0)
    equal(tiles, 100)
    head = os.path.join(folder, "head.safetensors")
    write_abmil(head, stored(run(folder, source, out="whole")[2])[2].shape[1])
    recipe = os.path.join(folder, "strict.ini")
    with open(recipe, "w") as f:
        f.write("[quality]\ndegraded_invalid=0\nwithheld_invalid=0.02\n")
    # --off-contract makes a case degraded anyway: what tells is the reason
    table = [(0, [], None, True), (1, [], None, True), (2, [], "degraded above 1 %", True), (10, [], "degraded above 1 %", True),
             (11, [], "withheld above 10 %", False), (100, [], "withheld above 10 %", False),
             (1, ["-r", recipe], "degraded above 0 %", True), (2, ["-r", recipe], "degraded above 0 %", True),
             (3, ["-r", recipe], "withheld above 2 %", False)]
    for i, (k, extra, words, scored) in enumerate(table):
        path = spoilt(folder, source, range(k), name=f"bad{i}.tif")
        line, row, _ = run(folder, path, "-m", head, *extra, out=f"out{i}")
        equal((k, line["invalid_tiles"], line["tiles"]), (k, k, tiles))
        equal((k, line["status"], line["decision"]), (k, "degraded" if scored else "withheld", "none"))
        equal((k, line["score"] is not None or line["scores"] != {}), (k, scored))
        equal((row["status"], row["score"] != "" or row["score_class_0"] != "" if scored else False), (line["status"], scored))
        equal("reason" in line, words is not None)
        contains(line.get("reason", "None"), str(words))
        equal(row["error"], line.get("reason", ""))


def test_one_level(folder):
    """damage in the only level: the mask keeps what it cannot see, so that its tiles are tried and counted"""
    source = data("wsi", "aperio-cmu-1-small-region.svs")
    damaged = [0, 9, 60, 61, 129]
    path = spoilt(folder, source, damaged, "markers", "bad.svs")
    for mask in ("otsu", "clam:default", "none"):
        line, _, result = run(folder, path, "--tile", 240, mask=mask, out=mask[:4])
        valid, bad, _, coords, _ = stored(result)
        where = stored_tile_of(Tiff(source), coords)
        assert {60, 61} <= {where[t] for t, _ in bad} <= set(damaged), bad
        equal(line["invalid_tiles"], len(bad))


def test_repeated(folder):
    """the same bytes in every run and for any number of threads"""
    path = spoilt(folder, slide(folder), [5, 6, 50, 77], "cut")
    results = [read(run(folder, path, "--threads", n, out=f"out{n}")[2], "rb") for n in (1, 2, 3, 1)[:3]]
    assert results[0] == results[1] == results[2]


def test_coarse_level(folder):
    """damage in the level that the mask is read from: every tile of the slide is still found"""
    source = slide(folder)
    tiff = Tiff(source)
    whole, _, _ = run(folder, source, mask="otsu", out="whole")
    last = tiff.tiled()[-1]
    path = spoilt(folder, source, range(tiff.tiles(last)), "markers", directory=last)
    line, _, _ = run(folder, path, mask="otsu", out="bad")
    equal(line["invalid_tiles"], 0)
    assert line["tiles"] >= whole["tiles"], (line["tiles"], whole["tiles"])


main([test_recorded, test_thresholds, test_one_level, test_repeated, test_coarse_level])
