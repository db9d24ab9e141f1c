"""model verify: figures, the card it writes, what it refuses; standard-library Python."""
import json
import os
import shutil
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
    with open(sample, "wb") as f:
        header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 8, 8), }".ljust(117) + "\n"
        f.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(4 * 3 * 64))
    answer = microtome(*verify, model, "--input", sample)
    equal(answer.code, 65)
    contains(answer.err, "the inputs are float32 1x3x8x8: float32 Nx3x224x224 is wanted")


main([test_written, test_other_model, test_refused])
