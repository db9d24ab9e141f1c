"""How pictures were taken, from file to status: real ones and what was done to them, against scikit-image and NumPy.

usage: test_quality.py MICROTOME SYNTHETIC SOURCE
"""
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import contains, data, equal, headline, main, microtome  # noqa: E402

try:
    import h5py
    import nibabel
    import numpy as np
    from PIL import Image, ImageFilter
    from skimage.measure import blur_effect
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()
CARD = f"""[encoder]
size_px=32
fit=stretch
value=rgb8
mean=0
std=0.00392156862745098
output=logits
[head]
labels={";".join(NAMES)}
activation=softmax
max_blur=0.8
min_exposure=0.05
max_exposure=0.9
max_clipping=0.4
"""
RECIPE = "[encoder]\nmodel=net.onnx\n[head]\ntask=classify\n[input]\nmodality={}\n[labels]\npositive=cat\n[thresholds]\ncat=0.5\n"


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def run(folder, picture, id, modality):
    """The headline, after the stored numbers were held against the stored thumbnail."""
    shutil.copy(data("models", "cifar10_resnet8", "model.onnx"), os.path.join(folder, "net.onnx"))
    write(os.path.join(folder, "net.card"), CARD)
    recipe = write(os.path.join(folder, modality + ".ini"), RECIPE.format(modality))
    path = os.path.join(folder, id + ".png")
    picture.save(path)
    answer = microtome("run", "-r", recipe, "-o", os.path.join(folder, "out-" + modality), path)
    equal(answer.code, 0)
    result = os.path.join(folder, "out-" + modality, "cases", id + ".h5")
    with h5py.File(result) as f:
        rgb, found = f["thumbnail"][:].astype(int), dict(f["thumbnail"].attrs)
    grey = (rgb @ [299, 587, 114] + 500) // 1000
    clipped = ((rgb <= 2).all(2) | (rgb >= 253).all(2)).mean()
    np.testing.assert_allclose(found["clipping"], clipped, atol=1e-9)
    np.testing.assert_allclose(found["exposure"], grey.mean() / 255, atol=1e-3)
    np.testing.assert_allclose(found["blur"], blur_effect(grey.astype(float)), atol=1e-9)
    return headline(result)


def check(folder, picture, modality):
    """The picture as it is passes; blurred, over-exposed and nearly black it is insufficient, and the reason names the measure."""
    pixels = np.asarray(picture, float)
    line = run(folder, picture, "good", modality)
    equal(line["status"], "ok")
    blurred = picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 40))
    for id, bad, words in (("blurred", blurred, "The picture's blur is "),
                           ("over", Image.fromarray(np.clip(pixels * 4 + 120, 0, 255).astype(np.uint8)), "The picture's clipping is "),
                           ("dark", Image.fromarray((pixels * 0.02).astype(np.uint8)), "The picture's exposure is ")):
        line = run(folder, bad, id, modality)
        equal((id, line["status"], line["decision"] in ("none", "review")), (id, "insufficient", True))
        contains(line["reason"], words)


def test_xray(folder):
    """a chest X-ray"""
    check(folder, Image.open(data("radiology", "xray", "nih-00000001_000.png")).convert("L"), "DX")


def test_fundus(folder):
    """a fundus photograph"""
    picture = Image.open(data("fundus", "retina.jpg")).convert("RGB")
    picture.thumbnail((800, 800))
    check(folder, picture, "OP")


def slice_of(path, low, high):
    """The middle plane as a picture, at the window low .. high, tripled in size so that windows of 11 taps fit."""
    volume = np.asanyarray(nibabel.load(path).dataobj).astype(float)
    plane = volume[:, :, volume.shape[2] // 2].T[::-1]
    low, high = np.percentile(plane, (low, high))
    grey = np.clip((plane - low) / (high - low) * 250 + 4, 4, 250).astype(np.uint8)
    return Image.fromarray(grey).resize((grey.shape[1] * 3, grey.shape[0] * 3), Image.NEAREST)


def test_resonance(folder):
    """a plane of a T1"""
    check(folder, slice_of(data("radiology", "nifti", "avg152T1_LR_nifti.nii.gz"), 1, 99), "MR")


def test_tomogram(folder):
    """a plane of a CT"""
    check(folder, slice_of(data("radiology", "nifti", "ct_small.nii.gz"), 1, 99), "CT")


main([test_xray, test_fundus, test_resonance, test_tomogram])
