"""What goes into a batch: folders, patterns, the manifest's columns, the order, a scanner's drop folder, control cases."""
import csv
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import PROGRAM, SOURCE, contains, equal, main, microtome, read, synthetic  # noqa: E402

RECIPE = os.path.join(SOURCE, "samples", "demo.ini")


def slides(folder, count, size=512):
    return synthetic(os.path.join(folder, "slides"), "--count", count, "--size", size, "--seed", 5)


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return path


def summary(out):
    with open(os.path.join(out, "summary.csv"), newline="") as f:
        return {r["id"]: r for r in csv.DictReader(f)}


def started(out):
    """ids in the order in which the last run began them"""
    log = sorted(glob.glob(os.path.join(out, "runs", "*.jsonl")), key=os.path.getmtime)[-1]
    events = [json.loads(line) for line in read(log).splitlines()]
    return [e["id"] for e in events if e["event"] == "started"]


def test_folder_and_pattern(folder):
    """a folder and a quoted pattern are their slides; the rest is named in a warning, equal names are refused"""
    cohort, out = slides(folder, 2), os.path.join(folder, "out")
    write(os.path.join(cohort, "notes.txt"), "x")
    answer = microtome("run", "-e", "builtin:demo", "-o", out, cohort)
    equal(answer.code, 0)
    contains(answer.err, "2 done, 0 skipped, 0 failed")
    contains(answer.err, "notes.txt (an ending that no backend takes)")
    contains(answer.err, "manifest.csv (a table: name it itself where it is a manifest)")
    answer = microtome("run", "-e", "builtin:demo", "-o", out, os.path.join(cohort, "*.tif"))
    equal(answer.code, 0)
    contains(answer.err, "0 done, 2 skipped, 0 failed")
    answer = microtome("run", "-e", "builtin:demo", "-o", out, os.path.join(cohort, "*.svs"))
    equal((answer.code, answer.err), (66, f"microtome run: name the cases: no file matches '{cohort}/*.svs'\n"))
    answer = microtome("run", "-e", "builtin:demo", "-o", out, cohort, os.path.join(cohort, "slide-001.tif"))
    equal(answer.code, 64)
    contains(answer.err, "would both be case 'slide-001'")
    os.mkdir(os.path.join(folder, "empty"))
    answer = microtome("run", "-e", "builtin:demo", "-o", out, os.path.join(folder, "empty"))
    equal(answer.code, 66)
    contains(answer.err, "holds no file that microtome reads (0 others)")


def test_manifest(folder):
    """the order is the manifest's; its columns are kept; a cell or a recipe that does not fit stops the run before it starts"""
    cohort, out = slides(folder, 4), os.path.join(folder, "out")
    names = sorted(n for n in os.listdir(cohort) if n.endswith(".tif"))
    rows = ["path,id,priority,due,recipe,accession,ward"]
    for name, cells in zip(names, ("a,,,,A-1,north", "b,high,,demo,A-2,", "c,,2026-11-23,demo.ini,A-3,", "d,urgent,,,A-4,")):
        rows.append(f"{name},{cells}")
    manifest = write(os.path.join(cohort, "night.csv"), "\n".join(rows) + "\n")
    answer = microtome("run", "-r", RECIPE, "-o", out, manifest)
    equal(answer.code, 0)
    equal(started(out), ["d", "c", "b", "a"])
    equal(summary(out)["a"]["ward"], "north")
    equal(summary(out)["d"]["accession"], "A-4")
    answer = microtome("run", "-e", "builtin:demo", "-o", os.path.join(folder, "other"), manifest)
    equal(answer.code, 64)
    contains(answer.err, "its column recipe means another recipe than this run without -r for 2 cases: 'b' (demo), 'c' (demo.ini): ")
    equal(os.path.exists(os.path.join(folder, "other")), False)
    bad = write(os.path.join(cohort, "bad.csv"), f"path,priority\n{names[0]},soon\n")
    answer = microtome("run", "-r", RECIPE, "-o", out, bad)
    equal((answer.code, answer.err),
          (64, f"microtome run: read manifest {bad}: row 2: priority 'soon' is none: a number (the larger, the earlier), urgent, high, "
               "routine or low is wanted\n"))


