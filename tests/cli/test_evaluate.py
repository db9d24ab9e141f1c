"""`microtome evaluate`: its numbers against scikit-learn and SciPy, its refusals word by word, its page."""
import csv
import html.parser
import json
import math
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import Skip, contains, equal, main, microtome, read  # noqa: E402

try:
    import numpy as np
    from made_results import LABELS, binary_cohort, write_failure, write_labels, write_result
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)


def evaluate(out, labels, *args):
    answer = microtome("evaluate", out, "--labels", labels, "--json", *args)
    equal(answer.code, 0)
    return json.loads(answer.out)


def cohort(folder, **more):
    out, labels = os.path.join(folder, "out"), os.path.join(folder, "labels.csv")
    return out, labels, binary_cohort(out, labels, **more)


def close(is_, wanted, what=""):
    assert is_ is not None and abs(is_ - wanted) <= 1e-10 * max(1, abs(wanted)), f"{what}: is {is_}, wanted {wanted}"


def one_case_a_patient(labels, rows):
    """The labels without their patients: each case is its own."""
    write_labels(labels, [{k: v for k, v in r.items() if k[0] != "_" and k != "patient"} for r in rows])


def refuse(code, message, *args):
    answer = microtome("evaluate", *args)
    equal((answer.code, answer.out, answer.err), (code, "", f"microtome evaluate: {message}\n"))


def wilson(hits, n, z=1.959963984540054):
    centre, half = (hits + z * z / 2) / (n + z * z), z / (n + z * z) * math.sqrt(hits * (n - hits) / n + z * z / 4)
    return centre - half, centre + half


def delong(score, truth, z=1.959963984540054):
    """The placements of each positive among the negatives and the other way round, pair by pair."""
    x, y = score[truth == 1], score[truth == 0]
    wins = (x[:, None] > y[None]) + 0.5 * (x[:, None] == y[None])
    spread = math.sqrt(wins.mean(1).var(ddof=1) / len(x) + wins.mean(0).var(ddof=1) / len(y))
    return wins.mean(), wins.mean() - z * spread, wins.mean() + z * spread


def references():
    try:
        import sklearn.metrics
    except ImportError as missing_module:
        raise Skip(str(missing_module))
    return sklearn.metrics


def test_binary(folder):
    """binary: every number is scikit-learn's, intervals are DeLong's and Wilson's"""
    m = references()
    out, labels, rows = cohort(folder)
    one_case_a_patient(labels, rows)
    answer = evaluate(out, labels)
    truth, score = np.array([r["_truth"] for r in rows]), np.array([r["_score"] for r in rows])
    called = (score >= 0.5).astype(int)
    tn, fp, fn, tp = (int(v) for v in m.confusion_matrix(truth, called).ravel())
    got = answer["metrics"]
    for name, wanted in (("auroc", m.roc_auc_score(truth, score)), ("auprc", m.average_precision_score(truth, score)),
                         ("accuracy", m.accuracy_score(truth, called)), ("balanced_accuracy", m.balanced_accuracy_score(truth, called)),
                         ("f1", m.f1_score(truth, called)), ("mcc", m.matthews_corrcoef(truth, called)),
                         ("kappa", m.cohen_kappa_score(truth, called)), ("brier", m.brier_score_loss(truth, score)),
                         ("sensitivity", tp / (tp + fn)), ("specificity", tn / (tn + fp)), ("ppv", tp / (tp + fp)), ("npv", tn / (tn + fn))):
        close(got[name]["value"], wanted, name)
    bins = np.clip(np.ceil(score * 10 - 1e-12).astype(int) - 1, 0, 9)
    close(got["ece"]["value"], sum(abs(score[bins == b].mean() - truth[bins == b].mean()) * (bins == b).mean() for b in set(bins)), "ece")
    for name, hits, n in (("sensitivity", tp, tp + fn), ("specificity", tn, tn + fp), ("ppv", tp, tp + fp), ("npv", tn, tn + fn)):
        low, high = wilson(hits, n)
        close(got[name]["low"], low, name)
        close(got[name]["high"], high, name)
        equal((got[name]["hits"], got[name]["n"], got[name]["interval"]), (hits, n, "Wilson"))
    area, low, high = delong(score, truth)
    close(got["auroc"]["low"], low)
    close(got["auroc"]["high"], high)
    equal(answer["confusion"], {"labels": LABELS, "truth_by_call": [[tn, fp], [fn, tp]]})
    equal((answer["task"], answer["threshold"], answer["threshold_source"]), ("binary", 0.5, "head"))
    equal((answer["counts"]["positives"], answer["counts"]["negatives"]), (int(truth.sum()), int((1 - truth).sum())))
    fpr, tpr, _ = m.roc_curve(truth, score, drop_intermediate=False)
    roc = answer["classes"][0]["curves"]["roc"]
    assert np.allclose(roc["false_positive_rate"], fpr, atol=1e-12) and np.allclose(roc["true_positive_rate"], tpr, atol=1e-12)


