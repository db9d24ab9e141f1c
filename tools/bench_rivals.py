#!/usr/bin/env python3
"""Runs ONNX Runtime and microtome on the same models in alternating pairs and prints medians.

    npm install --ignore-scripts onnxruntime-node          # once, in any folder; --modules names its node_modules
    tools/bench_rivals.py --microtome build/tools/microtome --modules ~/ort/node_modules resnet50.onnx vit_b_16.onnx

A machine that does other things beside gives speeds that jump; the ratio of two runs that follow one another jumps less.  So
each pair is ONNX Runtime and microtome back to back, first one first, then the other, and what counts is the median of the
pairs' ratios.  docs/benchmarks.md says what is compared with what.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PRECISIONS = ("fp32", "bf16", "int8")


class Failed(Exception):
    """One measurement could not be made; the message says why."""


def answer_of(command, env=None):
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().split("\n")[-1]
        raise Failed(said or f"{command[0]} ended with code {done.returncode}")
    return json.loads(done.stdout)


def run_ort(options, model):
    env = dict(os.environ)
    if options.modules:
        env["NODE_PATH"] = options.modules
    return answer_of([options.node, os.path.join(HERE, "bench_ort.js"), model, str(options.batch), str(options.threads),
                      str(options.seconds)], env)


def run_microtome(options, model, precision):
    return answer_of([options.microtome, "model", "bench", "--json", "--batch", str(options.batch), "--threads", str(options.threads),
                      "--seconds", str(options.seconds), "--precision", precision, model])


def int8_file(model):
    """The quantised file that belongs to a float one."""
    stem, extension = os.path.splitext(model)
    return f"{stem}-int8{extension}"


def measure_pairs(options, rival_model, model, precision, note):
    """Alternating pairs: even ones begin with the rival, odd ones with microtome."""
    pairs = []
    for i in range(options.pairs):
        answers = {}
        for who in ("rival", "own") if i % 2 == 0 else ("own", "rival"):
            answers[who] = run_ort(options, rival_model) if who == "rival" else run_microtome(options, model, precision)
        pairs.append((answers["rival"], answers["own"]))
        note(f"  pair {i + 1}: {answers['rival']['items_per_second']:.2f} and {answers['own']['items_per_second']:.2f} items/s")
    return pairs


def median_of(answers, key):
    values = [a[key] for a in answers if a.get(key) is not None]
    return statistics.median(values) if values else None


def summarise(model, precision, rival, pairs):
    rivals, own = [p[0] for p in pairs], [p[1] for p in pairs]
    return {
        "model": os.path.basename(model),
        "precision": precision,
        "rival": rival,
        "rival_items_per_second": median_of(rivals, "items_per_second"),
        "items_per_second": median_of(own, "items_per_second"),
        "ratio": statistics.median(o["items_per_second"] / r["items_per_second"] for r, o in pairs),
        "ratios": [o["items_per_second"] / r["items_per_second"] for r, o in pairs],
        "gflops": median_of(own, "gflops"),
        "share_of_peak": median_of(own, "share_of_peak"),
        "rival_peak_rss_mb": median_of(rivals, "peak_rss_mb"),
        "peak_rss_mb": median_of(own, "peak_rss_mb"),
        "rival_load_seconds": median_of(rivals, "load_seconds"),
        "load_seconds": statistics.median(o["load"]["seconds"] for o in own),
    }


def comparisons(model, precision):
    """(what the rival is, its file, our file): float32 of the float file always, int8 of the quantised one beside it."""
    if precision != "int8":
        return [("ORT fp32", model, model)]
    return [("ORT fp32", model, int8_file(model)), ("ORT int8", int8_file(model), int8_file(model))]


def compare(options, note):
    rows, failures = [], []
    for model in options.models:
        for precision in options.precision:
            for rival, rival_model, own_model in comparisons(model, precision):
                note(f"{os.path.basename(model)} {precision} against {rival}")
                try:
                    pairs = measure_pairs(options, rival_model, own_model, precision, note)
                except Failed as failure:
                    failures.append({"model": model, "precision": precision, "rival": rival, "error": str(failure)})
                    note(f"  not measured: {failure}")
                    continue
                rows.append(summarise(model, precision, rival, pairs))
    return rows, failures


def shown(value, form):
    return "-" if value is None else format(value, form)


def print_table(rows, out=sys.stdout):
    heads = ("model", "precision", "rival", "rival items/s", "items/s", "ratio", "GFLOP/s", "of peak", "rival MB", "MB", "rival load s",
             "load s")
    lines = [(r["model"], r["precision"], r["rival"], shown(r["rival_items_per_second"], ".2f"), shown(r["items_per_second"], ".2f"),
              shown(r["ratio"], ".2f"), shown(r["gflops"], ".1f"), shown(r["share_of_peak"], ".0%"), shown(r["rival_peak_rss_mb"], ".0f"),
              shown(r["peak_rss_mb"], ".0f"), shown(r["rival_load_seconds"], ".2f"), shown(r["load_seconds"], ".2f")) for r in rows]
    widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads))]
    for line in [heads, *lines]:
        cells = [c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))]
        print("  ".join(cells).rstrip(), file=out)


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+", metavar="MODEL.onnx")
    parser.add_argument("--precision", default="fp32", help="comma-separated: fp32, bf16, int8 (default fp32)")
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement (default 5)")
    parser.add_argument("--pairs", type=int, default=5, help="default 5")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: the CPUs")
    parser.add_argument("--batch", type=int, default=16, help="default 16")
    parser.add_argument("--microtome", default="microtome", help="the program (default: from PATH)")
    parser.add_argument("--node", default="node", help="the program (default: from PATH)")
    parser.add_argument("--modules", default=os.environ.get("NODE_PATH"), help="node_modules with onnxruntime-node (default: NODE_PATH)")
    parser.add_argument("--json", action="store_true", help="machine output")
    options = parser.parse_args(arguments)
    options.precision = options.precision.split(",")
    if not set(options.precision) <= set(PRECISIONS):
        parser.error(f"--precision: {', '.join(PRECISIONS)} are known")
    if options.pairs < 1 or options.batch < 1 or options.threads < 1 or not options.seconds > 0:
        parser.error("--pairs, --batch, --threads and --seconds are positive")
    return options


def main():
    options = parse(sys.argv[1:])
    rows, failures = compare(options, lambda text: print(text, file=sys.stderr, flush=True))
    if options.json:
        settings = {k: getattr(options, k) for k in ("batch", "threads", "seconds", "pairs")}
        print(json.dumps({"settings": settings, "rows": rows, "failures": failures}, indent=2))
    elif rows:
        print_table(rows)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
