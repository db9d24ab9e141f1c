"""case_variants.json: the facts of the TIFF variants, taken from the test data's expected.json (Pillow, tifffile).

usage: case_variants.py TEST_DATA > case_variants.json
"""
import json
import os
import sys

KEPT = ("width", "height", "bits")

with open(os.path.join(sys.argv[1], "expected.json")) as f:
    expected = json.load(f)
facts = {}
for name in sorted(n for n in expected if n.startswith("tiff/") and not n.endswith("/")):
    entry = expected[name]
    facts[name] = {key: entry[key] for key in KEPT}
    if isinstance(entry.get("pil"), dict):
        facts[name]["pil"] = {"sum": entry["pil"]["sum"], "shape": entry["pil"]["shape"], "dtype": entry["pil"]["dtype"]}
json.dump(facts, sys.stdout, indent=1, sort_keys=True)
print()
