"""microtome train: heads learnt from stored features.  What was learnt is read here by hand and computed again in NumPy and PyTorch."""
import csv
import json
import os
import struct

from harness import SOURCE, Skip, contains, equal, main, microtome, read, synthetic

try:
    import h5py
    import numpy as np
except ImportError:
    h5py = None

DIM = 24


def cohort(folder, n=60, seed=0, multilabel=False):
    """Feature files of n cases of n/2 patients with a planted signal, and their labels; returns folder of features, labels, bags."""
    if h5py is None:
        raise Skip("h5py is not installed")
    rng = np.random.default_rng(seed)
    features, bags, rows = os.path.join(folder, "features"), {}, []
    os.makedirs(features)
    for i in range(n):
        y, tiles = int(rng.random() < 0.4), int(rng.integers(3, 20))
        x = rng.normal(size=(tiles, DIM)).astype("f4")
        x[: max(1, tiles // 2), :4] += 1.2 * y
        bags[f"case{i:02}"] = x
        with h5py.File(os.path.join(features, f"case{i:02}.h5"), "w") as f:
            f["features"], f["coords"] = x, np.zeros((tiles, 2), "i8")
        other = int(rng.random() < 0.5)
        rows.append({"case_id": f"p{i // 2}", "slide_id": f"case{i:02}", "label": "tumour" if y else "normal", "site": "ABC"[i // 2 % 3],
                     "grade": y + other, "findings": "|".join(["Mass"] * y + ["Effusion"] * other) or "No Finding",
                     "Mass": [0, 1, -1, ""][(y if i % 7 else 2 + i % 2)], "Effusion": other, "time": round(float(rng.exponential(30 - 20 * y)), 3),
                     "event": int(rng.random() < 0.7), "split": ["train", "train", "val", "test"][i // 2 % 4]})
    labels = os.path.join(folder, "labels.csv")
    write_rows(labels, rows)
    return features, labels, bags


def write_rows(path, rows):
    with open(path, "w", newline="") as f:
        table = csv.DictWriter(f, rows[0].keys(), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def rows_of(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def weights(path):
    blob = read(path, "rb")
    n = struct.unpack("<Q", blob[:8])[0]
    header = json.loads(blob[8:8 + n])
    equal((8 + n) % 8, 0)
    tensors = {k: np.frombuffer(blob[8 + n:][v["data_offsets"][0]:v["data_offsets"][1]], "<f4").reshape(v["shape"]).astype(float)
               for k, v in header.items() if k != "__metadata__"}
    return tensors, header["__metadata__"]


def train(features, labels, head, *args, code=0):
    answer = microtome("train", features, "--labels", labels, "-o", head, "--json", *args)
    equal((answer.code, answer.err if answer.code != code else ""), (code, ""))
    return json.loads(answer.out) if code == 0 else answer.err


def softmax(z):
    p = np.exp(z - z.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def auroc(scores, truth):
    a, b = np.array(scores)[np.array(truth) == 1], np.array(scores)[np.array(truth) == 0]
    return ((a[:, None] > b).mean() + (a[:, None] == b).mean() / 2)


def scores_of(folder, head, features, some=None):
    """What `aggregate` says with the written head, of all or of some cases."""
    out = os.path.join(folder, "scored")
    answer = microtome("aggregate", "-m", head, "-o", out, *([features] if some is None else [os.path.join(features, f"case{i:02}.h5") for i in some]))
    equal(answer.code, 0)
    return {row["id"]: row for row in rows_of(os.path.join(out, "summary.csv"))}


def test_linear(folder):
    """a linear probe is PyTorch's logistic regression on the mean features, held out and final"""
    features, labels, bags = cohort(folder)
    head = os.path.join(folder, "head.safetensors")
    report = train(features, labels, head, "-m", "linear", "--positive", "tumour", "--folds", 4, "--weight-decay", 0.05)
    try:
        import torch
    except ImportError:
        raise Skip("torch is not installed")
    table = {r["slide_id"]: r for r in rows_of(labels)}

    def fit(ids):
        x = np.stack([bags[i].astype(float).mean(0) for i in ids])
        mean, std = x.mean(0), x.std(0)
        x = torch.tensor((x - mean) / std)
        y = torch.tensor([int(table[i]["label"] == "tumour") for i in ids])
        w, b = torch.zeros(2, DIM, dtype=torch.float64, requires_grad=True), torch.zeros(2, dtype=torch.float64, requires_grad=True)
        search = torch.optim.LBFGS([w, b], max_iter=500, tolerance_grad=1e-10, tolerance_change=1e-14, line_search_fn="strong_wolfe")

        def closure():
            search.zero_grad()
            loss = torch.nn.functional.cross_entropy(x @ w.T + b, y) + 0.025 * (w ** 2).sum()
            loss.backward()
            return loss
        search.step(closure)
        return lambda bag: softmax(((bag.astype(float).mean(0) - mean) / std) @ w.detach().numpy().T + b.detach().numpy())[1]

    held_out = rows_of(os.path.join(folder, "head-predictions.csv"))
    equal(sorted(r["id"] for r in held_out), sorted(bags))
    for fold in range(4):
        score = fit([r["id"] for r in held_out if r["fold"] != str(fold)])
        for r in held_out:
            if r["fold"] == str(fold):
                assert abs(score(bags[r["id"]]) - float(r["score_tumour"])) < 1e-4, r
    area = auroc([float(r["score_tumour"]) for r in held_out], [r["label"] == "tumour" for r in held_out])
    assert abs(report["held_out"]["pooled"] - area) < 1e-12
    assert area > 0.8 and report["held_out"]["low"] < area < report["held_out"]["high"]
    final, answers = fit(sorted(bags)), scores_of(folder, head, features)
    for i, bag in bags.items():
        assert abs(final(bag) - float(answers[i]["score"])) < 1e-4
    equal((report["final"]["train"], report["final"]["is_fold"], report["cases"], report["patients"]), (60, False, 60, 30))
    equal(weights(head)[1], {"format": "pt", "kind": "linear", "labels": "normal;tumour", "positive": "tumour", "activation": "softmax"})
    contains(read(os.path.join(folder, "head.card")), "positive=tumour\n")
    assert read(os.path.join(folder, "head-curves.png"), "rb").startswith(b"\x89PNG")
    curve = [float(r["train_loss"]) for r in rows_of(os.path.join(folder, "head-curves.csv")) if r["fold"] == "all"]
    assert len(curve) > 3 and curve == sorted(curve, reverse=True)
    assert not os.path.exists(os.path.join(folder, "head-fold0.safetensors"))


def test_knn(folder):
    """nearest neighbours vote by cosine"""
    features, labels, bags = cohort(folder)
    head = os.path.join(folder, "knn.safetensors")
    report = train(features, labels, head, "-m", "knn", "--positive", "tumour", "--folds", 3, "--neighbours", 7)
    assert report["held_out"]["pooled"] > 0.8
    w, metadata = weights(head)
    equal((w["neighbours"].shape, w["targets"].shape, float(w["k"][0]), metadata["kind"]), ((60, DIM), (60, 2), 7.0, "knn"))
    table = {r["slide_id"]: r for r in rows_of(labels)}
    stored = np.stack([bags[i].astype(float).mean(0) for i in sorted(bags)])
    truth = np.array([table[i]["label"] == "tumour" for i in sorted(bags)])
    for i, row in scores_of(folder, head, features).items():
        x = bags[i].astype(float).mean(0)
        cosine = stored @ x / np.linalg.norm(stored, axis=1) / np.linalg.norm(x)
        near = np.argsort(-cosine)[:7]
        vote = np.exp((cosine[near] - cosine[near[0]]) / 0.07)
        assert abs((1e-3 + vote[truth[near]].sum()) / (2e-3 + vote.sum()) - float(row["score"])) < 1e-4


def attention(w, x, keys, classifier):
    """Gated attention with one branch in float64: logits."""
    def linear(key, v):
        return v @ w[key + ".weight"].T + w[key + ".bias"]
    h = np.maximum(linear(keys[0], x), 0)
    s = linear(keys[3], np.tanh(linear(keys[1], h)) / (1 + np.exp(-linear(keys[2], h))))
    a = softmax(s.T)
    return linear(classifier, (a @ h)[0])


def test_networks(folder):
    """attention heads: published keys, the scores of their formulas, equal bytes for any number of threads"""
    features, labels, bags = cohort(folder)
    wanted = {"abmil": (["patch_embed.0"] + ["global_attn.attention_" + k for k in ("a.0", "b.0", "c")], "classifier"),
              "clam_sb": (["attention_net.0"] + ["attention_net.3.attention_" + k for k in ("a.0", "b.0", "c")], "classifiers"),
              "clam_mb": (None, None)}
    for model, (keys, classifier) in wanted.items():
        heads = [os.path.join(folder, f"{model}{threads}.safetensors") for threads in (1, 3)]
        for head, threads in zip(heads, (1, 3)):
            report = train(features, labels, head, "-m", model, "--positive", "tumour", "-k", 2, "--hidden", 16, "--attention", 8,
                           "--lr", 2e-3, "--epochs", 12, "--threads", threads)
        equal(read(heads[0], "rb"), read(heads[1], "rb"))
        assert report["held_out"]["pooled"] > 0.7, (model, report)
        w, metadata = weights(heads[0])
        equal(metadata["kind"], model)
        answers = scores_of(os.path.join(folder, model), heads[0], features, range(5))
        if keys is not None:
            equal({k for k in w if "instance" not in k}, {k + end for k in [*keys, classifier] for end in (".weight", ".bias")})
            for i, row in answers.items():
                assert abs(softmax(attention(w, bags[i].astype(float), keys, classifier))[1] - float(row["score"])) < 1e-5
        else:
            equal(w["classifiers.1.weight"].shape, (1, 16))


def test_bytes(folder):
    """equal bytes for any number of threads, any order of the labels file, and features kept or read again"""
    features, labels, _ = cohort(folder)
    shuffled, written = os.path.join(folder, "shuffled.csv"), []
    rows = rows_of(labels)
    write_rows(shuffled, rows[::-1])
    for table, threads, memory in ((labels, 1, "1G"), (labels, 4, "1G"), (shuffled, 2, "1")):
        home = os.path.join(folder, str(len(written)))
        os.makedirs(home)
        train(features, table, os.path.join(home, "h.safetensors"), "-m", "linear", "--positive", "tumour", "-k", 3, "--threads", threads,
              "--memory", memory, "--patience", 5, "--seed", 3)
        names = [n for n in os.listdir(home) if n != "h-splits"] + ["h-splits/" + n for n in os.listdir(os.path.join(home, "h-splits"))]
        written.append({n: read(os.path.join(home, n), "rb") for n in sorted(names)})
    equal(sorted(written[0]), ["h-curves.csv", "h-curves.png", "h-predictions.csv", "h-splits/splits.csv", "h-splits/splits_0.csv",
                               "h-splits/splits_1.csv", "h-splits/splits_2.csv", "h.card", "h.reference.safetensors", "h.safetensors",
                               "h.trained.csv"])
    for other in written[1:]:
        for name in written[0]:
            assert written[0][name] == other[name], name


def test_tasks(folder):
    """findings (columns and bars), grades, survival: labels, activation, figure of merit, and a head that loads"""
    features, labels, _ = cohort(folder)
    wanted = [("multilabel", ["--label-names", "Mass,Effusion"], ["Mass", "Effusion"], "sigmoid", "mean AUROC"),
              ("multilabel", ["--column", "findings"], ["Effusion", "Mass"], "sigmoid", "mean AUROC"),
              ("ordinal", ["--column", "grade"], ["0", "1", "2"], "ordinal", "quadratic kappa"),
              ("multiclass", ["--column", "grade", "--class-weights"], ["0", "1", "2"], "softmax", "mean AUROC"),
              ("cox", [], ["risk"], "sigmoid", "C-index"),
              ("survival", ["--intervals", "3"], None, "hazard", "C-index")]
    for n, (task, args, names, activation, metric) in enumerate(wanted):
        head = os.path.join(folder, f"{n}.safetensors")
        report = train(features, labels, head, "-m", "linear", "--task", task, "-k", 3, *args)
        equal((report["metric"], weights(head)[1]["activation"]), (metric, activation))
        if names is not None:
            equal(report["labels"], names)
        assert report["held_out"]["mean"] > (0.1 if task == "ordinal" else 0.4), report
        first = rows_of(os.path.join(folder, f"{n}-predictions.csv"))[0]
        for name in report["labels"]:
            assert 0 <= float(first["score_" + name]) <= 1
        assert [r for r in first if r.startswith("label_")] == (["label_" + x for x in report["labels"]] if task == "multilabel" else [])
        assert ("time" in first) == (task in ("cox", "survival"))
        equal(len(scores_of(os.path.join(folder, str(n)), head, features, [1, 2])), 2)
        if task in ("ordinal", "survival"):
            card = os.path.join(folder, f"{n}.card")
            answer = microtome("calibrate", os.path.join(folder, f"{n}-predictions.csv"), "-m", head, "-o", card, "--force")
            equal((answer.code, answer.err), (0, ""))
            contains(read(card), "temperature=")
    equal(microtome("train", features, "--labels", labels, "-o", os.path.join(folder, "x.safetensors"), "-m", "knn", "--task", "cox").err,
          "microtome train: --model knn learns no survival: take linear or abmil\n")


def test_folds(folder):
    """by site, by column, from CLAM's files, one alone: who is held out"""
    features, labels, _ = cohort(folder)
    sites = {r["slide_id"]: r for r in rows_of(labels)}
    base = ["-m", "linear", "--positive", "tumour"]
    report = train(features, labels, os.path.join(folder, "site.safetensors"), *base, "--leave-out", "site", "--keep-folds")
    equal([f["name"] for f in report["folds"]], ["A", "B", "C"])
    for r in rows_of(os.path.join(folder, "site-predictions.csv")):
        equal(r["fold"], sites[r["id"]]["site"])
    alone = [scores_of(os.path.join(folder, f"site{f}"), os.path.join(folder, f"site-fold{f}.safetensors"), features, [0]) for f in range(3)]
    together = scores_of(os.path.join(folder, "together"), os.path.join(folder, "site-ensemble.card"), features, [0])
    scores = [float(one["case00"]["score"]) for one in alone]
    assert abs(float(together["case00"]["score"]) - np.mean(scores)) < 1e-6, (together, scores)
    with h5py.File(os.path.join(folder, "together", "scored", "cases", "case00.h5")) as f:
        members = f["prediction/members"]
        assert np.allclose(members[:, 1], scores, atol=1e-7), (members[:], scores)
        assert abs(float(np.ravel(members.attrs["disagreement"])[0]) - np.std(scores, ddof=1)) < 1e-6
        equal([str(m.decode() if isinstance(m, bytes) else m) for m in members.attrs["members"]], [f"site-fold{i}.safetensors" for i in range(3)])
    report = train(features, labels, os.path.join(folder, "column.safetensors"), *base, "--split-column", "split", "--patience", 3)
    equal((report["final"]["is_fold"], [f["validation"] for f in report["folds"]]), (True, [14]))
    equal({sites[r["id"]]["split"] for r in rows_of(os.path.join(folder, "column-predictions.csv"))}, {"test"})
    report = train(features, labels, os.path.join(folder, "clam.safetensors"), *base, "--splits", os.path.join(folder, "site-splits"))
    equal(report["held_out"]["cases"], 60)
    report = train(features, labels, os.path.join(folder, "one.safetensors"), *base, "--splits", os.path.join(folder, "site-splits"), "--fold", 1)
    equal(([f["name"] for f in report["folds"]], report["final"]["is_fold"]), (["1"], True))
    equal({sites[r["id"]]["site"] for r in rows_of(os.path.join(folder, "one-predictions.csv"))}, {"B"})
    equal(read(os.path.join(folder, "one.safetensors"), "rb")[-64:], read(os.path.join(folder, "site-fold1.safetensors"), "rb")[-64:])


def test_reference(folder):
    """a case unlike the training cases is never clear: by the reference of train and of calibrate, in English and Korean"""
    features, labels, _ = cohort(folder)
    head = os.path.join(folder, "h.safetensors")
    train(features, labels, head, "-m", "linear", "--positive", "tumour", "--folds", 3)
    far = os.path.join(folder, "case00.h5")
    with h5py.File(os.path.join(features, "case00.h5")) as a, h5py.File(far, "w") as b:
        for name in a:
            a.copy(name, b)
        b["features"][:] = a["features"][:] + 100
    card = os.path.join(folder, "h.card")
    answer = microtome("calibrate", os.path.join(folder, "h-predictions.csv"), "-m", head, "--method", "none", "--reference", features, "-o", card,
                       "--force")
    equal((answer.code, answer.err), (0, ""))
    assert "reference=h.reference.safetensors\n" in read(card), read(card)
    with open(card, "a") as f:
        f.write("threshold=0.9\n")
    for language, words in (("en", "It is unlike the training cases: distance "), ("ko", "학습 증례와 유사하지 않습니다: 거리 ")):
        out = os.path.join(folder, language)
        equal(microtome("aggregate", "-m", head, "--language", language, "-o", out, far, os.path.join(features, "case01.h5")).code, 0)
        with open(os.path.join(out, "cases", "case00.h5"), "rb") as f:
            line = json.loads(f.read(4096).split(b"\0")[0])
        assert (line["status"], line["distance"] > 1, words in line["reason"]) == ("insufficient", True, True), line
        assert line["decision"] != "clear"
        with open(os.path.join(out, "cases", "case01.h5"), "rb") as f:
            line = json.loads(f.read(4096).split(b"\0")[0])
        assert (line["status"], 0 < line["distance"] <= 1) == ("ok", True), line
    equal(microtome("calibrate", os.path.join(folder, "h-predictions.csv"), "-m", head, "--reference", os.path.join(folder, "none"), "-o", card,
                    "--force").code, 66)


def concordance(risks, times, events):
    right = pairs = 0
    for i in range(len(times)):
        for j in range(len(times)):
            if events[i] and (times[i] < times[j] or (times[i] == times[j] and not events[j])):
                pairs += 1
                right += (risks[i] > risks[j]) + 0.5 * (risks[i] == risks[j])
    return right / pairs


def quadratic_kappa(called, truth, n):
    matrix = np.zeros((n, n))
    for c, t in zip(called, truth):
        matrix[c, t] += 1
    apart = (np.arange(n)[:, None] - np.arange(n)) ** 2
    return 1 - (apart * matrix).sum() / (apart * np.outer(matrix.sum(1), matrix.sum(0)) / matrix.sum()).sum()


def test_watched(folder):
    """the figure of merit of the watched cases, after each epoch, and early stopping by it"""
    features, labels, _ = cohort(folder)
    table = {r["slide_id"]: r for r in rows_of(labels)}
    val = sorted(i for i, r in table.items() if r["split"] == "val")
    truth = [table[i] for i in val]

    def merit(task, rows):
        if task == "binary":
            return auroc([float(r["score_tumour"]) for r in rows], [t["label"] == "tumour" for t in truth])
        if task == "multilabel":  # Mass with a blank or -1 is not known
            known = [k for k, t in enumerate(truth) if t["Mass"] in "01" and t["Mass"] != ""]
            return (auroc([float(rows[k]["score_Mass"]) for k in known], [int(truth[k]["Mass"]) for k in known])
                    + auroc([float(r["score_Effusion"]) for r in rows], [int(t["Effusion"]) for t in truth])) / 2
        if task == "ordinal":
            return quadratic_kappa([int(np.argmax([float(r[f"score_{g}"]) for g in range(3)])) for r in rows], [int(t["grade"]) for t in truth], 3)
        return concordance([float(r["score_risk"]) for r in rows], [float(t["time"]) for t in truth], [int(t["event"]) for t in truth])

    for model, task, args in (("linear", "binary", ["--positive", "tumour"]), ("abmil", "multilabel", ["--label-names", "Mass,Effusion"]),
                              ("linear", "ordinal", ["--column", "grade"]), ("abmil", "cox", []), ("linear", "cox", [])):
        name = f"{model}-{task}"
        head = os.path.join(folder, name + ".safetensors")
        small = ["--hidden", 8, "--attention", 4, "--lr", 5e-3, "--epochs", 8, "--threads", 1] if model == "abmil" else []
        report = train(features, labels, head, "-m", model, "--task", task, "--split-column", "split", "--patience", 4, "--watch", "metric", *small, *args)
        curve = rows_of(os.path.join(folder, name + "-curves.csv"))
        best = min(curve, key=lambda r: (-float(r["val_metric"]), float(r["val_loss"]), int(r["epoch"])))
        equal(report["final"]["epochs"], int(best["epoch"]))
        assert int(curve[-1]["epoch"]) <= int(best["epoch"]) + 4
        scored = scores_of(os.path.join(folder, name), head, features, [int(i[4:]) for i in val])
        if task == "cox":  # one label: the score is its own
            scored = {i: {"score_risk": float(scored_logit(os.path.join(folder, name, "scored"), i))} for i in val}
        else:
            scored = {i: scores_stored(os.path.join(folder, name, "scored"), i) for i in val}
        assert abs(merit(task, [scored[i] for i in val]) - float(best["val_metric"])) < 1e-9, (name, best)
    by_loss = train(features, labels, os.path.join(folder, "loss.safetensors"), "-m", "linear", "--positive", "tumour", "--split-column", "split",
                    "--patience", 4)
    curve = rows_of(os.path.join(folder, "loss-curves.csv"))
    equal(by_loss["final"]["epochs"], int(min(curve, key=lambda r: float(r["val_loss"]))["epoch"]))
    rows = rows_of(labels)
    for r in rows:
        r["label"] = "normal" if r["split"] == "val" else r["label"]
    write_rows(labels, rows)
    base = ["-m", "linear", "--positive", "tumour", "--split-column", "split"]
    answer = microtome("train", features, "--labels", labels, "-o", os.path.join(folder, "x.safetensors"), *base, "--patience", 4, "--watch", "metric")
    equal((answer.code, answer.err),
          (65, "microtome train: train fold 0: --watch metric: the AUROC of the 14 cases watched is not defined (they do not differ in what "
               "was true): take --watch loss\n"))
    assert not os.path.exists(os.path.join(folder, "x.safetensors"))
    train(features, labels, os.path.join(folder, "one.safetensors"), *base, "--patience", 4)
    equal({r["val_metric"] for r in rows_of(os.path.join(folder, "one-curves.csv"))}, {""})
    for args, message in ((["--watch", "metric"], "--watch metric: it says what --patience looks at: give that too"),
                          (["--watch", "both", "--patience", 2], "--watch both: loss or metric is wanted")):
        answer = microtome("train", features, "--labels", labels, "-o", os.path.join(folder, "x.safetensors"), *base, *args)
        equal((answer.code, answer.err), (64, f"microtome train: {message}\n"))


def stored(out, case, what):
    with h5py.File(os.path.join(out, "cases", case + ".h5")) as f:
        d = f["prediction"][what]
        return [n.decode() if isinstance(n, bytes) else n for n in d.attrs["labels"]], d[:]


def scores_stored(out, case):
    names, values = stored(out, case, "scores")
    return {"score_" + n: v for n, v in zip(names, values)}


def scored_logit(out, case):
    return stored(out, case, "logits")[1][0]


def test_no_reference(folder):
    """a head without a reference of its training bags says so, with the reason, and an older one is taken away"""
    features, labels, _ = cohort(folder)
    head, base = os.path.join(folder, "h.safetensors"), ["-m", "linear", "--positive", "tumour"]
    report = train(features, labels, head, *base, "--split-column", "split", "--force")
    equal((report["no_reference"], report["files"]["reference"]), (None, os.path.join(folder, "h.reference.safetensors")))
    assert os.path.exists(os.path.join(folder, "h.reference.safetensors"))
    write_rows(labels, rows_of(labels)[:18])
    reason = "the head: what training bags look like: 18 bags, at least 20 are wanted"
    report = train(features, labels, head, *base, "--force")
    equal((report["no_reference"], report["files"]["reference"]), (reason, None))
    assert not os.path.exists(os.path.join(folder, "h.reference.safetensors")) and "reference" not in read(os.path.join(folder, "h.card"))
    answer = microtome("train", features, "--labels", labels, "-o", head, *base, "--force")
    contains(answer.out, f"no reference of the training bags, so that cases unlike them will not be told: {reason}\n")
    report = train(features, labels, os.path.join(folder, "k.safetensors"), *base, "-k", 3, "--keep-folds")
    equal(report["no_reference"], "; ".join(f"fold {i}: what training bags look like: 12 bags, at least 20 are wanted" for i in range(3)) + "; " + reason)
    alike = [{"id": f"copy{i}", "label": i % 2} for i in range(24)]
    os.makedirs(os.path.join(folder, "alike"))
    for row in alike:
        with h5py.File(os.path.join(folder, "alike", row["id"] + ".h5"), "w") as f:
            f["features"] = np.ones((3, DIM), "f4")
    write_rows(labels, alike)
    report = train(os.path.join(folder, "alike"), labels, os.path.join(folder, "a.safetensors"), "-m", "knn")
    equal(report["no_reference"], "the head: what training bags look like: their mean features are all the same")


def test_left_out(folder):
    """cases without a result, a label or a tile are refused or counted"""
    features, labels, _ = cohort(folder)
    rows = rows_of(labels)
    rows[3]["label"] = ""
    write_rows(labels, rows[:-1])
    for i in range(8, 20):
        os.unlink(os.path.join(features, f"case{i:02}.h5"))
    with h5py.File(os.path.join(features, "case30.h5"), "a") as f:
        f["valid"] = np.zeros(len(f["features"]), "u1")
    head = os.path.join(folder, "h.safetensors")
    base = ["-m", "linear", "--positive", "tumour", "-k", 3]
    equal(train(features, labels, head, *base, code=65),
          f"microtome train: labels {labels}: 12 cases have no result in {features}: case08, case09, case10, case11, case12, case13, case14, "
          "case15, case16, case17 and 2 more: run them first, or leave them out with --allow-missing\n")
    report = train(features, labels, head, *base, "--allow-missing")
    equal(report["left_out"], {"missing": 12, "withheld": 0, "empty": 1, "unlabelled": 1, "not_in_labels": 1})
    equal(report["cases"], 60 - 12 - 1 - 1 - 1)


def test_refused(folder):
    """each mistake has its message, and nothing is written"""
    features, labels, _ = cohort(folder, n=12)
    head, other = os.path.join(folder, "h.safetensors"), os.path.join(folder, "other.csv")
    base = [features, "--labels", labels, "-o", head, "-m", "linear", "--positive", "tumour"]

    def refused(code, message, *args, first=base):
        answer = microtome("train", *first, *args)
        equal((answer.code, answer.err), (code, f"microtome train: {message}\n"))
        assert not os.path.exists(head)

    see = "\nSee microtome train --help."
    refused(64, "name one folder of results and give --labels CSV and -o HEAD.safetensors" + see, first=[features])
    refused(64, "--model transformer: abmil, clam_sb, clam_mb, mean, max, linear or knn is wanted", "-m", "transformer")
    refused(64, "--task ranking: binary, multiclass, multilabel, ordinal, survival or cox is wanted", "--task", "ranking")
    refused(64, "--uncertain maybe: ignore, zeros or ones is wanted", "--uncertain", "maybe")
    refused(64, "--folds, --splits, --leave-out and --split-column exclude each other", "-k", 3, "--leave-out", "site")
    refused(64, "--fold 1: there are no folds; give --folds, --splits or --leave-out", "--fold", 1)
    refused(64, "--fold 3: there are 3 folds, counted from 0", "-k", 3, "--fold", 3)
    refused(64, "--dropout 1: 0 to below 1 is wanted", "--dropout", 1)
    refused(64, "--val-share 0.6: 0 to 0.5 is wanted", "--val-share", 0.6)
    refused(64, "--memory 1X: a size is wanted, as 800M or 4G" + see, "--memory", "1X")
    refused(65, f"labels {labels}: no column 'ward' to split by", "--leave-out", "ward")
    refused(65, "6 patients cannot fill 7 folds: ask for fewer folds", "-k", 7)
    refused(66, f"read {folder}/none/cases: No such file or directory: results of `microtome run -o OUT` are wanted",
            first=[os.path.join(folder, "none"), *base[1:]])
    refused(64, f"-o {folder}/h.pt: a name that ends in .safetensors is wanted", "-o", os.path.join(folder, "h.pt"))
    rows = rows_of(labels)
    rows[1]["site"] = "C"
    write_rows(other, rows)
    refused(65, "fold A: patient p0 stands on both sides: case case00 in test, case case01 in train: keep a patient together",
            "--labels", other, "--leave-out", "site")
    rows[1]["label"] = "tumor"
    write_rows(other, rows)
    refused(65, f"labels {other}: line 3: unknown label 'tumor'; known are: normal, tumour", "--labels", other, "--label-names", "normal,tumour")
    rows[1]["label"] = "a;b"
    rows[1]["slide_id"] = "case00.svs"
    write_rows(other, rows)
    refused(65, "label 'a;b': a card separates labels by ';': rename it", "--labels", other, "--task", "multiclass")
    rows[1]["label"] = "normal"
    write_rows(other, rows)
    refused(65, f"labels {other}: lines 2 and 3 are both the result {features}/case00.h5", "--labels", other)
    with h5py.File(os.path.join(features, "case05.h5"), "a") as f:
        f["features"].attrs["encoder"] = "uni"
    with h5py.File(os.path.join(features, "case00.h5"), "a") as f:
        f["features"].attrs["encoder"] = "virchow"
    refused(78, f"case case00 was encoded by virchow ({DIM} features), case case05 by uni ({DIM} features): a head is learnt on one encoder")
    os.unlink(os.path.join(features, "case05.h5"))
    with open(head, "w") as f:
        f.write("mine")
    answer = microtome("train", *base, "--allow-missing")
    equal((answer.code, answer.err), (64, f"microtome train: write {head}: it exists: give another name, or --force to replace it\n"))
    equal(microtome("train", *base, "--allow-missing", "--force").code, 0)
    equal(weights(head)[1]["encoder"], "virchow")


def test_run(folder):
    """features of a run: the head carries their encoder and µm/px and is accepted by the next run"""
    if h5py is None:
        raise Skip("h5py is not installed")
    slides, out, head = synthetic(os.path.join(folder, "slides"), "--count", 4, "--size", 1024, "--seed", 5), os.path.join(folder, "out"), os.path.join(folder, "h.safetensors")
    paths = [os.path.join(slides, n) for n in sorted(os.listdir(slides)) if n.endswith(".tif")]
    equal(microtome("run", "-r", os.path.join(SOURCE, "samples", "demo.ini"), "-o", out, *paths).code, 0)
    labels = os.path.join(folder, "labels.csv")
    write_rows(labels, [{"id": os.path.basename(p), "label": i % 2} for i, p in enumerate(paths)])
    report = train(out, labels, head, "-m", "linear")
    equal((report["demonstration"], report["cases"], report["held_out"]["cases"], report["positive"]), (True, 4, 0, "1"))
    card = read(os.path.join(folder, "h.card"))
    contains(card, "encoder=demo-texture\n")
    contains(card, "demonstration=true\n")
    contains(card, "target_mpp=")
    equal(microtome("aggregate", "-m", head, "-o", os.path.join(folder, "again"), out).code, 0)
    equal(microtome("run", "-r", os.path.join(SOURCE, "samples", "demo.ini"), "-m", head, "-o", os.path.join(folder, "with"), paths[0]).code, 0)
    for folder_out in ("again", "with"):  # whom the head was trained on goes with its results
        kept = os.path.join(folder, folder_out, "trained")
        equal([read(os.path.join(kept, n)) for n in os.listdir(kept)], [read(os.path.join(folder, "h.trained.csv"))])


main([test_linear, test_knn, test_networks, test_bytes, test_tasks, test_folds, test_reference, test_watched, test_no_reference, test_left_out, test_refused, test_run])