def test_unanswered(folder):
    """cases without a score are named, and are in no number"""
    out, labels = os.path.join(folder, "out"), os.path.join(folder, "labels.csv")
    for case, score in (("a", 0.9), ("b", 0.2), ("c", 0.4), ("d", 0.7)):
        write_result(out, case, [1 - score, score])
    write_result(out, "w", None, status="withheld", reason="12 of 90 tiles could not be read")
    write_result(out, "i", None, status="insufficient")
    write_failure(out, "f", "open f.svs: not a slide")
    write_labels(labels, [{"id": i, "label": t} for i, t in zip("abcdwif", ["tumour", "normal", "tumour", "normal", "tumour", "normal", ""])])
    answer = microtome("evaluate", out, "--labels", labels, "--json")
    equal(answer.err, "microtome evaluate: 2 cases have no score (withheld, insufficient or failed) and are in no number below\n")
    counts = json.loads(answer.out)["counts"]
    equal((counts["labelled"], counts["evaluated"], counts["unknown_label"], counts["unanswered_positives"]), (7, 4, 1, 1))
    contains(json.loads(answer.out)["warnings"][0], "2 cases have no score")
    equal([(u["id"], u["status"], u["reason"]) for u in counts["unanswered"]],
          [("i", "insufficient", None), ("w", "withheld", "12 of 90 tiles could not be read")])


def test_refusals(folder):
    """missing and doubled cases, unknown labels: named, with what to do"""
    out, labels = os.path.join(folder, "out"), os.path.join(folder, "labels.csv")
    for case, score in (("a", 0.9), ("b", 0.2), ("c", 0.4)):
        write_result(out, case, [1 - score, score])

    def rows(*pairs):
        return write_labels(labels, [{"id": i, "label": t} for i, t in pairs])

    rows(("a", "tumour"), ("b", "normal"), ("c", "normal"), ("x", "tumour"), ("y", "tumour"))
    refuse(65, f"evaluate {out}: 2 of the cases of {labels} have no result there (x, y): run them, or leave them out with --allow-missing",
           out, "--labels", labels)
    answer = evaluate(out, labels, "--allow-missing")
    equal((answer["counts"]["missing_results"], answer["counts"]["evaluated"]), (["x", "y"], 3))
    equal(answer["warnings"], ["2 labelled cases are without a result and left out: x, y"])
    rows(("a", "tumour"), ("b", "normal"))
    refuse(65, f"evaluate {out}: 1 of its cases is not in {labels} (c): add them, or leave them out with --allow-missing",
           out, "--labels", labels)
    rows(("a", "tumour"), ("b", "normal"), ("c", "normal"), ("a", "tumour"))
    refuse(65, f"labels {labels}: case a stands in lines 2 and 5: keep one of them", out, "--labels", labels)
    rows(("a", "tumour"), ("b", "normal"), ("c", "cancer"))
    answer = microtome("evaluate", out, "--labels", labels)
    equal((answer.code, answer.out), (65, ""))
    contains(answer.err, "line 4")
    contains(answer.err, "cancer")
    refuse(66, f"read the predictions of {folder}: there is no folder {folder}/cases: name what run -o wrote", folder, "--labels", labels)
    rows(("a", "tumour"), ("b", "normal"), ("c", "normal"))
    write_labels(labels, [{"id": i, "label": t, "patient": p, "time": 3 + (i == "b"), "event": 1}
                          for i, t, p in (("a", "tumour", "P"), ("b", "normal", "P"), ("c", "normal", "Q"))])
    refuse(65, f"labels {labels}: lines 2 and 3 say different things of patient P: evaluate cases, or mend the file", out, "--labels", labels,
           "--level", "patient", "--task", "multiclass")
    rows(("a", "tumour"), ("b", "normal"), ("c", "normal"))
    refuse(64, "--task fish: binary, multiclass, multilabel, ordinal, hazard or cox is wanted", out, "--labels", labels, "--task", "fish")
    refuse(64, "--level slide: case or patient is wanted\nSee microtome evaluate --help.", out, "--labels", labels, "--level", "slide")
    refuse(64, "--threshold x: a number is wanted\nSee microtome evaluate --help.", out, "--labels", labels, "--threshold", "x")
    refuse(64, "name one folder of results and give --labels CSV\nSee microtome evaluate --help.", out)


def test_one_class(folder):
    """a single class: AUROC is not defined, and it is said"""
    out, labels = os.path.join(folder, "out"), os.path.join(folder, "labels.csv")
    for case, score in (("a", 0.9), ("b", 0.2)):
        write_result(out, case, [1 - score, score])
    write_labels(labels, [{"id": i, "label": "tumour"} for i in "ab"])
    answer = microtome("evaluate", out, "--labels", labels, "--json")
    equal((answer.code, answer.err), (0, "microtome evaluate: tumour: all 2 cases have it: AUROC, AUPRC and others are not defined\n"))
    got = json.loads(answer.out)["metrics"]
    equal((got["auroc"]["value"], got["auroc"]["undefined"]), (None, "needs positive and negative cases, and these are all of one kind"))
    equal((got["sensitivity"]["value"], got["specificity"]["value"]), (0.5, None))
    assert "NaN" not in answer.out and "Infinity" not in answer.out


