"""microtome plan: what it reckons is what a run then does, and what it cannot run is listed."""
import glob
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import contains, equal, headline, main, microtome, synthetic  # noqa: E402


def slides(folder):
    return synthetic(os.path.join(folder, "slides"), "--count", 3, "--size", 2048, "--blank", 1, "--seed", 5)


def plan(*args):
    return microtome("plan", "-e", "builtin:demo", *args)


def test_as_a_run(folder):
    """tiles are those of a run, bytes those of its results within a quarter; a slide without tissue counts; nothing is written"""
    cohort, out = slides(folder), os.path.join(folder, "out")
    answer = plan("--json", "--workers", 2, "-o", out, os.path.join(cohort, "manifest.csv"))
    equal((answer.code, answer.err), (0, ""))
    told = json.loads(answer.out)
    equal(os.path.exists(out), False)
    equal((told["cases"], told["failed"], told["sampled"]), (4, 0, 3))
    equal(microtome("run", "-e", "builtin:demo", "-o", out, os.path.join(cohort, "manifest.csv")).code, 0)
    results = glob.glob(os.path.join(out, "cases", "*.h5"))
    equal({c["id"]: c["tiles"] for c in told["list"]}, {headline(r)["id"]: headline(r)["tiles"] for r in results})
    written = sum(map(os.path.getsize, results))
    assert 0.75 < told["output_bytes"] / written < 1.25, (told["output_bytes"], written)
    assert told["tiles_per_second"] > 0 and told["seconds"] > 0 and told["slides_per_hour"] > 0
    assert told["peak_bytes"] > 2 * 20e6
    equal("sbatch" in told, False)


def test_hours(folder):
    """--hours: so many jobs that each has its share done in time, but never more than cases"""
    cohort = slides(folder)
    told = json.loads(plan("--json", "--hours", "1e-9", "--threads", 1, cohort).out)
    equal(told["array"], 4)
    contains(told["sbatch"], "sbatch --array=1-4 --cpus-per-task=1 --mem=")
    answer = plan("--hours", "8", "--threads", 1, cohort)
    equal(answer.code, 0)
    contains(answer.out, "sbatch --array=1-1 --cpus-per-task=1 --mem=")
    contains(answer.out, "--time=08:00:00\n")
    contains(answer.out, "4 of 4 cases can be run")


def test_refused(folder):
    """a case that cannot be opened is listed with its reason: 65; usage: 64; no such model: 66"""
    cohort = slides(folder)
    bad = os.path.join(folder, "bad.tif")
    with open(bad, "wb") as f:
        f.write(b"II*\0 nothing")
    answer = plan(cohort, bad, os.path.join(folder, "absent.svs"))
    equal(answer.code, 65)
    contains(answer.out, f"open {bad}")
    contains(answer.out, "4 of 6 cases can be run")
    contains(answer.out, "absent")
    equal(microtome("plan", "-e", "builtin:demo").code, 64)
    equal(microtome("plan", cohort).err, "microtome plan: prepare the run: no encoder is named\n")
    equal(microtome("plan", "-e", os.path.join(folder, "none.onnx"), cohort).code, 66)


main([test_as_a_run, test_hours, test_refused])
