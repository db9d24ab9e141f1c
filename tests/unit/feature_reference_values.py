#!/usr/bin/python3
"""Expected values of test_feature_reference.c: feature_reference_values.py > feature_reference_expected.h"""
import numpy as np

N, DIM = 24, 5
X = np.array([[((7 * i * i + 3 * i * j + 5 * j) % 23 - 11) * (j + 1) / 8 for j in range(DIM)] for i in range(N)])


def shrunk(x, rho):
    v = x.var(axis=0)
    return (1 - rho) * v + rho * v.mean()


v = X.var(axis=0)
noise = (((X - X.mean(0)) ** 2 - v) ** 2).sum() / N ** 2
rho = min(1, noise / ((v - v.mean()) ** 2).sum())
assert 0 < rho < 1
left = []
for i in range(N):
    rest = np.delete(X, i, axis=0)
    left.append(np.sqrt(((X[i] - rest.mean(0)) ** 2 / shrunk(rest, rho)).mean()))
unit = np.quantile(left, 0.99)
far = np.arange(1, DIM + 1) * 2.0
print("/* made by feature_reference_values.py */")
print(f"#define EXPECTED_NEAR {np.sqrt(((X[3] - X.mean(0)) ** 2 / shrunk(X, rho)).mean()) / unit!r}")
print(f"#define EXPECTED_FAR {np.sqrt(((far - X.mean(0)) ** 2 / shrunk(X, rho)).mean()) / unit!r}")
