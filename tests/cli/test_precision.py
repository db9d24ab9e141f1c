"""The precision of a run: what the card allows, what the folder fixes, what results record."""
import csv
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import contains, equal, headline, main, microtome, read, synthetic  # noqa: E402

ENCODERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "encoders")


def slide(folder):
    cohort = synthetic(os.path.join(folder, "slides"), "--count", 1, "--size", 1024, "--seed", 3)
    return next(os.path.join(cohort, n) for n in sorted(os.listdir(cohort)) if n.endswith(".tif"))


def encoder(folder, *lines):
    """The demonstration encoder with a card of its own."""
    model = os.path.join(folder, "demo.onnx")
    shutil.copy(os.path.join(ENCODERS, "demo.onnx"), model)
    with open(os.path.join(folder, "demo.card"), "w") as f:
        f.write(read(os.path.join(ENCODERS, "demo.card")) + "".join(line + "\n" for line in lines))
    return model


def run(folder, model, *args, out="out"):
    return microtome("run", "-e", model, "-o", os.path.join(folder, out), *args)


def recorded(folder, out="out"):
    """Precision and status in recipe.ini, in the result's headline and in summary.csv."""
    at = os.path.join(folder, out)
    recipe = [line for line in read(os.path.join(at, "recipe.ini")).split("\n") if line.startswith("precision=")]
    case = os.path.join(at, "cases", os.listdir(os.path.join(at, "cases"))[0])
    line = headline(case)
    with open(os.path.join(at, "summary.csv"), newline="") as f:
        row = list(csv.DictReader(f))[0]
    equal(recipe, ["precision=" + line["precision"]])
    equal(row["precision"], line["precision"])
    return line["precision"], line["status"]


def test_default(folder):
    """without --precision and with auto: fp32 where the card lists nothing"""
    model, path = encoder(folder), slide(folder)
    equal(run(folder, model, path).code, 0)
    equal(recorded(folder), ("fp32", "embedded"))
    again = run(folder, model, path, "--precision", "auto")
    equal(again.code, 0)
    contains(again.err, "0 done, 1 skipped")
    equal(run(folder, model, path, "--precision", "fp32").code, 0)


def test_not_verified(folder):
    """a precision the card does not list: 64; --off-contract degrades"""
    model, path = encoder(folder), slide(folder)
    refused = run(folder, model, path, "--precision", "bf16")
    equal(refused.code, 64)
    contains(refused.err, "microtome run: prepare encoder 'demo-texture': precision bf16 is wanted and not among those verified (fp32): run "
             "microtome model verify, leave --precision out, or give --off-contract (the result is then degraded)")
    equal(run(folder, model, path, "--precision", "bf16", "--off-contract").code, 0)
    equal(recorded(folder), ("bf16", "degraded"))


def test_folder_follows(folder):
    """a verified precision is recorded; the folder keeps it: auto follows, another one is 64"""
    model, path = encoder(folder, "verified=fp32;bf16"), slide(folder)
    answer = run(folder, model, path, "--precision", "bf16")
    equal(answer.code, 0)
    equal(recorded(folder), ("bf16", "embedded"))
    again = run(folder, model, path)
    equal(again.code, 0)
    contains(again.err, "0 done, 1 skipped")
    other = run(folder, model, path, "--precision", "fp32")
    equal(other.code, 64)
    contains(other.err, "it holds results of another recipe (the folder has 'precision=bf16', this run 'precision=fp32')")


def test_recipe_key(folder):
    """[encoder] precision= in a recipe; the command line beats it"""
    encoder(folder, "verified=fp32;bf16")
    path, recipe = slide(folder), os.path.join(folder, "r.ini")
    with open(recipe, "w") as f:
        f.write("[encoder]\nmodel=demo.onnx\nprecision=bf16\n")
    equal(microtome("run", "-r", recipe, "-o", os.path.join(folder, "a"), path).code, 0)
    equal(recorded(folder, "a")[0], "bf16")
    equal(microtome("run", "-r", recipe, "-o", os.path.join(folder, "b"), "--precision", "fp32", path).code, 0)
    equal(recorded(folder, "b")[0], "fp32")


def test_refused(folder):
    """int8 of a model that is not quantised: 78; an unknown word: 64"""
    model = encoder(folder)
    answer = run(folder, model, "--precision", "int8", slide(folder))
    equal(answer.code, 78)
    contains(answer.err, "precision int8 is wanted and the model is not quantised: make one that is with microtome model quantize")
    answer = run(folder, model, "--precision", "fp16", "x.svs")
    equal(answer.code, 64)
    contains(answer.err, "microtome run: --precision fp16: fp32, bf16, int8 or auto is wanted")


main([test_default, test_not_verified, test_folder_follows, test_recipe_key, test_refused])
