#!/usr/bin/python3
"""Reference values of test_calibration.c: NumPy and SciPy on data that both sides make by the same rule.

    x_i = frac(i * 0.6180339887498949) * 8 - 4;  truth_i = frac(i * 0.7548776662466927 + 0.1) < sigmoid(0.7 x_i - 0.3);  i = 0 .. 199
"""
import math

import numpy as np
from scipy.optimize import minimize, minimize_scalar

i = np.arange(200)
x = np.float32((i * 0.6180339887498949) % 1 * 8 - 4).astype(float)
t = ((i * 0.7548776662466927 + 0.1) % 1 < 1 / (1 + np.exp(-(0.7 * x - 0.3)))).astype(float)


def nll(z, target):
    return np.sum(np.logaddexp(0, z) - target * z)


print("temperature %.10f" % (1 / minimize_scalar(lambda b: nll(b * x, t), bounds=(0.05, 20), method="bounded", options={"xatol": 1e-13}).x))
high, low = (t.sum() + 1) / (t.sum() + 2), 1 / ((1 - t).sum() + 2)
soft = np.where(t == 1, high, low)
best = minimize(lambda p: nll(p[0] * x + p[1], soft), [1, 0], method="BFGS", options={"gtol": 1e-12}).x
print("platt %.9f %.9f" % tuple(best))
order = np.argsort(x)
y, w = list(t[order]), [1.0] * 200
k = 0
pools = []
for v in y:  # pool adjacent violators
    pools.append([v, 1])
    while len(pools) > 1 and pools[-2][0] / pools[-2][1] >= pools[-1][0] / pools[-1][1]:
        s, n = pools.pop()
        pools[-1][0] += s
        pools[-1][1] += n
fitted = np.concatenate([[np.clip(s / n, 1 / 202, 201 / 202)] * int(n) for s, n in pools])
print("isotonic pools", len(pools), "sum of squares %.12f" % np.sum((fitted - t[order]) ** 2))
for s in (0.5, 0.9, 0.95, 0.99):
    z = 1.959963984540054
    print(s, math.ceil(s * z * z / (1 - s)))
