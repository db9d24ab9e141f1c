"""What test_stain.c expects, from numpy and scikit-image: prints the C arrays that stand in stain_expected.h.

usage: make_stain_data.py TEST_DATA > stain_expected.h

Macenko: the published procedure in float64 (numpy.linalg.eigh, lstsq, percentile).  Reinhard: skimage.color.rgb2lab and lab2rgb.
histolab's maps use its own stored stain matrices with their third, orthogonal column.
"""
import json
import os
import sys
import textwrap

import numpy as np
from PIL import Image
from skimage.color import lab2rgb, rgb2lab

LIGHT, CLEAR = 240.0, 0.15


def density(rgb):
    return -np.log((rgb.reshape(-1, 3).astype(np.float64) + 1) / LIGHT)


def macenko(rgb):
    """Stain matrix (3 x 2, hematoxylin first) and 99th percentiles of the concentrations."""
    od = density(rgb)
    stained = od[(od >= CLEAR).all(axis=1)]
    _, vectors = np.linalg.eigh(np.cov(stained.T))
    first, second = vectors[:, 2], vectors[:, 1]
    first = first * np.sign(first @ stained.mean(axis=0))
    angles = np.arctan2(stained @ second, stained @ first)
    ends = [np.cos(a) * first + np.sin(a) * second for a in np.percentile(angles, [1, 99])]
    ends.sort(key=lambda v: -v[0])
    matrix = np.array(ends).T
    concentrations = np.linalg.lstsq(matrix, od.T, rcond=None)[0]
    return matrix, np.percentile(concentrations, 99, axis=1)


def reinhard(rgb):
    lab = rgb2lab(rgb).reshape(-1, 3)
    return lab.mean(axis=0), lab.std(axis=0)


def made_picture(width=96, height=96):
    """Two stains by formula (integers alone): test_stain.c makes the same."""
    state, out = 7, np.empty((height * width, 3), np.uint8)
    for i in range(height * width):
        pixel = [0, 0, 0]
        for c in range(3):
            state = (state * 1664525 + 1013904223) & 0xffffffff
            pixel[c] = state >> 24
        h, e, noise = pixel[0], pixel[1], pixel[2] // 32
        out[i] = [235 - h * 120 // 255 - e * 30 // 255 + noise % 3, 230 - h * 130 // 255 - e * 90 // 255 - noise % 4,
                  238 - h * 70 // 255 - e * 60 // 255 - noise % 5]
    return out.reshape(height, width, 3)


def lab_transfer(rgb, source, target):
    lab = (rgb2lab(rgb) - source[0]) * (np.asarray(target[1]) / source[1]) + target[0]
    return np.rint(lab2rgb(lab) * 255).astype(int)


def od_transfer(rgb, od):
    return np.minimum(LIGHT * np.exp(-density(rgb) @ od.T), 255).reshape(rgb.shape)


def put_text(declaration, words):
    print(textwrap.fill(f"static const {declaration} = {{{', '.join(words)}}};", 138, subsequent_indent="    "))


def put(name, values):
    values = np.asarray(values, np.float64)
    put_text(f"double {name}[{values.size}]", [f"{v:.12g}" for v in values.ravel()])


def put_bytes(name, values):
    values = np.asarray(values).ravel()
    put_text(f"uint8_t {name}[{values.size}]", [str(int(v)) for v in values])


def main(folder):
    stain = os.path.join(folder, "tiles", "stain")
    expected = json.load(open(os.path.join(folder, "expected.json")))

    def facts(name):
        found = []

        def walk(node):
            if isinstance(node, dict):
                for key, value in node.items():
                    if key.endswith(name):
                        found.append(value)
                    walk(value)
        walk(expected)
        return found[0]

    source, target = facts("tiles/stain/histolab/source.png"), facts("tiles/stain/histolab/target.png")
    a, b = (np.array(f["histolab_macenko_stain_matrix"]) for f in (source, target))
    ca, cb = (np.array(f["histolab_macenko_max_concentrations"]) for f in (source, target))
    print("/* Made by make_stain_data.py. */\n#include <stdint.h>\n")
    put("HISTOLAB_OD", b @ np.diag(cb / ca) @ np.linalg.inv(a))
    put("HISTOLAB_TARGET_MATRIX", b[:, :2])
    put("HISTOLAB_TARGET_CONCENTRATION", cb[:2])
    for side, f in (("SOURCE", source), ("TARGET", target)):
        put(f"HISTOLAB_{side}_LAB_MEAN", f["histolab_reinhard_lab_mean"])
        put(f"HISTOLAB_{side}_LAB_STD", f["histolab_reinhard_lab_std"])
    veta = np.array(Image.open(os.path.join(stain, "macenko-veta", "source.png")).convert("RGB"))
    matrix, concentration = macenko(veta)
    put("VETA_MATRIX", matrix)
    put("VETA_CONCENTRATION", concentration)
    picture = np.array(Image.open(os.path.join(stain, "torchstain", "target.png")).convert("RGB"))
    matrix, concentration = macenko(picture)
    put("TORCHSTAIN_TARGET_MATRIX", matrix)
    put("TORCHSTAIN_TARGET_CONCENTRATION", concentration)
    mean, std = reinhard(picture)
    put("TORCHSTAIN_TARGET_LAB_MEAN", mean)
    put("TORCHSTAIN_TARGET_LAB_STD", std)

    made = made_picture()
    matrix, concentration = macenko(made)
    put("MADE_MATRIX", matrix)
    put("MADE_CONCENTRATION", concentration)
    lab = reinhard(made)
    put("MADE_LAB_MEAN", lab[0])
    put("MADE_LAB_STD", lab[1])
    reference = np.array([[0.5626, 0.2159], [0.7201, 0.8012], [0.4062, 0.5581]])
    od = reference @ np.diag(np.array([1.9705, 1.0308]) / concentration) @ np.linalg.pinv(matrix)
    put_bytes("MADE_MACENKO", np.floor(od_transfer(made, od))[:8, :8])
    preset = (np.array([58.12343, 26.483482, -12.701005]), np.array([14.675022, 7.5744166, 5.226378]))
    put_bytes("MADE_REINHARD", lab_transfer(made, lab, preset)[:8, :8])
    cube = np.stack(np.meshgrid(*[np.arange(0, 256, 51)] * 3, indexing="ij"), -1).astype(np.uint8)
    put_bytes("CUBE_REINHARD", lab_transfer(cube.reshape(6, 36, 3), lab, preset))


if __name__ == "__main__":
    main(sys.argv[1])
