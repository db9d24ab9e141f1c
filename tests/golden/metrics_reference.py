#!/usr/bin/env python3
"""Values of the metrics of src/evaluate by scikit-learn, SciPy, statsmodels and definitions written out in NumPy.

usage: metrics_reference.py FOLDER    writes FOLDER/*.json, which the unit tests read; run again only when cases are added
"""
import json
import os
import sys
import warnings

import numpy as np
from scipy import ndimage, optimize, special, stats
from sklearn import calibration, metrics
import statsmodels.api as sm
from statsmodels.stats import contingency_tables, inter_rater, proportion

LEVEL = 0.95
Z = stats.norm.ppf(0.5 + LEVEL / 2)


def number(x):
    """Undefined is null."""
    x = float(x)
    return x if np.isfinite(x) else None


def numbers(a):
    return [number(x) for x in np.asarray(a, dtype=float).ravel()]


# ---- scores against 0/1 ----

def binary_arrays():
    rng = np.random.default_rng(7)
    for n, share, decimals in [(2, .5, 3), (3, .5, 1), (5, .4, 2), (8, .5, 1), (12, .25, 2), (20, .5, 1), (30, .1, 3), (40, .5, 0), (60, .3, 2),
                               (60, .9, 4), (100, .05, 2), (150, .5, 15), (250, .2, 15), (37, .3, 2), (24, .5, 15)]:
        truth = (rng.random(n) < share).astype(int)
        truth[:2] = [0, 1]
        scores = np.round(special.expit(rng.normal(size=n) + (truth - 0.5) * rng.choice([0.5, 1.5, 4])), decimals)
        yield scores, truth, np.round(special.expit(rng.normal(size=n) + (truth - 0.5) * 1.2), decimals)
    yield np.array([.1, .2, .8, .9]), np.array([0, 0, 1, 1]), np.array([.9, .8, .2, .1])      # perfect, and turned round
    yield np.array([.1, .2, .8, .9]), np.array([0, 0, 0, 0]), np.array([.1, .2, .3, .4])      # one class
    yield np.array([.5, .5, .5, .5]), np.array([0, 1, 0, 1]), np.array([0., 1., 0., 1.])      # ties alone


def placements(scores, truth):
    """DeLong's structural components, by the double loop of the definition."""
    pos, neg = scores[truth == 1], scores[truth == 0]
    wins = (pos[:, None] > neg[None]) + 0.5 * (pos[:, None] == neg[None])
    return wins.mean(1), wins.mean(0)


def delong_covariance(v10, v01):
    m, n = len(v10[0]), len(v01[0])
    return np.cov(v10) / m + np.cov(v01) / n if m > 1 and n > 1 else np.full((2, 2), np.nan)


def newcombe(area, m, n):
    star = (m + n) / 2 - 1

    def gap(a):
        v = a * (1 - a) * (1 + star * (1 - a) / (2 - a) + star * a / (1 + a)) / (m * n)
        return (area - a) ** 2 - Z * Z * v

    low = 0. if area == 0 else optimize.brentq(gap, 0, area, xtol=1e-16, rtol=1e-15) if gap(area) < 0 else None
    high = 1. if area == 1 else optimize.brentq(gap, area, 1, xtol=1e-16, rtol=1e-15) if gap(area) < 0 else None
    if area == 1:
        low = optimize.brentq(lambda a: gap(a), 1e-9, 1 - 1e-12, xtol=1e-16, rtol=1e-15)
    if area == 0:
        high = optimize.brentq(lambda a: gap(a), 1e-12, 1 - 1e-9, xtol=1e-16, rtol=1e-15)
    return [low, high]


def delong(scores, other, truth):
    a, b = placements(scores, truth), placements(other, truth)
    cov = delong_covariance((a[0], b[0]), (a[1], b[1]))
    area, area_b = a[0].mean(), b[0].mean()
    out = {"newcombe": newcombe(area, truth.sum(), (1 - truth).sum())}
    if 0 < area < 1 and cov[0, 0] > 0:
        s = np.sqrt(cov[0, 0])
        logit = special.logit(area) + np.array([-1, 1]) * Z * s / (area * (1 - area))
        out |= {"wald": [max(0, area - Z * s), min(1, area + Z * s)], "logit": numbers(special.expit(logit))}
    variance = cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]
    if variance > 1e-12:
        z = (area - area_b) / np.sqrt(variance)
        out |= {"difference": area - area_b, "difference_ci": [area - area_b - Z * np.sqrt(variance), area - area_b + Z * np.sqrt(variance)], "z": z,
                "p": 2 * stats.norm.sf(abs(z))}
    return out