def score_rows(out, rows, labels, positive=None, **more):
    """rows: id, scores of all labels"""
    for case, scores in rows:
        write_result(out, case, scores, labels=labels, positive=positive, **more)


def test_classes(folder):
    """classes and grades: each against the rest, macro numbers, kappas and confusion are scikit-learn's"""
    m = references()
    rng, out, labels = np.random.default_rng(2), os.path.join(folder, "out"), os.path.join(folder, "labels.csv")
    names = ["0", "1", "2", "3"]
    truth = rng.integers(0, 4, 90)
    raw = np.exp(rng.normal(0, 1, (90, 4)) + 1.2 * np.eye(4)[truth])
    score = np.array([[float(str(v)) for v in row] for row in (raw / raw.sum(1, keepdims=True)).astype("f4")])
    score_rows(out, [(f"c{i:02d}", score[i]) for i in range(90)], names, threshold=None)
    write_labels(labels, [{"id": f"c{i:02d}", "label": truth[i]} for i in range(90)])
    called = score.argmax(1)
    for task in ("multiclass", "ordinal"):
        answer = evaluate(out, labels, *([] if task == "multiclass" else ["--task", task]))
        equal((answer["task"], answer["threshold"]), (task, None))
        got = answer["metrics"]
        close(got["accuracy"]["value"], m.accuracy_score(truth, called))
        close(got["balanced_accuracy"]["value"], m.balanced_accuracy_score(truth, called))
        close(got["macro_f1"]["value"], m.f1_score(truth, called, average="macro"))
        close(got["weighted_f1"]["value"], m.f1_score(truth, called, average="weighted"))
        close(got["mcc"]["value"], m.matthews_corrcoef(truth, called))
        close(got["kappa"]["value"], m.cohen_kappa_score(truth, called))
        each = [m.roc_auc_score(truth == k, score[:, k]) for k in range(4)]
        close(got["macro_auroc"]["value"], float(np.mean(each)))
        close(got["macro_auprc"]["value"], float(np.mean([m.average_precision_score(truth == k, score[:, k]) for k in range(4)])))
        close(got["brier"]["value"], float(((score - np.eye(4)[truth]) ** 2).sum(1).mean()))
        equal(answer["confusion"]["truth_by_call"], m.confusion_matrix(truth, called).tolist())
        equal([c["label"] for c in answer["classes"]], names)
        for c, wanted in zip(answer["classes"], each):
            close(c["metrics"]["auroc"]["value"], wanted)
    close(got["quadratic_kappa"]["value"], m.cohen_kappa_score(truth, called, weights="quadratic"))


def test_findings(folder):
    """findings: blanks and uncertain ones are masked, label by label"""
    m = references()
    rng, out, labels = np.random.default_rng(4), os.path.join(folder, "out"), os.path.join(folder, "labels.csv")
    names = ["effusion", "mass"]
    truth = rng.choice([1.0, 0.0, -1.0, np.nan], (60, 2), p=[0.35, 0.45, 0.1, 0.1])
    score = np.round(np.clip(rng.normal(0.4 + 0.25 * (truth == 1), 0.2), 0.01, 0.99), 3)
    score_rows(out, [(f"x{i:02d}", score[i]) for i in range(60)], names, threshold=None)
    cells = {1.0: "1", 0.0: "0", -1.0: "-1"}
    write_labels(labels, [{"id": f"x{i:02d}", **{n: cells.get(truth[i, k], "") for k, n in enumerate(names)}} for i in range(60)])
    for policy, uncertain in (("ignore", None), ("zeros", 0.0), ("ones", 1.0)):
        known = truth.copy()
        if uncertain is not None:
            known[truth == -1] = uncertain
        answer = evaluate(out, labels, "--uncertain", policy, "--threshold", "0.5")
        equal(answer["task"], "multilabel")
        for k, c in enumerate(answer["classes"]):
            mask = (known[:, k] == 0) | (known[:, k] == 1)
            if not answer["counts"]["unknown_label"]:
                equal((c["label"], c["n"]), (names[k], int(mask.sum())))
            close(c["metrics"]["auroc"]["value"], m.roc_auc_score(known[mask, k], score[mask, k]), f"{policy} {names[k]}")
            close(c["metrics"]["sensitivity"]["value"], m.recall_score(known[mask, k], score[mask, k].astype("f4") >= np.float32(0.5)))


