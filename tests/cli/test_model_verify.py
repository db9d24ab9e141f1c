"""model verify: figures, the card it writes, what it refuses; model info and its --check."""
import json
import os
import random
import shutil
import struct
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import contains, equal, main, microtome, read, synthetic  # noqa: E402

ENCODERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "encoders")


def slide(folder):
    cohort = synthetic(os.path.join(folder, "slides"), "--count", 1, "--size", 1024, "--seed", 3)
    return next(os.path.join(cohort, n) for n in sorted(os.listdir(cohort)) if n.endswith(".tif"))


def encoder(folder, name="demo"):
    model = os.path.join(folder, name + ".onnx")
    shutil.copy(os.path.join(ENCODERS, "demo.onnx"), model)
    shutil.copy(os.path.join(ENCODERS, "demo.card"), os.path.join(folder, name + ".card"))
    return model


def test_written(folder):
    """bf16 of real tiles: figures, and a card that keeps what it said; run may then use it"""
    model, path = encoder(folder), slide(folder)
    before = read(os.path.join(folder, "demo.card"))
    answer = microtome("model", "verify", "--json", "--tiles", 4, model, path)
    told = json.loads(answer.out)
    result = told["results"][0]
    equal((result["precision"], result["tiles"], result["limit"]), ("bf16", 4, 0.9995))
    assert -1 <= result["min_cosine"] <= result["mean_cosine"] <= 1, result
    equal(result["holds"], result["min_cosine"] >= 0.9995)
    after = read(os.path.join(folder, "demo.card"))
    if not result["holds"]:
        equal((answer.code, told["card"], after), (78, None, before))
        contains(answer.err, "microtome model verify: bf16 does not hold: ")
        return
    equal((answer.code, told["card"]), (0, os.path.join(folder, "demo.card")))
    equal("".join(line + "\n" for line in after.rstrip("\n").split("\n") if not line.startswith("verified")), before)
    contains(after, "\nverified=fp32;bf16\nverified_cosine_bf16=")
    contains(after, "\nverified_sha256=" + told["sha256"])
    contains(answer.err, "warning: 4 tiles say little: name more cases, or give --overlap")
    equal(microtome("run", "-e", model, "-o", os.path.join(folder, "out"), "--precision", "bf16", path).code, 0)


def test_other_model(folder):
    """a list that was written for another model file does not count"""
    model = encoder(folder)
    with open(os.path.join(folder, "demo.card"), "a") as f:
        f.write("verified=fp32;bf16\nverified_sha256=" + "0" * 64 + "\n")
    answer = microtome("run", "-e", model, "-o", os.path.join(folder, "out"), "--precision", "bf16", slide(folder))
    equal(answer.code, 64)
    contains(answer.err, "precision bf16 is wanted and not among those verified (fp32)")


def write_npy(path, shape, values):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple(shape)}, }}".ljust(117) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + struct.pack(f"<{len(values)}f", *values))


def read_npy(path):
    raw = read(path, "rb")
    at = 10 + int.from_bytes(raw[8:10], "little")
    return list(struct.unpack(f"<{(len(raw) - at) // 4}f", raw[at:]))


def refused(answer, code, message):
    equal((answer.code, answer.err.split("\n")[0]), (code, "microtome model verify: " + message))


def test_refused(folder):
    """usage, int8 of a float model, contracts that differ, inputs of another shape"""
    model, other = encoder(folder), encoder(folder, "other")
    card = os.path.join(folder, "other.card")
    text = read(card)
    with open(card, "w") as f:
        f.write(text.replace("interpolation=bilinear", "interpolation=bicubic") if "interpolation" in text else text + "interpolation=bicubic\n")
    verify = ["model", "verify"]
    refused(microtome(*verify), 64, "name one model, then cases or --input x.npy")
    refused(microtome(*verify, model), 64, "name cases to take tiles from, or give --input x.npy, and not both")
    refused(microtome(*verify, model, "--tiles", 0, "x.svs"), 64, "--tiles is 1 or more, --overlap 0 to 0.99, --mpp 0 to 1000")
    refused(microtome(*verify, model, "--precision", "fp32", "x.svs"), 64,
            "--precision fp32: a list of bf16 and int8 is wanted; fp32 is what they are compared with")
    refused(microtome(*verify, model, "--precision", "int8", "x.svs"), 78,
            "verify int8: the model is not quantised: make one that is with microtome model quantize")
    refused(microtome(*verify, model, "--against", other, "x.svs"), 78,
            f"compare {model} with {other}: one has interpolation=bilinear, the other interpolation=bicubic")
    equal(microtome(*verify, model, "x.svs").code, 66)
    equal(microtome(*verify, model, "--input", "x.npy").code, 66)
    sample = os.path.join(folder, "x.npy")
    write_npy(sample, (1, 3, 8, 8), [0.0] * 192)
    answer = microtome(*verify, model, "--input", sample)
    equal(answer.code, 65)
    contains(answer.err, "the inputs are float32 1x3x8x8: float32 Nx3x224x224 is wanted")


