"""heatmap as CLAM draws it: ranks against SciPy, the overlay against a transcription of CLAM's procedure where that is right (docs/heatmaps.md).

usage: test_heatmap_clam.py MICROTOME SYNTHETIC SOURCE
"""
import csv
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import contains, equal, main, microtome  # noqa: E402

try:
    import h5py
    import numpy as np
    import tifffile
    from matplotlib import colormaps
    from PIL import Image
    from scipy import stats
    from made_results import write_headline
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

WIDTH, HEIGHT, PATCH, DOWN, MPP = 4096, 3072, 256, 4, 0.25
# left, top, right, bottom; truncated by 1/4 they hold the px whose centres they hold
TISSUE, HOLE = (257, 385, 3459, 2563), (1281, 1025, 1867, 1543)


def outline(box):
    x0, y0, x1, y1 = box
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def grid(step):
    """Patches whose centre is in the tissue, as CLAM keeps them."""
    inside = lambda x, y, b: b[0] <= x <= b[2] and b[1] <= y <= b[3]  # noqa: E731
    return np.array([[x, y] for x in range(256, 3460 - PATCH, step) for y in range(384, 2564 - PATCH, step)
                     if inside(x + PATCH / 2, y + PATCH / 2, TISSUE) and not inside(x + PATCH / 2, y + PATCH / 2, HOLE)], np.int64)


def attention_of(coords, seed, steps=40):
    """Raw logits that fall off from a focus, in steps so that many are equal."""
    rng = np.random.default_rng(seed)
    far = np.hypot(coords[:, 0] - 900, coords[:, 1] - 1800) / 1000
    return (np.round((2 - far + rng.normal(0, 0.3, len(coords))) * steps / 8) / steps * 8).astype(np.float32)


def result(folder, name, coords, logits, head="ab" * 32, labels=None):
    """logits: (N, K); labels of its columns where K > 1"""
    path = os.path.join(folder, name + ".h5")
    with h5py.File(path, "w", userblock_size=4096) as f:
        c = f.create_dataset("coords", data=coords)
        c.attrs["tile_level0"] = np.array([PATCH, PATCH], float)
        c.attrs["level0_width"], c.attrs["level0_height"] = WIDTH, HEIGHT
        f["valid"] = np.ones(len(coords), np.uint8)
        soft = np.exp(logits - logits.max(0, initial=0))
        a = f.create_dataset("attention", data=(soft / soft.sum(0)).astype(np.float32))
        f["attention_logits"] = logits
        scores = f.create_dataset("prediction/scores", data=np.linspace(0.2, 0.8, max(2, logits.shape[1])).astype(np.float32))
        scores.attrs["labels"] = labels or ["normal", "tumour"]
        if labels:
            a.attrs["labels"] = labels
        f["tissue/points"] = np.array(outline(TISSUE) + outline(HOLE), np.int32)
        f["tissue/offsets"] = np.array([0, 4, 8], np.int64)
        f["tissue/kinds"] = np.array([0, 1], np.uint8)
    write_headline(path, {"schema": 1, "id": name, "status": "ok", "mpp_x": MPP, "mpp_y": MPP, "head_sha256": head})
    return path


def values(path, folder, *args):
    answer = microtome("heatmap", path, "-o", folder, "--to", "csv", "--force", *args)
    equal((answer.code, answer.err), (0, ""))
    return np.array([float(row["value"]) for row in csv.DictReader(open(answer.out.strip()))])