def test_survival(folder):
    """survival: Harrell's C pair by pair, for intervals and for a risk"""
    rng = np.random.default_rng(6)
    time, event = np.round(rng.exponential(400, 50)), rng.random(50) < 0.6
    risk = np.round(np.clip(1 / (1 + time / 300) + rng.normal(0, 0.2, 50), 0.01, 0.99), 3)
    pairs = [(i, j) for i in range(50) for j in range(50) if event[i] and (time[i] < time[j] or (time[i] == time[j] and not event[j]))]
    wanted = np.mean([1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0 for i, j in pairs])
    labels = write_labels(os.path.join(folder, "labels.csv"),
                          [{"id": f"t{i:02d}", "time": int(time[i]), "event": int(event[i])} for i in range(50)])
    for name, head, scores in (("cox", ["risk"], lambda r: [r]),
                               ("hazard", ["survive_365", "survive_730"], lambda r: [1 - r, (1 - r) ** 2])):
        out = os.path.join(folder, name)
        score_rows(out, [(f"t{i:02d}", scores(risk[i])) for i in range(50)], head, threshold=None)
        answer = evaluate(out, labels)
        equal((answer["task"], answer["confusion"], answer["classes"]), (name, None, []))
        close(answer["metrics"]["c_index"]["value"], wanted, name)


def test_patients(folder):
    """patients: the strongest case speaks, unless the patient has a result of its own"""
    m = references()
    out, labels, rows = cohort(folder)
    patients = sorted({r["patient"] for r in rows})
    truth = [max(r["_truth"] for r in rows if r["patient"] == p) for p in patients]
    score = [max(r["_score"] for r in rows if r["patient"] == p) for p in patients]
    answer = evaluate(out, labels, "--level", "patient")
    equal((answer["level"], answer["counts"]["evaluated"]), ("patient", len(patients)))
    close(answer["metrics"]["auroc"]["value"], m.roc_auc_score(truth, score))
    for i, p in enumerate(patients):
        write_result(out, p, [1 - i / 200, i / 200], level="patients")
    answer = evaluate(out, labels, "--level", "patient")
    close(answer["metrics"]["auroc"]["value"], m.roc_auc_score(truth, range(len(patients))))


def test_several_cases(folder):
    """patients of several cases: the intervals of AUROC and shares are over patients"""
    out, labels, rows = cohort(folder)
    got = evaluate(out, labels)["metrics"]
    truth, score = np.array([r["_truth"] for r in rows]), np.array([r["_score"] for r in rows])
    patient = np.array([r["patient"] for r in rows])
    called = (score >= 0.5).astype(int)
    z = 1.959963984540054
    for name, among, hit in (("sensitivity", truth == 1, called == 1), ("specificity", truth == 0, called == 0), ("ppv", called == 1, truth == 1),
                             ("npv", called == 0, truth == 0), ("accuracy", truth >= 0, called == truth)):
        hits, of = hit[among].astype(float), patient[among]
        share, n = hits.mean(), len(hits)
        stray = np.array([(hits[of == p] - share).sum() for p in np.unique(of)])
        variance = len(stray) / (len(stray) - 1) * (stray ** 2).sum() / n ** 2
        independent = min(n, share * (1 - share) / variance)
        low, high = wilson(share * independent, independent)
        equal((got[name]["interval"], got[name]["n"]), ("Wilson, by patients", n))
        for key, wanted in (("value", share), ("low", low), ("high", high)):
            close(got[name][key], wanted, f"{name} {key}")
    x, y = score[truth == 1], score[truth == 0]
    wins = (x[:, None] > y[None]) + 0.5 * (x[:, None] == y[None])
    area, everyone = wins.mean(), np.unique(patient)
    a = np.array([(wins.mean(1) - area)[patient[truth == 1] == p].sum() for p in everyone])
    b = np.array([(wins.mean(0) - area)[patient[truth == 0] == p].sum() for p in everyone])

    def grown(patients):
        return len(np.unique(patients)) / (len(np.unique(patients)) - 1)

    variance = (grown(patient[truth == 1]) * (a @ a) / len(x) ** 2 + grown(patient[truth == 0]) * (b @ b) / len(y) ** 2
                + 2 * grown(patient) * (a @ b) / (len(x) * len(y)))
    equal(got["auroc"]["interval"], "DeLong, by patients")
    close(got["auroc"]["low"], area - z * math.sqrt(variance))
    close(got["auroc"]["high"], area + z * math.sqrt(variance))


def test_bootstrap(folder):
    """--bootstrap: the same for the same seed, another for another, and about as wide as DeLong"""
    out, labels, _ = cohort(folder)
    first, again, other = (evaluate(out, labels, "--bootstrap", "400", "--seed", s)["metrics"] for s in "112")
    equal(first, again)
    assert first != other
    area = first["auroc"]
    assert 0.7 < (area["bootstrap_high"] - area["bootstrap_low"]) / (area["high"] - area["low"]) < 1.4, area
    equal((first["f1"]["interval"], first["f1"]["low"]), ("bootstrap", first["f1"]["bootstrap_low"]))
    refuse(64, "--bootstrap 5: 100 to 100000 rounds are wanted", out, "--labels", labels, "--bootstrap", "5")


