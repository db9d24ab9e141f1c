"""How DTFD-MIL cut a bag is in its result: groups, repeats, distill, seed; other values are recorded and give other scores."""
import os
import random
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import Skip, equal, main, microtome, write_safetensors  # noqa: E402

try:
    import h5py
    import numpy as np
except ImportError as missing:
    h5py, WHY = None, f"{missing.name} is not installed"

DIM, HIDDEN, ATTENTION = 6, 5, 4


def write_head(path):
    rng = random.Random(1)

    def t(*shape):
        return list(shape), [rng.uniform(-1, 1) for _ in range(int(np.prod(shape)))]

    keys = {"dim_reduction.fc1.weight": t(HIDDEN, DIM), "classifier.fc.weight": t(2, HIDDEN), "classifier.fc.bias": t(2)}
    for prefix in ("", "att_classifier."):
        for name in ("attention_V.0", "attention_U.0"):
            keys[f"{prefix}attention.{name}.weight"], keys[f"{prefix}attention.{name}.bias"] = t(ATTENTION, HIDDEN), t(ATTENTION)
        keys[f"{prefix}attention.attention_weights.weight"], keys[f"{prefix}attention.attention_weights.bias"] = t(1, ATTENTION), t(1)
    keys["att_classifier.classifier.fc.weight"], keys["att_classifier.classifier.fc.bias"] = t(2, HIDDEN), t(2)
    write_safetensors(path, keys)


def test_recorded(folder):
    """seed and number of groups stand in the result"""
    if h5py is None:
        raise Skip(WHY)
    head, bag, seen = os.path.join(folder, "h.safetensors"), os.path.join(folder, "c.h5"), []
    write_head(head)
    with h5py.File(bag, "w") as f:
        f["features"] = np.random.default_rng(0).normal(size=(40, DIM)).astype("f4")
    for n, (card, wanted) in enumerate((("", (4, 1, "afs", None)), ("groups=3\n", (3, 1, "afs", None)), ("seed=7\n", (4, 1, "afs", 7)),
                                        ("seed=8\n", (4, 1, "afs", 8)), ("groups=2\nseed=7\nrepeats=3\ndistill=maxs\n", (2, 3, "maxs", 7)))):
        with open(os.path.join(folder, "h.card"), "w") as f:
            f.write("[head]\nkind=dtfd\n" + card)
        out = os.path.join(folder, str(n))
        answer = microtome("aggregate", "-m", head, "-o", out, bag)
        equal((answer.code, answer.err if answer.code else ""), (0, ""))
        with h5py.File(os.path.join(out, "cases", "c.h5")) as f:
            d = f["prediction/scores"]
            number = {k: int(np.ravel(d.attrs[k])[0]) for k in ("groups", "repeats", "seed") if k in d.attrs}
            distill = d.attrs["distill"].decode() if isinstance(d.attrs["distill"], bytes) else str(d.attrs["distill"])
            equal((number["groups"], number["repeats"], distill, number.get("seed")), wanted)
            seen.append(tuple(f["prediction/logits"][:].tolist()))
    equal(len(set(seen)), len(seen))


main([test_recorded])
