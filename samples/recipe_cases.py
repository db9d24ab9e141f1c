"""Drawn input for recipes that microtome-phantoms and microtome-synthetic have none for: nuclei and mitoses on a slide, heads and bellies in CT,
knees in MR, scans of the retina.  Each has its truth beside it; the same seed gives the same numbers.  They say nothing about real patients.

For training (make_recipe_models.py) and for tests.  Volumes are arrays x, y, z with the affine to RAS mm; pictures rows, columns.
"""
import numpy as np
from scipy import ndimage


def _noise(rng, shape, sigma, amount):
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), sigma)
    return smooth * (amount / max(smooth.std(), 1e-9))


def _disc(shape, centre, radii, turn=0.0, rough=0.0, rng=None):
    """Below 1 inside an ellipse (or ellipsoid); `rough` frays its edge."""
    axes = np.meshgrid(*[np.arange(n) for n in shape], indexing='ij')
    d = [a - c for a, c in zip(axes, centre)]
    if turn:
        c, s = np.cos(turn), np.sin(turn)
        d[0], d[1] = c * d[0] + s * d[1], c * d[1] - s * d[0]
    distance = np.sqrt(sum((x / r) ** 2 for x, r in zip(d, radii)))
    return distance + (_noise(rng, shape, 1.2, rough) if rough else 0)


def nuclei(seed, size=512, count=60, mitoses=4):
    """H&E at 0.5 µm/px: an 8-bit picture, boxes (x0, y0, x1, y1) of interphase nuclei, boxes of mitotic figures (dark, frayed, bare of membrane)."""
    rng = np.random.default_rng(seed)
    density = 0.16 + _noise(rng, (size, size), 12, 0.03) + _noise(rng, (size, size), 2, 0.012)  # eosin
    blue = np.zeros((size, size))
    boxes, taken = ([], []), []
    for k in range(count + mitoses):
        figure = k < mitoses
        for _ in range(200):
            c = rng.uniform(14, size - 14, 2)
            if all(np.hypot(*(c - t)) > 24 for t in taken):
                break
        else:
            continue
        taken.append(c)
        r = (rng.uniform(7.5, 9), rng.uniform(3, 4)) if figure else rng.uniform(6, 9, 2)
        top, half = np.round(c).astype(int), 14
        where = tuple(slice(max(0, t - half), t + half + 1) for t in top)
        local = c - [w.start for w in where]
        turn = rng.uniform(0, np.pi)
        d = _disc(blue[where].shape, local, r, turn, 0.18 if figure else 0.05, rng)
        if figure:  # a clear cytoplasm round a black plate
            density[where] *= 1 - 0.5 * np.clip(2.2 - d, 0, 1)
            blue[where] = np.maximum(blue[where], 1.5 * np.clip(4 * (1 - d), 0, 1))
        else:
            chromatin = 0.42 + _noise(rng, d.shape, 1, 0.08)
            blue[where] = np.maximum(blue[where], chromatin * np.clip(6 * (1.1 - d), 0, 1) * (1 + 0.35 * (d > 0.8)))
        inside = np.argwhere(d < 1)
        low, high = inside.min(0) + [w.start for w in where], inside.max(0) + [w.start for w in where] + 1
        boxes[0 if not figure else 1].append((low[1], low[0], high[1], high[0]))
    stain = blue[..., None] * [0.65, 0.70, 0.29] + density[..., None] * [0.07, 0.99, 0.11]
    picture = 245 * 10 ** -stain + rng.normal(0, 2, stain.shape)
    return np.clip(picture, 0, 255).astype(np.uint8), np.array(boxes[0]).reshape(-1, 4), np.array(boxes[1]).reshape(-1, 4)


BLEEDS = ('intraparenchymal', 'intraventricular', 'subdural')


def head_ct(seed, bleed=None):
    """A head in Hounsfield units, 2 x 2 x 5 mm: the volume, and where it bleeds (one of BLEEDS, or nowhere)."""
    rng = np.random.default_rng(seed)
    shape = (96, 112, 24)
    middle = np.array([47.5, 55.5, 11.5]) + rng.uniform(-2, 2, 3)
    skull = _disc(shape, middle, np.array([40, 48, 13]) * rng.uniform(0.95, 1.05))
    inner = _disc(shape, middle, np.array([36.5, 44.5, 11.8]) * rng.uniform(0.98, 1.0))
    hu = np.where(skull < 1, 900.0, -1000.0)
    brain = inner < 1
    hu[brain] = 34
    ventricles = np.minimum(_disc(shape, middle + [6, -2, 1], (4, 14, 3.5), 0.15), _disc(shape, middle + [-6, -2, 1], (4, 14, 3.5), -0.15)) < 1
    hu[ventricles] = 8
    if bleed == 'intraparenchymal':
        at = middle + [rng.choice([-1, 1]) * rng.uniform(16, 22), rng.uniform(-16, 16), rng.uniform(-3, 4)]
        truth = _disc(shape, at, rng.uniform(5, 9, 3) * [1, 1, 0.5], 0, 0.15, rng) < 1
    elif bleed == 'intraventricular':
        truth = ventricles & (np.arange(shape[1])[None, :, None] < middle[1] - rng.uniform(2, 6))
    elif bleed == 'subdural':
        side = rng.choice([-1, 1])
        along = side * (np.arange(shape[0])[:, None, None] - middle[0])
        truth = brain & (inner > rng.uniform(0.84, 0.88)) & (along > 12) & (np.abs(np.arange(shape[1])[None, :, None] - middle[1]) < rng.uniform(20, 32))
    else:
        truth = np.zeros(shape, bool)
    truth = truth & brain
    hu[truth] = rng.uniform(62, 75)
    hu = ndimage.gaussian_filter(hu, (0.6, 0.6, 0.3)) + rng.normal(0, 4, shape)
    affine = np.diag([2.0, 2.0, 5.0, 1.0])
    affine[:3, 3] = [-95, -110, -60]
    return np.round(hu).astype(np.int16), truth, affine


