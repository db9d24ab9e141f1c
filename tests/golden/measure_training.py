#!/usr/bin/python3
"""Training beside PyTorch: gated ABMIL on bags with a planted signal, both on the same features, in alternating runs.

    measure_training.py MICROTOME FOLDER [--bags 400] [--tiles 500] [--dim 1024] [--rounds 3] [--threads 2]

Printed: seconds an epoch of each (median), their ratio, and the held-out AUROC of a 4-fold training.  FOLDER keeps the features.
In a positive bag 5 % of the tiles are moved by half a deviation along 64 fixed dimensions.
"""
import argparse
import os
import subprocess
import time

import h5py
import numpy as np
import torch
from torch import nn


class Abmil(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc, self.drop = nn.Linear(dim, 512), nn.Dropout(0.25)
        self.a, self.b, self.c, self.head = nn.Linear(512, 384), nn.Linear(512, 384), nn.Linear(384, 1), nn.Linear(512, 2)

    def forward(self, x):
        h = self.drop(torch.relu(self.fc(x)))
        s = self.c(self.drop(torch.tanh(self.a(h))) * self.drop(torch.sigmoid(self.b(h))))
        return self.head(torch.softmax(s, 0).T @ h)


def make(folder, bags, tiles, dim):
    os.makedirs(os.path.join(folder, "cases"), exist_ok=True)
    rng = np.random.default_rng(1)
    with open(os.path.join(folder, "labels.csv"), "w") as f:
        f.write("id,label\n")
        for i in range(bags):
            f.write(f"bag{i:04d},{'tumour' if i % 2 else 'normal'}\n")
            path = os.path.join(folder, "cases", f"bag{i:04d}.h5")
            x = rng.standard_normal((tiles, dim), dtype=np.float32)
            if i % 2:
                x[rng.choice(tiles, max(1, tiles // 20), replace=False), :64] += 0.5
            if not os.path.exists(path):
                with h5py.File(path, "w") as h:
                    h["features"] = x


def read(folder, bags):
    out = []
    for i in range(bags):
        with h5py.File(os.path.join(folder, "cases", f"bag{i:04d}.h5")) as h:
            out.append((torch.from_numpy(h["features"][:]), torch.tensor([i % 2])))
    return out


def torch_epoch(data):
    torch.manual_seed(0)
    model = Abmil(data[0][0].shape[1])
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-4, weight_decay=1e-5)
    start = time.time()
    for i in np.random.default_rng(0).permutation(len(data)):
        optimiser.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(data[i][0]), data[i][1]).backward()
        optimiser.step()
    return time.time() - start


def ours(program, folder, threads, *more):
    head = os.path.join(folder, "head.safetensors")
    answer = subprocess.run([program, "train", folder, "--labels", os.path.join(folder, "labels.csv"), "-m", "abmil", "-o", head,
                             "--positive", "tumour", "--memory", "4G", "--threads", str(threads), "--force", *more],
                            capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def our_epochs(program, folder, threads):
    """One epoch's seconds: two epochs more cost what two epochs cost, reading apart."""
    times = []
    for epochs in (1, 3):
        start = time.time()
        ours(program, folder, threads, "--epochs", str(epochs))
        times.append(time.time() - start)
    return (times[1] - times[0]) / 2


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program")
    p.add_argument("folder")
    for name, value in (("bags", 400), ("tiles", 500), ("dim", 1024), ("rounds", 3), ("threads", 2)):
        p.add_argument("--" + name, type=int, default=value)
    p.add_argument("--auroc", action="store_true", help="the held-out AUROC too")
    a = p.parse_args()
    make(a.folder, a.bags, a.tiles, a.dim)
    torch.set_num_threads(a.threads)
    data = read(a.folder, a.bags)
    pairs = []
    for _ in range(a.rounds):
        pairs.append((torch_epoch(data), our_epochs(a.program, a.folder, a.threads)))
        print(f"an epoch: PyTorch {pairs[-1][0]:.2f} s, microtome {pairs[-1][1]:.2f} s", flush=True)
    del data
    print(f"ratio (PyTorch / microtome), median of {a.rounds}: {np.median([t / m for t, m in pairs]):.2f}", flush=True)
    if a.auroc:
        print(ours(a.program, a.folder, a.threads, "--folds", "4", "--epochs", "8"))


main()
