#!/usr/bin/python3
"""Make the small networks of samples/recipes that train_phantom_models.py does not train, from drawn input, with their cards.

    make_recipe_models.py --build build -o samples/recipes [--only NAME ...] [--work DIR]

Each is judged on drawn input of other seeds; the number stands in its card, and nothing below LEAST is written.  Seeds are fixed, one thread
works.  For showing that recipes work; these networks know nothing of real patients.
"""
import argparse
import csv
import json
import os
import shutil
import subprocess
import sys

import h5py
import nibabel
import numpy as np
import onnx
import torch
from PIL import Image
from onnx import TensorProto, helper, numpy_helper
from scipy import ndimage
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import recipe_cases  # noqa: E402
from train_phantom_models import UNet, auroc, dense_loss, dice, export, fit, stack  # noqa: E402
from train_demo_head import read_pgm, write_safetensors  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
LEAST = 0.85


class Bench:
    """Programs of the build, and cohorts that several networks share."""

    def __init__(self, build, work, out):
        self.microtome, self.synthetic, self.phantom = (os.path.join(build, p) for p in (
            'tools/microtome', 'samples/microtome-synthetic', 'samples/microtome-phantoms'))
        self.work, self.out = work, out

    def call(self, *args):
        subprocess.run(list(map(str, args)), check=True, stdout=subprocess.DEVNULL)

    def slides(self, name, count, size, seed):
        folder = os.path.join(self.work, name)
        if not os.path.exists(folder + '/manifest.csv'):
            self.call(self.synthetic, '-o', folder, '--count', count, '--size', size, '--seed', seed, '--prefix', name + '-', '--prevalence', 0.6)
        return folder

    def phantoms(self, kind, name, count, seed, *options):
        folder = os.path.join(self.work, name)
        if not os.path.exists(folder + '/manifest.csv'):
            self.call(self.phantom, kind, '-o', folder, '--count', count, '--seed', seed, *options)
        return folder

    def features(self, folder):
        out = folder + '.out'
        if not os.path.exists(out):
            self.call(self.microtome, 'run', '-e', 'builtin:demo', '-o', out, folder + '/manifest.csv')
        return out

    def path(self, *parts):
        path = os.path.join(self.out, *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path


def judged(name, what, value, least=LEAST):
    print(f'{name}: {what} {value:.4f} on drawn input of another seed, {least} is wanted', flush=True)
    if not value >= least:
        sys.exit(1)


def write_card(path, measured, encoder, *groups):
    with open(path, 'w') as f:
        f.write(f'# Made by make_recipe_models.py from drawn input ({measured}).  For showing how things work, for nothing else.\n')
        f.write('[encoder]\n' + '\n'.join(encoder) + '\ndemonstration=true\nlicence=Apache-2.0\n')
        for group in groups:
            f.write('\n'.join(group) + '\n')


def table(path):
    with open(path, newline='') as f:
        return list(csv.DictReader(f))


# --- slides: heads over the demonstration encoder -------------------------------------------------------------------------

def train_head(bench, name, task, labels, arguments):
    """By the engine: learnt, calibrated on held-out folds; the head with its card into the recipe's folder."""
    folder = bench.slides('train', 120, 2048, 21)
    kept = os.path.join(bench.work, name)
    shutil.rmtree(kept, ignore_errors=True)
    os.makedirs(kept)
    head = os.path.join(kept, 'head.safetensors')
    bench.call(bench.microtome, 'train', bench.features(folder), '--labels', labels(folder), '--task', task, '--folds', 5, '-o', head, *arguments)
    return kept, head


def keep_head(bench, name, kept, lines):
    for file in ('head.safetensors', 'head.trained.csv', 'head.reference.safetensors'):
        if os.path.exists(os.path.join(kept, file)):
            shutil.copyfile(os.path.join(kept, file), bench.path(name, file))
    with open(os.path.join(kept, 'head.card')) as f:
        card = f.read().rstrip('\n')
    with open(bench.path(name, 'head.card'), 'w') as f:
        f.write('# Made by make_recipe_models.py on drawn slides.  For showing how things work, for nothing else.\n' + card + '\n' + '\n'.join(lines) + '\n')


def slide_classification(bench):
    kept, head = train_head(bench, 'slide_classification', 'binary', lambda f: f + '/labels.csv',
                            ('--model', 'clam_sb', '--positive', 'tumour', '--hidden', 64, '--attention', 32, '--epochs', 60, '--lr', 1e-3))
    rows = table(kept + '/head-predictions.csv')
    area = auroc([float(r['score_tumour']) for r in rows], [r['label'] == 'tumour' for r in rows])
    judged('slide_classification', 'AUROC', area)
    keep_head(bench, 'slide_classification', kept, ['threshold=0.5'])


GRADES = ('benign', 'ISUP1', 'ISUP2', 'ISUP3', 'ISUP4', 'ISUP5')


def grade_of(row):
    """Drawn slides have no Gleason patterns: the share of tumour stands in for the grade."""
    share = float(row['tumour_mm2']) / max(1e-9, float(row['tissue_mm2']))
    return 0 if share == 0 else 1 + int(np.searchsorted((0.09, 0.14, 0.19, 0.24), share))


def write_grades(folder):
    path = os.path.join(folder, 'grades.csv')
    with open(path, 'w') as f:
        f.write('id,label\n' + ''.join(f"{r['id']},{GRADES[grade_of(r)]}\n" for r in table(folder + '/labels.csv')))
    return path


def kappa(truth, called, n):
    counts = np.zeros((n, n))
    np.add.at(counts, (truth, called), 1)
    weights = np.subtract.outer(np.arange(n), np.arange(n)) ** 2
    return 1 - (weights * counts).sum() / (weights * np.outer(counts.sum(1), counts.sum(0)) / counts.sum()).sum()


def gleason(bench):
    kept, head = train_head(bench, 'gleason', 'ordinal', write_grades, ('--model', 'linear', '--label-names', ','.join(GRADES)))
    rows = table(kept + '/head-predictions.csv')
    called = [int(np.argmax([float(r['score_' + g]) for g in GRADES])) for r in rows]
    judged('gleason', 'quadratic kappa', kappa([GRADES.index(r['label']) if r['label'] in GRADES else int(r['label']) for r in rows], called, len(GRADES)))
    keep_head(bench, 'gleason', kept, ['positive=ISUP2', 'threshold=0.5'])


def tiles_of(bench, name, count, seed):
    """Features of tiles and the share of tumour in each, slide by slide."""
    folder = bench.slides(name, count, 2048, seed)
    out, xs, ys = bench.features(folder), [], []
    for row in table(folder + '/labels.csv'):
        mask = read_pgm(f"{folder}/truth/{row['id']}_mask.pgm")
        with h5py.File(f"{out}/cases/{row['id']}.h5") as f:
            coords, edge = f['coords'][:], f['coords'].attrs['tile_level0'][0]
            xs.append(f['features'][:].astype(np.float32))
        cell = 16 / 0.5
        ys.append(np.array([mask[int(y / cell):int(np.ceil((y + edge) / cell)), int(x / cell):int(np.ceil((x + edge) / cell))].mean() for x, y in coords]))
    return np.concatenate(xs), np.concatenate(ys)


def fitted(x, y, steps=400):
    """Logistic regression of what tiles hold on their features: weight and bias over features as they are."""
    mean, spread = x.mean(0), x.std(0) + 1e-3
    layer = nn.Linear(x.shape[1], 1)
    z, t = torch.from_numpy((x - mean) / spread), torch.from_numpy(y.astype(np.float32))[:, None]
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.05, weight_decay=1e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(layer(z), t).backward()
        optimiser.step()
    w = layer.weight.detach().numpy()[0] / spread
    return w.astype(np.float32), float(layer.bias.item() - w @ mean)


def camelyon(bench):
    """The demonstration encoder and one linear layer behind it: a tile classifier."""
    x, y = tiles_of(bench, 'train', 120, 21)
    sure = (y == 0) | (y > 0.3)
    w, b = fitted(x[sure], y[sure] > 0)
    hx, hy = tiles_of(bench, 'held', 40, 22)
    sure = (hy == 0) | (hy > 0.3)
    area = auroc(hx[sure] @ w + b, hy[sure] > 0)
    judged('camelyon', 'AUROC of tiles', area)
    model = onnx.load(os.path.join(HERE, 'encoders', 'demo.onnx'))
    output = model.graph.output[0]
    model.graph.initializer.extend([numpy_helper.from_array(w[:, None], 'tumour_weight'), numpy_helper.from_array(np.array([b], np.float32), 'tumour_bias')])
    model.graph.node.append(helper.make_node('Gemm', [output.name, 'tumour_weight', 'tumour_bias'], ['logit']))
    batch = output.type.tensor_type.shape.dim[0]
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info('logit', TensorProto.FLOAT, [batch.dim_param or batch.dim_value, 1]))
    onnx.save(model, bench.path('camelyon', 'tiles.onnx'))
    write_card(bench.path('camelyon', 'tiles.card'), f'AUROC of tiles {area:.3f}',
               ['name=sample-camelyon-tiles', 'size_px=224', 'tile_px=224', 'mpp=0.5', 'channels=rgb', 'value=rgb8', 'mean=0;0;0', 'std=1;1;1', 'batch=2'],
               ['[head]', 'labels=tumour', 'activation=sigmoid', 'positive=tumour', 'threshold=0.5', 'thresholds=0.5', 'combine=max'])


