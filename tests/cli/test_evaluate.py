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
    answer = evaluate(out, labels)
    truth, score = np.array([r["_truth"] for r in rows]), np.array([r["_score"] for r in rows])
    called = (score >= 0.5).astype(int)
    tn, fp, fn, tp = (int(v) for v in m.confusion_matrix(truth, called).ravel())
    got = answer["metrics"]
    for name, wanted in (("auroc", m.roc_auc_score(truth, score)), ("auprc", m.average_precision_score(truth, score)),
                         ("accuracy", m.accuracy_score(truth, called)), ("balanced_accuracy", m.balanced_accuracy_score(truth, called)),
                         ("f1", m.f1_score(truth, called)), ("mcc", m.matthews_corrcoef(truth, called)),
                         ("brier", m.brier_score_loss(truth, score)),
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
    where = [os.path.join(folder, name) for name in ("first", "second")]
    for folder_out in where:
        answer = microtome("evaluate", out, "--labels", labels, "-o", folder_out, "--gallery", "3")
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
    main([test_binary, test_unanswered, test_refusals, test_one_class, test_page])
