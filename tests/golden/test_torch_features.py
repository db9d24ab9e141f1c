"""Features of the real slide against PyTorch on the same tiles, read with OpenSlide and Pillow by the definition of the tile.

ResNet-50 and ViT-B/16 with random weights from the export script of the shared tools; the result must have every object.
"""
import json
import math
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
from harness import Skip, data, equal, headline, main, microtome, write_abmil  # noqa: E402

try:
    import h5py
    import numpy as np
    import openslide
    import torch
    from PIL import Image
except ImportError as missing:
    h5py = None
    WHY = f"{missing.name} is not installed"

CARD = """[encoder]
name={name}
size_px=224
mpp=0.5
value=rgb8
mean=0.485;0.456;0.406
std=0.229;0.224;0.225
"""
OBJECTS = {"coords": "int64", "features": "float32", "valid": "uint8", "attention": "float32", "attention_logits": "float32",
           "prediction/scores": "float32", "prediction/logits": "float32", "tissue/points": "int32", "tissue/offsets": "int64",
           "tissue/kinds": "uint8", "geometry/size": "int64", "geometry/bounds": "int64", "thumbnail": "uint8"}


def tile(slide, x, y, a_x, a_y, px):
    """design: level 0 is the coarsest here; u = x, w = px * a; floor(u) .. ceil(u + w), white outside; Pillow resizes."""
    w, h = px * a_x, px * a_y
    right, bottom = math.ceil(x + w), math.ceil(y + h)
    region = slide.read_region((x, y), 0, (right - x, bottom - y))
    page = Image.new("RGBA", region.size, (255, 255, 255, 255))
    page.alpha_composite(region)
    width, height = slide.dimensions
    canvas = Image.new("RGB", region.size, (255, 255, 255))
    inside = page.convert("RGB").crop((0, 0, min(right, width) - x, min(bottom, height) - y))
    canvas.paste(inside, (0, 0))
    return canvas.resize((px, px), Image.BILINEAR, box=(0, 0, w, h))


def torch_features(network, tiles):
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    rows = []
    with torch.no_grad():
        for i in range(0, len(tiles), 8):
            x = torch.stack([(torch.from_numpy(np.array(t)).permute(2, 0, 1).float() / 255 - mean) / std for t in tiles[i:i + 8]])
            rows.append(network(x).numpy())
    return np.concatenate(rows)


def exported(name, folder):
    """(network, path of its ONNX) as the shared export script builds it."""
    tools = os.path.join(data(), "..", "tools")
    sys.path.insert(0, tools)
    import export_models as e
    torch.manual_seed(0)
    build, shape = e.MODELS[name]
    network = build().eval()
    torch.randn(2, *shape)
    with torch.no_grad():
        for m in network.modules():
            if isinstance(m, torch.nn.modules.batchnorm._BatchNorm):
                m.running_mean.normal_(0, 0.2)
                m.running_var.uniform_(0.5, 1.5)
    path = os.path.join(folder, name + ".onnx")
    torch.onnx.export(network, torch.zeros(1, *shape), path, opset_version=14, input_names=["input"], output_names=["output"],
                      dynamic_axes={"input": {0: "N"}, "output": {0: "N"}})
    with open(os.path.join(folder, name + ".card"), "w") as f:
        f.write(CARD.format(name=name))
    return network, path


def check_features(folder, name, most_tiles, *options):
    """most_tiles: how many rows PyTorch computes again, evenly spread (Debian's build is slow).  The result file."""
    if h5py is None:
        raise Skip(WHY)
    slide_path = data("wsi", "aperio-cmu-1-small-region.svs")
    network, path = exported(name, folder)
    out = os.path.join(folder, "out")
    answer = microtome("run", "-e", path, "-o", out, *options, slide_path, timeout=1200)
    equal(answer.code, 0)
    file = os.path.join(out, "cases", "aperio-cmu-1-small-region.h5")
    with h5py.File(file) as f:
        coords, features = f["coords"][:], f["features"][:]
        equal(f["valid"][:].tolist(), [1] * len(coords))
    assert len(coords) > 2 * most_tiles, len(coords)
    of_all = f"{most_tiles} of {len(coords)} tiles"
    some = np.unique(np.linspace(0, len(coords) - 1, most_tiles).astype(int))
    coords, features = coords[some], features[some]
    slide = openslide.OpenSlide(slide_path)
    a_x, a_y = 0.5 / float(slide.properties["openslide.mpp-x"]), 0.5 / float(slide.properties["openslide.mpp-y"])
    wanted = torch_features(network, [tile(slide, int(x), int(y), a_x, a_y, 224) for x, y in coords])
    cosine = (features * wanted).sum(1) / np.linalg.norm(features, axis=1) / np.linalg.norm(wanted, axis=1)
    error = np.linalg.norm(features.astype(float) - wanted) / np.linalg.norm(wanted)
    print(f"# {name}: {of_all}, least cosine {cosine.min():.9f}, relative error {error:.3e}")
    assert cosine.min() >= 0.99999 and error <= 1e-4, (cosine.min(), error)
    return file


def check_objects(file):
    with h5py.File(file) as f:
        for name, dtype in OBJECTS.items():
            equal((name, str(f[name].dtype)), (name, dtype))
        attention = f["attention"][:]
        assert abs(attention.sum(axis=0, dtype=float) - 1).max() < 1e-5, attention.sum(axis=0)
        for key in ("patch_size", "patch_level", "patch_size_level0", "tile_level0", "patch_depth", "overlap", "target_magnification",
                    "level0_magnification", "level0_width", "level0_height", "name", "mpp_x", "mpp_y", "target_mpp", "mpp_source"):
            assert key in f["coords"].attrs, key
        for key in ("encoder", "encoder_sha256", "precision"):
            assert key in f["features"].attrs, key
        json.loads(f["provenance"].asstr()[()])
    equal(headline(file)["status"], "uncalibrated")


def test_resnet50(folder):
    """ResNet-50: features equal PyTorch's; a gated ABMIL on top writes every object"""
    head = os.path.join(folder, "head.safetensors")
    write_abmil(head, 2048)
    check_objects(check_features(folder, "resnet50", 12, "-m", head))


def test_vit_b_16(folder):
    """ViT-B/16: features equal PyTorch's"""
    check_features(folder, "vit_b_16", 3, "--min-share", 0.95)  # nearly all tissue: fewer tiles


main([test_resnet50, test_vit_b_16])
