"""Result files made by hand, as docs/formats.md describes them: what `run` writes, with scores of our choosing.  h5py and numpy."""
import json
import os

import h5py
import numpy as np

LABELS = ["normal", "tumour"]


def write_headline(path, headline):
    line = json.dumps(headline, separators=(",", ":")).encode() + b"\n"
    assert len(line) <= 4096
    with open(path, "r+b") as f:
        f.write(line + b"\0" * (4096 - len(line)))


def write_tiles(f, rng, scores, labels):
    """A plane of 4096 x 3072, 48 tiles of 512, attention and tile scores, a pink picture."""
    coords = np.array([[x, y] for y in range(0, 3072, 512) for x in range(0, 4096, 512)], dtype="i8")
    d = f.create_dataset("coords", data=coords)
    d.attrs["tile_level0"] = np.array([512.0, 512.0])
    d.attrs["level0_width"], d.attrs["level0_height"] = 4096, 3072
    attention = rng.random(len(coords)).astype("f4")
    f.create_dataset("attention", data=(attention / attention.sum())[:, None])
    tile_scores = np.clip(rng.normal(scores, 0.15, (len(coords), len(scores))), 0, 1).astype("f4")
    f.create_dataset("tile_scores", data=tile_scores).attrs["labels"] = labels
    y, x = np.mgrid[0:480, 0:640]
    tissue = ((x - 320) / 250.0) ** 2 + ((y - 240) / 180.0) ** 2 + 0.2 * np.sin(x / 23.0) < 1
    picture = np.where(tissue[:, :, None], np.array([222, 150, 190]), np.array([244, 243, 245]))
    f.create_dataset("thumbnail", data=np.clip(picture + rng.integers(-18, 18, picture.shape), 0, 255).astype("u1"))


def write_result(out, case, scores=None, labels=LABELS, positive="tumour", threshold=0.5, status="ok", head="ab" * 32, reason=None,
                 tiles=False, level="cases"):
    """scores: one a label, or None; the score of the case is that of `positive`."""
    os.makedirs(os.path.join(out, level), exist_ok=True)
    path = os.path.join(out, level, f"{case}.h5")
    floats = None if scores is None else np.asarray(scores, dtype="f4")
    with h5py.File(path, "w", userblock_size=4096) as f:
        if floats is not None:
            d = f.create_dataset("prediction/scores", data=floats)
            d.attrs["labels"] = labels
            f.create_dataset("prediction/logits", data=floats).attrs["labels"] = labels
        if tiles:
            write_tiles(f, np.random.default_rng(sum(case.encode())), floats, labels)
    decimal = [] if floats is None else [float(str(s)) for s in floats]
    score = decimal[labels.index(positive)] if decimal and positive in labels else None
    decision = "none" if score is None or threshold is None else "review" if score >= threshold else "clear"
    headline = {"schema": 1, "id": case, "status": status, "decision": decision, "score": score, "threshold": threshold,
                "positive": positive, "scores": dict(zip(labels, decimal)), "tiles": 48, "invalid_tiles": 0, "encoder": "made",
                "head": "made", "model_sha256": "cd" * 32, "head_sha256": head}
    if reason:
        headline["reason"] = reason
    write_headline(path, headline)


def write_failure(out, case, reason):
    os.makedirs(os.path.join(out, "failed"), exist_ok=True)
    with open(os.path.join(out, "failed", f"{case}.json"), "w") as f:
        json.dump({"id": case, "reason": reason, "code": 65}, f)


def write_labels(path, rows):
    """rows: dicts; the columns are those of the first."""
    with open(path, "w") as f:
        f.write(",".join(rows[0]) + "\n")
        for row in rows:
            f.write(",".join(str(v) for v in row.values()) + "\n")
    return path


def binary_cohort(out, labels_path, n=120, seed=5, tiles=False, threshold=0.5):
    """n cases of n * 3 / 4 patients with tied scores, sex, age and site; returns the rows with their score."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        truth = int(rng.random() < 0.4)
        score = float(np.round(np.clip(rng.normal(0.62 if truth else 0.35, 0.2), 0.01, 0.99), 2))
        case = f"s{i:03d}"
        write_result(out, case, [1 - score, score], threshold=threshold, tiles=tiles)
        rows.append({"id": case, "label": LABELS[truth], "patient": f"P{i * 3 // 4:03d}", "sex": "fm"[int(rng.random() < 0.5)],
                     "age": int(rng.integers(30, 90)), "site": ["north", "south", "west"][int(rng.integers(0, 3))], "_truth": truth,
                     "_score": float(str(np.float32(score)))})
    write_labels(labels_path, [{k: v for k, v in r.items() if k[0] != "_"} for r in rows])
    return rows