def test_ranks(folder):
    """percentiles of the case and of a reference of one or several results: scipy.stats.percentileofscore(kind="rank"), with many equal numbers"""
    fine, coarse, more = grid(PATCH // 2), grid(PATCH), grid(PATCH)[::3]
    logits = {name: attention_of(c, seed)[:, None] for name, c, seed in (("fine", fine, 1), ("coarse", coarse, 2), ("more", more, 3))}
    path, reference, third = (result(folder, n, c, logits[n]) for n, c in (("fine", fine), ("coarse", coarse), ("more", more)))
    mine = logits["fine"][:, 0]
    assert len(np.unique(mine)) < len(mine) / 3
    percent = lambda of: np.array([stats.percentileofscore(of, s, kind="rank") for s in mine])  # noqa: E731
    found = values(path, folder, "--scale", "percentile")
    assert np.abs(100 * found - percent(mine)).max() < 1e-4
    assert np.abs(found - stats.rankdata(mine) / len(mine)).max() < 1e-6  # as CLAM has it without a reference
    of = logits["coarse"][:, 0]
    found = values(path, folder, "--scale", "percentile", "--reference", reference)
    assert np.abs(100 * found - percent(of)).max() < 1e-4
    assert found.min() < 0.2 and found.max() == 1 and ((mine[:, None] == of[None]).any(1)).mean() > 0.2
    both = np.concatenate([of, logits["more"][:, 0]])
    found = values(path, folder, "--scale", "percentile", "--reference", reference, "--reference", third)
    assert np.abs(100 * found - percent(both)).max() < 1e-4
    os.makedirs(os.path.join(folder, "run", "cases"))
    os.rename(reference, os.path.join(folder, "run", "cases", "coarse.h5"))
    os.rename(third, os.path.join(folder, "run", "cases", "more.h5"))
    equal(values(path, folder, "--scale", "percentile", "--reference", os.path.join(folder, "run")).tolist(), found.tolist())


def test_classes(folder):
    """a column of attention for each class: the reference is ranked by the same one"""
    coords = grid(PATCH)
    two = [np.stack([attention_of(coords, s), attention_of(coords, s + 9)], 1) for s in (1, 2)]
    a, b = (result(folder, n, coords, t, labels=["normal", "tumour"]) for n, t in zip("ab", two))
    for k, name in enumerate(["normal", "tumour"]):
        found = values(a, folder, "--scale", "percentile", "--reference", b, "--class", name)
        wanted = [stats.percentileofscore(two[1][:, k], s, kind="rank") for s in two[0][:, k]]
        assert np.abs(100 * found - wanted).max() < 1e-4


def clam_map(coords, percentiles):
    """visHeatmap: scores / 100 summed in blocks of whole px, divided by how many there are."""
    scale = 1 / DOWN
    overlay, counter = np.zeros((HEIGHT // DOWN, WIDTH // DOWN)), np.zeros((HEIGHT // DOWN, WIDTH // DOWN), np.uint16)
    patch = int(np.ceil(PATCH * scale))
    for (x, y), score in zip(np.ceil(coords * scale).astype(int), percentiles / 100):
        overlay[y:y + patch, x:x + patch] += score
        counter[y:y + patch, x:x + patch] += 1
    overlay[counter > 0] /= counter[counter > 0]
    return overlay, counter > 0


def clam_tissue():
    """get_seg_mask: contours times the scale, truncated, filled with their rim; holes likewise."""
    mask = np.zeros((HEIGHT // DOWN, WIDTH // DOWN), bool)
    for (x0, y0, x1, y1), on in ((TISSUE, True), (HOLE, False)):
        mask[y0 // DOWN:y1 // DOWN + 1, x0 // DOWN:x1 // DOWN + 1] = on
    return mask


def slide_of(folder):
    rng = np.random.default_rng(7)
    picture = np.full((HEIGHT, WIDTH, 3), 240, np.uint8)
    picture[TISSUE[1]:TISSUE[3], TISSUE[0]:TISSUE[2]] = rng.integers(120, 220, (TISSUE[3] - TISSUE[1], TISSUE[2] - TISSUE[0], 3))
    small = np.asarray(Image.fromarray(picture).resize((WIDTH // DOWN, HEIGHT // DOWN), Image.BOX))
    path = os.path.join(folder, "slide.tif")
    with tifffile.TiffWriter(path) as f:
        f.write(picture, tile=(256, 256), photometric="rgb", resolution=(10000 / MPP, 10000 / MPP), resolutionunit=3)
        f.write(small, tile=(256, 256), photometric="rgb", subfiletype=1)
    return path, small


def test_overlay(folder):
    """blocks, means of overlaps, tissue with its hole and the blend are CLAM's on a pyramid of whole factors, where CLAM does not drift"""
    coarse, fine = grid(PATCH), grid(PATCH // 2)
    reference = result(folder, "coarse", coarse, attention_of(coarse, 2)[:, None])
    logits = attention_of(fine, 1)
    path = result(folder, "fine", fine, logits[:, None])
    args = ("-o", folder, "--um-per-px", MPP * DOWN, "--scale", "percentile", "--reference", reference, "--colormap", "coolwarm", "--alpha", 0.4)
    percentiles = np.array([stats.percentileofscore(attention_of(coarse, 2), s, kind="rank") for s in logits])
    overlay, drawn = clam_map(fine, percentiles)
    drawn &= clam_tissue()
    answer = microtome("heatmap", path, "--to", "ome-float", *args)
    equal((answer.code, answer.err), (0, ""))
    ours = tifffile.imread(answer.out.strip(), level=0)
    equal((np.isfinite(ours) != drawn).sum(), 0)
    assert np.abs(ours - overlay)[drawn].max() < 1e-6
    slide, small = slide_of(folder)
    for threshold in 0, 0.5:
        answer = microtome("heatmap", path, "--to", "png", "--slides", slide, "--threshold", threshold, "--force", *args)
        equal((answer.code, answer.err), (0, ""))
        picture = np.asarray(Image.open(answer.out.strip())).astype(int)
        where = drawn & (overlay >= threshold - 1e-7)
        equal(np.abs(picture - small)[~where].max(), 0)
        heat = colormaps["coolwarm"](overlay)[..., :3] * 255
        blend = np.where(where[..., None], 0.4 * heat + 0.6 * small, small)
        assert np.abs(picture - blend)[where].max() <= 2, np.abs(picture - blend)[where].max()


def test_refused(folder):
    """a reference of another head or class, with other numbers, of nothing, damaged or away: one error, nothing written"""
    coords = grid(PATCH)
    one, two = attention_of(coords, 1)[:, None], np.stack([attention_of(coords, 1), attention_of(coords, 2)], 1)
    path, other = result(folder, "a", coords, one), result(folder, "other", coords, one, head="cd" * 32)
    bare = result(folder, "bare", coords, one)
    with h5py.File(bare, "r+") as f:
        del f["attention_logits"]
    renamed = result(folder, "renamed", coords, two, labels=["x", "y"])
    empty = result(folder, "empty", coords[:0], one[:0])
    cut = os.path.join(folder, "cut.h5")
    with open(path, "rb") as f, open(cut, "wb") as g:
        g.write(f.read()[:9000])
    os.makedirs(os.path.join(folder, "nothing"))
    out = os.path.join(folder, "out")
    ranks = ("--scale", "percentile")
    for args, code, message in [
            ((*ranks, "--reference", other), 65, "a.h5 among the reference: it is of head abababababab, and the reference of cdcdcdcdcdcd"),
            ((*ranks, "--reference", path, "--reference", other), 65, "read the reference: rank " + other),
            ((*ranks, "--reference", bare), 65, "it has /attention_logits, and the reference /attention"),
            ((*ranks, "--reference", renamed), 65, "its class is tumour, and that of the reference y: choose one with --class"),
            ((*ranks, "--reference", empty), 65, "read the reference: its results have no tile that was read"),
            ((*ranks, "--reference", folder + "/nothing"), 64, "nothing: it holds no *.h5"),
            ((*ranks, "--reference", folder + "/away.h5"), 66, "away.h5"),
            ((*ranks, "--reference", cut), 65, "cut.h5"),
            (("--reference", path), 64, "--reference ranks: give --scale percentile with it")]:
        answer = microtome("heatmap", path, "-o", out, "--to", "png", *args)
        assert answer.code == code, (args, answer)
        contains(answer.err, message)
        equal(answer.err.count("microtome heatmap: "), 1)
        equal(os.listdir(out) if os.path.isdir(out) else [], [])


main([test_ranks, test_classes, test_overlay, test_refused])