def test_subgroups(folder):
    """--by: names and bands; every group is what an evaluation of it alone says; gaps of equalised odds"""
    out, labels, rows = cohort(folder)
    one_case_a_patient(labels, rows)
    answer = evaluate(out, labels, "--by", "sex", "--by", "age:40,60,80")
    by_sex, by_age = answer["subgroups"]
    equal([g["group"] for g in by_sex["groups"]], ["f", "m"])
    equal([g["group"] for g in by_age["groups"]], ["under 40", "40-59", "60-79", "80 and over"])
    low, high = [-1e9, 40, 60, 80], [40, 60, 80, 1e9]
    for g, a, b in zip(by_age["groups"], low, high):
        part = [r for r in rows if a <= r["age"] < b]
        truth, score = np.array([r["_truth"] for r in part]), np.array([r["_score"] for r in part])
        area, at_least, at_most = delong(score, truth)
        equal((g["n"], g["positives"]), (len(part), int(truth.sum())))
        close(g["auroc"]["value"], area)
        close(g["auroc"]["low"], max(0, at_least))
        close(g["auroc"]["high"], min(1, at_most))
        close(g["sensitivity"]["value"], ((score >= 0.5) & (truth == 1)).sum() / (truth == 1).sum())
        close(g["specificity"]["value"], ((score < 0.5) & (truth == 0)).sum() / (truth == 0).sum())
    rates = [g["sensitivity"]["value"] for g in by_sex["groups"]]
    gap = by_sex["true_positive_rate_gap"]
    close(gap["value"], max(rates) - min(rates))
    equal((gap["highest"], gap["lowest"]), ("f", "m") if rates[0] > rates[1] else ("m", "f"))
    assert gap["low"] < gap["value"] < gap["high"]
    refuse(64, f"--by eyes: {labels} has no column of that name", out, "--labels", labels, "--by", "eyes")
    refuse(64, "--by age:60,40: a column, or a column with ascending edges as age:40,60,80 is wanted", out, "--labels", labels, "--by",
           "age:60,40")
    refuse(65, f"--by sex: '{rows[0]['sex']}' in line 2 of {labels} is no number: leave it empty if it is not known", out, "--labels", labels,
           "--by", "sex:1")


def test_goals(folder):
    """goals are met by the bound, not by the value; also those of a recipe"""
    out, labels, _ = cohort(folder)
    got = evaluate(out, labels)["metrics"]["sensitivity"]
    between = (got["low"] + got["value"]) / 2
    answer = evaluate(out, labels, "--goal", f"sensitivity={between}", "--goal", f"specificity={0.1}")
    equal([(g["goal"], g["met"], g["bound"]) for g in answer["goals"]], [("sensitivity", False, "lower"), ("specificity", True, "lower")])
    equal(answer["goals_met"], False)
    recipe = os.path.join(folder, "recipe.ini")
    with open(recipe, "w") as f:
        f.write("[quality]\nwithheld_invalid=0.2\n[goals]\n# as promised\nsensitivity=0.2\nbrier=0.5\n")
    answer = evaluate(out, labels, "--goals", recipe, "--bootstrap", "100")
    equal([(g["goal"], g["met"], g["bound"]) for g in answer["goals"]], [("sensitivity", True, "lower"), ("brier", True, "upper")])
    answer = microtome("evaluate", out, "--labels", labels, "--goal", "brier=0.5")
    equal(answer.err, "microtome evaluate: the goal brier has no interval to be held against: give --bootstrap\n")
    contains(answer.out, "NOT MET")
    refuse(64, "--goal: sensitivity=x: a number is wanted", out, "--labels", labels, "--goal", "sensitivity=x")
    answer = microtome("evaluate", out, "--labels", labels, "--goal", "luck=1")
    equal(answer.code, 64)
    contains(answer.err, "--goal: 'luck' is no number of this evaluation: auroc, auprc, sensitivity,")


def swapped(gaps):
    """Share of all swaps of the two runs within patients that give a gap as wide as the one seen, by drawing none of them."""
    sums = {0: 1.0}
    for g in gaps:
        both = {}
        for total, share in sums.items():
            for t in (total + g, total - g):
                both[t] = both.get(t, 0) + share / 2
        sums = both
    return sum(share for total, share in sums.items() if abs(total) >= abs(sum(gaps)))


