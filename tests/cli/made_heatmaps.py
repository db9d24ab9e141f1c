"""Results whose hot tiles are known, slides that are dark under them, and where a picture is hot.  h5py, NumPy, tifffile, Pillow."""
import io
import os

import h5py
import numpy as np
import tifffile
from harness import equal, microtome
from made_results import write_headline
from PIL import Image

WIDTH, HEIGHT, MPP = 3000, 2200, 0.5
TILE = 224.448


def grid_coords():
    columns, rows = int(WIDTH // TILE), int(HEIGHT // TILE)
    return np.array([[round(x * TILE), round(y * TILE)] for y in range(rows) for x in range(columns)], np.int64), columns, rows


def inner_corners():
    """Tiles next to the four corners of the grid: each has neighbours on all sides."""
    _, columns, rows = grid_coords()
    return [y * columns + x for y in (1, rows - 2) for x in (1, columns - 2)]


def made(folder, name="a", hot=None, unread=(5,), mpp=(MPP, MPP), bounds=None, facts=None):
    """A result of overlapping-free tiles on a grid; the score of the tiles `hot` is 1 (tile (0, 0), its neighbours and the last)."""
    coords, columns, _ = grid_coords()
    scores = np.zeros((len(coords), 1), np.float32)
    scores[[0, 1, columns, len(coords) - 1] if hot is None else hot] = 1
    valid = np.ones(len(coords), np.uint8)
    valid[list(unread)] = 0
    path = os.path.join(folder, name + ".h5")
    with h5py.File(path, "w", userblock_size=4096) as f:
        c = f.create_dataset("coords", data=coords)
        c.attrs["tile_level0"] = np.array([TILE, TILE])
        c.attrs["level0_width"], c.attrs["level0_height"] = WIDTH, HEIGHT
        f["valid"] = valid
        t = f.create_dataset("tile_scores", data=scores)
        t.attrs["labels"] = ["tumour"]
        if bounds:
            f["geometry/bounds"] = np.array(bounds, np.int64)
    write_headline(path, {"schema": 1, "id": name, "status": "ok", "mpp_x": mpp[0], "mpp_y": mpp[1], **(facts or {})})
    return path, coords, scores[:, 0], valid


def box_slide(path, factors, coords, hot):
    """A slide whose hot tiles are dark: what the heat has to cover, in a pyramid of these factors."""
    picture = np.full((HEIGHT, WIDTH, 3), 240, np.uint8)
    for i in hot:
        x, y = coords[i]
        picture[y:y + 224, x:x + 224] = 40
    with tifffile.TiffWriter(path) as f:
        resolution = (10000 / MPP, 10000 / MPP)
        f.write(picture, tile=(256, 256), photometric="rgb", resolution=resolution, resolutionunit=3)
        for k in factors:
            small = np.asarray(Image.fromarray(picture).resize((round(WIDTH / k), round(HEIGHT / k)), Image.BOX))
            f.write(small, tile=(256, 256), photometric="rgb", subfiletype=1)
    return picture


def heat(result, folder, to, *args):
    answer = microtome("heatmap", result, "-o", folder, "--to", to, *args)
    equal((answer.code, answer.err), (0, ""))
    return answer.out.strip()


def edges(mask):
    """First and last column and row of what is on."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return columns[0], columns[-1] + 1, rows[0], rows[-1] + 1


def decoded(page):
    """A page of JPEG tiles through Pillow."""
    out = np.zeros((page.imagelength, page.imagewidth, 3), np.uint8)
    handle, across = page.parent.filehandle, -(-page.imagewidth // page.tilewidth)
    for i, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts)):
        handle.seek(offset)
        tile = np.asarray(Image.open(io.BytesIO(page.jpegtables[:-2] + handle.read(count)[2:])).convert("RGB"))
        y, x = i // across * page.tilelength, i % across * page.tilewidth
        part = out[y:y + page.tilelength, x:x + page.tilewidth]
        part[:] = tile[:part.shape[0], :part.shape[1]]
    return out