def mass_bins(scores, truth, bins):
    """Equal-mass bins by NumPy's linear quantiles; edges that fall on a score are taken exactly."""
    ordered = np.sort(scores)
    edges = []
    for i in range(bins + 1):
        whole, rest = divmod(i * (len(scores) - 1), bins)
        edges.append(ordered[whole] if rest == 0 else ordered[whole] + (ordered[whole + 1] - ordered[whole]) * (rest / bins))
    assert np.allclose(edges, np.percentile(scores, np.linspace(0, 100, bins + 1)), rtol=1e-12, atol=1e-14)
    which = np.searchsorted(edges[1:-1], scores)
    return which


def errors_of_bins(scores, truth, which):
    gaps = [(np.sum(which == b), abs(scores[which == b].mean() - truth[which == b].mean())) for b in np.unique(which)]
    return [sum(n * g for n, g in gaps) / len(scores), max(g for _, g in gaps)]


def regression(scores, truth):
    """Roots of the score equations; statsmodels' GLM agrees where its own stopping rule lets it."""
    p = np.clip(scores, 1e-12, 1 - 1e-12)
    x = np.log(p) - np.log1p(-p)
    large = optimize.brentq(lambda a: np.sum(np.where(truth == 1, special.expit(-a - x), -special.expit(a + x))), -60, 60, xtol=1e-15, rtol=1e-15)
    out = {"large": large, "large_se": np.sum(special.expit(large + x) * special.expit(-large - x)) ** -0.5}
    pos, neg = scores[truth == 1], scores[truth == 0]
    if pos.min() < neg.max() and neg.min() < pos.max():
        design = np.column_stack([np.ones_like(x), x])
        line = np.zeros(2)
        for _ in range(60):
            w = special.expit(design @ line)
            information = design.T @ (design * (w * (1 - w))[:, None])
            line = line + np.linalg.solve(information, design.T @ (truth - w))
        out |= {"line": numbers(line), "line_se": numbers(np.sqrt(np.diag(np.linalg.inv(information))))}
        if len(x) > 20 and 0 < scores.min() and scores.max() < 1:
            glm = sm.GLM(truth, design, family=sm.families.Binomial()).fit(tol=1e-15, maxiter=300)
            assert np.allclose(glm.params, line, rtol=1e-9, atol=1e-10) and np.allclose(glm.bse, out["line_se"], rtol=1e-8)
    return out


def reliability(scores, truth):
    which = np.searchsorted([i / 10 for i in range(1, 10)], scores)
    mean_truth, mean_score = calibration.calibration_curve(truth, scores, n_bins=10)
    out = {"brier": metrics.brier_score_loss(truth, scores), "log_loss": metrics.log_loss(truth, scores, labels=[0, 1]),
           "ece_width": errors_of_bins(scores, truth, which), "ece_mass": errors_of_bins(scores, truth, mass_bins(scores, truth, 10)),
           "curve_score": numbers(mean_score), "curve_truth": numbers(mean_truth)}
    if 0 < truth.sum() < len(truth):
        out |= regression(scores, truth)
    return out


def net_benefit(scores, truth, t):
    called = scores >= t
    w = t / (1 - t)
    return [np.mean(called & (truth == 1)) - np.mean(called & (truth == 0)) * w, truth.mean() - (1 - truth.mean()) * w]


def binary_case(scores, truth, other):
    out = {"scores": numbers(scores), "other": numbers(other), "truth": truth.tolist()}
    if 0 < truth.sum() < len(truth):
        x, y, t = metrics.roc_curve(truth, scores, drop_intermediate=False)
        p, r, pt = metrics.precision_recall_curve(truth, scores)
        out |= {"area": metrics.roc_auc_score(truth, scores), "roc": [numbers(x), numbers(y), numbers(t[1:])],
                "pr": [numbers(r[::-1]), numbers(p[::-1]), numbers(pt[::-1])], "ap": metrics.average_precision_score(truth, scores)}
        out |= delong(scores, other, truth)
    out |= reliability(scores, truth)
    out["net_benefit"] = [[t] + numbers(net_benefit(scores, truth, t)) for t in (0.0, 0.05, 0.2, 0.5, 0.8)]
    return out


