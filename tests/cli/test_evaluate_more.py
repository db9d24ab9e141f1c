"""`microtome evaluate`: predictive values at a stated prevalence, survival curves and their test, two runs of survival, intervals over
patients, and the refusal of whom the head was trained on.  Held against statsmodels, SciPy, scikit-learn and NumPy."""
import csv
import json
import math
import os
import random
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import Skip, contains, equal, main, microtome, read  # noqa: E402

try:
    import h5py
    import numpy as np
    from made_results import LABELS, binary_cohort, write_labels, write_result
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

Z = 1.959963984540054


def evaluate(out, labels, *args):
    answer = microtome("evaluate", out, "--labels", labels, "--json", *args)
    assert answer.code == 0, answer
    return json.loads(answer.out)


def close(is_, wanted, what="", to=1e-10):
    assert is_ is not None and abs(is_ - wanted) <= to * max(1, abs(wanted)), f"{what}: is {is_}, wanted {wanted}"


def refuse(code, message, *args):
    answer = microtome("evaluate", *args)
    equal((answer.code, answer.out, answer.err), (code, "", f"microtome evaluate: {message}\n"))


def need(name):
    try:
        return __import__(name, fromlist=["x"])
    except ImportError as missing_module:
        raise Skip(str(missing_module))


def cohort(folder, patients=False, **more):
    out, labels = os.path.join(folder, "out"), os.path.join(folder, "labels.csv")
    rows = binary_cohort(out, labels, **more)
    if not patients:
        write_labels(labels, [{k: v for k, v in r.items() if k[0] != "_" and k != "patient"} for r in rows])
    return out, labels, rows


# ---- prevalence ----

def ratio_limits(a, b, optimize):
    """Donner and Zou's limits of a / b as the roots of their equation, not by their closed form: the ratio r at which the distance
    a - r b has its MOVER bound at 0.  a, b: value, low, high."""
    def lower(r):
        return a[0] - r * b[0] - math.hypot(a[0] - a[1], r * (b[2] - b[0]))

    def upper(r):
        return a[0] - r * b[0] + math.hypot(a[2] - a[0], r * (b[0] - b[1]))
    low = optimize.brentq(lower, 0, 1e9, xtol=1e-15, rtol=1e-15) if lower(0) > 0 else 0
    high = optimize.brentq(upper, 0, 1e9, xtol=1e-15, rtol=1e-15) if upper(1e9) < 0 else math.inf
    return low, high


def predictive(right, wrong, odds, optimize):
    low, high = ratio_limits(right, wrong, optimize)
    return [1 if math.isinf(r) else odds * r / (1 + odds * r) for r in (low, high)]


