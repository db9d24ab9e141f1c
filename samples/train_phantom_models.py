#!/usr/bin/python3
"""Train the small models of samples/recipes that phantoms are drawn for, and export them as ONNX with their cards.

    train_phantom_models.py --phantoms build/samples/microtome-phantoms -o samples/recipes [--only NAME ...] [--work DIR]

Each model is judged on phantoms that training never sees (other seeds), in PyTorch, patches and windows as the engine lays them; it is written
only when Dice reaches 0.85 or AUROC 0.95.  For showing that recipes work; they know nothing of real patients.

Seeds are fixed, one thread works; several runs with --only may stand side by side on one --work.
"""
import argparse
import csv
import json
import os
import subprocess
import sys
import time
import warnings

import nibabel
import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings('ignore')
OPSET = 13
MIN_DICE, MIN_AUROC = 0.85, 0.95
CARD = '# Trained on phantoms by train_phantom_models.py ({measured}).  For showing how things work, for nothing else.\n[encoder]\n'


# --- phantoms -------------------------------------------------------------------------------------------------------

class Phantoms:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def make(self, kind, name, count, seed, *options):
        out = os.path.join(self.folder, name)
        if not os.path.exists(os.path.join(out, 'manifest.csv')):
            subprocess.run([self.program, kind, '-o', out, '--count', str(count), '--seed', str(seed), *options], check=True)
        return out


def table(*parts):
    with open(os.path.join(*parts), newline='') as f:
        return list(csv.DictReader(f))


def volume(path):
    """As the networks get it: z, y, x."""
    image = nibabel.load(path)
    return np.ascontiguousarray(np.asarray(image.dataobj, np.float32).transpose(2, 1, 0)), image.affine


def picture(path, size=None):
    image = Image.open(path)
    if size is not None:
        image = (image if image.mode == 'RGB' else image.convert('F')).resize((size, size), Image.BILINEAR)
    return np.asarray(image, np.float32)


# --- networks -------------------------------------------------------------------------------------------------------

def block(dims, a, b, times):
    conv, norm = (nn.Conv3d, nn.BatchNorm3d) if dims == 3 else (nn.Conv2d, nn.BatchNorm2d)
    return nn.Sequential(*[m for i in range(times) for m in (conv(b if i else a, b, 3, padding=1, bias=False), norm(b), nn.ReLU())])


class UNet(nn.Module):
    """The usual one, small: max pooling down, transposed convolutions up; `strides` is one entry a level, z first.  Full size, where nearly
    all of the time goes, has one convolution a side."""

    def __init__(self, dims, channels, outputs, widths, strides):
        super().__init__()
        pool, up, last = (nn.MaxPool3d, nn.ConvTranspose3d, nn.Conv3d) if dims == 3 else (nn.MaxPool2d, nn.ConvTranspose2d, nn.Conv2d)
        self.down = nn.ModuleList(block(dims, a, b, 1 if a == channels else 2) for a, b in zip((channels,) + widths[:-1], widths))
        self.pool = nn.ModuleList(pool(s) for s in strides)
        self.up = nn.ModuleList(up(b, a, s, stride=s) for a, b, s in zip(widths[:-1], widths[1:], strides))
        self.join = nn.ModuleList(block(dims, 2 * a, a, 1 if a == widths[0] else 2) for a in widths[:-1])
        self.last = last(widths[0], outputs, 1)
        nn.init.constant_(self.last.bias, -2)  # what is sought is rare

    def forward(self, x):
        kept = []
        for i, level in enumerate(self.down):
            x = level(x)
            if i < len(self.pool):
                kept.append(x)
                x = self.pool[i](x)
        for i in reversed(range(len(self.up))):
            x = self.join[i](torch.cat([kept[i], self.up[i](x)], 1))
        return self.last(x)


def stack(dims, widths, strides):
    conv, norm = (nn.Conv3d, nn.BatchNorm3d) if dims == 3 else (nn.Conv2d, nn.BatchNorm2d)
    layers = []
    for a, b, s in zip(widths, widths[1:], strides):
        layers += [conv(a, b, 3, stride=s, padding=1, bias=False), norm(b), nn.ReLU()]
    return nn.Sequential(*layers)


