"""Pictures of test_tile_picture.c as Pillow reads them.

    check_picture.py FILE    prints format, mode, size, sampling of JPEG (h x v of luma) and whether WebP is lossless,
                             then the sum and the largest difference to what the test drew
"""
import sys

import numpy as np
from PIL import Image, JpegImagePlugin

path, kind = sys.argv[1], sys.argv[2]
image = Image.open(path)
height, width = image.height, image.width
y, x = np.mgrid[0:height, 0:width].astype(np.int64)
if kind == "rgb":
    drawn = np.stack([(x * 3 + y) % 256, (x + y * 2) % 256, (x * y // 7) % 256], -1)
elif kind == "smooth":
    drawn = np.stack([128 + x // 2, 128 + y // 2, 200 - (x + y) // 4], -1)
elif kind == "gray":
    drawn = (x * 5 + y * 3) % 256
else:
    drawn = np.clip(x * 700 + y * 37 - (20000 if kind == "u16" else 32768) + (32768 if kind == "i16" else 0), 0, 65535)
pixels = np.array(image).astype(np.int64)
if kind == "gray" and pixels.ndim == 3:  # WebP knows colour alone
    assert (pixels == pixels[..., :1]).all() or path.endswith(".webp")
    pixels = pixels[..., 0]
extra = ""
if image.format == "JPEG":
    extra = f" sampling={JpegImagePlugin.get_sampling(image)}"
print(f"{image.format} {width}x{height}{extra} difference={int(abs(pixels - drawn).max())}")