def test_compare_patients(folder):
    """two runs over patients with several cases: the area's difference and the calls are tested over patients"""
    try:
        from scipy.stats import norm
    except ImportError as missing_module:
        raise Skip(str(missing_module))
    out, labels, rows = cohort(folder)
    other, rng = os.path.join(folder, "other"), np.random.default_rng(9)
    patient = np.unique([r["patient"] for r in rows], return_inverse=True)[1]
    truth, first = np.array([r["_truth"] for r in rows]), np.array([r["_score"] for r in rows])
    assert patient.max() + 1 < len(rows)
    second = np.round(np.clip(rng.normal(0.4 + 0.15 * truth, 0.2) + rng.normal(0, 0.15, patient.max() + 1)[patient], 0.01, 0.99), 2)
    for r, s in zip(rows, second):
        write_result(other, r["id"], [1 - s, s], head="ef" * 32)
    answer = evaluate(out, labels, "--compare", other)["comparison"]
    differences = {d["metric"]: d for d in answer["differences"]}

    def stray(s):
        wins = (s[truth == 1][:, None] > s[truth == 0]) + 0.5 * (s[truth == 1][:, None] == s[truth == 0])
        return wins.mean(1), wins.mean(0), wins.mean()

    (x1, y1, area1), (x2, y2, area2) = stray(first), stray(second)
    x, y, gap = x1 - x2 - (area1 - area2), y1 - y2 - (area1 - area2), area1 - area2
    everyone = np.unique(patient)
    a = np.array([x[patient[truth == 1] == p].sum() for p in everyone])
    b = np.array([y[patient[truth == 0] == p].sum() for p in everyone])

    def grown(patients):
        return len(np.unique(patients)) / (len(np.unique(patients)) - 1)

    variance = (grown(patient[truth == 1]) * (a @ a) / len(x) ** 2 + grown(patient[truth == 0]) * (b @ b) / len(y) ** 2
                + 2 * grown(patient) * (a @ b) / (len(x) * len(y)))
    area = differences["auroc"]
    equal((area["difference"]["interval"], area["this"]["interval"]), ("DeLong, by patients", "DeLong, by patients"))
    close(area["difference"]["value"], gap)
    close(area["difference"]["high"], gap + 1.959963984540054 * math.sqrt(variance))
    close(area["p"], 2 * norm.sf(abs(gap) / math.sqrt(variance)))
    right = np.array([((s >= 0.5) == truth).astype(int) for s in (first, second)])
    for name, of in (("accuracy", truth >= 0), ("sensitivity", truth == 1), ("specificity", truth == 0)):
        d, p = (right[0] - right[1])[of], patient[of]
        gaps, sizes = np.array([d[p == k].sum() for k in np.unique(p)]), np.array([(p == k).sum() for k in np.unique(p)])
        got, k = differences[name], len(gaps)
        close(got["p"], swapped([int(g) for g in gaps]), name)
        spread = 1.959963984540054 * math.sqrt(k / (k - 1) * ((gaps - sizes * d.mean()) ** 2).sum()) / len(d)
        close(got["difference"]["value"], d.mean())
        close(got["difference"]["low"], max(-1, d.mean() - spread), name)
        equal((got["difference"]["interval"], got["this"]["interval"]), ("Wald, by patients", "Wilson, by patients"))
    close(answer["mcnemar"]["p"], differences["accuracy"]["p"])


def test_compare_findings(folder):
    """two runs over findings: each finding for itself, over the cases that it is known of"""
    from itertools import product
    rng, names = np.random.default_rng(14), ["effusion", "mass"]
    out, other, labels = (os.path.join(folder, n) for n in ("out", "other", "labels.csv"))
    truth = rng.choice([1.0, 0.0, np.nan], (80, 2), p=[0.4, 0.4, 0.2])
    runs = [np.round(np.clip(rng.normal(0.4 + by * (truth == 1), 0.2), 0.01, 0.99), 3) for by in (0.3, 0.15)]
    for where, score in zip((out, other), runs):
        score_rows(where, [(f"x{i:02d}", score[i]) for i in range(80)], names, threshold=None)
    write_labels(labels, [{"id": f"x{i:02d}", **{n: {1.0: "1", 0.0: "0"}.get(truth[i, k], "") for k, n in enumerate(names)}}
                          for i in range(80)])
    answer = evaluate(out, labels, "--compare", other, "--threshold", "0.5", "-o", os.path.join(folder, "report"))["comparison"]
    equal([(d["label"], d["metric"]) for d in answer["differences"]], list(product(names, ("auroc", "sensitivity", "specificity"))))
    equal(answer["mcnemar"]["p"], None)
    for k, name in enumerate(names):
        known = ~np.isnan(truth[:, k])
        t, first, second = truth[known, k] == 1, runs[0][known, k], runs[1][known, k]
        area, calls, _ = answer["differences"][3 * k:3 * k + 3]
        close(area["this"]["value"], delong(first, t.astype(int))[0])
        close(area["other"]["value"], delong(second, t.astype(int))[0])
        assert area["difference"]["interval"] == "DeLong" and 0 <= area["p"] <= 1
        d = (first[t] >= 0.5).astype(int) - (second[t] >= 0.5)
        close(calls["difference"]["value"], d.mean())
        close(calls["p"], swapped([int(g) for g in d]))
    contains(read(os.path.join(folder, "report", "evaluation.html")), "<td>mass: Sensitivity</td>")
    contains(microtome("evaluate", out, "--labels", labels, "--compare", other, "--threshold", "0.5").out, "effusion: AUROC")


