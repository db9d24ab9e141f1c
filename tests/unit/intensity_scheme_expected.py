#!/usr/bin/python3
"""Expected intensities, by numpy in float64: writes data/volume/scheme_*.npy beside this script.

The formulas are those that nnU-Net (normalization schemes), torchxrayvision (normalize) and torchvision (Normalize) document."""
import pathlib

import numpy as np

from volume_resample_expected import noise

SHAPE = (5, 7, 9)


def zscore(x):
    return (x - x.mean()) / max(x.std(), 1e-8)


def zscore_foreground(x):
    out, mask = x.copy(), x != 0
    out[mask] = (x[mask] - x[mask].mean()) / max(x[mask].std(), 1e-8)
    return out


def percentile(x, low, high, of):
    a, b = np.percentile(of, [low, high])
    return (np.clip(x, a, b) - a) / (b - a)


def main():
    folder = pathlib.Path(__file__).parent / "data" / "volume"
    values = (noise(SHAPE).astype(np.float64) / 512 - 1000).astype(np.float32).astype(np.float64)
    values[noise(SHAPE) % 5 == 0] = 0
    bytes8 = (noise(SHAPE) % 256).astype(np.float64)
    bits12 = (noise(SHAPE) % 4096).astype(np.float64)
    made = {
        "window": (np.clip(values, 0, 80) - 0) / 80,
        "ct": (np.clip(values, -958.5, 327.25) - 101.5) / 147.25,
        "range": (np.clip(values, -500, 500) + 500) / 1000,
        "zscore": zscore(values),
        "zscore_foreground": zscore_foreground(values),
        "percentile": percentile(values, 0.5, 99.5, values),
        "percentile_foreground": percentile(values, 2, 98, values[values != 0]),
        "rescale01": (values - values.min()) / max((values - values.min()).max(), 1e-8),
        "rgb01": bytes8 / 255,
        "imagenet": (bytes8 / 255 - 0.456) / 0.224,
        "xrv": (2 * (bits12 / 4095) - 1) * 1024,
    }
    for name, array in made.items():
        np.save(folder / f"scheme_{name}.npy", array.astype(np.float32))


if __name__ == "__main__":
    main()