def check_withheld_elsewhere(folder, out):
    """What is made from results asks too: no evidence is drawn, no other head scores, what is found is marked."""
    why = "control case 'ctl' has to give 2..3: its score is "
    result, maps = os.path.join(out, "cases", "case.h5"), os.path.join(folder, "maps")
    answer = microtome("heatmap", result, "-o", maps)
    equal((answer.code, os.listdir(maps)), (65, []))
    contains(answer.err, f"draw {result}: its score is withheld: {why}")
    contains(answer.err, ": --scale percentile draws ranks within the case\n")
    answer = microtome("heatmap", result, "-o", maps, "--scale", "percentile")
    equal((answer.code, os.listdir(maps)), (0, ["case.png"]))
    contains(answer.err, f"warning: {result}: the score of this case is withheld: {why}")
    answer = microtome("aggregate", result, "-m", "mean", "-o", os.path.join(folder, "scored"))
    equal(answer.code, 65)
    contains(json.loads(read(os.path.join(folder, "scored", "failed", "case.json")))["reason"], f"its scores are withheld: {why}")
    answer = microtome("search", out, "--case", "case")
    contains(answer.err, f"warning: 2 of these are of cases whose scores are withheld: {why}")
    contains(answer.out, "ctl  WITHHELD\n")
    contains(json.loads(microtome("search", out, "--case", "case", "--json").out)["hits"][0]["withheld"], why)


def test_control(folder):
    """a control case that is not as expected: scores withheld everywhere, 65; given again once it passes"""
    cohort, out = slides(folder, 2), os.path.join(folder, "out")

    def night(expected):
        return write(os.path.join(cohort, "night.csv"), f"path,id,control,patient\nslide-001.tif,case,,p1\nslide-002.tif,ctl,{expected},\n")

    answer = microtome("run", "-r", RECIPE, "-o", out, night("2..3"))
    equal(answer.code, 65)
    contains(answer.err, "control case 'ctl' has to give 2..3: its score is ")
    contains(answer.err, "The scores made since this run began are withheld")
    equal(started(out), ["ctl", "case"])
    row = summary(out)["case"]
    equal((row["status"], row["decision"], row["score"]), ("withheld", "none", ""))
    contains(row["error"], "control case 'ctl' has to give 2..3")
    equal([v for k, v in row.items() if k.startswith("score_") and v], [])
    told = json.loads(microtome("status", "--json", out).out)
    equal({c["status"] for c in told["cases"]}, {"withheld"})
    contains(read(os.path.join(out, "report.html")), "has to give 2..3: its score is ")
    equal(os.path.exists(os.path.join(out, "patients", "p1.h5")), False)
    labels = write(os.path.join(folder, "labels.csv"), "id,label\ncase,normal\nctl,tumour\n")
    contains(microtome("evaluate", out, "--labels", labels).err, "score")
    answer = microtome("train", out, "--labels", labels, "--positive", "tumour", "--model", "mean", "-o", os.path.join(folder, "head.safetensors"))
    equal((answer.code, answer.err),
          (65, f"microtome train: labels {labels}: 2 cases are withheld in {out}/cases by a control case that was not as expected: case, ctl: "
               "run the night again once the control passes, or leave them out with --allow-missing\n"))
    check_withheld_elsewhere(folder, out)
    told = json.loads(microtome("run", "-r", RECIPE, "-o", out, "--json", night("2..3")).out)
    equal({(c["status"], c["score"]) for c in told["cases"]}, {("withheld", None)})
    answer = microtome("run", "-r", RECIPE, "-o", out, night("0..1"))
    equal(answer.code, 0)
    row = summary(out)["case"]
    assert row["status"] in ("ok", "degraded") and row["score"] != "", row
    equal("has to give" in read(os.path.join(out, "report.html")), False)
    equal(os.listdir(os.path.join(out, "withheld")), [])


def test_control_fails(folder):
    """a control case that cannot be read withholds the scores too"""
    cohort, out = slides(folder, 1), os.path.join(folder, "out")
    write(os.path.join(cohort, "bad.svs"), "no slide")
    manifest = write(os.path.join(cohort, "night.csv"), "path,control\nslide-001.tif,\nbad.svs,0..1\n")
    answer = microtome("run", "-r", RECIPE, "-o", out, manifest)
    equal(answer.code, 65)
    contains(answer.err, "control case 'bad' has to give 0..1: it failed")
    equal(summary(out)["slide-001"]["status"], "withheld")


def wait_for(what, process):
    deadline = time.monotonic() + 120
    while not what():
        assert process.poll() is None and time.monotonic() < deadline, f"exit {process.poll()}"
        time.sleep(0.05)


