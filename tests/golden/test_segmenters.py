"""Segmentation networks as masks, against PyTorch: DeepLabV3 at full size on a real slide, tile by tile as the program reads them.

    test_segmenters.py MICROTOME SYNTHETIC SOURCE

The tiles come from `microtome tile` (bit-exact with Pillow, which other tests hold); torch runs them in float32, and the mask has
to be what its thresholded answer says, but for pixels that lie on the threshold within float's error.
"""
import json
import os
import sys
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
from harness import Skip, contains, data, equal, main, microtome, read  # noqa: E402

warnings.filterwarnings("ignore")

try:
    import numpy as np
    import torch
    import torchvision.models.segmentation as seg
    from PIL import Image
    WHY = None
except ImportError as missing:
    WHY = f"{missing.name} is not installed"

MPP, SIZE = 1, 512
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CARD = f"""[segmenter]
name=deeplab
size_px={SIZE}
mpp={MPP}
mean={';'.join(map(str, MEAN))}
std={';'.join(map(str, STD))}
activation=softmax
classes=glass;tissue
foreground=tissue
threshold=%r
"""


def deeplab():
    """Random weights whose batch norms keep the signal alive, so that classes vary over the picture."""
    torch.manual_seed(3)
    network = seg.deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=2).eval()
    for m in network.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.weight.data.uniform_(0.6, 1.2)
            m.bias.data.uniform_(-0.1, 0.3)

    class Out(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, x):
            return self.network(x)["out"]
    return Out().eval()


def probabilities(network, tiles):
    """tile name -> share of class 1"""
    out = {}
    with torch.no_grad():
        for name, rgb in tiles.items():
            x = torch.from_numpy((rgb.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)).permute(2, 0, 1)[None]
            out[name] = torch.softmax(network(x), 1)[0, 1].numpy()
    return out


def cut(slide, folder):
    """Every tile of level 0."""
    done = microtome("tile", slide, "-o", folder, "--mpp", 0, "--tile", SIZE, "--mask", "none")
    equal(done.code, 0)
    names = [n for n in os.listdir(folder) if n.endswith(".png")]
    return {tuple(map(int, n[:-4].split("_"))): np.asarray(Image.open(os.path.join(folder, n)).convert("RGB")) for n in names}


def test_deeplab(folder):
    """DeepLabV3 with ResNet-50 at 512 px equals PyTorch on a real slide"""
    if WHY:
        raise Skip(WHY)
    slide = data("wsi", "aperio-cmu-1-small-region.svs")
    network = deeplab()
    tiles = cut(slide, os.path.join(folder, "tiles"))
    # two of the thirty, the rest of the plane is the same work
    chosen = sorted(tiles)[7:9]
    wanted = probabilities(network, {k: tiles[k] for k in chosen})
    share = np.concatenate([p.ravel() for p in wanted.values()])
    threshold = float(np.median(share))
    assert share.max() - share.min() > 0.02, "the network says the same everywhere"
    path = os.path.join(folder, "net.onnx")
    torch.onnx.export(network, torch.zeros(1, 3, SIZE, SIZE), path, opset_version=13, input_names=["x"], output_names=["y"])
    open(os.path.join(folder, "net.card"), "w").write(CARD % threshold)
    # the picture of those tiles alone: an image, so that a mask pixel is a model pixel
    strip = np.concatenate([tiles[k] for k in chosen], 1)
    picture = os.path.join(folder, "strip.png")
    Image.fromarray(strip).save(picture)
    done = microtome("tissue", picture, "-o", os.path.join(folder, "out"), "--mask", f"model:{path}", "--slide-mpp", MPP, "--json")
    equal(done.code, 0)
    answer = json.loads(done.out)
    equal(answer["method"], "model:net.onnx")
    contains(answer["note"], "classes: glass ")
    mask = np.asarray(Image.open(os.path.join(folder, "out", "mask.png")))
    p = np.concatenate([wanted[k] for k in chosen], 1)
    equal(mask.shape, p.shape)
    sure = np.abs(p - threshold) > 1e-5
    print(f"# {100 * sure.mean():.3f} % of the pixels are clear of the threshold, foreground {100 * (mask > 0).mean():.1f} %")
    assert sure.mean() > 0.99
    equal(int(((mask > 0) != (p > threshold))[sure].sum()), 0)


if __name__ == "__main__":
    main([test_deeplab])