# ---- shares and decisions ----

def shares():
    out = []
    for hits, n in [(0, 1), (1, 1), (0, 10), (10, 10), (3, 7), (1, 100), (99, 100), (381, 381), (380, 380), (45, 50), (777, 1000), (5, 5000)]:
        for level in (0.8, 0.95, 0.99):
            out.append([hits, n, level] + numbers(proportion.proportion_confint(hits, n, 1 - level, "wilson")) +
                       numbers(proportion.proportion_confint(hits, n, 1 - level, "beta")))
    return out


def needed():
    """The smallest n, by going through all of them."""
    out = []
    for wanted, misses in [(0.99, 0), (0.99, 1), (0.95, 0), (0.95, 2), (0.5, 0), (0.9, 7)]:
        for method in ("wilson", "beta"):
            n = misses + 1
            while proportion.proportion_confint(n - misses, n, 1 - LEVEL, method)[0] < wanted:
                n += 1
            out.append([wanted, misses, method, n])
    return out


def differences():
    out = []
    for a in [(9, 10, 3, 10), (0, 20, 0, 30), (56, 70, 48, 80), (10, 10, 0, 20), (5, 5, 5, 5)]:
        ci = proportion.confint_proportions_2indep(*a, method="newcomb", compare="diff", alpha=1 - LEVEL, correction=False)
        out.append(list(a) + numbers(ci))
    return out


def two_by_two():
    rng = np.random.default_rng(11)
    out = []
    tables = [rng.integers(0, 30, 4) for _ in range(20)] + [np.array(t) for t in ([0, 0, 5, 5], [5, 5, 0, 0], [0, 3, 0, 4], [7, 0, 0, 9], [0, 4, 6, 0])]
    for tp, fp, fn, tn in tables:
        truth = np.repeat([1, 0, 1, 0], [tp, fp, fn, tn])
        called = np.repeat([1, 1, 0, 0], [tp, fp, fn, tn])
        row = [tp, fn, fp, tn]
        f1 = metrics.f1_score(truth, called) if tp + fp + fn else np.nan
        both = 0 < truth.sum() < len(truth)
        mcc = metrics.matthews_corrcoef(truth, called) if both and 0 < called.sum() < len(called) else np.nan
        balanced = metrics.balanced_accuracy_score(truth, called) if both else np.nan
        case = {"counts": [int(x) for x in row], "f1": number(f1), "mcc": number(mcc), "balanced": number(balanced),
                "accuracy": metrics.accuracy_score(truth, called)}
        if both:
            case |= at_prevalence(tp, fn, fp, tn, 0.013)
        out.append(case)
    return out


def at_prevalence(tp, fn, fp, tn, prevalence):
    alpha = (1 - LEVEL) / 2
    se = np.array([tp / (tp + fn), *proportion.proportion_confint(tp, tp + fn, alpha, "beta")])
    sp = np.array([tn / (tn + fp), *proportion.proportion_confint(tn, tn + fp, alpha, "beta")])
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ppv = se * prevalence / (se * prevalence + (1 - sp) * (1 - prevalence))
        npv = sp * (1 - prevalence) / (sp * (1 - prevalence) + (1 - se) * prevalence)
    return {"prevalence": prevalence, "ppv": numbers(ppv), "npv": numbers(npv)}