def zero_shot(bench):
    """Two vectors in place of a text tower's: those whose scaled cosines tell tumour tiles from others."""
    x, y = tiles_of(bench, 'train', 120, 21)
    sure = (y == 0) | (y > 0.3)
    x, y = torch.from_numpy(x[sure]), torch.from_numpy((y[sure] > 0).astype(np.int64))
    text = nn.Parameter(torch.stack([x[y == 0].mean(0), x[y == 1].mean(0)]))
    optimiser, scale = torch.optim.Adam([text], lr=0.01), 40.0
    weight = torch.tensor([1.0, float((y == 0).sum() / (y == 1).sum())])
    for _ in range(1500):
        optimiser.zero_grad()
        F.cross_entropy(scale * F.normalize(x, dim=1) @ F.normalize(text, dim=1).T, y, weight).backward()
        optimiser.step()
    hx, hy = tiles_of(bench, 'held', 40, 22)
    sure = (hy == 0) | (hy > 0.3)
    with torch.no_grad():
        unit = F.normalize(text, dim=1)
        logits = scale * F.normalize(torch.from_numpy(hx), dim=1) @ unit.T
    judged('zero_shot', 'AUROC of tiles', auroc((logits[:, 1] - logits[:, 0]).numpy()[sure], hy[sure] > 0))
    write_safetensors(bench.path('zero_shot', 'prompts.safetensors'), {'embeddings': unit})
    with open(bench.path('zero_shot', 'prompts.card'), 'w') as f:
        f.write('# Made by make_recipe_models.py: vectors in place of a text tower\'s.  For showing how things work, for nothing else.\n[head]\n'
                f'labels=normal;tumour\nactivation=softmax\npositive=tumour\nthreshold=0.03\nlogit_scale={scale:g}\ndemonstration=true\n')


