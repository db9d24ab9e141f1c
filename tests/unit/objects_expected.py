#!/usr/bin/env python3
"""Objects, diameters and densest squares of volumes that the tests make too, by SciPy, scikit-image and brute force: writes objects_expected.h."""
import os

import numpy as np
from scipy import ndimage
from scipy.spatial.distance import pdist, squareform
from skimage import measure

SIZE = (23, 17, 11)  # x, y, z


def hashed(n, salt):
    k = np.arange(n, dtype=np.uint64)
    h = (k * np.uint64(2654435761) + np.uint64(salt * 40503)) & np.uint64(0xFFFFFFFF)
    h = ((h ^ (h >> np.uint64(15))) * np.uint64(2246822519)) & np.uint64(0xFFFFFFFF)
    return (h ^ (h >> np.uint64(13))) & np.uint64(0xFFFFFFFF)


def volume(share):
    """share of 256 voxels at random: what touches at corners alone is joined too."""
    x, y, z = SIZE
    return (hashed(x * y * z, 1) % np.uint64(256) < share).reshape(z, y, x)


GRIDS = {  # columns of the affine: steps along x, y, z in RAS mm
    "anisotropic": np.array([[-0.7, 0, 0], [0, -0.9, 0], [0, 0, 2.5]]).T,
    "oblique": np.array([[0.8, 0.6, 0], [-0.6, 0.8, 0], [0, 0, 3.0]]).T,
    "sheared": np.array([[-0.5, 0, 0], [0, -0.5, 0], [0, 0.75, 2.0]]).T,  # a tilted gantry
    "coronal": np.array([[-1.0, 0, 0], [0, 0, -1.1], [0, -1.2, 0]]).T,  # nearly isotropic: axial planes cross y
    "sagittal": np.array([[0, -1.0, 0], [0, 0, -1.0], [1.2, 0, 0]]).T,  # axial planes cross y
    "head_first": np.array([[0, 0, 1.0], [0, 1.1, 0], [-1.2, 0, 0]]).T,  # axial planes cross x
    "coarse_coronal": np.array([[-0.7, 0, 0], [0, 0, -0.7], [0, -4.0, 0]]).T,  # the acquired planes
    "sheared_axial": np.array([[-1.0, 0, 0], [0, 0, -1.0], [0.3, -1.1, 0]]).T,  # axial planes are rhombs
}


def normal_axis(steps):
    lengths = np.linalg.norm(steps, axis=0)
    return int(np.argmax(np.abs(steps[2]) / lengths)) if lengths.max() <= 1.5 * lengths.min() else 2


def voxel_width(d, mm):
    """Half a voxel at either end, weighed by direction."""
    return (abs(d[0]) * mm[0] + abs(d[1]) * mm[1]) / (abs(d[0]) + abs(d[1])) / 2


def diameters(voxels, steps):
    """Of voxels (n, 3) as x, y, z: every pair of voxels of every plane, in 3-D mm; no hull."""
    normal = normal_axis(steps)
    column, row = [d for d in range(3) if d != normal]
    best = (0, 0)
    u, v = steps[:, column], steps[:, row]
    e = u / np.linalg.norm(u)
    f = v - (v @ e) * e
    mm = np.linalg.norm(u), np.linalg.norm(f)
    f = f / mm[1]
    for k in np.unique(voxels[:, normal]):
        at = voxels[voxels[:, normal] == k] @ steps.T
        flat = np.stack([at @ e, at @ f], 1)
        if len(flat) == 1:
            found = max(mm), min(mm)
        else:
            d = squareform(pdist(at))
            # pairs of one length: all of them count as the longest; what lies across must not depend on the choice, or the case is of no use
            far = d.max()
            pairs = [(a, b) for a, b in zip(*np.where(d > far - 1e-9)) if a < b]
            answers = []
            for a, b in pairs:
                way = flat[b] - flat[a]
                side = flat @ np.array([-way[1], way[0]]) / far
                answers.append((far + voxel_width(way, mm), side.max() - side.min() + voxel_width((-way[1], way[0]), mm)))
            found = answers[0] if np.ptp(np.array(answers), axis=0).max() < 1e-9 else (answers[0][0], np.nan)
            if np.ptp([a[0] for a in answers]) > 1e-9:
                found = (np.nan, np.nan)
        if np.isnan(found[0]) or abs(found[0] - best[0]) < 1e-9:
            if np.isnan(found[0]) or (found[0] >= best[0] and not np.isclose(found[1], best[1], equal_nan=True)):
                return np.nan, np.nan  # ambiguous
        elif found[0] > best[0]:
            best = found
    return best


