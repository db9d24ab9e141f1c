#!/usr/bin/python3
"""Train the demonstration head on synthetic slides: gated attention MIL in CLAM-SB's form, from slide labels alone.

    microtome-synthetic -o train1 --count 16 --seed 1          (as many cohorts as wanted; never the demo's seed 2026)
    microtome run -e builtin:demo -o out1 train1/manifest.csv
    train_demo_head.py --train train1 out1 ... --held held101 out101 ... -o samples/heads/demo.safetensors

A cohort is a folder of microtome-synthetic (labels.csv, truth/), its results a folder of `microtome run` (cases/<id>.h5).
Written: the head, and beside it its card with the threshold that cross-validation within --train chose.
Printed: AUROC and the hit rate of the top 5 tiles by evidence in the truth masks of the --held cohorts, which training never sees.
The truth masks are used for that count only.  Same input, same head: one thread, fixed seed.
"""
import argparse
import csv
import json
import os
import struct
import sys

import h5py
import numpy as np
import torch
from torch import nn

HIDDEN, ATTENTION = 64, 32
EPOCHS, FOLDS, SUBBAG = 60, 4, 0.7
CELL_UM = 16.0


class Head(nn.Module):
    """Names and shapes of CLAM-SB's checkpoint; sizes are small since the features are few."""

    def __init__(self, dim, classes=2):
        super().__init__()
        gate = nn.Module()
        gate.attention_a = nn.Sequential(nn.Linear(HIDDEN, ATTENTION), nn.Tanh())
        gate.attention_b = nn.Sequential(nn.Linear(HIDDEN, ATTENTION), nn.Sigmoid())
        gate.attention_c = nn.Linear(ATTENTION, 1)
        self.attention_net = nn.Sequential(nn.Linear(dim, HIDDEN), nn.ReLU(), nn.Dropout(0.25), gate)
        self.classifiers = nn.Linear(HIDDEN, classes)

    def forward(self, x):
        h = self.attention_net[2](self.attention_net[1](self.attention_net[0](x)))
        gate = self.attention_net[3]
        a = torch.softmax(gate.attention_c(gate.attention_a(h) * gate.attention_b(h))[:, 0], 0)
        return self.classifiers(a @ h), a, self.classifiers(h)


def read_cohort(folder, results):
    slides = []
    with open(os.path.join(folder, 'labels.csv'), newline='') as f:
        rows = list(csv.DictReader(f))
    for row in rows:
        path = os.path.join(results, 'cases', row['id'] + '.h5')
        if row['blank'] == '1':
            continue
        if not os.path.exists(path):
            sys.exit(f'train_demo_head: {path} is missing: run the encoder over {folder} first')
        with h5py.File(path) as f:
            features, coords = f['features'][:].astype(np.float32), f['coords'][:]
            slide = {'id': row['id'], 'label': int(row['label'] == 'tumour'), 'features': torch.from_numpy(features), 'coords': coords,
                     'tile': np.asarray(f['coords'].attrs['tile_level0'], float), 'mpp': float(f['coords'].attrs.get('mpp_x', 0.5)),
                     'encoder_sha256': f['features'].attrs.get('encoder_sha256')}
        slide['mask'] = read_pgm(os.path.join(folder, 'truth', row['id'] + '_mask.pgm'))
        if len(features):
            slides.append(slide)
    return slides


def read_pgm(path):
    with open(path, 'rb') as f:
        assert f.readline() == b'P5\n', path
        width, height = map(int, f.readline().split())
        assert f.readline() == b'255\n', path
        return np.frombuffer(f.read(), np.uint8).reshape(height, width) > 0


def train(slides, seed):
    """Cross entropy of bags; Adam with weight decay; a random 70 % of the tiles at each step; a little entropy keeps attention wide."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    everything = torch.cat([s['features'] for s in slides])
    mean, spread = everything.mean(0), everything.std(0).clamp(min=1e-3)
    head = Head(everything.shape[1])
    optimiser = torch.optim.Adam(head.parameters(), lr=1e-3, weight_decay=1e-3)
    head.train()
    for _ in range(EPOCHS):
        for i in torch.randperm(len(slides), generator=generator).tolist():
            x = (slides[i]['features'] - mean) / spread
            keep = torch.randperm(len(x), generator=generator)[:max(1, int(SUBBAG * len(x)))]
            logits, a, _ = head(x[keep])
            entropy = -(a * torch.log(a + 1e-12)).sum() / np.log(max(2, len(keep)))
            loss = nn.functional.cross_entropy(logits[None], torch.tensor([slides[i]['label']])) - 0.02 * entropy
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    head.eval()
    with torch.no_grad():  # standardisation goes into the first layer: the head then takes the features as they are
        first = head.attention_net[0]
        first.bias -= first.weight @ (mean / spread)
        first.weight /= spread
    return head


def predict(head, slide):
    """Score of the slide, and the evidence of its tiles: the tile's own score where it had attention."""
    with torch.no_grad():
        logits, a, tiles = head(slide['features'])
    evidence = torch.softmax(tiles, 1)[:, 1] * torch.clamp(len(a) * a, max=1)
    return float(torch.softmax(logits, 0)[1]), evidence.numpy()