class Classifier(nn.Module):
    """Convolutions, mean and maximum over the picture or its middle half, one linear layer."""

    def __init__(self, dims, widths, strides, outputs, middle=False):
        super().__init__()
        self.middle = middle
        self.body, self.last, self.axes = stack(dims, widths, strides), nn.Linear(2 * widths[-1], outputs), tuple(range(2, 2 + dims))

    def forward(self, x):
        h = self.body(x)
        if self.middle:
            h = h[(slice(None), slice(None)) + tuple(slice(n // 4, n - n // 4) for n in h.shape[2:])]
        return self.last(torch.cat([h.mean(self.axes), h.amax(self.axes)], 1))


class Counter(nn.Module):
    """Spots found one by one, added up, and held against thresholds of a number: more than none, more than mild, .."""

    def __init__(self, widths, strides, outputs):
        super().__init__()
        self.body, self.spot = stack(2, widths, strides), nn.Conv2d(widths[-1], 1, 1)
        self.steep, self.bias = nn.Parameter(torch.ones(outputs)), nn.Parameter(-torch.arange(1.0, outputs + 1))
        nn.init.constant_(self.spot.bias, -4)

    def number(self, x):
        return torch.log1p(torch.sigmoid(self.spot(self.body(x))).sum((1, 2, 3)))

    def weigh(self, n):
        return F.softplus(self.steep) * 4 * n[:, None] + self.bias * 3

    def forward(self, x):
        return self.weigh(self.number(x))


class Autoencoder(nn.Module):
    """A linear one, whose best weights are known: the principal components of normal pictures at half their size."""

    def __init__(self, size, numbers):
        super().__init__()
        self.squeeze, self.widen = nn.Conv2d(1, numbers, size // 2, bias=False), nn.ConvTranspose2d(numbers, 1, size // 2, bias=False)
        self.mean = nn.Parameter(torch.zeros(1, size // 2, size // 2))
        self.up = nn.Upsample(scale_factor=2, mode='bilinear', align_corners=False)

    def solve(self, x):
        small = F.avg_pool2d(x, 2)
        self.mean.data = small.mean(0)
        _, _, v = torch.linalg.svd((small - self.mean).flatten(1).double(), full_matrices=False)
        for layer in (self.squeeze, self.widen):
            layer.weight.data = v[:layer.weight.numel() // v.shape[1]].float().reshape(layer.weight.shape)

    def forward(self, x):
        return self.up(self.mean + self.widen(self.squeeze(F.avg_pool2d(x, 2) - self.mean)))


# --- training and judging ---------------------------------------------------------------------------------------------

def dense_loss(logits, target):
    """Cross entropy against the share of a voxel, and Dice over the batch."""
    axes = (0,) + tuple(range(2, logits.ndim))
    p = torch.sigmoid(logits)
    dice = 1 - (2 * (p * target).sum(axes) + 1) / (p.sum(axes) + target.sum(axes) + 1)
    return F.binary_cross_entropy_with_logits(logits, target) + dice.mean()


def fit(model, batch_of, steps, rate, loss, name):
    """Adam with a rate that falls to nothing; batch_of(step) gives input and target.  Of the last two fifths the means and deviations of the
    batch norms stand still: small batches of patches have others than the cases that come later."""
    optimiser = torch.optim.Adam(model.parameters(), lr=rate, weight_decay=1e-5)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=rate, total_steps=steps, pct_start=0.15)
    model.train()
    begin, mean = time.time(), 0
    for step in range(steps):
        if step == steps * 3 // 5:
            for m in model.modules():
                if isinstance(m, (nn.BatchNorm2d, nn.BatchNorm3d)):
                    m.eval()
        x, y = batch_of(step)
        value = loss(model(x), y)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        plan.step()
        mean += (value.item() - mean) / min(step + 1, 50)
        if (step + 1) % 20 == 0 or step + 1 == steps:
            print(f'  {name}: step {step + 1} of {steps}, loss {mean:.4f}, {time.time() - begin:.0f} s', flush=True)
    return model.eval()


def windows(size, patch):
    """First places of nnU-Net's sliding window along an axis, step 0.5."""
    if size <= patch:
        return [0]
    n = int(np.ceil((size - patch) / (0.5 * patch))) + 1
    return [int(round(k * (size - patch) / (n - 1))) for k in range(n)]


def bell(patch):
    weight = np.zeros(patch)
    weight[tuple(p // 2 for p in patch)] = 1
    weight = ndimage.gaussian_filter(weight, [p / 8 for p in patch], mode='constant')
    weight /= weight.max()
    return np.maximum(weight, weight[weight > 0].min()).astype(np.float32)


def slide(models, x, patch, outputs):
    """Logits of a whole case: x is channels and axes, what is smaller than a patch is padded with 0."""
    size = x.shape[1:]
    padded = np.pad(x, [(0, 0)] + [((max(0, p - s)) // 2, max(0, p - s) - max(0, p - s) // 2) for s, p in zip(size, patch)])
    total, weights, weight = np.zeros((outputs,) + padded.shape[1:], np.float32), np.zeros(padded.shape[1:], np.float32), bell(patch)
    places = np.stack(np.meshgrid(*[windows(s, p) for s, p in zip(padded.shape[1:], patch)], indexing='ij'), -1).reshape(-1, len(patch))
    with torch.no_grad():
        for place in places:
            where = tuple(slice(a, a + p) for a, p in zip(place, patch))
            t = torch.from_numpy(np.ascontiguousarray(padded[(slice(None),) + where])[None])
            total[(slice(None),) + where] += sum(m(t)[0].numpy() for m in models) / len(models) * weight
            weights[where] += weight
    cut = tuple(slice(max(0, p - s) // 2, max(0, p - s) // 2 + s) for s, p in zip(size, patch))
    return (total / weights)[(slice(None),) + cut]


def dice(a, b):
    return 2 * (a & b).sum() / max(1, a.sum() + b.sum())


def auroc(scores, labels):
    scores, labels = np.asarray(scores), np.asarray(labels, bool)
    wins = (scores[labels][:, None] > scores[~labels]) + 0.5 * (scores[labels][:, None] == scores[~labels])
    return float(wins.mean())


def export(model, path, shape):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    torch.onnx.export(model, torch.zeros(1, *shape), path, opset_version=OPSET, input_names=['image'], output_names=['logits'],
                      dynamic_axes={'image': {0: 'batch'}, 'logits': {0: 'batch'}})
    print(f'  {path}: {os.path.getsize(path) / 1e6:.2f} MB')


def write_card(path, measured, lines, head=()):
    with open(path, 'w') as f:
        f.write(CARD.format(measured=measured) + '\n'.join(lines) + '\ndemonstration=true\nlicence=Apache-2.0\n')
        if head:
            f.write('[head]\n' + '\n'.join(head) + '\n')


def judged(name, kind, value, least):
    print(f'{name}: {kind} {value:.4f} on held-out phantoms, {least} is wanted', flush=True)
    return value >= least


def crop(x, place, patch):
    """A patch of channels and axes from `place`, which may lie outside: padded with the channel's least value."""
    low = [max(0, -a) for a in place]
    high = [max(0, a + p - s) for a, p, s in zip(place, patch, x.shape[1:])]
    inside = x[(slice(None),) + tuple(slice(max(0, a), a + p) for a, p in zip(place, patch))]
    return np.pad(inside, [(0, 0)] + list(zip(low, high)), mode='minimum') if any(low) or any(high) else inside


def patches(cases, patch, rng, batch, share, spread):
    """Patches round a voxel of the target (in `share` of them) or anywhere, mirrored at random."""
    xs, ys = [], []
    for _ in range(batch):
        image, target, voxels = cases[rng.integers(len(cases))]
        if len(voxels) and rng.random() < share:
            centre = voxels[rng.integers(len(voxels))] + rng.integers(-spread, spread + 1, len(patch))
        else:
            centre = [rng.integers(s) for s in image.shape[1:]]
        place = [int(np.clip(c - p // 2, -p // 4, s - p + p // 4)) for c, p, s in zip(centre, patch, image.shape[1:])]
        x, y = crop(image, place, patch), crop(target, place, patch)
        for axis in range(1, x.ndim):
            if rng.random() < 0.5:
                x, y = np.flip(x, axis), np.flip(y, axis)
        xs.append(np.ascontiguousarray(x))
        ys.append(np.ascontiguousarray(y))
    return torch.from_numpy(np.stack(xs)), torch.from_numpy(np.stack(ys))


# --- CT: nodules ------------------------------------------------------------------------------------------------------

CT_PATCH = (16, 48, 48)


def read_ct(folder):
    cases = []
    for row in table(folder, 'labels.csv'):
        hu, affine = volume(os.path.join(folder, row['id'] + '.nii.gz'))
        mask = volume(os.path.join(folder, 'masks', row['id'] + '.nii.gz'))[0]
        x = (np.clip(hu, -1000, 400) + 400) / 400
        cases.append((x[None], mask[None], np.argwhere(mask > 0), affine, row['id']))
    return cases


def ct_nodules(phantoms, out):
    rng = np.random.default_rng(1)
    cases = [c[:3] for c in read_ct(phantoms.make('ct-nodules', 'ct_train', 40, 101, '--prevalence', '0.9'))]
    model = UNet(3, 1, 1, (8, 16, 32), ((1, 2, 2), (2, 2, 2)))
    fit(model, lambda step: patches(cases, CT_PATCH, rng, 3, 0.7, 8), 420, 1e-2, dense_loss, 'ct_nodules')
    scores, volumes = [], []
    for x, mask, _, affine, _ in read_ct(phantoms.make('ct-nodules', 'ct_held', 10, 201, '--prevalence', '0.8')):
        found = slide([model], x, CT_PATCH, 1)[0] > 0
        scores += [dice(found, mask[0] > 0)] if mask.any() else []
        volumes.append((found.sum(), mask.sum()))
    print(f'  voxels found and true: {volumes}')
    if judged('ct_nodules', 'Dice', float(np.mean(scores)), MIN_DICE):
        export(model, os.path.join(out, 'ct_nodules.onnx'), (1,) + CT_PATCH)
        write_card(os.path.join(out, 'ct_nodules.card'), f'Dice {np.mean(scores):.3f} on held-out phantoms',
                   ['name=phantom-ct-nodules', 'size_px={2}x{1}x{0}'.format(*CT_PATCH), 'channels=ct', 'value=ct:-1000,400,-400,400',
                    'spacing_mm=0.7;0.7;2', 'labels=nodule', 'activation=sigmoid'])


# --- CT: malignancy of a nodule, from its crop ---------------------------------------------------------------------------

CROP_PX, CROP_MM = (16, 32, 32), (1.5, 0.75, 0.75)  # z, y, x: a cube of 24 mm


def read_crops(folder, rng, times):
    """The cube round each nodule along the volume's axes, its middle off by up to a millimetre."""
    xs, ys = [], []
    for row in table(folder, 'labels.csv'):
        mine = [o for o in table(folder, 'truth', 'objects.csv') if o['id'] == row['id']]
        if not mine:
            continue
        hu, affine = volume(os.path.join(folder, row['id'] + '.nii.gz'))
        spacing = np.linalg.norm(affine[:3, :3], axis=0)[::-1]
        for o in mine:
            middle = nibabel.affines.apply_affine(np.linalg.inv(affine), [float(o[k]) for k in 'xyz'])[::-1]
            for _ in range(times):
                off = rng.uniform(-1, 1, 3) / spacing
                axes = [m + d + (np.arange(n) - (n - 1) / 2) * step / s for m, d, n, step, s in zip(middle, off, CROP_PX, CROP_MM, spacing)]
                cube = ndimage.map_coordinates(hu, np.meshgrid(*axes, indexing='ij'), order=1, mode='nearest')
                xs.append(np.clip(cube, -300, 300)[None] / 150)  # what is mottled shows among soft tissue
                ys.append(float(o['malignant']))
    return np.stack(xs).astype(np.float32), np.array(ys, np.float32)


def ct_malignancy(phantoms, out):
    rng = np.random.default_rng(2)
    x, y = read_crops(phantoms.make('ct-nodules', 'ct_train', 40, 101, '--prevalence', '0.9'), rng, 6)
    model = Classifier(3, (1, 8, 16, 32), (1, (1, 2, 2), 2), 1, middle=True)

    def batch(step):
        take = rng.integers(len(x), size=16)
        xs = x[take]
        for axis in (2, 3, 4):
            if rng.random() < 0.5:
                xs = np.flip(xs, axis)
        return torch.from_numpy(np.ascontiguousarray(xs)), torch.from_numpy(y[take])[:, None]

    fit(model, batch, 300, 1e-2, F.binary_cross_entropy_with_logits, 'ct_malignancy')
    x, y = read_crops(phantoms.make('ct-nodules', 'ct_held', 10, 201, '--prevalence', '0.8'), rng, 4)
    with torch.no_grad():
        area = auroc(model(torch.from_numpy(x))[:, 0].numpy(), y)
    if judged('ct_malignancy', 'AUROC', area, MIN_AUROC):
        export(model, os.path.join(out, 'ct_malignancy.onnx'), (1,) + CROP_PX)
        write_card(os.path.join(out, 'ct_malignancy.card'), f'AUROC {area:.3f} on held-out phantoms',
                   ['name=phantom-ct-malignancy', 'size_px=32x32x16', 'channels=ct', 'value=ct:-300,300,0,150',
                    'spacing_mm=0.75;0.75;1.5', 'labels=malignant', 'activation=sigmoid'])


# --- MR: tumour, as an nnU-Net folder ------------------------------------------------------------------------------------

MR_PATCH = (48, 48, 48)
SEQUENCES = ('t1', 't1c', 't2', 'flair')


def read_mr(folder):
    """nnU-Net's way: cut to what is not zero, each sequence to mean 0 and deviation 1 over the brain, zero outside."""
    cases = []
    for row in table(folder, 'labels.csv'):
        x = np.stack([volume(os.path.join(folder, row['id'], f"{row['id']}_{s}.nii.gz"))[0] for s in SEQUENCES])
        mask = volume(os.path.join(folder, 'masks', row['id'] + '.nii.gz'))[0]
        brain = ndimage.binary_fill_holes((x != 0).any(0))
        where = ndimage.find_objects(brain.astype(int))[0]
        x, mask, brain = x[(slice(None),) + where], mask[where], brain[where]
        for c in range(len(x)):
            x[c] = np.where(brain, (x[c] - x[c][brain].mean()) / max(x[c][brain].std(), 1e-8), 0)
        cases.append((x, np.stack([mask >= 1, mask >= 2, mask >= 3]).astype(np.float32), np.argwhere(mask > 0)))
    return cases


def write_plans(folder):
    """What nnU-Net v2 itself leaves beside its models, as far as it says how a case is prepared and cut."""
    plans = {'dataset_name': 'Dataset999_PhantomTumour', 'plans_name': 'nnUNetPlans', 'image_reader_writer': 'NibabelIOWithReorient',
             'original_median_spacing_after_transp': [2.0, 2.0, 2.0], 'original_median_shape_after_transp': [64, 88, 72],
             'transpose_forward': [0, 1, 2], 'transpose_backward': [0, 1, 2], 'experiment_planner_used': 'ExperimentPlanner',
             'label_manager': 'LabelManager',
             'configurations': {'3d_fullres': {
                 'data_identifier': 'nnUNetPlans_3d_fullres', 'preprocessor_name': 'DefaultPreprocessor', 'batch_size': 2,
                 'patch_size': list(MR_PATCH), 'median_image_size_in_voxels': [58.0, 80.0, 65.0], 'spacing': [2.0, 2.0, 2.0],
                 'normalization_schemes': ['ZScoreNormalization'] * 4, 'use_mask_for_norm': [True] * 4,
                 'resampling_fn_data': 'resample_data_or_seg_to_shape', 'resampling_fn_seg': 'resample_data_or_seg_to_shape',
                 'resampling_fn_data_kwargs': {'is_seg': False, 'order': 3, 'order_z': 0, 'force_separate_z': None},
                 'resampling_fn_seg_kwargs': {'is_seg': True, 'order': 1, 'order_z': 0, 'force_separate_z': None},
                 'resampling_fn_probabilities': 'resample_data_or_seg_to_shape',
                 'resampling_fn_probabilities_kwargs': {'is_seg': False, 'order': 1, 'order_z': 0, 'force_separate_z': None},
                 'batch_dice': False}}}
    dataset = {'channel_names': {'0': 't1', '1': 't1c', '2': 't2', '3': 'flair'},
               'labels': {'background': 0, 'WT': [1, 2, 3], 'TC': [2, 3], 'ET': [3]}, 'regions_class_order': [1, 2, 3],
               'numTraining': 36, 'file_ending': '.nii.gz', 'demonstration': True}
    for name, content in (('plans.json', plans), ('dataset.json', dataset)):
        with open(os.path.join(folder, name), 'w') as f:
            json.dump(content, f, indent=1)
            f.write('\n')


def mr_tumour(phantoms, out):
    cases, models = read_mr(phantoms.make('mr-tumour', 'mr_train', 36, 101)), []
    for fold in range(2):
        torch.manual_seed(10 + fold)
        rng = np.random.default_rng(10 + fold)
        mine = [c for i, c in enumerate(cases) if i % 2 == fold]
        model = UNet(3, 4, 3, (8, 16, 32), ((2, 2, 2), (2, 2, 2)))
        models.append(fit(model, lambda step: patches(mine, MR_PATCH, rng, 2, 0.7, 12), 130, 1e-2, dense_loss, f'mr_tumour fold {fold}'))
    scores = []
    for x, target, _ in read_mr(phantoms.make('mr-tumour', 'mr_held', 8, 201)):
        logits = slide(models, x, MR_PATCH, 3)
        scores.append([dice(logits[k] > 0, target[k] > 0) for k in range(3)])
    print(f'  WT, TC, ET: {np.mean(scores, 0)}')
    if judged('mr_tumour', 'Dice', float(np.mean(scores, 0).min()), MIN_DICE):
        folder = os.path.join(out, 'mr_tumour')
        for fold, model in enumerate(models):
            export(model, os.path.join(folder, f'fold_{fold}', 'model.onnx'), (4,) + MR_PATCH)
        write_plans(folder)


# --- X-ray: findings, and what is not normal ------------------------------------------------------------------------------

XRAY_PX, PLAIN_PX = 128, 128
FINDINGS = ('opacity', 'effusion', 'cardiomegaly')


def read_xray(folder, size):
    rows = table(folder, 'labels.csv')
    x = np.stack([picture(os.path.join(folder, r['id'] + '.png'), size) for r in rows]) / 65535
    return ((x - 0.5) / 0.25)[:, None].astype(np.float32), np.array([[float(r[k]) for k in FINDINGS] for r in rows], np.float32)


def shifted(x, rng, most):
    dy, dx = rng.integers(-most, most + 1, 2)
    return np.roll(x, (dy, dx), (2, 3))


def xray_findings(phantoms, out):
    rng = np.random.default_rng(3)
    x, y = read_xray(phantoms.make('xray-opacity', 'xray_train', 500, 101, '--size', '256'), XRAY_PX)
    model = Classifier(2, (1, 8, 16, 24, 32), (2, 2, 2, 2), len(FINDINGS))

    def batch(step):
        take = rng.integers(len(x), size=16)
        return torch.from_numpy(shifted(x[take], rng, 4).copy()), torch.from_numpy(y[take])

    fit(model, batch, 900, 4e-3, F.binary_cross_entropy_with_logits, 'xray_findings')
    x, y = read_xray(phantoms.make('xray-opacity', 'xray_held', 120, 201, '--size', '256'), XRAY_PX)
    with torch.no_grad():
        logits = model(torch.from_numpy(x)).numpy()
    areas = [auroc(logits[:, k], y[:, k]) for k in range(len(FINDINGS))]
    print(f'  {dict(zip(FINDINGS, areas))}')
    if judged('xray_findings', 'AUROC', min(areas), MIN_AUROC):
        export(model, os.path.join(out, 'xray_findings.onnx'), (1, XRAY_PX, XRAY_PX))
        write_card(os.path.join(out, 'xray_findings.card'), 'AUROC ' + ', '.join(f'{k} {a:.3f}' for k, a in zip(FINDINGS, areas)),
                   ['name=phantom-xray-findings', f'size_px={XRAY_PX}', 'fit=stretch', 'channels=gray', 'value=range:0,65535', 'mean=0.5',
                    'std=0.25', 'interpolation=bilinear', 'batch=1'],
                   ['labels=' + ';'.join(FINDINGS), 'activation=sigmoid', 'positive=opacity', 'threshold=0.5'])


def xray_normal(phantoms, out):
    """An autoencoder of normal pictures: what it cannot draw is not normal."""
    x, y = read_xray(phantoms.make('xray-opacity', 'plain_a', 700, 103, '--size', str(PLAIN_PX), '--prevalence', '0'), None)
    model = Autoencoder(PLAIN_PX, 24)
    with torch.no_grad():
        model.solve(torch.from_numpy(x[y.max(1) == 0]))
    x, y = read_xray(phantoms.make('xray-opacity', 'plain_held', 240, 203, '--size', str(PLAIN_PX)), None)
    keep = y[:, 1:].max(1) == 0
    x, y = x[keep], y[keep, 0]
    with torch.no_grad():
        error = np.abs(model(torch.from_numpy(x)).numpy() - x)
    areas = {'mean': auroc(error.mean((1, 2, 3)), y), 'top 2 %': auroc(np.quantile(error, 0.98, (1, 2, 3)), y)}
    print(f'  {len(x)} pictures, {int(y.sum())} with an opacity: {areas}')
    if judged('xray_normal', 'AUROC', areas['mean'], MIN_AUROC):
        export(model, os.path.join(out, 'xray_normal.onnx'), (1, PLAIN_PX, PLAIN_PX))
        write_card(os.path.join(out, 'xray_normal.card'), f"AUROC {areas['mean']:.3f} of the mean error",
                   ['name=phantom-xray-normal', f'size_px={PLAIN_PX}x{PLAIN_PX}', 'channels=gray', 'value=range:0,65535', 'mean=0.5',
                    'std=0.25', 'labels=gray', 'activation=none'])


# --- fundus: disc and cup, grade -------------------------------------------------------------------------------------------

DISC_PATCH, GRADE_PX = (128, 128), 256
GRADES = ('none', 'mild', 'moderate', 'severe', 'proliferative')


def read_fundus(folder, size, count=None):
    rows = table(folder, 'labels.csv')[:count]
    return rows, [((picture(os.path.join(folder, r['id'] + '.png'), size) / 255 - 0.5) / 0.25).transpose(2, 0, 1) for r in rows]


def read_discs(folder, count):
    rows, images = read_fundus(folder, None, count)
    cases = []
    for row, x in zip(rows, images):
        mask = picture(os.path.join(folder, 'masks', row['id'] + '.png'))
        cases.append((np.ascontiguousarray(x), np.stack([mask >= 1, mask >= 2]).astype(np.float32), np.argwhere(mask > 0), row))
    return cases


def fundus_disc(phantoms, out):
    rng = np.random.default_rng(5)
    cases = [c[:3] for c in read_discs(phantoms.make('fundus', 'fundus_train', 300, 101, '--prevalence', '0.8'), 120)]
    model = UNet(2, 3, 2, (8, 16, 32, 32), (2, 2, 2))
    fit(model, lambda step: patches(cases, DISC_PATCH, rng, 6, 0.6, 50), 400, 1e-2, dense_loss, 'fundus_disc')
    scores, off = [], []
    for x, target, _, row in read_discs(phantoms.make('fundus', 'fundus_held', 80, 201, '--prevalence', '0.8'), 24):
        found = slide([model], x, DISC_PATCH, 2) > 0
        scores.append([dice(found[k], target[k] > 0) for k in range(2)])
        high = [np.ptp(np.nonzero(f)[0]) + 1 if f.any() else 0 for f in found]
        off.append(abs(high[1] / max(1, high[0]) - float(row['cup_to_disc'])))
    print(f'  disc, cup: {np.mean(scores, 0)}; vertical ratio off by {np.mean(off):.4f} on average, {np.max(off):.4f} at most')
    if judged('fundus_disc', 'Dice', float(np.mean(scores, 0).min()), MIN_DICE):
        export(model, os.path.join(out, 'fundus_disc.onnx'), (3,) + DISC_PATCH)
        write_card(os.path.join(out, 'fundus_disc.card'), 'Dice of disc {:.3f}, of cup {:.3f}'.format(*np.mean(scores, 0)),
                   ['name=phantom-fundus-disc', 'size_px={1}x{0}'.format(*DISC_PATCH), 'channels=rgb', 'value=rgb8', 'mean=0.5', 'std=0.25',
                    'labels=disc;cup', 'activation=sigmoid', 'regions=1,2;2', 'paint=1;2'])


def fundus_grade(phantoms, out):
    rng = np.random.default_rng(6)
    folder = phantoms.make('fundus', 'fundus_train', 300, 101, '--prevalence', '0.8')
    rows, images = read_fundus(folder, GRADE_PX)
    x, y = np.stack(images).astype(np.float32), np.array([int(r['grade']) for r in rows])
    spots = np.stack([picture(os.path.join(folder, 'truth', r['id'] + '_lesions.png')) for r in rows])
    spots = spots.reshape(len(x), GRADE_PX // 2, 4, GRADE_PX // 2, 4).max((2, 4))[:, None].astype(np.float32)
    model = Counter((3, 12, 16, 16), (2, 1, 1), len(GRADES) - 1)

    def batch(step):
        take, (row, column), half = rng.integers(len(x), size=12), 2 * rng.integers(GRADE_PX // 4, size=2), GRADE_PX // 2
        xs, ys = x[take, :, row:row + half, column:column + half], spots[take, :, row // 2:(row + half) // 2, column // 2:(column + half) // 2]
        return torch.from_numpy(np.ascontiguousarray(xs)), torch.from_numpy(np.ascontiguousarray(ys))

    # first what a spot is, then what their number means
    fit(nn.Sequential(model.body, model.spot), batch, 300, 1e-2,
        lambda a, b: F.binary_cross_entropy_with_logits(a, b, pos_weight=torch.tensor(5.0)), 'fundus_grade')
    with torch.no_grad():
        n = torch.cat([model.number(torch.from_numpy(x[i:i + 4])) for i in range(0, len(x), 4)])
    more = torch.from_numpy((y[:, None] > np.arange(len(GRADES) - 1)).astype(np.float32))
    optimiser = torch.optim.Adam([model.steep, model.bias], lr=0.05)
    for _ in range(1500):
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(model.weigh(n), more).backward()
        optimiser.step()
    rows, images = read_fundus(phantoms.make('fundus', 'fundus_held', 80, 201, '--prevalence', '0.8'), GRADE_PX)
    y = np.array([int(r['grade']) for r in rows])
    with torch.no_grad():
        logits = np.concatenate([model(torch.from_numpy(i[None].astype(np.float32))).numpy() for i in images])
    areas = [auroc(logits[:, k], y > k) for k in range(len(GRADES) - 1)]
    print(f'  more than none, mild, ..: {areas}; right grade in {((logits > 0).sum(1) == y).mean():.3f}')
    if judged('fundus_grade', 'AUROC', min(areas), MIN_AUROC):
        export(model, os.path.join(out, 'fundus_grade.onnx'), (3, GRADE_PX, GRADE_PX))
        write_card(os.path.join(out, 'fundus_grade.card'), 'AUROC ' + ', '.join(f'> {g} {a:.3f}' for g, a in zip(GRADES, areas)),
                   ['name=phantom-fundus-grade', f'size_px={GRADE_PX}', 'fit=stretch', 'channels=rgb', 'value=rgb8', 'mean=0.5;0.5;0.5',
                    'std=0.25;0.25;0.25', 'interpolation=bilinear', 'batch=1'],
                   ['labels=' + ';'.join(GRADES), 'activation=ordinal', 'positive=moderate', 'threshold=0.5'])


MODELS = {f.__name__: f for f in (mr_tumour, ct_nodules, ct_malignancy, xray_findings, xray_normal, fundus_disc, fundus_grade)}
RECIPES = {'mr_tumour': 'brain_tumour', 'ct_nodules': 'ct_nodules', 'ct_malignancy': 'ct_nodules', 'xray_findings': 'chest_xray',
           'xray_normal': 'xray_anomaly', 'fundus_disc': 'cup_to_disc', 'fundus_grade': 'dr_grading'}  # which folder a model is for


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--phantoms', required=True, metavar='PROGRAM')
    parser.add_argument('-o', '--output', required=True, metavar='DIR')
    parser.add_argument('--only', nargs='+', choices=sorted(MODELS), default=list(MODELS))
    parser.add_argument('--work', default='phantom-cohorts', metavar='DIR', help='where phantoms are drawn and kept')
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.makedirs(arguments.work, exist_ok=True)
    phantoms = Phantoms(os.path.abspath(arguments.phantoms), arguments.work)
    for name in arguments.only:
        torch.manual_seed(sum(map(ord, name)))
        MODELS[name](phantoms, os.path.join(arguments.output, RECIPES[name]))
    return 0


if __name__ == '__main__':
    sys.exit(main())