def test_compare(folder):
    """two runs: paired DeLong and exact McNemar; internal and external cases"""
    try:
        from scipy.stats import binom, norm
    except ImportError as missing_module:
        raise Skip(str(missing_module))
    out, labels, rows = cohort(folder)
    other = os.path.join(folder, "other")
    rng = np.random.default_rng(8)
    truth, score = np.array([r["_truth"] for r in rows]), np.array([r["_score"] for r in rows])
    second = np.round(np.clip(rng.normal(0.4 + 0.15 * truth, 0.2), 0.01, 0.99), 2)
    for r, s in zip(rows, second):
        write_result(other, r["id"], [1 - s, s], head="ef" * 32)
    patients = read(labels)
    one_case_a_patient(labels, rows)
    answer = evaluate(out, labels, "--compare", other)["comparison"]
    with open(labels, "w") as f:
        f.write(patients)
    places = []
    for s in (score, second):
        wins = (s[truth == 1][:, None] > s[truth == 0]) + 0.5 * (s[truth == 1][:, None] == s[truth == 0])
        places.append((wins.mean(1), wins.mean(0), wins.mean()))
    s10, s01 = np.cov([p[0] for p in places]), np.cov([p[1] for p in places])
    both = s10 / (truth == 1).sum() + s01 / (truth == 0).sum()
    gap = places[0][2] - places[1][2]
    area = answer["differences"][0]
    equal(area["metric"], "auroc")
    close(area["difference"]["value"], gap)
    close(area["p"], 2 * norm.sf(abs(gap) / math.sqrt(both[0, 0] + both[1, 1] - 2 * both[0, 1])))
    right = [(s >= 0.5) == truth for s in (score, second)]
    here, there = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    equal((answer["mcnemar"]["right_in_this_alone"], answer["mcnemar"]["right_in_other_alone"]), (here, there))
    close(answer["mcnemar"]["p"], min(1, 2 * binom.cdf(min(here, there), here + there, 0.5)))
    drop = evaluate(out, labels, "--internal", "site=north")["external_against_internal"]
    inside = np.array([r["site"] == "north" for r in rows])
    equal((drop["n"], drop["n_other"]), (int((~inside).sum()), int(inside.sum())))
    area = next(d for d in drop["differences"] if d["metric"] == "auroc")
    close(area["difference"]["value"], delong(score[~inside], truth[~inside])[0] - delong(score[inside], truth[inside])[0])
    assert area["difference"]["low"] < area["difference"]["value"] < area["difference"]["high"]
    refuse(64, f"--internal moon=1: neither a folder, nor has {labels} a column moon", out, "--labels", labels, "--internal", "moon=1")


def test_readers(folder):
    """several readers: kappas, and their majority as the truth where the file has no label"""
    m = references()
    out, labels, rows = cohort(folder)
    rng = np.random.default_rng(9)
    truth = np.array([r["_truth"] for r in rows])
    readings = np.array([np.where(rng.random(len(rows)) < p, truth, 1 - truth) for p in (0.9, 0.85, 0.7)])
    table = [{"id": r["id"], **{f"dr_{n}": LABELS[readings[k, i]] for k, n in enumerate("abc")}} for i, r in enumerate(rows)]
    write_labels(labels, table)
    answer = evaluate(out, labels, "--readers", "dr_a,dr_b,dr_c")
    majority, called = (readings.sum(0) >= 2).astype(int), (np.array([r["_score"] for r in rows]) >= 0.5).astype(int)
    got = answer["readers"]
    equal((got["majority_is_truth"], got["read_by_all"], got["without_majority"]), (True, len(rows), 0))
    close(answer["metrics"]["accuracy"]["value"], (majority == called).mean())
    close(got["model_with_majority"]["value"], m.cohen_kappa_score(called, majority))
    for pair, (i, j) in zip(got["pairwise_kappa"], ((0, 1), (0, 2), (1, 2))):
        close(pair["value"], m.cohen_kappa_score(readings[i], readings[j]))
    counts = np.stack([(readings == k).sum(0) for k in (0, 1)], 1)
    agree, chance = ((counts ** 2).sum(1) - 3).mean() / 6, ((counts.sum(0) / counts.sum()) ** 2).sum()
    close(got["fleiss_kappa"]["value"], (agree - chance) / (1 - chance))
    refuse(64, "--readers: two to 64 columns are wanted, as --readers dr_a,dr_b", out, "--labels", labels, "--readers", "dr_a")