def test_watch(folder):
    """a drop folder: a slide is taken when it has stopped growing, a bad one recorded and tried again when it changes"""
    cohort, drop, out = slides(folder, 2), os.path.join(folder, "drop"), os.path.join(folder, "out")
    os.mkdir(drop)
    first, second = (os.path.join(cohort, f"slide-00{k}.tif") for k in (1, 2))

    def result(name):
        return os.path.join(out, "cases", name + ".h5")

    log = open(os.path.join(folder, "log"), "w+")
    process = subprocess.Popen([PROGRAM, "run", "-e", "builtin:demo", "-o", out, "--watch", drop, "--settle", "0.6"], stderr=log,
                               stdout=subprocess.DEVNULL)
    try:
        whole = read(first, "rb")
        for share in (0.3, 0.6, 1):  # a scanner that is not done yet
            with open(os.path.join(drop, "a.tif"), "wb") as f:
                f.write(whole[:int(len(whole) * share)])
            time.sleep(0.3)
        write(os.path.join(drop, "b.tif"), "no slide")
        wait_for(lambda: os.path.exists(result("a")), process)
        failed = os.path.join(out, "failed", "b.json")
        wait_for(lambda: os.path.exists(failed), process)
        wait_for(lambda: os.path.exists(os.path.join(out, "summary.csv")) and len(summary(out)) == 2, process)
        shutil.copy(second, os.path.join(drop, "b.tif"))
        wait_for(lambda: os.path.exists(result("b")) and not os.path.exists(failed), process)
        wait_for(lambda: summary(out)["b"]["status"] == "embedded", process)
        process.send_signal(signal.SIGTERM)
        equal(process.wait(60), 75)
    finally:
        process.kill()
        process.wait()
    log.seek(0)
    text = log.read()
    equal(text.count("a: started"), 1)
    contains(text, "2 done, 0 skipped, 1 failed, stopped")
    equal({r["status"] for r in summary(out).values()}, {"embedded"})
    answer = microtome("run", "-e", "builtin:demo", "-o", out, "--watch", os.path.join(folder, "none"))
    equal(answer.code, 66)
    contains(answer.err, f"watch {folder}/none: there is no such folder")


def test_watch_that_hangs(folder):
    """a drop folder that does not answer: the cases at hand are done, the beat goes on, a signal stops the run"""
    cohort, drop, out = slides(folder, 1), os.path.join(folder, "drop"), os.path.join(folder, "out")
    os.makedirs(os.path.join(drop, "slide"))
    write(os.path.join(drop, "slide.mrxs"), "x")
    os.mkfifo(os.path.join(drop, "slide", "Slidedat.ini"))  # who opens it waits for ever, as on a share that is away
    process = subprocess.Popen([PROGRAM, "run", "-e", "builtin:demo", "-o", out, "--watch", drop, "--settle", "0.6", "--lease", "1",
                                os.path.join(cohort, "slide-001.tif")], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def beat():
        names = [n for n in os.listdir(os.path.join(out, "claims")) if n.endswith(".beat")]
        return read(os.path.join(out, "claims", names[0]))
    try:
        wait_for(lambda: os.path.exists(os.path.join(out, "cases", "slide-001.h5")), process)
        first = beat()
        wait_for(lambda: beat() != first, process)
        process.send_signal(signal.SIGTERM)
        equal(process.wait(60), 75)
    finally:
        process.kill()
        process.wait()


def test_stopped_json(folder):
    """run --json after a stop: what was not run is pending, not failed"""
    cohort, out = slides(folder, 2), os.path.join(folder, "out")
    write(os.path.join(cohort, "bad.svs"), "no slide")
    manifest = write(os.path.join(cohort, "m.csv"), "path\nbad.svs\nslide-001.tif\nslide-002.tif\n")
    equal(microtome("run", "-e", "builtin:demo", "-o", out, write(os.path.join(cohort, "b.csv"), "path\nbad.svs\n")).code, 65)
    answer = microtome("run", "-e", "builtin:demo", "-o", out, "--json", "--workers", 1, "--on-fail", "kill -TERM $PPID", manifest)
    states = {c["id"]: c["status"] for c in json.loads(answer.out)["cases"]}
    equal((answer.code, states["bad"], states["slide-002"]), (75, "failed", "pending"))


main([test_folder_and_pattern, test_manifest, test_control, test_control_fails, test_watch, test_watch_that_hangs, test_stopped_json])