def check_vectors(folder, model):
    """Two noisy pictures, and their features by the plain loops that define right."""
    stem, rng = model[:-len(".onnx")] + ".check", random.Random(5)
    write_npy(stem + ".input.npy", (2, 3, 224, 224), [rng.random() for _ in range(2 * 3 * 224 * 224)])
    out = os.path.join(folder, "features")
    equal(microtome("model", "run", model, "--reference", "--input", stem + ".input.npy", "-o", out).code, 0)
    shutil.copy(os.path.join(out, "features.npy"), stem + ".output.npy")
    return stem


def test_check(folder):
    """info --check: passes on the exporter's features, 78 with both figures on others"""
    model = encoder(folder)
    answer = microtome("model", "info", "--check", model)
    equal(answer.code, 66)
    contains(answer.err, f"microtome model info: check the model: read {folder}/demo.check.input.npy: ")
    stem = check_vectors(folder, model)
    answer = microtome("model", "info", "--check", model)
    equal(answer.code, 0)
    contains(answer.out, "2 items, smallest cosine 1.0000000, relative error ")
    contains(answer.out, ": as exported")
    told = json.loads(microtome("model", "info", "--check", "--json", model, stem + ".input.npy").out)
    equal((told["items"], told["passes"]), (2, True))
    values = read_npy(stem + ".output.npy")
    write_npy(stem + ".output.npy", (2, len(values) // 2), [1.001 * v for v in values])  # the cosine does not see this
    answer = microtome("model", "info", "--check", model)
    equal(answer.code, 78)
    contains(answer.out, "relative error 9.99e-04: NOT as exported")
    contains(answer.err, f"microtome model info: check {model}: the features are not those that were exported: cosine 1.0000000 (0.99999 is "
             "wanted), relative error 9.99e-04 (0.0001)")
    answer = microtome("model", "info", "--check", model, "x.npy")
    equal(answer.code, 64)
    contains(answer.err, "--check x.npy: X.input.npy is wanted, with the features in X.output.npy beside it")


def test_input(folder):
    """verify --input: arrays in place of cases"""
    model = encoder(folder)
    stem = check_vectors(folder, model)
    told = json.loads(microtome("model", "verify", "--json", "--input", stem + ".input.npy", model).out)
    equal([(r["precision"], r["tiles"]) for r in told["results"]], [("bf16", 2)])


def test_info(folder):
    """info: work, contract in plain words, precisions; a model without a card is no encoder"""
    model = encoder(folder)
    with open(os.path.join(folder, "demo.card"), "a") as f:
        f.write("verified=fp32;bf16\nverified_cosine_bf16=0.9998\n")
    out = microtome("model", "info", model).out
    for line in ("  quantised  no\n", "  reads      tiles of 224 px at 0.5 µm/px (bilinear)\n", "  work       0.0515 GFLOP an item\n",
                 "  pixels     RGB, 8-bit values over 255; minus 0, 0, 0, over 1, 1, 1\n", "  feature    93 numbers, as the graph gives it\n",
                 "  verified   fp32, bf16 (cosine 0.9998)\n"):
        contains(out, line)
    told = json.loads(microtome("model", "info", "--json", model).out)
    equal((told["quantized"], told["encoder"]["verified"], told["encoder"]["card"]["mpp"]), (False, ["fp32", "bf16"], "0.5"))
    os.unlink(os.path.join(folder, "demo.card"))
    answer = microtome("model", "info", model)
    equal(answer.code, 0)
    contains(answer.out, f"  encoder    no: load {model}: no contract: ")
    answer = microtome("model", "info", "--check", model)
    equal(answer.code, 78)
    contains(answer.err, f"microtome model info: load {model}: no contract: ")


main([test_written, test_other_model, test_refused, test_check, test_input, test_info])
