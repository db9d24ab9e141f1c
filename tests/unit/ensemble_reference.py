#!/usr/bin/python3
"""Expected values of test_ensemble.c, from the formulas in docs/triage.md, in double: ensemble_reference.py > ensemble_expected.h"""
import numpy as np

TILES = np.array([[1, 0, 2], [-1, 0.5, 0], [3, 1, 1], [0, 0, -2], [2, 0.25, 0]])
WEIGHTS = np.array([[[0.5, -1, 0.25], [-0.5, 2, 1]], [[0.25, 0, -1], [-0.25, 0.75, 0]], [[0.125, 1, 0], [1, -0.5, 0.25]]])
BIAS = np.array([[0.125, -0.25], [0, 0.5], [-0.5, 0.25]])
TEMPERATURE = [1, 2, 0.5]
STACK, CONSTANT = [0.5, 1.5, 0.25], -0.75


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def odds(p):
    return np.log(p) - np.log(1 - p)


def combine(scores, rule):
    """members x classes -> classes; the second class is positive"""
    if rule == "average":
        return scores.mean(axis=0)
    if rule == "vote":
        return np.bincount(scores.argmax(axis=1), minlength=2) / len(scores)
    p = 1 / (1 + np.exp(-(np.dot(STACK, odds(scores[:, 1])) + CONSTANT)))
    return np.array([1 - p, p])


def show(name, values):
    values = np.asarray(values)
    print(f"static const double {name}[] = {{" + ", ".join(repr(float(v)) for v in values.ravel()) + "};")


tile_logits = np.einsum("td,mcd->mtc", TILES, WEIGHTS) + BIAS[:, None]
tiles = np.stack([softmax(t / T) for t, T in zip(tile_logits, TEMPERATURE)])
members = np.stack([softmax(t.mean(axis=0) / T) for t, T in zip(tile_logits, TEMPERATURE)])
print("/* made by ensemble_reference.py */")
show("expected_members", members)
for rule in ("average", "vote", "stack"):
    show("expected_" + rule, combine(members, rule))
    show(f"expected_{rule}_tiles", [combine(tiles[:, t], rule) for t in range(len(TILES))])