def classes():
    rng = np.random.default_rng(13)
    out = []
    for n, k in [(10, 3), (40, 4), (80, 5), (200, 3), (15, 6), (30, 2)]:
        truth = rng.integers(0, k, n)
        truth[:k] = np.arange(k)
        scores = rng.dirichlet(np.ones(k), n) + 0.4 * np.eye(k)[truth]
        scores /= scores.sum(1, keepdims=True)
        scores = np.round(scores, 3)
        scores[:, -1] = 1 - scores[:, :-1].sum(1)
        scores = np.clip(scores, 0, 1)
        called = scores.argmax(1)
        hot = np.eye(k)[truth]
        each = [metrics.roc_auc_score(hot[:, c], scores[:, c]) for c in range(k)]
        case = {"classes": k, "scores": numbers(scores), "truth": truth.tolist(), "called": called.tolist(), "each": each,
                "macro": np.mean(each), "weighted": np.average(each, weights=hot.sum(0)), "micro": metrics.roc_auc_score(hot.ravel(), scores.ravel()),
                "log_loss": -np.mean(np.log(np.clip(scores[np.arange(n), truth], 2**-52, 1 - 2**-52))),
                "matrix": metrics.confusion_matrix(truth, called, labels=range(k)).ravel().tolist(), "accuracy": metrics.accuracy_score(truth, called),
                "balanced": metrics.balanced_accuracy_score(truth, called), "macro_f1": metrics.f1_score(truth, called, average="macro"),
                "weighted_f1": metrics.f1_score(truth, called, average="weighted"), "mcc": metrics.matthews_corrcoef(truth, called)}
        if k > 2:
            assert np.isclose(case["macro"], metrics.roc_auc_score(truth, scores, multi_class="ovr", average="macro"), rtol=1e-13)
            assert np.isclose(case["weighted"], metrics.roc_auc_score(truth, scores, multi_class="ovr", average="weighted"), rtol=1e-13)
        out.append(case)
    return out


def distributions():
    x = [-8.5, -3, -1.96, -0.3, 0, 0.7, 2.5, 7]
    p = [1e-15, 1e-6, 0.025, 0.4, 0.5, 0.77, 0.975, 1 - 1e-9]
    beta = [(a, b, t) for a, b in [(1, 1), (0.5, 0.5), (3, 8), (120, 5), (1, 400), (2500, 2501)] for t in (0.003, 0.025, 0.3, 0.5, 0.9, 0.995)]
    return {"cdf": [[v, stats.norm.cdf(v)] for v in x], "quantile": [[v, stats.norm.ppf(v)] for v in p],
            "chi2": [[v, stats.chi2.sf(v, 1)] for v in (0, 0.1, 1, 3.84, 10.5, 60)],
            "beta": [[a, b, t, special.betainc(a, b, t), special.betaincinv(a, b, t)] for a, b, t in beta]}


# ---- two sets of decisions, readers, survival, groups ----

def mcnemar():
    rng = np.random.default_rng(17)
    out = []
    for n, pa, pb in [(10, .8, .8), (50, .9, .7), (200, .8, .82), (1000, .95, .9), (6, 1, 1), (8, 1, 0), (40, .5, .5)]:
        a, b = (rng.random(n) < pa).astype(int), (rng.random(n) < pb).astype(int)
        table = [[int(np.sum((a == i) & (b == j))) for j in (1, 0)] for i in (1, 0)]
        differ = table[0][1] + table[1][0]
        case = {"a": a.tolist(), "b": b.tolist(), "exact": contingency_tables.mcnemar(table, exact=True).pvalue if differ else 1,
                "chi2": 0, "chi2_p": 1, "difference": a.mean() - b.mean()}
        if differ:
            chi2 = contingency_tables.mcnemar(table, exact=False, correction=True)
            case |= {"chi2": chi2.statistic, "chi2_p": chi2.pvalue}
        s = (a - b).std() / np.sqrt(n)
        case["ci"] = numbers(np.clip([case["difference"] - Z * s, case["difference"] + Z * s], -1, 1))
        out.append(case)
    return out


def kappas():
    rng = np.random.default_rng(19)
    out = []
    for n, k in [(6, 2), (20, 3), (100, 4), (300, 6), (12, 5), (50, 2)]:
        a = rng.integers(0, k, n)
        b = np.where(rng.random(n) < .6, a, rng.integers(0, k, n))
        a[:k], b[:k] = np.arange(k), np.arange(k)
        case = {"a": a.tolist(), "b": b.tolist(), "classes": k}
        matrix = metrics.confusion_matrix(a, b, labels=range(k))
        for name, sk, sm_name in [("plain", None, None), ("linear", "linear", "linear"), ("quadratic", "quadratic", "quadratic")]:
            value = metrics.cohen_kappa_score(a, b, weights=sk)
            found = inter_rater.cohens_kappa(matrix, wt=sm_name)
            assert np.isclose(value, found.kappa, rtol=1e-11, atol=1e-13)
            case[name] = [value, max(-1, found.kappa_low), min(1, found.kappa_upp)]
        out.append(case)
    return out