def test_prevalence(folder):
    """PPV and NPV at a stated prevalence: Bayes, MOVER-R of statsmodels' Wilson bounds, solved for the roots; and goals on them"""
    optimize, proportion = need("scipy.optimize"), need("statsmodels.stats.proportion")
    out, labels, rows = cohort(folder)
    for threshold in ("0.5", "0.7", "0.9"):
        for p in (0.001, 0.02, 0.3, 0.97):
            got = evaluate(out, labels, "--prevalence", p, "--threshold", threshold)
            equal(got["prevalence"], p)
            m = got["metrics"]
            shares = {}
            for name in ("sensitivity", "specificity"):
                hits, n = m[name]["hits"], m[name]["n"]
                low, high = proportion.proportion_confint(hits, n, 0.05, "wilson")
                shares[name] = (hits / n, low, high)
            sens, spec = shares["sensitivity"], shares["specificity"]
            fall = (1 - spec[0], 1 - spec[2], 1 - spec[1])
            miss = (1 - sens[0], 1 - sens[2], 1 - sens[1])
            for name, right, wrong, odds in (("ppv_at_prevalence", sens, fall, p / (1 - p)), ("npv_at_prevalence", spec, miss, (1 - p) / p)):
                value = right[0] * odds / (right[0] * odds + wrong[0])
                low, high = predictive(right, wrong, odds, optimize)
                close(m[name]["value"], value, name)
                close(m[name]["low"], low, name + " low", 1e-7)
                close(m[name]["high"], high, name + " high", 1e-7)
                equal(m[name]["interval"], "MOVER-R")
                assert m[name]["low"] <= value <= m[name]["high"]
    same = evaluate(out, labels, "--prevalence", evaluate(out, labels)["metrics"]["prevalence"]["value"])["metrics"]
    close(same["ppv_at_prevalence"]["value"], same["ppv"]["value"], "at the cohort's own")
    close(same["npv_at_prevalence"]["value"], same["npv"]["value"], "at the cohort's own")
    goals = evaluate(out, labels, "--prevalence", "0.02", "--goal", "npv_at_prevalence=0.98", "--goal", "ppv_at_prevalence=0.5")
    equal([(g["goal"], g["met"]) for g in goals["goals"]], [("npv_at_prevalence", True), ("ppv_at_prevalence", False)])
    drawn = evaluate(out, labels, "--prevalence", "0.02", "--bootstrap", 200)["metrics"]["ppv_at_prevalence"]
    assert drawn["bootstrap_low"] < drawn["value"] < drawn["bootstrap_high"]
    answer = microtome("evaluate", out, "--labels", labels, "--prevalence", "0.02", "-o", os.path.join(folder, "report"))
    contains(answer.out, "stated prevalence 0.02")
    contains(answer.out, "PPV, stated prevalence")
    contains(read(os.path.join(folder, "report", "evaluation.html")), "Stated prevalence 0.02. ")
    see = "\nSee microtome evaluate --help."
    for wrong, message in (("0", "--prevalence 0: a share between 0 and 1 is wanted, as 0.02" + see),
                           ("2%", "--prevalence 2%: a number is wanted" + see)):
        refuse(64, message, out, "--labels", labels, "--prevalence", wrong)


def test_prevalence_ends(folder):
    """without a false positive the upper bound is 1 and the lower one is not; without a call there is no PPV"""
    out, labels = os.path.join(folder, "out"), os.path.join(folder, "labels.csv")
    for i in range(20):
        score = 0.9 if i < 8 else 0.2 if i < 10 else 0.1
        write_result(out, f"c{i}", [1 - score, score])
    write_labels(labels, [{"id": f"c{i}", "label": LABELS[i < 10]} for i in range(20)])
    m = evaluate(out, labels, "--prevalence", "0.1")["metrics"]["ppv_at_prevalence"]
    equal((m["value"], m["high"]), (1.0, 1.0))
    assert 0.1 < m["low"] < 0.9, m
    m = evaluate(out, labels, "--prevalence", "0.1", "--threshold", "0.95")["metrics"]["ppv_at_prevalence"]
    equal((m["value"], m["low"], m["undefined"]), (None, None, "needs positive and negative cases, and one that was called positive"))


# ---- survival ----

def survival_cohort(folder, n=70, seed=6):
    rng = np.random.default_rng(seed)
    time, event = np.round(rng.exponential(400, n)), (rng.random(n) < 0.6).astype(int)
    risk = np.round(np.clip(1 / (1 + time / 300) + rng.normal(0, 0.25, n), 0.01, 0.99), 2)
    other = np.round(np.clip(risk + rng.normal(0, 0.3, n), 0.01, 0.99), 2)
    labels = write_labels(os.path.join(folder, "labels.csv"), [{"id": f"t{i:02d}", "patient": f"P{i // 2}", "time": int(time[i]), "event": int(event[i])}
                                                              for i in range(n)])
    alone = write_labels(os.path.join(folder, "alone.csv"), [{"id": f"t{i:02d}", "time": int(time[i]), "event": int(event[i])} for i in range(n)])
    for name, values in (("run", risk), ("old", other)):
        for i in range(n):
            write_result(os.path.join(folder, name), f"t{i:02d}", [values[i]], ["risk"], "risk", None)
    return labels, alone, time, event, risk, other