def is_hit(slide, i):
    """The tile's centre, or a quarter of its area, lies in the truth."""
    cell = CELL_UM / slide['mpp']
    mask, (x, y), (w, h) = slide['mask'], slide['coords'][i][:2], slide['tile']
    row, column = int((y + h / 2) / cell), int((x + w / 2) / cell)
    if row < mask.shape[0] and column < mask.shape[1] and mask[row, column]:
        return True
    x0, x1, y0, y1 = x / cell, (x + w) / cell, y / cell, (y + h) / cell
    columns = np.clip(np.minimum(np.arange(mask.shape[1]) + 1, x1) - np.maximum(np.arange(mask.shape[1]), x0), 0, None)
    rows = np.clip(np.minimum(np.arange(mask.shape[0]) + 1, y1) - np.maximum(np.arange(mask.shape[0]), y0), 0, None)
    return rows @ mask @ columns >= 0.25 * (x1 - x0) * (y1 - y0)


def auroc(scores, labels):
    positive, negative = [s for s, y in zip(scores, labels) if y], [s for s, y in zip(scores, labels) if not y]
    wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    return wins / (len(positive) * len(negative))


def report(name, head, slides, threshold):
    scores, hits, shown = [], 0, 0
    for s in slides:
        score, evidence = predict(head, s)
        scores.append(score)
        if s['label']:
            top = np.argsort(-evidence, kind='stable')[:5]
            hits += sum(is_hit(s, i) for i in top)
            shown += len(top)
    labels = [s['label'] for s in slides]
    right = sum((score >= threshold) == bool(y) for score, y in zip(scores, labels))
    print(f'{name}: {len(slides)} slides, {sum(labels)} with tumour: AUROC {auroc(scores, labels):.4f}, '
          f'{right} of {len(slides)} right at {threshold:.2f}, top-5 hits {hits} of {shown} = {hits / max(1, shown):.3f}')
    return auroc(scores, labels), hits / max(1, shown)


def choose_threshold(slides):
    """Out-of-fold scores; the middle of the range of thresholds with the most right decisions."""
    scores = np.zeros(len(slides))
    for fold in range(FOLDS):
        head = train([s for i, s in enumerate(slides) if i % FOLDS != fold], seed=fold + 1)
        for i in range(fold, len(slides), FOLDS):
            scores[i] = predict(head, slides[i])[0]
    labels = np.array([s['label'] for s in slides])
    candidates = np.linspace(0.05, 0.95, 91)
    right = np.array([((scores >= t) == labels).sum() for t in candidates])
    best = candidates[right == right.max()]
    print(f'cross-validation: AUROC {auroc(scores, labels):.4f}, {right.max()} of {len(slides)} right')
    return round(float((best[0] + best[-1]) / 2), 2)


def write_safetensors(path, tensors):
    """Eight bytes of header length, JSON padded with spaces to eight, then the tensors one after the other."""
    header, offset, data = {}, 0, b''
    for name, tensor in sorted(tensors.items()):
        raw = tensor.detach().numpy().astype('<f4').tobytes()
        header[name] = {'dtype': 'F32', 'shape': list(tensor.shape), 'data_offsets': [offset, offset + len(raw)]}
        offset += len(raw)
        data += raw
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as f:
        f.write(struct.pack('<Q', len(text)) + text + data)


def write_card(path, threshold, encoder_sha256):
    lines = ['# The demonstration head: trained on synthetic slides by train_demo_head.py.  For showing how things work, for nothing else.',
             '[head]', 'kind=clam_sb', 'encoder=demo-texture', 'target_mpp=0.5', 'labels=normal;tumour', 'positive=tumour',
             'activation=softmax', f'threshold={threshold:.2f}', 'demonstration=true']
    if encoder_sha256:
        lines.insert(4, f'encoder_sha256={encoder_sha256}')
    with open(path, 'w') as f:
        f.write('\n'.join(lines) + '\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--train', nargs=2, action='append', required=True, metavar=('COHORT', 'RESULTS'))
    parser.add_argument('--held', nargs=2, action='append', default=[], metavar=('COHORT', 'RESULTS'))
    parser.add_argument('-o', '--output', required=True, metavar='HEAD.safetensors')
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    slides = [s for pair in arguments.train for s in read_cohort(*pair)]
    threshold = choose_threshold(slides)
    head = train(slides, seed=1)
    report('training', head, slides, threshold)
    good = True
    for cohort, results in arguments.held:
        area, hits = report(f'held out {cohort}', head, read_cohort(cohort, results), threshold)
        good = good and area >= 0.95 and hits >= 0.9
    write_safetensors(arguments.output, head.state_dict())
    sha256 = slides[0]['encoder_sha256']
    write_card(os.path.splitext(arguments.output)[0] + '.card', threshold, sha256.decode() if isinstance(sha256, bytes) else sha256)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
