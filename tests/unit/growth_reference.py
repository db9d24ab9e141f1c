#!/usr/bin/python3
"""Pairs of least cost by SciPy, for test_growth.c: growth_reference.py > growth_expected.h

The cost of a pair is its distance, or the limit where that is reached or the classes differ; assigned pairs at the limit are none.
"""
import numpy as np
from scipy.optimize import linear_sum_assignment

rng = np.random.default_rng(11)
print("/* Made by growth_reference.py. */\n#ifndef GROWTH_EXPECTED_H\n#define GROWTH_EXPECTED_H\n")
cases = []
for k, (n, m, spread, most, classes) in enumerate([(0, 3, 10, 5, 1), (1, 1, 3, 10, 1), (5, 5, 20, 10, 1), (6, 4, 12, 10, 2), (9, 14, 25, 12, 3),
                                                   (25, 20, 30, 9, 1), (40, 40, 60, 15, 2)]):
    a, b = rng.uniform(-spread, spread, (n, 3)).round(2), rng.uniform(-spread, spread, (m, 3)).round(2)
    some = min(n, m) // 2
    b[:some] = (a[:some] + rng.normal(0, 2, (some, 3))).round(2)
    class_a, class_b = rng.integers(0, classes, n), rng.integers(0, classes, m)
    cost = np.linalg.norm(a[:, None] - b[None], axis=2) if n else np.zeros((0, m))
    cost = np.where((class_a[:, None] == class_b[None]) & (cost < most), cost, most)
    rows, columns = linear_sum_assignment(cost)
    real = cost[rows, columns] < most
    for name, values, kind in (("a", a.ravel(), "double"), ("b", b.ravel(), "double"), ("class_a", class_a, "int"), ("class_b", class_b, "int")):
        text = ", ".join(repr(v) for v in values.tolist()) or "0"
        print(f"static const {kind} {name}_{k}[] = {{{text}}};")
    cases.append(f"{{a_{k}, b_{k}, class_a_{k}, class_b_{k}, {n}, {m}, {most}, {real.sum()}, {cost[rows, columns][real].sum()!r}}}")
print("\ntypedef struct pair_case {\n    const double *a, *b;\n    const int    *class_a, *class_b;\n    int           n, m;\n"
      "    double        most;\n    int           pairs;\n    double        sum;\n} pair_case;\n")
print("static const pair_case PAIR_CASES[] = {\n    " + ",\n    ".join(cases) + "};\n\n#endif")