def objects(share):
    mask = volume(share)
    labels, n = ndimage.label(mask, np.ones((3, 3, 3)))
    again, m = measure.label(mask, connectivity=3, return_num=True)
    assert n == m and all(len(np.unique(again[labels == k])) == 1 for k in range(1, n + 1))
    order = sorted(range(1, n + 1), key=lambda k: np.flatnonzero(labels.ravel() == k)[0])
    found = []
    for k in order:
        voxels = np.argwhere(labels == k)[:, ::-1]
        if len(voxels) >= 3:
            found.append(voxels)
    return n, found


def number(v):
    return "NAN" if np.isnan(v) else f"{v:.12g}"


def densest(points, width, height):
    best = 0
    for x in points[:, 0]:
        inside = points[(points[:, 0] >= x) & (points[:, 0] - x <= width)]
        for y in inside[:, 1]:
            best = max(best, int(((inside[:, 1] >= y) & (inside[:, 1] - y <= height)).sum()))
    return best


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    lines = ["/* Written by objects_expected.py. */", "#include <math.h>", "static const double expected_grids[][9] = {"]
    lines += ["    {" + ", ".join(f"{v:g}" for v in steps.ravel()) + f"}}, /* {name} */" for name, steps in GRIDS.items()]
    lines += ["};"]
    n, found = objects(12)
    lines += [f"#define N_COMPONENTS_OF_ONE {n}", "/* voxels, box, centre; for each grid: centre in mm, mm3, longest and across it (NAN: not decided) */"]
    lines += ["static const struct expected_object {", "    int    voxels, box[6];", "    double centre[3], grids[%d][6];" % len(GRIDS), "} expected_objects[] = {"]
    for voxels in found:
        box = list(voxels.min(0)) + list(voxels.max(0) + 1)
        centre = voxels.mean(0)
        rows = []
        for steps in GRIDS.values():
            far = diameters(voxels, steps)
            at = steps @ centre + [10, -20, 30]
            rows.append("{" + ", ".join(number(v) for v in (*at, len(voxels) * abs(np.linalg.det(steps)), *far)) + "}")
        lines.append(f"    {{{len(voxels)}, {{{', '.join(map(str, box))}}}, {{{', '.join(number(v) for v in centre)}}}, {{" + ", ".join(rows) + "}},")
    lines += ["};"]
    counts = [ndimage.label(volume(s), np.ones((3, 3, 3)))[1] for s in range(0, 257, 16)]
    lines += ["/* components where 0, 16, 32 .. 256 of 256 voxels are set, 26-connected */", "static const int expected_counts[] = {" + ", ".join(map(str, counts)) + "};"]
    flat = [ndimage.label(volume(s).reshape(-1, SIZE[0]), np.ones((3, 3)))[1] for s in range(0, 257, 16)]
    lines += ["/* the same as one picture of 23 x 187, 8-connected */", "static const int expected_flat_counts[] = {" + ", ".join(map(str, flat)) + "};"]
    xy = np.stack([hashed(400, 2) % np.uint64(97), hashed(400, 3) % np.uint64(89)], 1).astype(float)
    lines += ["/* of 400 points on whole numbers, in boxes k x 2 k, k = 0 .. 9 */", "static const int expected_densest[] = {" + ", ".join(str(densest(xy, k, 2 * k)) for k in range(10)) + "};"]
    with open(os.path.join(here, "objects_expected.h"), "w") as f:
        f.write("\n".join(lines) + "\n")


main()
