"""model quantize: from a float encoder and a slide to a model that runs in int8, and what is refused."""
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import contains, equal, main, microtome, read, synthetic  # noqa: E402

ENCODERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "encoders")


def slide(folder):
    cohort = synthetic(os.path.join(folder, "slides"), "--count", 1, "--size", 1024, "--seed", 3)
    return next(os.path.join(cohort, n) for n in sorted(os.listdir(cohort)) if n.endswith(".tif"))


def model(folder, card=True):
    path = os.path.join(folder, "demo.onnx")
    shutil.copy(os.path.join(ENCODERS, "demo.onnx"), path)
    if card:
        shutil.copy(os.path.join(ENCODERS, "demo.card"), os.path.join(folder, "demo.card"))
    return path


def quantize(folder, path, *args):
    return microtome("model", "quantize", path, "-o", os.path.join(folder, "small.onnx"), *args)


def refused(answer, code, message):
    equal((answer.code, answer.err.strip().split("\n")[0]), (code, "microtome model quantize: " + message))


def test_slide(folder):
    """tiles of a slide: the file, its card, the cosine; it verifies against the float model and runs; the same bytes again"""
    path, case = model(folder), slide(folder)
    done = quantize(folder, path, "--calibrate", case, "--tiles", 8)
    equal(done.code, 0)
    contains(done.out, "in int8")
    contains(done.out, "smallest over the calibration samples")
    contains(read(os.path.join(folder, "small.card")), "name=demo-texture-int8\n")
    first = read(os.path.join(folder, "small.onnx"), "rb")
    again = quantize(folder, path, "--calibrate", case, "--tiles", 8)
    equal(again.code, 64)
    contains(again.err, "small.onnx: it exists already")
    equal(quantize(folder, path, "--calibrate", case, "--tiles", 8, "--force").code, 0)
    assert first == read(os.path.join(folder, "small.onnx"), "rb")
    small = os.path.join(folder, "small.onnx")
    verified = microtome("model", "verify", small, case, "--against", path)
    equal(verified.code, 0)
    equal(microtome("run", "-e", small, "-o", os.path.join(folder, "out"), "--precision", "int8", case).code, 0)


def test_usage(folder):
    """options that say nothing or the wrong thing: 64"""
    path = model(folder)
    refused(microtome("model", "quantize", path), 64, "name one model and give -o OUT.onnx")
    refused(quantize(folder, path), 64, "give --calibrate CASE or --input x.npy: the ranges of activations come from real data")
    refused(quantize(folder, path, "--input", "x.npy", "--method", "best"), 64, "--method best: mse, percentile or minmax is wanted")
    refused(quantize(folder, path, "--input", "x.npy", "--balance", "2"), 64, "--balance 2: auto, off or a number from 0 to 1 is wanted")
    refused(quantize(folder, path, "--calibrate", "x.tif", "--tiles", "0"), 64, "--tiles is 1 to 4096, --mpp 0 to 1000")


def test_missing(folder):
    """no card, no slide, a model that is quantised already"""
    path = model(folder, card=False)
    answer = quantize(folder, path, "--calibrate", "x.tif")
    equal(answer.code, 78)
    contains(answer.err, f"microtome model quantize: load {path}: no contract: neither {folder}/demo.card, nor config.json beside it")
    path = model(folder)
    case = slide(folder)
    equal(quantize(folder, path, "--calibrate", os.path.join(folder, "none.tif")).code, 66)
    equal(quantize(folder, path, "--calibrate", case, "--tiles", 2).code, 0)
    small = os.path.join(folder, "small.onnx")
    refused(microtome("model", "quantize", small, "-o", os.path.join(folder, "smaller.onnx"), "--calibrate", case, "--tiles", 2), 78,
            f"quantise {small}: it is quantised already: it has QuantizeLinear nodes; start from the float model")
    assert not os.path.exists(os.path.join(folder, "smaller.onnx"))


main([test_slide, test_usage, test_missing])
