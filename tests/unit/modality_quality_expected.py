#!/usr/bin/env python3
"""Blur of pictures that the test makes too, by scikit-image's blur_effect: writes modality_quality_expected.h beside this script."""
import os

import numpy as np
from scipy import ndimage
from skimage.measure import blur_effect

N = 64


def picture():
    """The test's own: a hash of the place, so that both have the same."""
    y, x = np.mgrid[:N, :N].astype(np.uint64)
    return (((x * np.uint64(2654435761) + y * np.uint64(40503)) >> np.uint64(7)) % np.uint64(256)).astype(np.float64)


def box(a, taps):
    """Mean of taps x taps pixels, rounded down, edges repeated."""
    pad = np.pad(a, taps // 2, mode="edge")
    out = sum(pad[dy : dy + N, dx : dx + N] for dy in range(taps) for dx in range(taps))
    return np.floor(out / (taps * taps))


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    whole = picture()
    assert ndimage.uniform_filter1d(whole[0], 11, mode="reflect").shape == (N,)
    rows = [blur_effect(whole if taps == 1 else box(whole, taps)) for taps in (1, 3, 7)]
    with open(os.path.join(here, "modality_quality_expected.h"), "w") as f:
        f.write("/* Written by modality_quality_expected.py: blur of the picture, of its means over 3 x 3 and over 7 x 7. */\n")
        f.write("static const double expected_blur[3] = {" + ", ".join(f"{v:.12g}" for v in rows) + "};\n")


main()
