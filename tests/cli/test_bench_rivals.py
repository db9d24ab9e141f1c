"""tools/bench_rivals.py with two programs that only pretend: order of the pairs, medians, files, failures."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import contains, equal, main, read  # noqa: E402

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "bench_rivals.py")

# Both append their model to a log and answer with the next of five speeds.
PRETENDER = """#!{python}
import json, os, sys
log = os.path.join({folder!r}, "log")
model = [a for a in sys.argv if a.endswith(".onnx")][0]
if not os.path.exists(model):
    sys.exit("{name}: no " + os.path.basename(model))
with open(log, "a") as f:
    f.write("{name} " + os.path.basename(model) + "\\n")
n = open(log).read().count("{name} ")
print(json.dumps(dict(items_per_second={speeds}[(n - 1) % 5], gflops=100, share_of_peak=0.5, peak_rss_mb=10 * n, load_seconds=1,
                      load=dict(seconds=2))))
"""


def pretend(folder, name, speeds):
    path = os.path.join(folder, name)
    with open(path, "w") as f:
        f.write(PRETENDER.format(python=sys.executable, folder=folder, name=name, speeds=speeds))
    os.chmod(path, 0o755)
    return path


def rivals(folder, *args):
    node, own = pretend(folder, "rival", [10, 10, 20, 10, 10]), pretend(folder, "own", [20, 30, 20, 50, 10])
    done = subprocess.run([sys.executable, SCRIPT, "--node", node, "--microtome", own, "--batch", "4", "--threads", "2", *args],
                          capture_output=True, text=True, check=False)
    return done


def model(folder, name="m.onnx"):
    path = os.path.join(folder, name)
    with open(path, "w"):
        return path


def test_pairs(folder):
    """pairs alternate who is first; medians of speeds and of the ratios of pairs"""
    done = rivals(folder, "--json", model(folder))
    equal(done.returncode, 0)
    order = [line.split()[0] for line in read(os.path.join(folder, "log")).strip().split("\n")]
    equal(order, ["rival", "own", "own", "rival"] * 2 + ["rival", "own"])
    answer = json.loads(done.stdout)
    row = answer["rows"][0]
    equal(answer["settings"], {"batch": 4, "threads": 2, "seconds": 5, "pairs": 5})
    equal((row["rival_items_per_second"], row["items_per_second"], row["ratio"]), (10, 20, 2))
    equal(row["ratios"], [2, 3, 1, 5, 1])
    equal((row["model"], row["precision"], row["rival"], row["load_seconds"]), ("m.onnx", "fp32", "ORT fp32", 2))


def test_int8(folder):
    """int8 runs the quantised file against the float one and against itself"""
    model(folder, "m-int8.onnx")
    done = rivals(folder, "--precision", "int8", "--pairs", "1", model(folder))
    equal(done.returncode, 0)
    equal(read(os.path.join(folder, "log")).split("\n")[:4], ["rival m.onnx", "own m-int8.onnx", "rival m-int8.onnx", "own m-int8.onnx"])
    lines = done.stdout.strip().split("\n")
    equal([line.split()[:4] for line in lines[1:]], [["m.onnx", "int8", "ORT", "fp32"], ["m.onnx", "int8", "ORT", "int8"]])


def test_failures(folder):
    """what cannot be measured is said, the rest is measured, and the code is 1"""
    done = rivals(folder, "--json", "--pairs", "1", os.path.join(folder, "none.onnx"), model(folder))
    equal(done.returncode, 1)
    answer = json.loads(done.stdout)
    equal([r["model"] for r in answer["rows"]], ["m.onnx"])
    equal(answer["failures"][0]["error"], "rival: no none.onnx")
    contains(done.stderr, "not measured: rival: no none.onnx")


def test_usage(folder):
    """options that make no sense are refused"""
    for args in ("--precision", "fp16"), ("--pairs", "0"), ("--seconds", "0"):
        equal(rivals(folder, *args, model(folder)).returncode, 2)


if __name__ == "__main__":
    main([test_pairs, test_int8, test_failures, test_usage])