ORGANS = ('liver', 'spleen', 'kidney')


def belly_ct(seed):
    """A belly with contrast in Hounsfield units, 3 x 3 x 4 mm: the volume and its labels, 1 liver, 2 spleen, 3 kidneys.  x runs to the right."""
    rng = np.random.default_rng(seed)
    shape, jitter = (96, 72, 40), lambda: rng.uniform(-2, 2, 3)
    grow = lambda: rng.uniform(0.9, 1.1, 3)  # noqa: E731
    hu = np.where(_disc(shape, (47.5, 35.5, 20), (44, 32, 60)) < 1, -90.0, -1000.0)
    hu[_disc(shape, (47.5, 35.5, 20), (40, 28, 60)) < 1] = 50
    labels = np.zeros(shape, np.uint8)
    parts = [(1, (65, 40, 24), (18, 17, 13), 100), (2, (22, 28, 27), (9, 10, 8), 160), (3, (62, 18, 12), (6, 6, 9), 220), (3, (33, 18, 13), (6, 6, 9), 220)]
    for value, at, radii, density in parts:
        inside = _disc(shape, np.array(at) + jitter(), np.array(radii) * grow(), 0, 0.05, rng) < 1
        inside &= labels == 0
        labels[inside] = value
        hu[inside] = density + rng.uniform(-6, 6)
    hu[_disc(shape, (47.5, 12, 20), (5, 5, 80)) < 1] = 420
    hu[_disc(shape, (45, 22, 20), (3, 3, 80)) < 1] = 180
    hu = ndimage.gaussian_filter(hu, 0.5) + rng.normal(0, 10, shape)
    affine = np.diag([3.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = [-144, -108, -80]
    return np.round(hu).astype(np.int16), labels, affine


TEARS = ('abnormal', 'acl', 'meniscus')


def knee_mr(seed, acl=False, meniscus=False):
    """A knee, fluid bright, 2 mm: {plane: (volume whose last axis is the slices, affine)} of three series."""
    rng = np.random.default_rng(seed)
    shape = (64, 64, 64)
    grow = rng.uniform(0.95, 1.05)
    value = np.where(_disc(shape, (31.5, 31.5, 31.5), (29, 29, 60)) < 1, 300.0, 5.0)
    value[_disc(shape, (31.5, 31.5, 55), np.array([20, 17, 21]) * grow) < 1] = 520  # femur
    value[_disc(shape, (31.5, 31.5, 9), np.array([21, 17, 19]) * grow) < 1] = 500  # tibia
    for x in (17, 46):
        value[_disc(shape, (x, 31.5, 31), (7, 14, 3)) < 1] = 60
    value[_disc(shape, (31.5, 31.5, 31), (3, 3, 8), 0) < 1] = 90
    if meniscus:
        at = (rng.choice([17, 46]) + rng.uniform(-2, 2), 31.5 + rng.uniform(-8, 8), 31)
        value[_disc(shape, at, (4, 3.5, 2.5)) < 1] = 900
    if acl:
        value[_disc(shape, (31.5 + rng.uniform(-1, 1), 31.5, 31 + rng.uniform(-2, 2)), (3.5, 4, 4)) < 1] = 880
    value = ndimage.gaussian_filter(value, 0.7) * (1 + _noise(rng, shape, 20, 0.06)) + rng.normal(0, 14, shape)
    value = np.clip(np.round(value), 0, 4000).astype(np.int16)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -63
    out = {}
    for plane, order in (('axial', (0, 1, 2)), ('coronal', (0, 2, 1)), ('sagittal', (1, 2, 0))):
        turned = np.eye(4)
        turned[:3, :3] = np.eye(3)[:, order]
        thick = np.diag([1.0, 1.0, 4.0, 1.0])
        out[plane] = value.transpose(order)[:, :, 2::4], affine @ turned @ thick
    return out


def oct_scan(seed, sick=False):
    """A scan of the retina, 8 bits, 64 x 96 px: layers, speckle; fluid under them when sick.  The picture, and where the fluid is."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :96].astype(float)
    base = 40 + 3 * np.sin(x / 96 * np.pi + rng.uniform(-0.4, 0.4)) + rng.uniform(-3, 3)
    pit = 5 * np.exp(-((x - 48 - rng.uniform(-6, 6)) / 9) ** 2)
    truth = np.zeros(y.shape, bool)
    if sick:
        a, b, c = rng.uniform(8, 14), rng.uniform(6, 9), rng.uniform(24, 72)
        lift = b * np.clip(1 - ((x - c) / a) ** 2, 0, None)
        truth = (y < base - 2) & (y > base - 2 - lift)
        base_upper = base - lift
    else:
        base_upper = base
    value = 18 + 120 * np.exp(-((y - base) / 1.6) ** 2)  # pigment epithelium
    for depth, bright in ((6, 60), (11, 95), (15, 55), (19, 110)):
        edge = base_upper - depth + (pit * depth / 19)
        value += bright * np.exp(-((y - edge) / 1.7) ** 2)
    value += 30 * ((y < base) & (y > base_upper - 20 + pit)) + 25 * np.exp(-np.clip(y - base, 0, None) / 8) * (y > base)
    value[truth] = 14
    value *= rng.gamma(12, 1 / 12, value.shape)
    return np.clip(ndimage.gaussian_filter(value, 0.5), 0, 255).astype(np.uint8), truth