def test_leaks(folder):
    """a case or a patient of the training set is refused by name; CLAM's splits choose the test cases"""
    out, labels, rows = cohort(folder)
    train, splits = os.path.join(folder, "train.csv"), os.path.join(folder, "splits_0.csv")
    write_labels(train, [{"id": "t1", "label": "normal", "patient": "Q1"}, {"id": "t2", "label": "normal", "patient": rows[7]["patient"]}])
    mine = [r["id"] for r in rows if r["patient"] == rows[7]["patient"]]
    what_to_do = (f": leave them out of {labels}, score them with a head that has not seen them, or say --allow-trained, and every output "
                  "will")
    refuse(65, f"evaluate {out}: {len(mine)} of its 120 cases {'was' if len(mine) == 1 else 'were'} trained on: patient {rows[7]['patient']} "
               f"of case {mine[0]} (case t2, line 3 of {train}){what_to_do}", out, "--labels", labels, "--train-labels", train)
    write_labels(train, [{"id": "s005", "label": "normal"}])
    refuse(65, f"evaluate {out}: 1 of its 120 cases was trained on: case s005 (line 2 of {train}){what_to_do}", out, "--labels", labels,
           "--train-labels", train)
    write_labels(train, [{"id": "s005", "label": "normal", "patient": "Q5", "split": "test"}])
    evaluate(out, labels, "--train-labels", train)
    with open(splits, "w") as f:
        f.write(",train,val,test\n" + "".join(f"{i},s{i:03d},{'s' + format(i + 20, '03d') if i < 9 else ''},s{i + 60:03d}\n" for i in range(20)))
    answer = evaluate(out, labels, "--splits", splits)
    equal((answer["counts"]["evaluated"], answer["counts"]["missing_labels"]), (20, []))
    same = next(i for i in range(60) if rows[i]["patient"] == rows[i + 1]["patient"])
    with open(splits, "w") as f:
        f.write(f",train,val,test\n0,s{same:03d},,s{same + 1:03d}\n1,,,s100\n")
    refuse(65, f"evaluate {out}: 1 of its 2 cases was trained on: patient {rows[same]['patient']} of case s{same + 1:03d} "
               f"(case s{same:03d}, line 2 of {splits}){what_to_do}", out, "--labels", labels, "--splits", splits)


class Page(html.parser.HTMLParser):
    """Every element closed in order, the void ones apart."""
    VOID = {"meta", "img", "br", "link", "input"}

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.images = [], [], 0

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        self.images += tag == "img"
        self.addresses += [v for k, v in attrs if k in ("src", "href", "action", "xlink:href")]

    def handle_startendtag(self, tag, attrs):
        self.addresses += [v for k, v in attrs if k in ("src", "href")]

    def handle_endtag(self, tag):
        equal(self.open.pop(), tag)


def test_page(folder):
    """one page that fetches nothing, with the wrong cases and their tiles; the same bytes twice"""
    out, labels, rows = cohort(folder, n=40, tiles=True)
    kept = os.path.join(folder, "suppressions")
    with open(kept, "w") as f:
        f.write("leak:libfontconfig\n")  # which keeps what it loaded; nothing of ours is excused
    env = dict(os.environ, LSAN_OPTIONS=f"suppressions={kept}:print_suppressions=0")
    where = [os.path.join(folder, name) for name in ("first", "second")]
    for folder_out in where:
        answer = microtome("evaluate", out, "--labels", labels, "-o", folder_out, "--gallery", "3", env=env)
        equal((answer.code, answer.err), (0, ""))
    for name in ("evaluation.html", "evaluation.json", "cases.csv"):
        equal(read(os.path.join(where[0], name)), read(os.path.join(where[1], name)))
    text = read(os.path.join(where[0], "evaluation.html"))
    page = Page()
    page.feed(text)
    equal(page.open, [])
    assert page.addresses and all(a.startswith("data:image/") for a in page.addresses), [a[:60] for a in page.addresses]
    equal(text.replace('xmlns="http://www.w3.org/2000/svg"', "").count("http"), 0)
    equal(text.count("not a medical device"), 1)
    called = {r["id"]: r["_score"] >= 0.5 for r in rows}
    wrong = [[r["id"] for r in rows if r["_truth"] == t and called[r["id"]] != t] for t in (1, 0)]
    equal(page.images, sum(min(3, len(w)) for w in wrong))
    contains(text, f"False negatives: {len(wrong[0])}")
    contains(text, f"False positives: {len(wrong[1])}")
    worst = max((r for r in rows if r["id"] in wrong[1]), key=lambda r: r["_score"])
    contains(text, f"<b>{worst['id']}</b>")
    assert "nan" not in text.replace("nance", "").lower().split("<style>")[0]
    with open(os.path.join(where[0], "cases.csv"), newline="") as f:
        table = list(csv.DictReader(f))
    equal([(t["id"], t["patient"], t["truth"], t["called"], t["right"]) for t in table],
          [(r["id"], r["patient"], LABELS[r["_truth"]], LABELS[called[r["id"]]], str(int(called[r["id"]] == r["_truth"]))) for r in rows])
    equal([float(t["score_tumour"]) for t in table], [r["_score"] for r in rows])


if __name__ == "__main__":
    main([test_binary, test_classes, test_findings, test_survival, test_patients, test_several_cases, test_bootstrap, test_subgroups, test_goals,
          test_compare, test_compare_patients, test_compare_findings, test_readers, test_leaks, test_unanswered, test_refusals, test_one_class, test_page])