# --- slides: segmentation, detection --------------------------------------------------------------------------------------

TISSUE_PATCH, TISSUE_UM = (128, 128), 2


def tissue_cases(bench, name, count, seed):
    """Slides at 2 µm/px with what each px is: background, tissue, tumour."""
    import openslide
    folder, cases = bench.slides(name, count, 2048, seed), []
    for row in table(folder + '/labels.csv'):
        with openslide.OpenSlide(f"{folder}/{row['id']}.tif") as s:  # the level that the engine reads, with what JPEG made of it
            small = np.asarray(s.read_region((0, 0), 2, s.level_dimensions[2]).convert('RGB'), np.float32) / 255
        (h, w), cell = small.shape[:2], 16 // TISSUE_UM
        masks = [read_pgm(f"{folder}/truth/{row['id']}_{k}.pgm").repeat(cell, 0).repeat(cell, 1)[:h, :w] for k in ('tissue', 'mask')]
        cases.append((small.transpose(2, 0, 1).astype(np.float32), masks[0].astype(int) + (masks[0] & masks[1])))
    return cases


def tissue_segmentation(bench):
    rng, cases = np.random.default_rng(1), tissue_cases(bench, 'train', 40, 21)

    def batch(step):
        xs, ys = [], []
        for _ in range(8):
            x, y = cases[rng.integers(len(cases))]
            seen = np.argwhere(y == 2) if rng.random() < 0.6 else ()
            middle = seen[rng.integers(len(seen))] if len(seen) else rng.integers(0, y.shape)
            r, c = (int(np.clip(m - rng.integers(p), 0, n - p)) for m, n, p in zip(middle, y.shape, TISSUE_PATCH))
            where = slice(r, r + TISSUE_PATCH[0]), slice(c, c + TISSUE_PATCH[1])
            xs.append(x[(slice(None),) + where] * rng.uniform(0.95, 1.05, (3, 1, 1)).astype(np.float32))
            ys.append(y[where])
        return torch.from_numpy(np.stack(xs)), torch.from_numpy(np.stack(ys))

    model = UNet(2, 3, 3, (8, 16, 24, 24), (2, 4, 2))
    fit(model, batch, 900, 6e-3, lambda a, b: F.cross_entropy(a, b, torch.tensor([1.0, 1.0, 1.5])), 'tissue_segmentation')
    found = {1: [], 2: []}
    for x, y in tissue_cases(bench, 'held', 12, 22):
        with torch.no_grad():
            called = model(torch.from_numpy(x[None]))[0].argmax(0).numpy()
        for k in found:
            found[k] += [dice(called == k, y == k)] if (y == k).any() else []
    print('  Dice of tissue and tumour:', np.mean(found[1]), np.mean(found[2]))
    judged('tissue_segmentation', 'Dice of tissue and tumour, mean', float(np.mean(found[1] + found[2])))
    export(model, bench.path('tissue_segmentation', 'tissue.onnx'), (3,) + TISSUE_PATCH)
    write_card(bench.path('tissue_segmentation', 'tissue.card'), f'Dice of tissue {np.mean(found[1]):.3f}, of tumour {np.mean(found[2]):.3f}',
               ['name=sample-tissue', 'size_px={1}x{0}'.format(*TISSUE_PATCH), 'channels=rgb', 'value=rgb01', 'mean=0', 'std=1', f'spacing_mm={TISSUE_UM / 1000};{TISSUE_UM / 1000}',
                'labels=background;tissue;tumour', 'activation=softmax'])


DETECT_PX, STRIDE = 256, 4


class Detector(nn.Module):
    """A centre and a size at every fourth px, as YOLOv8 gives them: (1, 4 + 1, places)."""

    def __init__(self):
        super().__init__()
        self.body = stack(2, (3, 12, 16, 24, 24), (2, 1, 2, 1))
        self.heat, self.size = nn.Conv2d(24, 1, 3, padding=1), nn.Conv2d(24, 2, 3, padding=1)
        nn.init.constant_(self.heat.bias, -4)
        side = DETECT_PX // STRIDE
        y, x = np.meshgrid(np.arange(side), np.arange(side), indexing='ij')
        self.register_buffer('place', torch.from_numpy(np.stack([x, y])[None].astype(np.float32) * STRIDE + STRIDE / 2))

    def maps(self, x):
        h = self.body(x)
        return self.heat(h), F.softplus(self.size(h)) * 8

    def forward(self, x):
        heat, size = self.maps(x)
        score = torch.sigmoid(heat)
        score = score * (score >= F.max_pool2d(score, 3, 1, 1))  # peaks alone
        return torch.cat([self.place.expand(x.shape[0], -1, -1, -1), size, score], 1).flatten(2)


def heat_of(boxes, n):
    """Bells round the middles; where a size is told."""
    heat, size, known = np.zeros((n, n), np.float32), np.zeros((2, n, n), np.float32), np.zeros((n, n), np.float32)
    y, x = np.mgrid[:n, :n] * STRIDE + STRIDE / 2
    for x0, y0, x1, y1 in boxes:
        bell = np.exp(-((x - (x0 + x1) / 2) ** 2 + (y - (y0 + y1) / 2) ** 2) / (2 * 3.0 ** 2))
        heat = np.maximum(heat, bell)
        size[:, bell > 0.5] = np.array([[x1 - x0], [y1 - y0]])
        known[bell > 0.5] = 1
    return heat, size, known