def test_kaplan_meier(folder):
    """survival by risk: Kaplan-Meier with its bands, log-rank test and numbers at risk are statsmodels'"""
    duration = need("statsmodels.duration.survfunc")
    labels, alone, time, event, risk, _ = survival_cohort(folder)
    out = os.path.join(folder, "run")
    for args, cut, source in (((), float(np.median(risk)), "median"), (("--threshold", "0.6"), 0.6, "option")):
        got = evaluate(out, alone, *args)["survival"]
        high = (risk >= cut).astype(int)
        close(got["cut"], cut)
        equal(got["cut_source"], source)
        chi2, p = duration.survdiff(time, event, high)
        close(got["log_rank"]["chi_squared"], chi2, "chi2")
        close(got["log_rank"]["p"], p, "p")
        assert len(got["at_risk_times"]) >= 4
        for g, group in enumerate(got["groups"]):
            mine = high == g
            equal((group["group"], group["n"], group["events"]), (("low risk", "high risk")[g], int(mine.sum()), int(event[mine].sum())))
            equal(group["at_risk"], [int((time[mine] >= t).sum()) for t in got["at_risk_times"]])
            curve = duration.SurvfuncRight(time[mine], event[mine])
            seen = curve.n_events > 0
            s, se = curve.surv_prob[seen], curve.surv_prob_se[seen]
            equal(group["curve"]["time"][1:], list(curve.surv_times[seen]))
            equal((group["curve"]["time"][0], group["curve"]["survival"][0]), (0.0, 1.0))
            for i in range(len(s)):
                close(group["curve"]["survival"][i + 1], s[i], "survival")
                if 0 < s[i] < 1:
                    reach = Z * se[i] / (s[i] * -math.log(s[i]))
                    close(group["curve"]["low"][i + 1], s[i] ** math.exp(reach), "low", 1e-9)
                    close(group["curve"]["high"][i + 1], s[i] ** math.exp(-reach), "high", 1e-9)
            median = curve.quantile(0.5)
            equal(group["median_time"], None if np.isnan(median) else float(median))
        expected = variance = 0.0  # of the high risk, time by time
        for t in np.unique(time[event == 1]):
            n, d, n1 = (time >= t).sum(), ((time == t) & (event == 1)).sum(), ((time >= t) & (high == 1)).sum()
            expected += d * n1 / n
            variance += d * n1 / n * (1 - n1 / n) * (n - d) / (n - 1) if n > 1 else 0
        stray = event[high == 1].sum() - expected
        close(got["hazard_ratio"]["value"], math.exp(stray / variance), "Peto")
        close(got["hazard_ratio"]["low"], math.exp((stray - Z * math.sqrt(variance)) / variance), "Peto low")
        equal(got["hazard_ratio"]["interval"], "Peto")
    report = os.path.join(folder, "report")
    answer = microtome("evaluate", out, "--labels", alone, "-o", report)
    equal((answer.code, answer.err), (0, ""))
    contains(answer.out, "log-rank p = ")
    page = read(os.path.join(report, "evaluation.html"))
    for part in ("Survival by risk", "Still followed", "Log-rank test: p = ", "which is no rule for the next ones"):
        contains(page, part)
    with open(os.path.join(report, "cases.csv"), newline="") as f:
        table = list(csv.DictReader(f))
    equal([(float(t["risk"]), t["group"]) for t in table], [(float(r), "high risk" if r >= np.median(risk) else "low risk") for r in risk])
    contains(microtome("evaluate", out, "--labels", labels).err, "some patients have several cases, which the log-rank test")


