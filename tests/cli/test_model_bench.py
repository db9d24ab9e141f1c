"""`model bench` and `model run --verbose`: what is measured, what is said about layers, what is refused."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import contains, equal, main, microtome  # noqa: E402

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "encoders", "demo.onnx")


def bench(*args):
    return microtome("model", "bench", "--batch", 2, "--threads", 2, "--seconds", 0.05, *args, MODEL)


def test_text(folder):
    """one line of speed, one of loading; tables with --profile"""
    plain, profile = bench(), bench("--profile")
    equal((plain.code, plain.err), (0, ""))
    lines = plain.out.split("\n")
    contains(lines[0], "items/s")
    contains(lines[0], "(batch 2, 2 threads")
    contains(lines[1], "loaded in ")
    equal(len(lines), 3)
    headings = [line.split() for line in profile.out.split("\n") if line.split()[:1] == ["ms"]]
    equal(headings, [["ms", "share", "GFLOP/s", "operator", "implementation", "node"],
                     ["ms", "share", "GFLOP/s", "steps", "operator"], ["ms", "share", "GFLOP/s", "steps", "implementation"]])


def test_json(folder):
    """the sums of operators and implementations are those of the steps, sorted by time"""
    answer = json.loads(bench("--profile", "--json").out)
    equal((answer["batch"], answer["threads"], answer["precision"]), (2, 2, "fp32"))
    for key in "items_per_second", "gflops", "peak_rss_mb", "seconds", "items":
        equal(answer[key] > 0, True)
    equal(answer["share_of_peak"] is None or 0 < answer["share_of_peak"], True)
    load = answer["load"]
    equal(load["seconds"] >= load["import_seconds"] + load["sessions_seconds"], True)
    steps = answer["steps"]
    seconds = [step["seconds"] for step in steps]
    equal(seconds, sorted(seconds, reverse=True))
    for key, name in ("operators", "operator"), ("implementations", "implementation"):
        for row in answer[key]:
            own = [step["seconds"] for step in steps if step[name] == row["name"]]
            equal(len(own), row["steps"])
            equal(abs(sum(own) - row["seconds"]) < 1e-6, True)
        equal(sum(row["steps"] for row in answer[key]), len(steps))
    equal("steps" in json.loads(bench("--json").out), False)


def test_verbose(folder):
    """--verbose lists implementations in the order of execution, on stderr"""
    answer = bench("--verbose")
    equal(answer.code, 0)
    equal(answer.err.split("\n")[0].split(), ["operator", "implementation", "node"])
    contains(answer.out, "items/s")
    equal("operator" in answer.out, False)


def test_refusals(folder):
    """what cannot be measured is refused"""
    equal(microtome("model", "bench", "--batch", 0, MODEL).code, 64)
    equal(microtome("model", "bench", "--seconds", 0, MODEL).code, 64)
    for size in "96", "96x", "0x96", "8x8x8x8":
        answer = microtome("model", "bench", "--size", size, MODEL)
        equal(answer.code, 64)
        contains(answer.err, "--size is WxH or WxHxD, each 1 to 4096")
    missing = microtome("model", "bench", os.path.join(folder, "none.onnx"))
    equal(missing.code, 66)
    contains(missing.err, "none.onnx: No such file or directory")
    quantised = bench("--precision", "int8")
    equal(quantised.code, 78)
    contains(quantised.err, "the model has no QuantizeLinear nodes")


if __name__ == "__main__":
    main([test_text, test_json, test_verbose, test_refusals])