def box_loss(out, y):
    (heat, size), target, known = out, y[:, :1], y[:, 3:]
    return (F.binary_cross_entropy_with_logits(heat, target, reduction='none') * (1 + 20 * target)).mean() + \
        0.1 * (known * (size - y[:, 1:3]).abs()).sum() / (known.sum() + 1)


def detect(bench, name, label, which):
    rng = np.random.default_rng(4)
    cases = []
    for seed in range(40):
        picture, *boxes = recipe_cases.nuclei(1000 + seed, 512, 70, 14)
        cases.append((picture.transpose(2, 0, 1).astype(np.float32) / 255, np.concatenate([boxes[k] for k in which])))

    def batch(step):
        xs, ys = [], []
        for _ in range(4):
            x, boxes = cases[rng.integers(len(cases))]
            r, c = rng.integers(0, 512 - DETECT_PX, 2)
            part = x[:, r:r + DETECT_PX, c:c + DETECT_PX].copy()
            part = np.clip(part * rng.uniform(0.9, 1.1, (3, 1, 1)).astype(np.float32), 0, 1)
            xs.append(part)
            heat, size, known = heat_of(boxes - [c, r, c, r], DETECT_PX // STRIDE)
            ys.append(np.concatenate([heat[None], size, known[None]]))
        return torch.from_numpy(np.stack(xs)), torch.from_numpy(np.stack(ys))

    model = Detector()
    wrapped = nn.Module()
    wrapped.model, wrapped.forward = model, model.maps
    fit(wrapped, batch, 350, 8e-3, box_loss, name)
    model.eval()
    hits = false = planted = 0
    for seed in range(6):
        picture, *boxes = recipe_cases.nuclei(5000 + seed, DETECT_PX, 20, 4)
        truth = np.concatenate([boxes[k] for k in which])
        with torch.no_grad():
            out = model(torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32) / 255))[0].numpy()
        found = out[:2, out[4] >= 0.4].T
        middle = (truth[:, :2] + truth[:, 2:]) / 2
        near = np.linalg.norm(found[:, None] - middle[None], axis=2) < 7 if len(found) and len(middle) else np.zeros((len(found), len(middle)), bool)
        hits, false, planted = hits + near.any(0).sum(), false + (~near.any(1)).sum(), planted + len(truth)
    f1 = 2 * hits / (planted + hits + false)
    print(f'  {hits} of {planted} found, {false} false')
    judged(name, 'F1', f1)
    export(model, bench.path(name, name + '.onnx'), (3, DETECT_PX, DETECT_PX))
    write_card(bench.path(name, name + '.card'), f'F1 {f1:.3f}: {hits} of {planted} found, {false} false',
               [f'name=sample-{name}', f'size_px={DETECT_PX}', f'tile_px={DETECT_PX}', 'mpp=0.5', 'channels=rgb', 'value=rgb8', 'mean=0;0;0', 'std=1;1;1',
                'pool=raw', 'batch=1'],
               ['[detect]', 'format=yolov8', f'labels={label}', 'min_score=0.4', 'iou=0.3', 'max_boxes=500'])


def mitoses(bench):
    detect(bench, 'mitoses', 'mitosis', (1,))


def nuclei(bench):
    detect(bench, 'nuclei', 'nucleus', (0, 1))


# --- X-ray: lungs and opacity ---------------------------------------------------------------------------------------------

def picture(path):
    return np.asarray(Image.open(path), np.float32)


def pneumonia_cases(bench, name, count, seed):
    folder, px = bench.phantoms('xray-opacity', name, count, seed, '--size', 256), 128
    xs, ys = [], []
    for row in table(folder + '/labels.csv'):
        x = np.asarray(Image.fromarray(picture(f"{folder}/{row['id']}.png")).resize((px, px), Image.BILINEAR)) / 65535
        opacity = picture(f"{folder}/masks/{row['id']}.png")[::2, ::2] > 0
        lung = (picture(f"{folder}/truth/{row['id']}_lungs.png")[::2, ::2] > 0) | opacity
        xs.append(((x - 0.5) / 0.25)[None])
        ys.append(np.stack([lung, opacity]))
    return np.stack(xs).astype(np.float32), np.stack(ys).astype(np.float32)


def pneumonia_share(bench):
    rng, (x, y) = np.random.default_rng(5), pneumonia_cases(bench, 'lungs', 200, 31)

    def batch(step):
        take = rng.integers(len(x), size=6)
        return torch.from_numpy(x[take]), torch.from_numpy(y[take])

    model = UNet(2, 1, 2, (8, 12, 16, 24), (2, 2, 2))
    fit(model, batch, 400, 1e-2, dense_loss, 'pneumonia_share')
    x, y = pneumonia_cases(bench, 'lungs_held', 24, 32)
    with torch.no_grad():
        called = model(torch.from_numpy(x)).numpy() > 0
    lung = np.mean([dice(a, b > 0) for a, b in zip(called[:, 0], y[:, 0])])
    opacity = np.mean([dice(a, b > 0) for a, b in zip(called[:, 1], y[:, 1]) if b.any()])
    print('  Dice of lung and opacity:', lung, opacity)
    judged('pneumonia_share', 'Dice of lung and opacity, the lower', min(lung, opacity))
    export(model, bench.path('pneumonia_share', 'lungs.onnx'), (1, 128, 128))
    write_card(bench.path('pneumonia_share', 'lungs.card'), f'Dice of lung {lung:.3f}, of opacity {opacity:.3f}',
               ['name=sample-lungs', 'size_px=128x128', 'fit=stretch', 'channels=gray', 'value=range:0,65535', 'mean=0.5', 'std=0.25',
                'labels=lung;opacity', 'activation=sigmoid', 'regions=1,2;2', 'paint=1;2'])