def readings():
    rng = np.random.default_rng(23)
    out = []
    for n, readers, k, missing in [(8, 3, 2, 0), (30, 4, 3, 0), (100, 5, 4, .1), (14, 3, 5, .3), (60, 2, 2, 0)]:
        truth = rng.integers(0, k, n)
        read = np.where(rng.random((n, readers)) < .6, truth[:, None], rng.integers(0, k, (n, readers)))
        read[rng.random((n, readers)) < missing] = -1
        whole = read[(read >= 0).all(1)]
        table = np.stack([(whole == c).sum(1) for c in range(k)], 1)
        consensus, pairs = [], []
        for row in read:
            votes = np.array([(row == c).sum() for c in range(k)])
            consensus.append(int(votes.argmax()) if votes.max() > 0 and (votes == votes.max()).sum() == 1 else -1)
        for i in range(readers):
            for j in range(i + 1, readers):
                both = (read[:, i] >= 0) & (read[:, j] >= 0)
                pairs.append(metrics.cohen_kappa_score(read[both, i], read[both, j], weights="quadratic", labels=range(k)))
        out.append({"readers": readers, "classes": k, "readings": read.ravel().tolist(), "complete": len(whole),
                    "fleiss": number(inter_rater.fleiss_kappa(table)), "pairs": numbers(pairs), "mean": np.mean(pairs), "consensus": consensus})
    return out


def harrell(risk, time, event):
    """By the double loop of the definition: [concordant, tied, discordant]."""
    counts = [0, 0, 0]
    for i in range(len(risk)):
        for j in range(len(risk)):
            first = event[i] and (time[i] < time[j] or (time[i] == time[j] and not event[j]))
            if first:
                counts[0 if risk[i] > risk[j] else 1 if risk[i] == risk[j] else 2] += 1
    return counts


def kaplan_meier(time, event):
    s = sm.SurvfuncRight(time, event)
    last = 0. if np.isnan(s.surv_prob_se[-1]) else s.surv_prob_se[-1]
    return [numbers(s.surv_times), numbers(s.surv_prob), numbers(list(s.surv_prob_se[:-1]) + [last])]


def survival():
    rng = np.random.default_rng(29)
    out = []
    for n, decimals in [(2, 2), (5, 0), (20, 1), (60, 0), (200, 3), (40, 1)]:
        risk = np.round(rng.normal(size=n), decimals)
        time = np.round(rng.exponential(10 * np.exp(-risk)), decimals)
        event = (rng.random(n) < .6).astype(int)
        event[0] = 1
        counts = harrell(risk, time, event)
        case = {"risk": numbers(risk), "time": numbers(time), "event": event.tolist(), "counts": counts, "km": kaplan_meier(time, event)}
        if sum(counts):
            case["index"] = (counts[0] + counts[1] / 2) / sum(counts)
        out.append(case)
    return out


def groups():
    """Gaps as fairlearn defines them (largest less smallest), Newcombe's interval of the two at Bonferroni's level."""
    rng = np.random.default_rng(31)
    out = []
    for k in (2, 3, 5, 8):
        tables = rng.integers(1, 40, (k, 4))
        if k == 5:
            tables[2, :2] = 0  # tp, fn: a group without positives
        case = {"groups": tables.tolist()}
        for name, part, whole in [("sensitivity", [0], [0, 1]), ("fpr", [2], [2, 3]), ("ppv", [0], [0, 2]), ("npv", [3], [3, 1])]:
            has = [g for g in range(k) if tables[g, whole].sum() > 0]
            rate = {g: tables[g, part].sum() / tables[g, whole].sum() for g in has}
            low, high = min(has, key=rate.get), max(has, key=rate.get)
            alpha = (1 - LEVEL) / (len(has) * (len(has) - 1) / 2)
            ci = proportion.confint_proportions_2indep(tables[high, part].sum(), tables[high, whole].sum(), tables[low, part].sum(),
                                                       tables[low, whole].sum(), method="newcomb", compare="diff", alpha=alpha, correction=False)
            case[name] = [low, high, rate[high] - rate[low]] + numbers(ci)
        case["difference"] = max(case["sensitivity"][2], case["fpr"][2])
        out.append(case)
    return out


