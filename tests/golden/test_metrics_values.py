#!/usr/bin/env python3
"""The committed values of the metrics are what scikit-learn, SciPy, statsmodels and the definitions give today. Prints TAP.

usage: test_metrics_values.py
"""
import json
import math
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
try:
    import metrics_reference
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)


def differences(is_, wanted, where):
    """Places that differ by more than 1e-9; versions of the libraries sum in other orders."""
    if isinstance(is_, dict) and isinstance(wanted, dict) and is_.keys() == wanted.keys():
        return [d for k in is_ for d in differences(is_[k], wanted[k], f"{where}.{k}")]
    if isinstance(is_, list) and isinstance(wanted, list) and len(is_) == len(wanted):
        return [d for i, pair in enumerate(zip(is_, wanted)) for d in differences(*pair, f"{where}[{i}]")]
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (is_, wanted))
    if numbers and math.isclose(is_, wanted, rel_tol=1e-9, abs_tol=1e-9) or not numbers and is_ == wanted:
        return []
    return [f"{where}: {str(is_)[:60]}, committed {str(wanted)[:60]}"]


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        metrics_reference.write(folder)
        names = sorted(os.listdir(folder))
        print(f"1..{len(names)}")
        for i, name in enumerate(names, 1):
            with open(os.path.join(folder, name)) as made, open(os.path.join(HERE, "metrics", name)) as committed:
                bad = differences(json.load(made), json.load(committed), name[:-5])
            failed += bool(bad)
            print(f"{'not ok' if bad else 'ok'} {i} - {name}")
            for line in bad[:10]:
                print(f"# {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
