#!/usr/bin/python3
"""Expected values of tests/kernels/test_resample.c, by Pillow.  Writes data/resample.bin beside this script.

The source images are not stored: test and script make them with the same generator.  Little endian; a case is
int32 src_w, src_h, dst_w, dst_h, filter, channels (0: float), seed, n then float64 box[4], then n bytes of output:
the pixels when they are few, else their SHA-256.
"""
import hashlib
import os
import struct

import numpy as np
import PIL
from PIL import Image

FILTERS = [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.NEAREST]
WHOLE = 3000  # bytes up to which the pixels themselves are kept


def noise(seed, n):
    """xorshift32, high byte: hard edges everywhere, also saturated values."""
    state, out = seed, np.empty(n, np.uint8)
    for i in range(n):
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        byte = state >> 24
        out[i] = 0 if byte < 24 else 255 if byte > 231 else byte
    return out


def resize(case):
    src_w, src_h, dst_w, dst_h, which, channels, seed, box = case
    pixels = noise(seed, src_w * src_h * max(channels, 1))
    if channels == 0:
        image = Image.fromarray(pixels.reshape(src_h, src_w).astype(np.float32) * np.float32(1.7) - np.float32(150))
    elif channels == 1:
        image = Image.fromarray(pixels.reshape(src_h, src_w))
    else:
        image = Image.fromarray(pixels.reshape(src_h, src_w, 3))
    return np.asarray(image.resize((dst_w, dst_h), FILTERS[which], box=box)).tobytes()


def cases():
    rng = np.random.default_rng(7)
    sizes = [(31, 17, 13, 7), (13, 7, 31, 17), (16, 16, 16, 16), (33, 20, 33, 9), (20, 33, 9, 33), (64, 48, 5, 3), (5, 3, 64, 48),
             (1, 1, 9, 4), (9, 4, 1, 1), (2, 200, 70, 2), (200, 2, 2, 70), (129, 67, 65, 131), (67, 129, 100, 100)]
    seed = 1
    for src_w, src_h, dst_w, dst_h in sizes:
        for which in range(4):
            for channels in (0, 1, 3):
                x0, y0 = rng.uniform(0, 0.3, 2)
                x1, y1 = rng.uniform(0.7, 1, 2)
                for box in ((0, 0, src_w, src_h), (x0 * src_w, y0 * src_h, x1 * src_w, y1 * src_h)):
                    seed += 1
                    yield src_w, src_h, dst_w, dst_h, which, channels, seed, tuple(map(float, box))
    # tiles as the reader asks for them: a fractional start, a width a little off the tile's
    for which in range(4):
        for src, dst, u, w in ((258, 256, 0.37, 256.5), (257, 256, 0.0, 256.0), (256, 224, 0.0, 256.0), (516, 256, 0.25, 514.6),
                               (225, 224, 0.5, 224.0), (224, 224, 0.0, 224.0), (230, 224, 3.0, 224.0)):
            for channels in (1, 3):
                seed += 1
                yield src, src, dst, dst, which, channels, seed, (u, u, u + w, u + w)
    # one axis only, whole-pixel offsets
    for which in range(4):
        seed += 1
        yield 40, 30, 40, 20, which, 3, seed, (0.0, 4.0, 40.0, 24.0)
        yield 40, 30, 30, 30, which, 3, seed, (0.0, 0.0, 40.0, 30.0)
        yield 40, 30, 30, 20, which, 0, seed, (7.0, 4.0, 37.0, 29.0)


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'data', 'resample.bin')
    with open(path, 'wb') as file:
        for case in cases():
            out = resize(case)
            kept = out if len(out) <= WHOLE else hashlib.sha256(out).digest()
            file.write(struct.pack('<8i4d', *case[:7], len(kept), *case[7]))
            file.write(kept)
    print(path, os.path.getsize(path), 'bytes, Pillow', PIL.__version__)


main()