# ---- bootstrap ----

def split_mix(seed, k):
    x = (seed + (k + 1) * 0x9E3779B97F4A7C15) % 2**64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def bootstrap_case(n, clusters, strata, seed, resamples, metric):
    """Draws as src/evaluate/bootstrap.h tells, intervals by NumPy's quantiles and Efron's formulas."""
    rng = np.random.default_rng(seed)
    values = np.round(rng.exponential(1, n), 6)
    cluster = rng.integers(0, clusters, n) if clusters else np.arange(n)
    stratum = rng.integers(0, strata, n) if strata else np.zeros(n, int)
    first = {c: int(np.flatnonzero(cluster == c)[0]) for c in np.unique(cluster)}
    patients = sorted(first, key=lambda c: (stratum[first[c]], first[c]))
    of = np.array([stratum[first[c]] for c in patients])
    rows = [np.flatnonzero(cluster == c) for c in patients]
    drawn = []
    for r in range(resamples):
        s = split_mix(seed, r)
        take = [int(np.flatnonzero(of == of[i])[0]) + (split_mix(s, i) * int(np.sum(of == of[i])) >> 64) for i in range(len(patients))]
        drawn.append(metric(values[np.concatenate([rows[t] for t in take])]))
    drawn = np.array(drawn)
    defined = drawn[np.isfinite(drawn)]
    value = metric(values)
    z0 = stats.norm.ppf(np.mean(defined < value) + np.mean(defined == value) / 2)
    left = np.array([metric(values[np.concatenate(rows[:i] + rows[i + 1:])]) for i in range(len(rows))])
    d = left.mean() - left
    a = (d ** 3).sum() / (6 * (d ** 2).sum() ** 1.5) if np.isfinite(left).all() else 0
    bca = [stats.norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z))) for z in (-Z, Z)]
    return {"values": numbers(values), "cluster": cluster.tolist() if clusters else None, "stratum": stratum.tolist() if strata else None,
            "seed": seed, "resamples": resamples, "above": metric is mean_above, "value": value, "percentile": numbers(np.quantile(defined, [0.025, 0.975])),
            "bca": numbers(np.quantile(defined, bca)), "deviation": defined.std(ddof=1), "undefined": int(resamples - len(defined))}


def obuchowski(scores, truth, patient):
    """Variance of the area over patients, written out as in Biometrics 1997."""
    v10, v01 = placements(scores, truth)
    area, m, n = v10.mean(), len(v10), len(v01)
    of_pos, of_neg = patient[truth == 1], patient[truth == 0]
    everyone = np.unique(patient)
    a = np.array([v10[of_pos == p].sum() - (of_pos == p).sum() * area for p in everyone])
    b = np.array([v01[of_neg == p].sum() - (of_neg == p).sum() * area for p in everyone])
    i10, i01, i = len(np.unique(of_pos)), len(np.unique(of_neg)), len(everyone)
    s10, s01 = i10 / ((i10 - 1) * m) * (a * a).sum(), i01 / ((i01 - 1) * n) * (b * b).sum()
    s11 = i / (i - 1) * (a * b).sum()
    half = Z * np.sqrt(s10 / m + s01 / n + 2 * s11 / (m * n))
    return [area, max(0, area - half), min(1, area + half)]


def share_by_patients(hit, patient):
    p, n = hit.mean(), len(hit)
    everyone = np.unique(patient)
    stray = np.array([(hit[patient == c] - p).sum() for c in everyone])
    variance = len(everyone) / (len(everyone) - 1) * (stray ** 2).sum() / n ** 2
    independent = len(everyone) if p in (0, 1) else min(n, p * (1 - p) / variance)
    return [p] + numbers(proportion.proportion_confint(p * independent, independent, 1 - LEVEL, "wilson"))