def test_survival_ends(folder):
    """nobody had the event, or all have one risk: the curves stand, and nothing is tested"""
    out, labels = os.path.join(folder, "out"), os.path.join(folder, "labels.csv")
    for i in range(6):
        write_result(out, f"t{i}", [0.5], ["risk"], "risk", None)
    write_labels(labels, [{"id": f"t{i}", "time": 10 * i, "event": 0} for i in range(6)])
    got = evaluate(out, labels)["survival"]
    equal((got["log_rank"], [g["n"] for g in got["groups"]]), ({"chi_squared": None, "p": None}, [0, 6]))
    contains(microtome("evaluate", out, "--labels", labels, "-o", os.path.join(folder, "r")).out, "half had the event by: not reached")


def harrell(risk, time, event):
    earlier = (event[:, None] == 1) & ((time[:, None] < time[None]) | ((time[:, None] == time[None]) & (event[None] == 0)))
    wins = (risk[:, None] > risk[None]) + 0.5 * (risk[:, None] == risk[None])
    return wins[earlier].mean()


def test_compare_survival(folder):
    """two runs of survival: both C-indices, their difference, and an interval over patients as NumPy's own draws give it"""
    labels, alone, time, event, risk, other = survival_cohort(folder)
    n = len(time)
    for table, patients in ((alone, np.arange(n)), (labels, np.arange(n) // 2)):
        got = evaluate(os.path.join(folder, "run"), table, "--compare", os.path.join(folder, "old"), "--bootstrap", 2000)["comparison"]
        d = got["differences"][0]
        equal((d["metric"], len(got["differences"]), got["n"], d["difference"]["interval"], got["mcnemar"]["p"]),
              ("c_index", 1, n, "bootstrap", None))
        a, b = harrell(risk, time, event), harrell(other, time, event)
        close(d["this"]["value"], a)
        close(d["other"]["value"], b)
        close(d["difference"]["value"], a - b)
        rng, members = np.random.default_rng(1), [np.flatnonzero(patients == p) for p in np.unique(patients)]
        drawn = []
        for _ in range(1000):
            rows = np.concatenate([members[k] for k in rng.integers(0, len(members), len(members))])
            drawn.append(harrell(risk[rows], time[rows], event[rows]) - harrell(other[rows], time[rows], event[rows]))
        spread = np.std(drawn)
        for name, wanted in zip(("low", "high"), np.percentile(drawn, (2.5, 97.5))):
            assert abs(d["difference"][name] - wanted) < 0.3 * spread, (name, d["difference"], wanted, spread)
        close(math.erfc(abs(a - b) / spread / math.sqrt(2)), d["p"], "p", 0.06)
    index = evaluate(os.path.join(folder, "run"), alone)["metrics"]["c_index"]  # has its interval without --bootstrap
    assert index["interval"] == "bootstrap" and index["low"] < index["value"] < index["high"], index
    again = [evaluate(os.path.join(folder, "run"), alone, "--compare", os.path.join(folder, "old"))["comparison"] for _ in range(2)]
    equal(again[0], again[1])
    assert again[0]["differences"][0]["difference"]["low"] is not None  # without --bootstrap too


# ---- over patients ----

def slides_of_patients(folder, slides=6, patients=30, seed=4):
    """All slides of a patient are much alike: the truth of the patient, the score of the patient with little between slides."""
    out, labels = os.path.join(folder, "out"), os.path.join(folder, "labels.csv")
    rng, rows = np.random.default_rng(seed), []
    for p in range(patients):
        truth, base = int(rng.random() < 0.5), rng.normal(0, 1)
        read_as = [truth if rng.random() < 0.8 else 1 - truth for _ in range(3)]
        for s in range(slides):
            score = float(np.round(1 / (1 + math.exp(-(1.2 * (2 * truth - 1) + base + rng.normal(0, 0.2)))), 3))
            score = min(max(score, 0.001), 0.999)
            case = f"p{p:02d}s{s}"
            write_result(out, case, [1 - score, score])
            readers = {f"dr_{k}": LABELS[v if rng.random() < 0.95 else 1 - v] for k, v in zip("abc", read_as)}
            rows.append({"id": case, "label": LABELS[truth], "patient": f"P{p:02d}", "sex": "fm"[p % 2], **readers, "_truth": truth,
                         "_called": int(np.float32(score) >= 0.5)})
    write_labels(labels, [{k: v for k, v in r.items() if k[0] != "_"} for r in rows])
    return out, labels, rows


def test_over_patients(folder):
    """kappas and gaps of patients with several slides: the values are scikit-learn's, the intervals NumPy's draws of patients"""
    metrics = need("sklearn.metrics")
    out, labels, rows = slides_of_patients(folder)
    got = evaluate(out, labels, "--by", "sex", "--readers", "dr_a,dr_b,dr_c", "--bootstrap", 2000)
    truth, called = np.array([r["_truth"] for r in rows]), np.array([r["_called"] for r in rows])
    sex, patient = np.array([r["sex"] for r in rows]), np.array([r["patient"] for r in rows])
    readings = np.array([[LABELS.index(r[f"dr_{k}"]) for k in "abc"] for r in rows])
    majority = (readings.sum(1) >= 2).astype(int)

    def cohen(a, b):
        table = np.zeros((2, 2))
        np.add.at(table, (a, b), 1)
        table /= table.sum()
        chance = (table.sum(0) * table.sum(1)).sum()
        return (np.trace(table) - chance) / (1 - chance)

    def fleiss(rows_):
        counts = np.stack([(readings[rows_] == k).sum(1) for k in (0, 1)], 1)
        agree, chance = ((counts ** 2).sum(1) - 3).mean() / 6, ((counts.sum(0) / counts.sum()) ** 2).sum()
        return (agree - chance) / (1 - chance)

    def gap(rows_, of):
        share = [called[rows_][(sex[rows_] == g) & (truth[rows_] == of)] for g in "fm"]
        return share[0].mean() - share[1].mean() if min(map(len, share)) else math.nan

    close(got["metrics"]["kappa"]["value"], metrics.cohen_kappa_score(truth, called))
    readers, odds = got["readers"], got["subgroups"][0]
    sign = {name: 1 if odds[name]["highest"] == "f" else -1 for name in ("true_positive_rate_gap", "false_positive_rate_gap")}
    claims = [(got["metrics"]["kappa"], lambda r: cohen(truth[r], called[r])),
              (readers["fleiss_kappa"], fleiss),
              (readers["pairwise_kappa"][0], lambda r: cohen(readings[r, 0], readings[r, 1])),
              (readers["mean_pairwise_kappa"], lambda r: np.mean([cohen(readings[r, i], readings[r, j]) for i, j in ((0, 1), (0, 2), (1, 2))])),
              (readers["model_with_majority"], lambda r: cohen(called[r], majority[r])),
              (readers["readers"][2]["kappa_with_model"], lambda r: cohen(readings[r, 2], called[r])),
              (odds["true_positive_rate_gap"], lambda r: sign["true_positive_rate_gap"] * gap(r, 1)),
              (odds["false_positive_rate_gap"], lambda r: sign["false_positive_rate_gap"] * gap(r, 0))]
    rng, names = np.random.default_rng(2), np.unique(patient)
    members = [np.flatnonzero(patient == p) for p in names]
    draws = [np.concatenate([members[k] for k in rng.integers(0, len(names), len(names))]) for _ in range(1500)]
    for k, (claim, formula) in enumerate(claims):
        close(claim["value"], formula(np.arange(len(rows))), f"claim {k}")
        equal(claim["interval"], "bootstrap, by patients")
        drawn = np.array([formula(d) for d in draws])
        drawn = drawn[np.isfinite(drawn)]
        for name, wanted in zip(("low", "high"), np.percentile(drawn, (2.5, 97.5))):
            assert abs(claim[name] - wanted) < 0.35 * drawn.std(), (k, name, claim, wanted, drawn.std())
    alone = write_labels(os.path.join(folder, "alone.csv"), [{c: v for c, v in r.items() if c[0] != "_" and c != "patient"} for r in rows])
    apart = evaluate(out, alone, "--by", "sex", "--readers", "dr_a,dr_b,dr_c")
    equal([apart["metrics"]["kappa"]["interval"], apart["subgroups"][0]["true_positive_rate_gap"]["interval"],
           apart["readers"]["fleiss_kappa"]["interval"]], ["Wald", "Newcombe", "bootstrap"])
    width = [g["metrics"]["kappa"]["high"] - g["metrics"]["kappa"]["low"] for g in (got, apart)]
    assert width[0] > 1.5 * width[1], width


# ---- whom the head was trained on ----

def trained_head(folder, dim=8, cases=36):
    """Features of `cases` cases, two a patient, and a head trained in three folds, whose heads are kept."""
    rng, rows = np.random.default_rng(3), []
    features = os.path.join(folder, "features")
    os.makedirs(features)
    for i in range(cases):
        truth = i // 2 % 2
        with h5py.File(os.path.join(features, f"c{i:02d}.h5"), "w") as f:
            f.create_dataset("features", data=(rng.normal(0, 1, (12, dim)) + truth).astype("f4"))
            f.create_dataset("coords", data=np.zeros((12, 2), "i8"))
        rows.append({"id": f"c{i:02d}", "label": LABELS[truth], "patient": f"P{i // 2:02d}"})
    labels = write_labels(os.path.join(folder, "labels.csv"), rows)
    head = os.path.join(folder, "h.safetensors")
    answer = microtome("train", features, "--labels", labels, "-o", head, "-m", "linear", "--positive", "tumour", "--folds", 3, "--keep-folds", "--seed", 1)
    assert answer.code == 0, answer
    return features, labels, head, rows


def score(features, head, out, ids):
    answer = microtome("aggregate", "-m", head, "-o", out, *[os.path.join(features, f"{i}.h5") for i in ids])
    assert answer.code == 0, answer
    return out


def test_trained_on(folder):
    """what train writes beside the head keeps its patients from being tested; of a fold the others may be; --allow-trained says so"""
    features, labels, head, rows = trained_head(folder)
    beside = list(csv.DictReader(open(os.path.join(folder, "h.trained.csv"), newline="")))
    equal((list(beside[0]), len(beside)), (["salt", "side", "case_sha256", "patient_sha256"], len(rows)))
    text = read(os.path.join(folder, "h.trained.csv"))
    assert "c00" not in [w for line in text.split("\n") for w in line.split(",")] and "P00" not in text
    import hashlib
    salt = hashlib.sha256(read(head, "rb")).hexdigest()
    equal({r["case_sha256"] for r in beside}, {hashlib.sha256(f"{salt}\ncase\n{r['id']}".encode()).hexdigest() for r in rows})
    equal({r["patient_sha256"] for r in beside}, {hashlib.sha256(f"{salt}\npatient\n{r['patient']}".encode()).hexdigest() for r in rows})

    out = score(features, head, os.path.join(folder, "all"), [r["id"] for r in rows])
    kept = os.path.join(out, "trained", salt + ".csv")
    equal(read(kept), text)
    names = "; ".join(f"case c{2 * i:02d} ({kept})" for i in range(5)) + " and 13 more patients"
    what_to_do = f": leave them out of {labels}, score them with a head that has not seen them, or say --allow-trained, and every output will"
    refuse(65, f"evaluate {out}: 36 of its 36 cases were trained on: {names}{what_to_do}", out, "--labels", labels)
    os.remove(kept)
    equal(evaluate(out, labels)["training_set"], {"looked_in": [], "evaluated_of_it": None})  # nothing says it, and the page tells
    listed = os.path.join(folder, "h.trained.csv")
    refuse(65, f"evaluate {out}: 36 of its 36 cases were trained on: {names.replace(kept, listed)}{what_to_do}", out, "--labels", labels,
           "--head", head)
    refuse(65, f"evaluate {out}: 18 of its 18 patients were trained on: {names.replace(kept, listed)}{what_to_do}", out, "--labels", labels,
           "--head", head, "--level", "patient")

    report = os.path.join(folder, "report")
    answer = microtome("evaluate", out, "--labels", labels, "--head", head, "--allow-trained", "-o", report)
    equal(answer.code, 0)
    contains(answer.err, "TRAINED ON: the head learnt from 36 of these 36 cases: what follows does not say how it does on others")
    contains(answer.out, "(TRAINED ON: 36 of these)")
    contains(read(os.path.join(report, "evaluation.html")), "</title>")
    contains(read(os.path.join(report, "evaluation.html")), f"<h1>Evaluation of {out} on cases it was trained on</h1>")
    equal({r["trained_on"] for r in csv.DictReader(open(os.path.join(report, "cases.csv"), newline=""))}, {"1"})
    equal(json.loads(read(os.path.join(report, "evaluation.json")))["training_set"], {"looked_in": [listed], "evaluated_of_it": 36})

    # the head of a fold: its own test cases pass, by the fold's list and by either split file
    splits = os.path.join(folder, "h-splits")
    test = [r["id"] for r in csv.DictReader(open(os.path.join(splits, "splits.csv"), newline="")) if r["fold_1"] == "test"]
    fold = os.path.join(folder, "h-fold1.safetensors")
    own = score(features, fold, os.path.join(folder, "fold1"), [r["id"] for r in rows])
    for given in ((os.path.join(splits, "splits.csv"), "--fold", "1"), (splits, "--fold", "1"), (os.path.join(splits, "splits_1.csv"),)):
        got = evaluate(own, labels, "--splits", *given)
        equal((got["counts"]["evaluated"], got["training_set"]["evaluated_of_it"], len(got["training_set"]["looked_in"])), (len(test), 0, 2))
    answer = microtome("evaluate", own, "--labels", labels)
    contains(answer.err, f"evaluate {own}: {36 - len(test)} of its 36 cases were trained on: ")
    # the final head saw them all, whatever a split says
    out = score(features, head, os.path.join(folder, "again"), [r["id"] for r in rows])
    contains(microtome("evaluate", out, "--labels", labels, "--splits", splits, "--fold", "1").err,
             f"evaluate {out}: {len(test)} of its {len(test)} cases were trained on: ")
    # a head that began with another was trained on its cases too
    half, later = write_labels(os.path.join(folder, "half.csv"), rows[:18]), os.path.join(folder, "later.safetensors")
    first = os.path.join(folder, "first.safetensors")
    for to, table, begun in ((first, write_labels(os.path.join(folder, "rest.csv"), rows[18:]), ()), (later, half, ("--init", first))):
        answer = microtome("train", features, "--labels", table, "-o", to, "-m", "abmil", "--positive", "tumour", "--epochs", 1, "--hidden", 4,
                           "--attention", 4, "--folds", 1, *begun)
        assert answer.code == 0, answer
    equal([len(read(f"{p[:-len('.safetensors')]}.trained.csv").split("\n")) - 2 for p in (first, later)], [18, 36])
    answer = microtome("evaluate", score(features, later, os.path.join(folder, "later"), [r["id"] for r in rows]), "--labels", labels)
    contains(answer.err, "36 of its 36 cases were trained on: ")
    # an ensemble was trained on what its members were
    both = score(features, os.path.join(folder, "h-ensemble.card"), os.path.join(folder, "ensemble"), test)
    table = write_labels(os.path.join(folder, "test.csv"), [r for r in rows if r["id"] in test])
    contains(microtome("evaluate", both, "--labels", table).err, f"{len(test)} of its {len(test)} cases were trained on: ")


def test_split_refusals(folder):
    """splits and lists that say nothing, or of another head: each a clear error"""
    features, labels, head, rows = trained_head(folder)
    out = score(features, head, os.path.join(folder, "out"), [r["id"] for r in rows])
    splits, fold = os.path.join(folder, "h-splits", "splits.csv"), os.path.join(folder, "h-fold0.safetensors")
    sha = [__import__("hashlib").sha256(read(h, "rb")).hexdigest() for h in (fold, head)]
    refuse(64, f"--splits {splits}: it has the folds 0, 1, 2: say with --fold which one made the head", out, "--labels", labels, "--splits", splits)
    refuse(64, f"--fold 7: {splits} has the folds 0, 1, 2", out, "--labels", labels, "--splits", splits, "--fold", "7")
    refuse(64, "--fold 1: it is of --splits, which is not given", out, "--labels", labels, "--fold", "1")
    refuse(65, f"--head {fold}: the scores of {out} are of another head: its SHA-256 is {sha[0][:8]}…, theirs {sha[1][:8]}…", out, "--labels", labels,
           "--head", fold)
    refuse(65, f"read splits {labels}: columns train, val and test are wanted, as in CLAM's splits_0.csv, or id and fold_0, ... as train writes "
               "them", out, "--labels", labels, "--splits", labels)
    os.remove(os.path.join(folder, "h.trained.csv"))
    refuse(66, f"head {head}: nothing beside it says whom it was trained on ({folder}/h.trained.csv), as a head of train has it", out, "--labels",
           labels, "--head", head)
    for text, message in (("salt,side\n", "it has no column case_sha256"),
                          ("salt,side,case_sha256,patient_sha256\nab,train,cd,ef\n", "line 2 is no row of SHA-256 in 64 digits")):
        with open(os.path.join(folder, "h.trained.csv"), "w") as f:
            f.write(text)
        refuse(65, f"read training list {folder}/h.trained.csv: {message}", out, "--labels", labels, "--head", head)


def test_named_leaks(folder):
    """a labels file of the training set: cases and patients by name, five of them and the count; a second case of a patient too"""
    out, labels, rows = cohort(folder, patients=True, n=40)
    train = os.path.join(folder, "train.csv")
    seen = sorted({r["patient"] for r in rows})[:8]
    write_labels(train, [{"id": f"t{i}", "label": "normal", "patient": p} for i, p in enumerate(seen)])
    first = [next(r["id"] for r in rows if r["patient"] == p) for p in seen]
    n = sum(r["patient"] in seen for r in rows)
    names = "; ".join(f"patient {p} of case {first[i]} (case t{i}, line {i + 2} of {train})" for i, p in enumerate(seen[:5]))
    refuse(65, f"evaluate {out}: {n} of its 40 cases were trained on: {names} and 3 more patients: leave them out of {labels}, score them with a "
               "head that has not seen them, or say --allow-trained, and every output will", out, "--labels", labels, "--train-labels", train)
    # of a patient who is evaluated as one, the second case was trained on, and the training file names no patients
    two = next(p for p in seen if sum(r["patient"] == p for r in rows) > 1)
    second = [r["id"] for r in rows if r["patient"] == two][1]
    write_labels(train, [{"id": second, "label": "normal"}])
    contains(microtome("evaluate", out, "--labels", labels, "--train-labels", train, "--level", "patient").err,
             f"1 of its {len({r['patient'] for r in rows})} patients was trained on: case {second} (line 2 of {train})")


if __name__ == "__main__":
    random.seed(0)
    main([test_prevalence, test_prevalence_ends, test_kaplan_meier, test_survival_ends, test_compare_survival, test_over_patients,
          test_trained_on, test_split_refusals, test_named_leaks])
