#!/usr/bin/env python3
"""A U-Net of nnU-Net's default size (6 stages of 32 to 320 channels, two convolutions a stage, InstanceNorm, LeakyReLU) with random weights,
as ONNX with a card beside it, for measure_sliding.

usage: make_unet.py OUT.onnx [--patch 128x128x128] [--labels 3] [--base 32] [--channels 1]
"""
import argparse

import torch
from torch import nn


class Block(nn.Sequential):
    def __init__(self, given, out, stride):
        super().__init__(nn.Conv3d(given, out, 3, stride, 1), nn.InstanceNorm3d(out, affine=True), nn.LeakyReLU(0.01),
                         nn.Conv3d(out, out, 3, 1, 1), nn.InstanceNorm3d(out, affine=True), nn.LeakyReLU(0.01))


class UNet(nn.Module):
    def __init__(self, channels, labels, features):
        super().__init__()
        n = len(features)
        self.down = nn.ModuleList([Block(channels if i == 0 else features[i - 1], features[i], 1 if i == 0 else 2) for i in range(n)])
        self.up = nn.ModuleList([nn.ConvTranspose3d(features[i], features[i - 1], 2, 2) for i in range(n - 1, 0, -1)])
        self.join = nn.ModuleList([Block(2 * features[i - 1], features[i - 1], 1) for i in range(n - 1, 0, -1)])
        self.head = nn.Conv3d(features[0], labels, 1)

    def forward(self, x):
        kept = []
        for stage in self.down:
            x = stage(x)
            kept.append(x)
        for i, (up, join) in enumerate(zip(self.up, self.join)):
            x = join(torch.cat([up(x), kept[-2 - i]], 1))
        return self.head(x)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("--patch", default="128x128x128")
    parser.add_argument("--labels", type=int, default=3)
    parser.add_argument("--base", type=int, default=32)
    parser.add_argument("--channels", type=int, default=1)
    a = parser.parse_args()
    torch.manual_seed(1)
    features = [min(a.base * 2 ** i, a.base * 10) for i in range(6)]
    network = UNet(a.channels, a.labels, features).eval()
    x, y, z = (int(n) for n in a.patch.split("x"))
    torch.onnx.export(network, torch.zeros(1, a.channels, 64, 64, 64), a.out, input_names=["x"], output_names=["logits"], opset_version=13,
                      dynamic_axes={"x": {2: "d", 3: "h", 4: "w"}, "logits": {2: "d", 3: "h", 4: "w"}})
    with open(a.out.rsplit(".", 1)[0] + ".card", "w") as f:
        f.write("[encoder]\nname=unet\nsize_px=%dx%dx%d\nchannels=%s\nvalue=none\nactivation=softmax\nlabels=%s\nmirror=xyz\nverified=fp32;bf16\n" %
                (x, y, z, ";".join("c%d" % i for i in range(a.channels)), ";".join("l%d" % i for i in range(a.labels))))


if __name__ == "__main__":
    main()