def by_patients():
    rng = np.random.default_rng(43)
    out = []
    for n, patients in [(12, 6), (40, 10), (100, 30), (200, 60), (30, 28)]:
        patient = rng.integers(0, patients, n)
        truth = (rng.normal(size=patients)[patient] + rng.normal(size=n) > 0).astype(int)
        scores = np.round(rng.normal(size=patients)[patient] + rng.normal(size=n) + truth, 1)
        hit = (rng.normal(size=patients)[patient] + rng.normal(size=n) > -1).astype(int)
        out.append({"scores": numbers(scores), "truth": truth.tolist(), "patient": patient.tolist(), "hit": hit.tolist(),
                    "area": obuchowski(scores, truth, patient), "share": share_by_patients(hit, patient),
                    "all": share_by_patients(np.ones(n, int), patient)})
    return out


def mean_above(v):
    """Not defined where no value lies above 2."""
    v = v[v > 2]
    return v.mean() if len(v) else np.nan


def bootstraps():
    return [bootstrap_case(30, 0, 0, 1, 400, np.mean), bootstrap_case(60, 12, 0, 2, 300, np.mean), bootstrap_case(50, 20, 3, 3, 300, np.mean),
            bootstrap_case(12, 0, 0, 4, 300, mean_above), bootstrap_case(40, 0, 2, 2**63 - 5, 200, np.mean)]


# ---- masks and detections ----

def surface(mask):
    """scikit-image's and MedPy's border: the mask less its erosion, outside the picture counting as outside."""
    squeezed = mask[0] if mask.shape[0] == 1 else mask
    border = squeezed & ~ndimage.binary_erosion(squeezed, ndimage.generate_binary_structure(squeezed.ndim, 1), border_value=0)
    return border.reshape(mask.shape)


def surface_distances(a, b, spacing):
    one, two = surface(a), surface(b)
    there = ndimage.distance_transform_edt(~two, sampling=spacing)[one]
    back = ndimage.distance_transform_edt(~one, sampling=spacing)[two]
    return [max(there.max(), back.max()), max(np.percentile(there, 95), np.percentile(back, 95)), np.concatenate([there, back]).mean()]


def mask_case(a, b, spacing):
    both, union = (a & b).sum(), (a | b).sum()
    case = {"size": list(a.shape[::-1]), "spacing": list(spacing[::-1]), "a": "".join("01"[int(v)] for v in a.ravel()),
            "b": "".join("01"[int(v)] for v in b.ravel())}
    if union:
        case |= {"dice": 2 * both / (a.sum() + b.sum()), "iou": metrics.jaccard_score(a.ravel(), b.ravel())}
    if a.any() and b.any():
        case["distances"] = numbers(surface_distances(a, b, spacing))
    return case


def masks():
    rng = np.random.default_rng(37)
    out = []
    for shape, spacing in [((1, 18, 24), (1, 0.5, 0.5)), ((1, 20, 13), (1, 2, 0.3)), ((8, 10, 12), (3, 0.7, 0.7)), ((5, 9, 9), (0.4, 1.3, 1)),
                           ((1, 1, 30), (1, 1, 0.25)), ((1, 25, 1), (1, 0.1, 1)), ((1, 30, 30), (1, 0.00025, 0.00025))]:
        noise = ndimage.gaussian_filter(rng.normal(size=shape), [0 if s == 1 else 2 for s in shape])
        more = ndimage.gaussian_filter(rng.normal(size=shape), [0 if s == 1 else 2 for s in shape])
        out.append(mask_case(noise > np.median(noise), noise + 0.5 * more > np.median(noise), spacing))
        out.append(mask_case(rng.random(shape) < .1, rng.random(shape) < .3, spacing))
    one = np.zeros((1, 6, 7), bool)
    one[0, 2, 3] = True
    out += [mask_case(one, np.zeros_like(one), (1, 1, 1)), mask_case(~one, one, (1, 1, 2)), mask_case(np.zeros_like(one), np.zeros_like(one), (1, 1, 1)),
            mask_case(one, one, (1, 1, 1))]
    return out


