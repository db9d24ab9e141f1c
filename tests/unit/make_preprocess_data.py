#!/usr/bin/python3
"""Expected planes of tests/unit/test_preprocess.c, by Pillow and torchvision.  Writes data/preprocess.bin beside this script.

The pictures are not stored: test and script make them with the same generator.  Little endian; a case is the card as text, padded to
512 bytes; int32 width, height, channels (0: float), seed; float64 intensity[4]; int32 planes, size, samples; then `samples` pairs of
int32 index, float32 value picked from the planes.
"""
import os
import struct

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import functional as F
from torchvision.transforms import InterpolationMode

MODES = {'bilinear': InterpolationMode.BILINEAR, 'bicubic': InterpolationMode.BICUBIC, 'lanczos': InterpolationMode.LANCZOS,
         'nearest': InterpolationMode.NEAREST}
SAMPLES = 400


def noise(seed, n):
    state, out = seed, np.empty(n, np.uint8)
    for i in range(n):
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        out[i] = state >> 24
    return out


def picture(width, height, channels, seed):
    pixels = noise(seed, width * height * max(channels, 1))
    if channels == 0:
        return Image.fromarray(pixels.reshape(height, width).astype(np.float32) * np.float32(12.5) - np.float32(1024))
    return Image.fromarray(pixels.reshape((height, width, 3) if channels == 3 else (height, width)))


def fit(image, card):
    size, resize, mode = card['size_px'], card['resize_px'], MODES[card['interpolation']]
    if card['fit'] == 'tiles':
        return F.center_crop(F.resize(image, [resize, resize], mode), [size, size])
    if card['fit'] == 'stretch':
        return F.resize(image, [size, size], mode)
    if card['fit'] == 'crop':
        return F.center_crop(F.resize(image, resize, mode), [size, size])
    scale = size / max(image.size)
    width, height = (max(1, int(np.floor(edge * scale + 0.5))) for edge in image.size)
    small = F.resize(image, [height, width], mode)
    zero = float(card['value'].split(':')[1].split(',')[0]) if card['value'].startswith('range') else 0
    canvas = Image.new(image.mode, (size, size), zero if image.mode == 'F' else 0)
    canvas.paste(small, ((size - width) // 2, (size - height) // 2))
    return canvas


def scale(image, card, intensity):
    """1 or 3 planes of float32 before mean and std."""
    if card['channels'] == 'gray' and image.mode == 'RGB':
        image = image.convert('L')
    if image.mode == 'F':
        v = torch.from_numpy(np.asarray(image).copy())[None]
    elif card['value'] == 'rgb8':
        v = F.to_tensor(image)
    else:
        v = F.pil_to_tensor(image).to(torch.float32)
    if card['value'].startswith('range:'):
        low, high = map(float, card['value'][6:].split(','))
        v = (v - low) / (high - low)
    elif card['value'] == 'percentile':
        v = (v.clamp(intensity[0], intensity[1]) - intensity[0]) / (intensity[1] - intensity[0])
    elif card['value'] == 'zscore':
        v = (v - intensity[2]) / intensity[3]
    if card['channels'] != 'gray' and len(v) == 1:
        v = v.repeat(3, 1, 1)
    return v.flip(0) if card['channels'] == 'bgr' else v


def planes(card, width, height, channels, seed, intensity):
    v = scale(fit(picture(width, height, channels, seed), card), card, intensity)
    return F.normalize(v, card['mean'], card['std']).numpy()


def card_text(card):
    lists = {'mean': ';'.join(map(str, card['mean'])), 'std': ';'.join(map(str, card['std']))}
    return '[encoder]\n' + ''.join(f'{key}={value}\n' for key, value in {**card, **lists}.items())


def cases():
    imagenet = {'mean': [0.485, 0.456, 0.406], 'std': [0.229, 0.224, 0.225], 'fit': 'tiles', 'channels': 'rgb', 'value': 'rgb8'}
    gray = {**imagenet, 'mean': [0.25], 'std': [0.5], 'channels': 'gray'}
    none = (0.0, 1.0, 0.0, 1.0)
    for filter in MODES:
        base = {**imagenet, 'interpolation': filter}
        yield {**base, 'size_px': 224, 'tile_px': 256, 'resize_px': 256}, 256, 256, 3, none
        yield {**base, 'size_px': 32, 'tile_px': 40, 'resize_px': 37}, 40, 40, 3, none
        yield {**base, 'size_px': 48, 'tile_px': 30, 'resize_px': 48, 'channels': 'bgr'}, 30, 30, 3, none
        for how in ('stretch', 'pad', 'crop'):
            resize = 41 if how == 'crop' else 32
            for width, height, channels in ((71, 50, 3), (50, 71, 1), (20, 23, 3)):
                yield {**base, 'size_px': 32, 'resize_px': resize, 'fit': how}, width, height, channels, none
    for channels in (1, 3):
        yield {**gray, 'size_px': 32, 'resize_px': 35, 'interpolation': 'bilinear'}, 60, 60, channels, none
    whole = {**gray, 'size_px': 32, 'resize_px': 32, 'interpolation': 'bilinear'}
    for how in ('stretch', 'pad', 'crop'):
        yield {**whole, 'fit': how, 'value': 'hu', 'mean': [40.0], 'std': [400.0]}, 64, 47, 0, none
        yield {**whole, 'fit': how, 'value': 'range:-1000,400', 'channels': 'rgb'}, 64, 47, 0, none
        yield {**whole, 'fit': how, 'value': 'percentile'}, 64, 47, 0, (-900.0, 1500.0, 300.0, 250.0)
        yield {**whole, 'fit': how, 'value': 'zscore', 'interpolation': 'bicubic'}, 64, 47, 0, (-900.0, 1500.0, 300.0, 250.0)
        yield {**whole, 'fit': how, 'value': 'range:0,200', 'channels': 'rgb'}, 64, 47, 3, none
        yield {**whole, 'fit': how, 'value': 'percentile'}, 47, 64, 1, (10.0, 220.0, 100.0, 50.0)


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'data', 'preprocess.bin')
    os.makedirs(os.path.dirname(path), exist_ok=True)
    rng = np.random.default_rng(3)
    with open(path, 'wb') as file:
        for seed, (card, width, height, channels, intensity) in enumerate(cases(), 1):
            if card['fit'] == 'pad' and card['value'] in ('hu', 'percentile', 'zscore'):
                continue  # the margin is 0 after scaling, which a canvas before scaling cannot say; range covers it
            want = planes(card, width, height, channels, seed, intensity).reshape(-1)
            size = card['size_px']
            picked = rng.choice(want.size, SAMPLES, replace=False)
            file.write(card_text(card).encode().ljust(512, b'\0'))
            file.write(struct.pack('<4i4d3i', width, height, channels, seed, *intensity, want.size // size**2, size, SAMPLES))
            for i in picked:
                file.write(struct.pack('<if', i, want[i]))
    print(path, os.path.getsize(path), 'bytes')


main()