# --- CT: heads, bellies, nodules slice by slice ---------------------------------------------------------------------------

class Slices(nn.Module):
    """A small stack of convolutions, mean and maximum over the slice."""

    def __init__(self, outputs, limit=None, widths=(1, 8, 16, 24, 32)):
        super().__init__()
        self.limit = limit  # what lies outside a window: value=range of a card does not clip
        self.body, self.last = stack(2, widths, (2,) * (len(widths) - 1)), nn.Linear(2 * widths[-1], outputs)

    def forward(self, x):
        h = self.body(x if self.limit is None else x.clamp(-self.limit, self.limit))
        return self.last(torch.cat([h.mean((2, 3)), h.amax((2, 3))], 1))


def pick(rng, x, y, size):
    take = rng.integers(len(x), size=size)
    return torch.from_numpy(np.stack([x[i] for i in take])), torch.from_numpy(np.stack([y[i] for i in take]).astype(np.float32))


def resized(plane, px):
    return np.asarray(Image.fromarray(plane.astype(np.float32)).resize((px, px), Image.BILINEAR))


def head_slices(seeds):
    """Brain window, 96 px, and the findings of each slice: any, then each kind; of which head it is."""
    kinds, xs, ys, of = (None, *recipe_cases.BLEEDS), [], [], []
    for seed in seeds:
        kind = kinds[seed % 2 * (1 + seed // 2 % 3)]
        hu, truth, _ = recipe_cases.head_ct(seed, kind)
        for k in range(hu.shape[2]):
            n = truth[:, :, k].sum()
            if 0 < n < 12:
                continue
            xs.append(((resized(hu[:, :, k].T, 96) / 80 - 0.5) / 0.25)[None].astype(np.float32))
            ys.append([n > 0] + [n > 0 and kind == b for b in recipe_cases.BLEEDS])
            of.append(seed)
    return np.stack(xs), np.array(ys), np.array(of)


def brain_haemorrhage(bench):
    rng, (x, y, _) = np.random.default_rng(6), head_slices(range(3000, 3120))
    model = Slices(4, limit=2)
    fit(model, lambda step: pick(rng, x, y, 24), 600, 6e-3, F.binary_cross_entropy_with_logits, 'brain_haemorrhage')
    x, y, of = head_slices(range(4000, 4048))
    with torch.no_grad():
        logits = model(torch.from_numpy(x)).numpy()
    heads = np.array([logits[of == k].max(0) for k in np.unique(of)]), np.array([y[of == k].max(0) for k in np.unique(of)])
    areas = [auroc(heads[0][:, k], heads[1][:, k]) for k in range(4)]
    print('  AUROC of heads:', areas)
    judged('brain_haemorrhage', 'AUROC of heads, the lowest', min(areas))
    export(model, bench.path('brain_haemorrhage', 'slices.onnx'), (1, 96, 96))
    write_card(bench.path('brain_haemorrhage', 'slices.card'), 'AUROC of heads ' + ', '.join(f'{a:.3f}' for a in areas),
               ['name=sample-brain-haemorrhage', 'size_px=96', 'fit=stretch', 'channels=gray', 'value=range:0,80', 'mean=0.5', 'std=0.25', 'interpolation=bilinear', 'batch=8'],
               ['[head]', 'labels=any;' + ';'.join(recipe_cases.BLEEDS), 'activation=sigmoid', 'positive=any', 'threshold=0.5', 'combine=max'])


BELLY_PATCH = (24, 48, 48)  # z, y, x


def organ_segmentation(bench):
    rng, cases = np.random.default_rng(7), [recipe_cases.belly_ct(s)[:2] for s in range(5000, 5024)]

    def patch(hu, labels):
        seen = np.argwhere(labels == rng.integers(1, 4))
        middle = seen[rng.integers(len(seen))]
        at = [int(np.clip(m - rng.integers(p), 0, n - p)) for m, n, p in zip(middle, hu.shape, BELLY_PATCH[::-1])]
        where = tuple(slice(a, a + p) for a, p in zip(at, BELLY_PATCH[::-1]))
        return ((np.clip(hu[where], -160, 240) - 40) / 200).transpose(2, 1, 0)[None], labels[where].transpose(2, 1, 0)

    def batch(step):
        parts = [patch(*cases[rng.integers(len(cases))]) for _ in range(2)]
        return torch.from_numpy(np.stack([p[0] for p in parts]).astype(np.float32)), torch.from_numpy(np.stack([p[1] for p in parts]).astype(np.int64))

    def loss(logits, y):
        hot, p = F.one_hot(y, 4).movedim(-1, 1).float(), torch.softmax(logits, 1)
        both, all_ = (p * hot).sum((0, 2, 3, 4)), (p + hot).sum((0, 2, 3, 4))
        return F.cross_entropy(logits, y, torch.tensor([0.3, 1.0, 4.0, 4.0])) + 1 - ((2 * both + 1) / (all_ + 1)).mean()

    model = UNet(3, 1, 4, (6, 12, 16), ((2, 2, 2), (2, 2, 2)))
    fit(model, batch, 500, 5e-3, loss, 'organ_segmentation')
    found = []
    for seed in range(6000, 6004):
        hu, labels, _ = recipe_cases.belly_ct(seed)
        x = torch.from_numpy(((np.clip(hu, -160, 240) - 40) / 200).transpose(2, 1, 0)[None, None].astype(np.float32))
        with torch.no_grad():
            called = model(x)[0].argmax(0).numpy().transpose(2, 1, 0)
        found.append([dice(called == k, labels == k) for k in (1, 2, 3)])
    print('  Dice of liver, spleen, kidneys:', np.mean(found, 0))
    judged('organ_segmentation', 'Dice, the lowest', float(np.mean(found, 0).min()))
    export(model, bench.path('organ_segmentation', 'organs.onnx'), (1,) + BELLY_PATCH)
    write_card(bench.path('organ_segmentation', 'organs.card'), 'Dice of liver {:.3f}, spleen {:.3f}, kidneys {:.3f}'.format(*np.mean(found, 0)),
               ['name=sample-organs', 'size_px={2}x{1}x{0}'.format(*BELLY_PATCH), 'channels=ct', 'value=ct:-160,240,40,200', 'spacing_mm=3;3;4',
                'labels=background;liver;spleen;kidney', 'activation=softmax'])


def nodule_slices(bench, name, count, seed):
    """Slices of drawn chests with three neighbours, the nodules of the middle one; those without any too."""
    folder, out = bench.phantoms('ct-nodules', name, count, seed, '--prevalence', 0.9), []
    for row in table(folder + '/labels.csv'):
        hu, mask = (np.asarray(nibabel.load(os.path.join(folder, *p)).dataobj).transpose(2, 1, 0)
                    for p in ((row['id'] + '.nii.gz',), ('masks', row['id'] + '.nii.gz')))
        hu = ((np.clip(hu, -1000, 400) + 400) / 400).astype(np.float32)
        for z in range(len(hu)):
            if mask[z].any() or z % 6 == 0:
                out.append((hu[[max(0, z - 1), z, min(len(hu) - 1, z + 1)]], mask[z] > 0))
    return out


SLICE_PX = 96


def around(rng, x, mask):
    """A part of a slice, about a nodule as often as not."""
    seen = np.argwhere(mask) if rng.random() < 0.7 else ()
    middle = seen[rng.integers(len(seen))] if len(seen) else rng.integers(0, mask.shape)
    r, c = (int(np.clip(m - rng.integers(SLICE_PX), 0, n - SLICE_PX)) for m, n in zip(middle, mask.shape))
    where = slice(r, r + SLICE_PX), slice(c, c + SLICE_PX)
    return x[(slice(None),) + where], mask[where]


def ct_nodules_25d(bench):
    rng, slices = np.random.default_rng(8), nodule_slices(bench, 'chests', 30, 101)

    def batch(step):
        parts = [around(rng, *slices[rng.integers(len(slices))]) for _ in range(6)]
        return torch.from_numpy(np.stack([p[0] for p in parts])), torch.from_numpy(np.stack([p[1][None] for p in parts]).astype(np.float32))

    model = UNet(2, 3, 1, (8, 16, 24), (2, 2))
    fit(model, batch, 450, 1e-2, dense_loss, 'ct_nodules_25d')
    found, true, both = 0, 0, 0
    for x, mask in nodule_slices(bench, 'chests_held', 4, 201):
        with torch.no_grad():
            called = model(torch.from_numpy(x[None]))[0, 0].numpy() > 0
        found, true, both = found + called.sum(), true + mask.sum(), both + (called & mask).sum()
    value = 2 * both / (found + true)
    judged('ct_nodules_25d', 'Dice of all slices', value)
    export(model, bench.path('ct_nodules', 'slices_25d.onnx'), (3, SLICE_PX, SLICE_PX))
    write_card(bench.path('ct_nodules', 'slices_25d.card'), f'Dice of all slices {value:.3f}',
               ['name=sample-ct-nodules-25d', f'size_px={SLICE_PX}x{SLICE_PX}', 'slices=3', 'channels=ct', 'value=ct:-1000,400,-400,400', 'spacing_mm=0.7;0.7;2',
                'labels=nodule', 'activation=sigmoid'])


class SliceDetector(nn.Module):
    """Middles and sizes of boxes, the eight surest of a window, as torchvision's detectors give them: boxes, scores, labels."""

    def __init__(self):
        super().__init__()
        self.body = stack(2, (1, 8, 16, 24, 32, 32), (1, 2, 1, 2, 1))
        self.heat, self.size = nn.Conv2d(32, 1, 3, padding=1), nn.Conv2d(32, 2, 3, padding=1)
        nn.init.constant_(self.heat.bias, -4)
        side = SLICE_PX // STRIDE
        y, x = np.meshgrid(np.arange(side), np.arange(side), indexing='ij')
        self.register_buffer('place', torch.from_numpy((np.stack([x, y]).reshape(2, -1).T * STRIDE + STRIDE / 2).astype(np.float32)))

    def maps(self, x):
        h = self.body(x)
        return self.heat(h), F.softplus(self.size(h)) * 8

    def forward(self, x):
        heat, size = self.maps(x)
        score = torch.sigmoid(heat)
        score = (score * (score >= F.max_pool2d(score, 3, 1, 1))).flatten()
        scores, index = torch.topk(score, 8)
        half = size[0].flatten(1).T[index] / 2
        place = self.place[index]
        return torch.cat([place - half, place + half], 1), scores, index * 0


def sections_found(model, slices, threshold):
    """F1, sections of nodules found, planted, and peaks that are none."""
    hits = planted = false = 0
    for x, mask in slices:
        parts = ndimage.find_objects(ndimage.label(mask)[0])
        with torch.no_grad():
            heat = torch.sigmoid(model.maps(torch.from_numpy(x[None]))[0])[0, 0].numpy()
        called = np.argwhere((heat >= threshold) & (heat >= ndimage.maximum_filter(heat, 3))) * STRIDE + STRIDE / 2
        inside = [[r.start - 2 <= at[0] < r.stop + 2 and c.start - 2 <= at[1] < c.stop + 2 for r, c in parts] for at in called]
        hits, planted, false = hits + sum(any(i[k] for i in inside) for k in range(len(parts))), planted + len(parts), false + sum(not any(i) for i in inside)
    return 2 * hits / max(1, planted + hits + false), hits, planted, false


def ct_nodules_2d(bench):
    rng, slices = np.random.default_rng(9), [(x[1:2], m) for x, m in nodule_slices(bench, 'chests', 30, 101)]

    def batch(step):
        xs, ys = [], []
        for _ in range(8):
            x, mask = around(rng, *slices[rng.integers(len(slices))])
            parts = ndimage.find_objects(ndimage.label(mask)[0])
            heat, size, known = heat_of([(c.start, r.start, c.stop, r.stop) for r, c in parts], SLICE_PX // STRIDE)
            xs.append(x)
            ys.append(np.concatenate([heat[None], size, known[None]]))
        return torch.from_numpy(np.stack(xs)), torch.from_numpy(np.stack(ys))

    model = SliceDetector()
    wrapped = nn.Module()
    wrapped.model, wrapped.forward = model, model.maps
    fit(wrapped, batch, 900, 5e-3, box_loss, 'ct_nodules_2d')
    model.eval()
    threshold = max((0.5, 0.6, 0.7, 0.8, 0.9, 0.95), key=lambda t: sections_found(model, slices[:300], t)[0])
    value, hits, planted, false = sections_found(model, [(x[1:2], m) for x, m in nodule_slices(bench, 'chests_held', 4, 201)], threshold)
    print(f'  {hits} of {planted} found, {false} false, at {threshold}')
    judged('ct_nodules_2d', 'F1 of sections', value, 0.7)  # a vessel that is cut across is round too
    path = bench.path('ct_nodules', 'boxes_2d.onnx')
    torch.onnx.export(model, torch.zeros(1, 1, SLICE_PX, SLICE_PX), path, opset_version=13, input_names=['image'], output_names=['boxes', 'scores', 'labels'])
    write_card(bench.path('ct_nodules', 'boxes_2d.card'), f'{hits} of {planted} sections found, {false} false',
               ['name=sample-ct-nodules-2d', f'size_px={SLICE_PX}x{SLICE_PX}', 'channels=ct', 'value=ct:-1000,400,-400,400', 'spacing_mm=0.7;0.7;2', 'step=0.5'],
               ['[detect]', 'format=explicit', 'labels=nodule', 'boxes=boxes', 'scores=scores', 'classes=labels', f'min_score={threshold}', 'iou=0.2'])


# --- MR and OCT -----------------------------------------------------------------------------------------------------------

def knee_slices(seeds):
    xs, ys = [], []
    for seed in seeds:
        acl, meniscus = seed % 2 == 1, seed // 2 % 2 == 1
        for values, _ in recipe_cases.knee_mr(seed, acl, meniscus).values():
            low, high = np.percentile(values, [0.5, 99.5])
            for k in range(values.shape[2]):
                x = np.clip((resized(values[:, :, k].T, 64) - low) / (high - low), 0, 1)
                bright = (values[:, :, k] > 700).sum()
                if 0 < bright < 4:
                    continue
                xs.append(((x - 0.5) / 0.25)[None].astype(np.float32))
                ys.append((acl, meniscus, bright > 0))
    return xs, ys


def knee_mri(bench):
    """Labels are of the exam, as MRNet's are: a slice has them where it shows something."""
    rng, (x, seen) = np.random.default_rng(10), knee_slices(range(7000, 7120))
    y = [[b and (a or m), b and a, b and m] for a, m, b in seen]
    model = Slices(3)
    # of exams with both it is not known which of them a slice shows
    sure = [i for i, (a, m, b) in enumerate(seen) if not (a and m and b)]
    fit(model, lambda step: pick(rng, [x[i] for i in sure], [y[i] for i in sure], 24), 700, 6e-3, F.binary_cross_entropy_with_logits, 'knee_mri')
    scores, truth = [], []
    for seed in range(8000, 8032):
        acl, meniscus = seed % 2 == 1, seed // 2 % 2 == 1
        planes = []
        for values, _ in recipe_cases.knee_mr(seed, acl, meniscus).values():
            low, high = np.percentile(values, [0.5, 99.5])
            stackd = np.stack([((np.clip((resized(values[:, :, k].T, 64) - low) / (high - low), 0, 1) - 0.5) / 0.25)[None] for k in range(values.shape[2])])
            with torch.no_grad():
                planes.append(torch.sigmoid(model(torch.from_numpy(stackd.astype(np.float32)))).amax(0).numpy())
        scores.append(np.mean(planes, 0))
        truth.append([acl or meniscus, acl, meniscus])
    areas = [auroc(np.array(scores)[:, k], np.array(truth)[:, k]) for k in range(3)]
    print('  AUROC of exams:', areas)
    judged('knee_mri', 'AUROC of exams, the lowest', min(areas))
    export(model, bench.path('knee_mri', 'slices.onnx'), (1, 64, 64))
    write_card(bench.path('knee_mri', 'slices.card'), 'AUROC of exams ' + ', '.join(f'{t} {a:.3f}' for t, a in zip(recipe_cases.TEARS, areas)),
               ['name=sample-knee-mri', 'size_px=64', 'fit=stretch', 'channels=gray', 'value=percentile', 'mean=0.5', 'std=0.25', 'interpolation=bilinear', 'batch=8'],
               ['[head]', 'labels=' + ';'.join(recipe_cases.TEARS), 'activation=sigmoid', 'positive=abnormal', 'threshold=0.5', 'combine=max'])


def heads_flair(bench, name, count, seed, prevalence):
    folder = bench.phantoms('mr-tumour', name, count, seed, '--prevalence', prevalence, '--size', '72x88x64')
    for row in table(folder + '/labels.csv'):
        image = nibabel.load(f"{folder}/{row['id']}/{row['id']}_flair.nii.gz")
        x = np.asarray(image.dataobj, np.float32).transpose(2, 1, 0)
        brain = x > 0
        yield np.where(brain, (x - x[brain].mean()) / x[brain].std(), 0).astype(np.float32)


def mri_anomaly(bench):
    """A denoising autoencoder (Kascenas et al. 2022): learns to take coarse noise out of normal brains, and takes lesions for noise."""
    rng, slices = np.random.default_rng(11), np.concatenate([x[(x != 0).mean((1, 2)) > 0.05] for x in heads_flair(bench, 'plain', 20, 41, 0)])

    def batch(step):
        x = slices[rng.integers(len(slices), size=6)][:, None, 4:84, 4:68]
        coarse = rng.normal(0, 2.5, (6, 1, 10, 8)).astype(np.float32)
        noise = F.interpolate(torch.from_numpy(coarse), size=(80, 64), mode='bilinear', align_corners=False).numpy()
        return torch.from_numpy(np.where(x != 0, x + noise, 0).astype(np.float32)), torch.from_numpy(x.copy())

    model = UNet(2, 1, 1, (12, 16, 24, 24), (2, 2, 2))
    fit(model, batch, 600, 4e-3, lambda a, b: ((a - b) ** 2).mean(), 'mri_anomaly')

    def errors(name, seed, prevalence):
        out = []
        for x in heads_flair(bench, name, 10, seed, prevalence):
            with torch.no_grad():
                out.append(float(np.abs(model(torch.from_numpy(x[:, None])).numpy()[:, 0] - x).mean()))
        return out

    normal, sick = errors('plain_held', 42, 0), errors('sick_held', 43, 1)
    judged('mri_anomaly', 'AUROC of the mean error', auroc(normal + sick, [False] * len(normal) + [True] * len(sick)))
    export(model, bench.path('mri_anomaly', 'flair.onnx'), (1, 80, 64))
    write_card(bench.path('mri_anomaly', 'flair.card'), f'mean error {np.mean(normal):.3f} of normal heads, {np.mean(sick):.3f} of others',
               ['name=sample-mri-flair', 'size_px=64x80', 'channels=flair', 'value=zscore-foreground', 'mean=0', 'std=1', 'spacing_mm=2;2;2', 'labels=flair', 'activation=none'])


class Ganomaly(nn.Module):
    """f-AnoGAN's two halves, small: an encoder to 16 numbers, a generator back.  Trained by the error of the picture alone, without a critic."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(stack(2, (1, 8, 16, 16), (2, 2, 2)), nn.Flatten(), nn.Linear(16 * 8 * 12, 16))
        self.widen = nn.Linear(16, 16 * 8 * 12)
        self.generator = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(16, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, 1, 4, 2, 1))

    def forward(self, x):
        return self.generator(self.widen(self.encoder(x)).reshape(-1, 16, 8, 12))


def oct_anomaly(bench):
    def drawn(seeds, sick):
        return np.stack([((recipe_cases.oct_scan(s, sick)[0] / 255 - 0.5) / 0.25)[None] for s in seeds]).astype(np.float32)

    rng, x = np.random.default_rng(12), drawn(range(9000, 9600), False)

    def batch(step):
        take = torch.from_numpy(x[rng.integers(len(x), size=16)])
        return take, take

    model = Ganomaly()
    fit(model, batch, 900, 4e-3, lambda a, b: ((a - b) ** 2).mean(), 'oct_anomaly')
    with torch.no_grad():
        errors = [np.abs(model(torch.from_numpy(v)).numpy() - v).mean((1, 2, 3)) for v in (drawn(range(9700, 9740), False), drawn(range(9800, 9840), True))]
    area = auroc(np.concatenate(errors), [False] * 40 + [True] * 40)
    judged('oct_anomaly', 'AUROC of the mean error', area)
    export(model, bench.path('oct_anomaly', 'generator.onnx'), (1, 64, 96))
    write_card(bench.path('oct_anomaly', 'generator.card'), f'AUROC of the mean error {area:.3f}',
               ['name=sample-oct-fanogan', 'size_px=96x64', 'fit=stretch', 'channels=gray', 'value=rgb01', 'mean=0.5', 'std=0.25', 'labels=gray', 'activation=none'])


RECIPES = {f.__name__: f for f in (slide_classification, gleason, camelyon, zero_shot, tissue_segmentation, mitoses, nuclei,
                                   pneumonia_share, brain_haemorrhage, organ_segmentation, ct_nodules_2d, ct_nodules_25d, knee_mri, mri_anomaly, oct_anomaly)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', required=True, metavar='DIR')
    parser.add_argument('-o', '--output', required=True, metavar='DIR')
    parser.add_argument('--only', nargs='+', choices=sorted(RECIPES), default=list(RECIPES))
    parser.add_argument('--work', default='recipe-cohorts', metavar='DIR', help='where input is drawn and kept')
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.makedirs(arguments.work, exist_ok=True)
    bench = Bench(os.path.abspath(arguments.build), os.path.abspath(arguments.work), arguments.output)
    for name in arguments.only:
        torch.manual_seed(sum(map(ord, name)))
        RECIPES[name](bench)
    return 0


if __name__ == '__main__':
    sys.exit(main())