def iou(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(0, w) * max(0, h)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def match(boxes, scores, lesions, least):
    out, free = [-1] * len(boxes), set(range(len(lesions)))
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        best = max(free, key=lambda k: (iou(boxes[i], lesions[k]), -k), default=None)
        if best is not None and iou(boxes[i], lesions[best]) >= least:
            out[i] = best
            free.remove(best)
    return out


def froc(image, score, lesion, lesions_of):
    """As the Camelyon16 evaluation counts: per threshold, the false ones of all images and the lesions whose best hit reaches it."""
    best = {}
    for i, s, k in zip(image, score, lesion):
        if k >= 0:
            best[(i, k)] = max(best.get((i, k), -np.inf), s)
    false = np.array([s for s, k in zip(score, lesion) if k < 0])
    found = np.array(list(best.values()))
    x, y = [0.], [0.]
    for t in sorted(set(score), reverse=True):
        x.append((false >= t).sum() / len(lesions_of))
        y.append((found >= t).sum() / sum(lesions_of))
    return x, y


def precision_at_iou(image, score, lesion, total):
    order = sorted(set(score), reverse=True)
    first, recall, precision = {}, [0.], []
    for i, s, k in zip(image, score, lesion):
        if k >= 0:
            first[(i, k)] = max(first.get((i, k), -np.inf), s)
    for t in order:
        found = sum(s >= t for s in first.values())
        recall.append(found / total)
        precision.append(found / sum(s >= t for s in score))
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * falling))


def detections():
    rng = np.random.default_rng(41)
    out = []
    for images, per_image, decimals in [(1, 4, 2), (5, 3, 1), (20, 6, 3), (40, 12, 1), (8, 30, 2)]:
        boxes, scores, image, lesions, lesions_of, lesion = [], [], [], [], [], []
        for i in range(images):
            k = int(rng.integers(0 if i else 1, 4))
            corner = rng.integers(0, 80, (k, 2))
            mine = np.hstack([corner, corner + rng.integers(5, 20, (k, 2))]).astype(float)
            n = int(rng.integers(0, per_image + 1))
            base = mine[rng.integers(0, k, n)] if k else rng.integers(0, 50, (n, 4)) + np.array([0, 0, 60, 60.])
            drawn = base + rng.integers(-4, 5, (n, 4)) / 2 + (rng.random((n, 1)) < .3) * 40
            s = np.round(rng.random(n), decimals)
            scores += s.tolist()
            boxes += drawn.tolist()
            image += [i] * n
            lesions += mine.tolist()
            lesions_of.append(k)
            lesion += match(drawn.tolist(), s.tolist(), mine.tolist(), 0.4)
        x, y = froc(image, scores, lesion, lesions_of)
        centre = [((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in boxes]
        starts = np.concatenate([[0], np.cumsum(lesions_of)]).astype(int)
        near = []
        for i, c in zip(image, centre):
            mine = lesions[starts[i]:starts[i + 1]]
            d = [np.hypot(c[0] - (m[0] + m[2]) / 2, c[1] - (m[1] + m[3]) / 2) for m in mine]
            inside = [k for k in range(len(mine)) if d[k] ** 2 <= 36]
            near.append(min(inside, key=lambda k: (d[k], k)) if inside else -1)
        nx, ny = froc(image, scores, near, lesions_of)
        rates = [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8]
        out.append({"images": images, "image": image, "score": scores, "boxes": boxes, "lesions": lesions, "lesions_of": lesions_of, "lesion": lesion,
                    "froc": [x, y], "rates": np.interp(rates, x, y).tolist(), "camelyon16": np.interp(rates[1:], x, y).mean(),
                    "ap": precision_at_iou(image, scores, lesion, sum(lesions_of)), "near": near, "near_rates": np.interp(rates, nx, ny).tolist()})
    return out


FILES = {}


def write(folder):
    FILES["binary"] = [binary_case(*a) for a in binary_arrays()]
    FILES["shares"] = {"shares": shares(), "needed": needed(), "differences": differences(), "distributions": distributions()}
    FILES["decisions"] = {"two_by_two": two_by_two(), "classes": classes()}
    FILES["readers"] = {"mcnemar": mcnemar(), "kappas": kappas(), "readings": readings(), "survival": survival(), "groups": groups()}
    FILES["bootstrap"] = bootstraps()
    FILES["patients"] = by_patients()
    FILES["lesions"] = {"masks": masks(), "detections": detections()}
    os.makedirs(folder, exist_ok=True)
    for name, value in FILES.items():
        with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8") as f:
            json.dump(value, f, separators=(",", ":"), allow_nan=False, default=float)
            f.write("\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(sys.argv[1])
