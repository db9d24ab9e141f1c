"""What the tests of samples/recipes share: a recipe run on a case, what came out, what is refused; generated input.

usage of each test: test_X.py MICROTOME SYNTHETIC SOURCE PHANTOMS
"""
import csv
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import SOURCE, contains, equal, headline, microtome, read  # noqa: E402,F401

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

PHANTOMS = os.path.abspath(sys.argv[4])


def phantoms(folder, kind, *args):
    """A cohort of microtome-phantoms: its folder."""
    out = os.path.join(folder, "made", "_".join([kind, *map(str, args)]).replace("/", "_"))
    subprocess.run([PHANTOMS, kind, "-o", out, *map(str, args)], check=True, capture_output=True, timeout=300)
    return out


def table(*parts):
    with open(os.path.join(*parts), newline="") as f:
        return list(csv.DictReader(f))


def recipe_of(name, file="recipe.ini"):
    return os.path.join(SOURCE, "samples", "recipes", name, file)


def run(folder, name, *cases, file="recipe.ini", options=()):
    """The folder of results of a recipe over cases (or a manifest)."""
    out = os.path.join(folder, "out_" + os.path.splitext(file)[0] + "_" + name)
    answer = microtome("run", "-r", recipe_of(name, file), "-o", out, *options, *cases)
    equal((answer.code, answer.err if answer.code else ""), (0, ""))
    return out


def copied(folder, name, *changes):
    """A recipe's folder as its owner would copy it, with (old, new) pairs changed in recipe.ini: the copy."""
    here = os.path.join(folder, "copy_" + name)
    shutil.copytree(os.path.dirname(recipe_of(name)), here)
    text = read(here + "/recipe.ini")
    for old, new in zip(changes[::2], changes[1::2]):
        contains(text, old)
        text = text.replace(old, new, 1)
    with open(here + "/recipe.ini", "w") as f:
        f.write(text)
    return here


class Result:
    """What a result says, as Python has it."""

    def __init__(self, out, case):
        path = os.path.join(out, "cases", case + ".h5")
        line = headline(path)
        self.path, self.status, self.decision, self.score = path, line["status"], line["decision"], line["score"]
        with h5py.File(path) as f:
            self.scores, self.labels = None, None
            if "prediction/scores" in f:
                self.scores, self.labels = f["prediction/scores"][:].tolist(), text(f["prediction/scores"].attrs["labels"])
            rows = f["measurements"][:] if "measurements" in f else []
            self.measures = {r["name"].decode(): (float(r["value"]), r["unit"].decode()) for r in rows}
            self.actions = text(f["actions"][:]) if "actions" in f else []
            self.actions_ko = text(f["actions"].attrs["ko"]) if "actions" in f and "ko" in f["actions"].attrs else []
            self.objects = {k: f["objects"][k][:] for k in f["objects"]} if "objects" in f else {}
            self.map = f["map/segmentation"][:] if "map/segmentation" in f else None
            self.error = float(f["map/error"].attrs["mean"]) if "map/error" in f else None

    def unit(self, measure):
        return self.measures[measure][1]

    def __getitem__(self, measure):
        return self.measures[measure][0]


def text(values):
    return [v.decode() if isinstance(v, bytes) else str(v) for v in np.atleast_1d(values)]


def goals_of(out, recipe, *args, file="recipe.ini", code=0):
    """What `evaluate` says of the recipe's goals: {name as printed: met}."""
    answer = microtome("evaluate", out, "--goals", recipe_of(recipe, file), "--bootstrap", 200, *args)
    assert code is None or answer.code == code, answer
    goals = {}
    for line in answer.out.splitlines():
        if line.startswith("  goal "):
            name, rest = line[len("  goal "):].split(" at ", 1)
            goals[name] = rest.endswith(": met")
            assert goals[name] or rest.endswith(": NOT MET"), line
    return goals


def anomalies(folder, name, normal, sick):
    """A reference of normal cases beside a copy of the recipe: sick cases lie above nearly all of it and are read first; scores of sick, then normal."""
    without = run(folder, name, normal[0])
    first = Result(without, os.path.basename(normal[0]).split(".")[0])
    equal((first.status, first.decision, first.actions), ("embedded", "none", []))
    assert np.isnan(first["unlike"]) and first.error > 0, first.measures
    here = copied(folder, name, "task=reconstruct\n", "task=reconstruct\nreference=normal\n")
    answer = microtome("run", "-r", recipe_of(name), "-o", here + "/normal", *normal[:-3])
    equal((answer.code, answer.err if answer.code else ""), (0, ""))
    out, cases = folder + "/scored_" + name, [*sick, *normal[-3:]]
    answer = microtome("run", "-r", here + "/recipe.ini", "-o", out, *cases)
    equal((answer.code, answer.err if answer.code else ""), (0, ""))
    results = [Result(out, os.path.basename(path).split(".")[0]) for path in cases]
    for r in results:
        equal((r.status, r.labels, r.decision), ("ok", ["anomaly"], "review" if r.score >= 0.95 else "clear"))
        equal(r.actions, ["read: first" if r["unlike"] >= 0.95 else "read: in turn"])
        assert r.error > 0 and abs(r["unlike"] - r.score) < 1e-6 and r.unit("unlike") == "", (r.error, r.measures)
    with open(folder + "/anomalies.csv", "w") as f:
        f.write("id,label\n" + "".join(f"{os.path.basename(r.path)[:-3]},{'anomaly' if k < len(sick) else 'normal'}\n" for k, r in enumerate(results)))
    equal(list(goals_of(out, name, "--labels", folder + "/anomalies.csv", code=None)), ["AUROC"])
    return [r.score for r in results[:len(sick)]], [r.score for r in results[len(sick):]]


def refused(folder, wanted):
    """A table of (recipe, case, words of the reason): each case fails, alone, with its reason; nothing is published."""
    for number, (name, case, words) in enumerate(wanted):
        out = os.path.join(folder, f"refused_{number}")
        answer = microtome("run", "-r", recipe_of(*name.split("/")), "-o", out, case)
        assert answer.code == 65, (name, case, answer)
        for part in (words,) if isinstance(words, str) else words:
            assert part in answer.err, f"\n  {name} on {case}: {part!r}\n  is not in {answer.err!r}"
        equal(os.listdir(os.path.join(out, "cases")) if os.path.isdir(os.path.join(out, "cases")) else [], [])
