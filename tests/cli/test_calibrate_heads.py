"""calibrate on folders of results, grades, survival and ensembles: temperatures and weights held against SciPy."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import Skip, contains, equal, main, microtome, read, write_abmil  # noqa: E402

try:
    import h5py
    import numpy as np
    from scipy.optimize import minimize, minimize_scalar
except ImportError as missing:
    h5py, WHY = None, f"{missing.name} is not installed"

DIM, CASES = 8, 120


def sigmoid(z):
    return 1 / (1 + np.exp(-np.asarray(z, float)))


def features(folder, seed=3):
    if h5py is None:
        raise Skip(WHY)
    rng, out = np.random.default_rng(seed), os.path.join(folder, "features")
    os.makedirs(out)
    for i in range(CASES):
        with h5py.File(os.path.join(out, f"c{i:03}.h5"), "w") as f:
            f["features"] = (rng.normal(size=(3, DIM)) * 4).astype("f4")
    return out


def score(folder, head, cases, name):
    """The folder of results, and what it holds of each case."""
    out = os.path.join(folder, name)
    answer = microtome("aggregate", "-m", head, "-o", out, cases)
    equal(answer.code, 0)
    found = {}
    for i in range(CASES):
        with h5py.File(os.path.join(out, "cases", f"c{i:03}.h5")) as f:
            p = f["prediction"]
            found[f"c{i:03}"] = (p["logits"][:].astype(float), p["scores"][:].astype(float), p["members"][:].astype(float) if "members" in p else None)
    return out, found


def write_labels(path, header, rows):
    with open(path, "w") as f:
        f.write(header + "\n")
        f.writelines(",".join(map(str, row)) + "\n" for row in rows)
    return path


def keys(path):
    return dict(line.split("=", 1) for line in read(path).splitlines() if "=" in line)


def bce(z, target):
    return np.sum(np.logaddexp(0, z) - target * z)


def best(loss):
    return 1 / np.exp(minimize_scalar(lambda b: loss(np.exp(b)), bounds=(-3.9, 3.9), method="bounded", options={"xatol": 1e-12}).x)


def near(a, b, bound):
    assert abs(a - b) <= bound * max(1, abs(b)), (a, b)


def test_folder(folder):
    """a folder of results: temperature, threshold and the scores that the next run gives"""
    cases, rng = features(folder), np.random.default_rng(1)
    head, card = os.path.join(folder, "H.safetensors"), os.path.join(folder, "H.card")
    write_abmil(head, DIM, metadata={"labels": "normal;tumour", "positive": "tumour"})
    out, found = score(folder, head, cases, "out")
    odds = {i: z[1] - z[0] for i, (z, _, _) in found.items()}
    truth = {i: int(rng.random() < sigmoid(2.5 * z)) for i, z in odds.items()}
    labels = write_labels(os.path.join(folder, "labels.csv"), "id,label", [(i, ["normal", "tumour"][t]) for i, t in truth.items()])
    answer = microtome("calibrate", out, "-m", head, "-o", card, "--labels", labels, "--specificity", 0.5, "--json")
    equal((answer.code, answer.err), (0, ""))
    z, t = np.array([odds[i] for i in truth]), np.array([truth[i] for i in truth])
    wanted, said = best(lambda b: bce(b * z, t)), json.loads(answer.out)
    near(float(keys(card)["temperature"]), wanted, 1e-6)
    near(said["before"]["nll"], bce(z, t) / CASES, 1e-6)
    near(said["after"]["nll"], bce(z / wanted, t) / CASES, 1e-6)
    equal((said["data"]["cases"], said["data"]["positives"], said["data"]["source"]), (CASES, int(t.sum()), "out"))
    at, again = said["points"][0], score(folder, head, cases, "again")[1]
    called = np.array([again[i][1][1] for i in truth]) >= float(keys(card)["threshold"])
    equal((at["true_positives"], at["false_positives"]), (int((called & (t == 1)).sum()), int((called & (t == 0)).sum())))
    for i, (_, scores, _) in again.items():
        near(scores[1], sigmoid(odds[i] / wanted), 1e-6)
    answer = microtome("calibrate", out, "-m", head, "-o", card, "--force")
    equal((answer.code, answer.err),
          (64, f"microtome calibrate: calibrate with {out}: results do not say what was true: give --labels CSV\n"))
    other = os.path.join(folder, "other.safetensors")
    write_abmil(other, DIM, seed=2, metadata={"labels": "normal;tumour", "positive": "tumour"})
    answer = microtome("calibrate", out, "-m", other, "-o", card, "--force", "--labels", labels)
    equal(answer.code, 78)
    contains(answer.err, "was scored by another head")


def test_ordinal(folder):
    """grades: one temperature for the questions "more than grade k", from results and from CSV; what has no meaning is refused"""
    cases, rng = features(folder), np.random.default_rng(2)
    head, card = os.path.join(folder, "G.safetensors"), os.path.join(folder, "G.card")
    write_abmil(head, DIM, classes=3, metadata={"labels": "0;1;2;3", "activation": "ordinal"})
    out, found = score(folder, head, cases, "out")
    raw, rows = [], []
    for i, (logs, _, _) in found.items():
        p = np.exp(logs)
        z = np.array([np.log(p[k + 1:].sum() / p[:k + 1].sum()) for k in range(3)])
        raw.append(z)
        above = np.append(sigmoid(0.4 * z), 0)  # surer than is right
        rows.append((i, int((rng.random() < above).sum())))
    raw, grade = np.array(raw), np.array([g for _, g in rows])
    labels = write_labels(os.path.join(folder, "labels.csv"), "id,label", rows)
    held = write_labels(os.path.join(folder, "held.csv"), "id,label,logit_0,logit_1,logit_2,logit_3",
                        [(i, g, *map(repr, map(float, found[i][0]))) for i, g in rows])
    loss = lambda b: sum(bce(b * raw[:, k], grade > k) for k in range(3))  # noqa: E731
    for args in ([out, "--labels", labels], [held]):
        answer = microtome("calibrate", *args, "-m", head, "-o", card, "--force", "--json")
        equal((answer.code, answer.err), (0, ""))
        said = json.loads(answer.out)
        near(float(keys(card)["temperature"]), best(loss), 1e-5)
        near(said["before"]["nll"], loss(1) / CASES, 1e-5)
        near(said["after"]["nll"], loss(1 / best(loss)) / CASES, 1e-5)
    for i, (_, scores, _) in score(folder, head, cases, "again")[1].items():
        near(scores[3], sigmoid(raw[list(found).index(i)] / best(loss)).min(), 1e-5)
    for args, message in (
            (["--method", "platt"], "--method platt moves one label alone, which would take the grades of an ordinal head out of their order: take temperature"),
            (["--method", "isotonic"],
             "--method isotonic moves one label alone, which would take the grades of an ordinal head out of their order: take temperature"),
            (["--conformal", 0.1], "conformal sets want a softmax head, or a sigmoid head of one label: this one is ordinal")):
        answer = microtome("calibrate", held, "-m", head, "-o", card, "--force", *args)
        equal((answer.code, answer.err), (64, f"microtome calibrate: calibrate {head}: {message}\n"))


def test_hazard(folder):
    """survival: one temperature for the hazards, censored cases count until they were last seen; thresholds are refused with the reason"""
    if h5py is None:
        raise Skip(WHY)
    rng, bounds = np.random.default_rng(4), [10, 20, 30]
    head, card = os.path.join(folder, "S.safetensors"), os.path.join(folder, "S.card")
    write_abmil(head, DIM, classes=3, metadata={"labels": "survive_10;survive_20;survive_30", "activation": "hazard"})
    rows, raw, interval, events = [], [], [], []
    for i in range(CASES):
        z = rng.normal(size=3) * 2 - 0.5
        died = [t for t in range(3) if rng.random() < sigmoid(0.5 * z[t])]
        last = int(rng.integers(0, 3)) if rng.random() < 0.3 else 2
        event = bool(died) and died[0] <= last
        interval.append(died[0] if event else last)
        events.append(event)
        raw.append(np.float32(z).astype(float))
        rows.append((f"c{i}", bounds[interval[-1]] - 5, int(event), *map(repr, map(float, raw[-1]))))
    held = write_labels(os.path.join(folder, "held.csv"), "id,time,event,logit_survive_10,logit_survive_20,logit_survive_30", rows)

    def loss(b):
        return sum(bce(b * raw[i][t], int(events[i] and t == interval[i])) for i in range(CASES) for t in range(interval[i] + 1))

    answer = microtome("calibrate", held, "-m", head, "-o", card)
    equal((answer.code, answer.err), (0, ""))
    contains(answer.out, f"negative log likelihood of a case: before {loss(1) / CASES:.4f}, after {loss(1 / best(loss)) / CASES:.4f}\n")
    near(float(keys(card)["temperature"]), best(loss), 1e-6)
    for args in (["--sensitivity", 0.9], ["--method", "platt"], ["--conformal", 0.1], ["--positive", "survive_10"]):
        answer = microtome("calibrate", held, "-m", head, "-o", card, "--force", *args)
        equal((answer.code, answer.err),
              (64, f"microtome calibrate: calibrate {head}: a hazard head gives chances to live on, and of a case that was last seen alive nobody knows "
                   "which side of a threshold it is: --method temperature is what it has, without a positive label, thresholds and sets\n"))


def ensemble(folder, n=3):
    for m in range(n):
        write_abmil(os.path.join(folder, f"m{m}.safetensors"), DIM, seed=m + 1, metadata={"labels": "normal;tumour", "positive": "tumour"})
    return write_labels(os.path.join(folder, "E.card"), "[head]", [["kind=ensemble"], ["members=" + ";".join(f"m{m}.safetensors" for m in range(n))]])


def test_stack(folder):
    """weights of an ensemble's members are SciPy's logistic regression with none below 0, and the next run scores by them"""
    cases, rng = features(folder), np.random.default_rng(5)
    card, stacked = ensemble(folder), os.path.join(folder, "stacked.card")
    out, found = score(folder, card, cases, "out")
    x = np.array([np.log(m[:, 1] / (1 - m[:, 1])) for _, _, m in found.values()])
    t = (rng.random(CASES) < sigmoid(1.5 * x[:, 0] + 0.6 * x[:, 1] - 0.7 * x[:, 2] + 0.3)).astype(int)
    labels = write_labels(os.path.join(folder, "labels.csv"), "id,label", [(i, ["normal", "tumour"][k]) for i, k in zip(found, t)])
    answer = microtome("calibrate", out, "--stack", "-m", card, "-o", stacked, "--labels", labels, "--json")
    equal((answer.code, answer.err), (0, ""))
    wanted = minimize(lambda w: bce(x @ w[:3] + w[3], t) / CASES, [0.3, 0.3, 0.3, 0], method="L-BFGS-B", bounds=[(0, None)] * 3 + [(None, None)],
                      options={"ftol": 1e-15, "gtol": 1e-10}).x
    said, written = json.loads(answer.out), [float(w) for w in keys(stacked)["weights"].split(";")]
    assert np.allclose(written, wanted, atol=2e-4), (written, wanted)
    equal((written[2], keys(stacked)["combine"], said["data"]["positives"]), (0.0, "stack", int(t.sum())))
    near(said["after"]["log_loss"], bce(x @ wanted[:3] + wanted[3], t) / CASES, 1e-7)
    mean = np.mean([m[:, 1] for _, _, m in found.values()], axis=1)
    near(said["before"]["log_loss"], -np.mean(np.log(np.where(t, mean, 1 - mean))), 1e-5)
    for k, (_, scores, _) in enumerate(score(folder, stacked, cases, "again")[1].values()):
        near(scores[1], sigmoid(x[k] @ written[:3] + written[3]), 1e-5)

    def refused(code, message, *args):
        answer = microtome("calibrate", *args, "--stack", "-o", os.path.join(folder, "x.card"))
        equal((answer.code, answer.err), (code, f"microtome calibrate: {message}\n"))

    single = os.path.join(folder, "m0.safetensors")
    refused(64, f"calibrate {single}: --stack is of an ensemble's card, this is one head", out, "--labels", labels, "-m", single)
    refused(64, f"calibrate with {labels}: --stack wants a folder of the ensemble's results: the scores of its members stand there", labels, "-m", card)
    refused(64, "calibrate: --stack makes another head of the members: score held-out cases with it first, then choose a method, thresholds and sets",
            out, "--labels", labels, "-m", card, "--sensitivity", 0.9)
    high = ((x - x.mean(0)) / x.std(0)).sum(1) > 0
    turned = write_labels(os.path.join(folder, "turned.csv"), "id,label", [(i, ["tumour", "normal"][int(high[k])]) for k, i in enumerate(found)])
    refused(65, "fit the weights of a stack: no member's score rises with the label: is the positive label the right one?", out, "--labels", turned,
            "-m", card)
    clean = write_labels(os.path.join(folder, "clean.csv"), "id,label", [(i, ["normal", "tumour"][int(x[k, 0] > np.median(x[:, 0]))]) for k, i in enumerate(found)])
    refused(65, "fit the weights of a stack: the members separate the classes wholly, so that any weight would fit: take more cases", out, "--labels",
            clean, "-m", card)


def test_moved(folder):
    """a card written into another folder finds its members and its reference, or is refused"""
    cases, below = features(folder), os.path.join(folder, "heads")
    os.makedirs(below)
    card = ensemble(below, 2)
    out, found = score(folder, card, cases, "out")
    rng = np.random.default_rng(6)
    labels = write_labels(os.path.join(folder, "labels.csv"), "id,label",
                          [(i, ["normal", "tumour"][int(rng.random() < sigmoid(3 * (z[1] - z[0])))]) for i, (z, _, _) in found.items()])
    above = os.path.join(folder, "E.card")
    equal(microtome("calibrate", out, "--labels", labels, "-m", card, "-o", above).code, 0)
    equal(keys(above)["members"].rstrip(";"), "heads/m0.safetensors;heads/m1.safetensors")
    temperature, again = float(keys(above)["temperature"]), score(folder, above, cases, "again")[1]
    for i, (z, _, _) in found.items():
        near(again[i][1][1], sigmoid((z[1] - z[0]) / temperature), 1e-5)
    apart = os.path.join(folder, "apart")
    os.makedirs(apart)
    answer = microtome("calibrate", out, "--labels", labels, "-m", card, "-o", os.path.join(apart, "E.card"))
    equal((answer.code, answer.err),
          (64, f"microtome calibrate: calibrate: the ensemble's card {apart}/E.card would not find its members: they are paths below its folder, and "
               f"m0.safetensors is in {os.path.realpath(below)}: write the card into that folder\n"))
    equal(os.listdir(apart), [])
    head = os.path.join(below, "m0.safetensors")
    out, _ = score(folder, head, cases, "single")
    equal(microtome("calibrate", out, "--labels", labels, "-m", head, "-o", os.path.join(below, "m0.card"), "--reference", cases).code, 0)
    out, wanted = score(folder, head, cases, "with-reference")
    equal(microtome("calibrate", out, "--labels", labels, "-m", head, "-o", os.path.join(apart, "m0.card")).code, 0)
    equal(keys(os.path.join(apart, "m0.card"))["reference"], "m0.reference.safetensors")
    shutil.copy(head, apart)
    equal(score(folder, os.path.join(apart, "m0.safetensors"), cases, "moved")[1]["c000"][1].tolist(), wanted["c000"][1].tolist())


main([test_folder, test_ordinal, test_hazard, test_stack, test_moved])
