#!/usr/bin/env python3
"""Keeps the house in order: floors, external headers, unique stems, sizes. Prints TAP.

usage: check_structure.py ROOT
"""
import os
import re
import subprocess
import sys

FLOORS = ["src/base", "kernels", "src/case", "src/encoder", "tiling", "src/store", "mil", "src/result", "src/evaluate", "src/export",
          "src/train", "src/pipeline", "src/batch", "src/serve", "tools"]
# who implements a public header: it may be included from that floor up
PUBLIC = {"serve": "src/serve", "desk": "src/serve", "api": "src/base", "error": "src/base", "tensor": "kernels", "model": "kernels", "case": "src/case", "study": "src/case", "encoder": "src/encoder", "verify": "src/encoder",
          "mask": "tiling", "masker": "tiling", "grid": "tiling", "tile_reader": "tiling", "result": "src/store", "findings": "src/result", "impression": "src/result", "growth": "src/result", "bag": "mil", "head": "mil",
          "evaluate": "src/evaluate", "evaluate_places": "src/evaluate", "place_report": "src/export", "calibrate": "src/train", "evaluation_report": "src/export", "heatmap": "src/result", "search": "src/result", "contact_sheet": "src/export", "prediction": "src/result", "pyramid": "src/export", "colormap": "src/export", "mask_png": "src/export", "overlay": "src/export", "heat_picture": "src/export", "heat_files": "src/export", "heat_tables": "src/export", "heat_sheet": "src/export", "heat_page": "src/export", "heat_figure": "src/export", "geojson": "src/export",
          "layouts": "src/export", "handover": "src/export",
          "convert": "src/export", "deidentify": "src/export", "send": "src/export", "worklist": "src/export",
          "png": "src/export", "picture": "src/export", "cut": "src/pipeline", "recipe": "src/pipeline", "pipeline": "src/pipeline", "engine": "src/pipeline", "aggregate": "src/pipeline", "train": "src/train", "batch": "src/batch", "folder": "src/batch", "folder_prune": "src/pipeline",
          "quantize": "kernels", "calibration": "src/pipeline", "bench": "src/pipeline"}
# a type that a lower floor needs from a header implemented above it: the type alone, no function
TYPES_ONLY = {("kernels/pixel", "tile_reader"): "mt_filter", ("src/case", "encoder"): "mt_intensity", ("src/encoder", "tile_reader"): "mt_tile_pixels"}
EXTERNAL = {r"oneapi/dnnl/|dnnl\.h": ["kernels/onednn"], r"hdf5\.h|H5.*public\.h": ["src/store"], r"openslide": ["src/case"],
            r"tiff": ["src/case"], r"nifti/|nifti1": ["src/case", "src/export"], r"dcmtk/": ["src/case", "src/export"], r"vips/": ["src/case", "tiling", "src/export"], r"cairo|pango": ["src/export"], r"curl/": ["src/export"], r"microhttpd|sodium|sqlite3": ["src/serve"]}
MAX_FILE, MAX_FUNCTION = 800, 80


def sources(root):
    out = subprocess.run(["git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard"], capture_output=True, text=True)
    names = out.stdout.split("\n") if out.returncode == 0 else []
    if not names:
        names = [os.path.relpath(os.path.join(d, f), root) for d, dirs, fs in os.walk(root) for f in fs
                 if not os.path.relpath(d, root).startswith(("build", ".git"))]
    return sorted(n for n in names if n.endswith((".c", ".h", ".cc")) and os.path.exists(os.path.join(root, n)))


def floor_of(path):
    return max((f for f in FLOORS if path.startswith(f + "/")), key=len, default=None)


def check_includes(root, files):
    bad = []
    for name in files:
        mine = floor_of(name)
        if mine is None:
            continue
        for number, line in enumerate(open(os.path.join(root, name), encoding="utf-8"), 1):
            m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not m:
                continue
            kind, target = m.groups()
            where = f"{name}:{number}: includes {target}"
            if target.startswith("microtome/"):
                noun = target[len("microtome/"):-2]
                theirs = PUBLIC.get(noun)
                allowed = any(name.startswith(folder + "/") and noun == n for folder, n in TYPES_ONLY)
                if theirs is None:
                    bad.append(f"{where}: public header without a floor (add it to PUBLIC)")
                elif FLOORS.index(theirs) > FLOORS.index(mine) and not allowed:
                    bad.append(f"{where}: {theirs} stands above {mine}")
            elif kind == '"':
                theirs = floor_of(target)
                if theirs is not None and FLOORS.index(theirs) > FLOORS.index(mine):
                    bad.append(f"{where}: {theirs} stands above {mine}")
                if mine == "tools" and theirs not in ("tools", "src/base"):
                    bad.append(f"{where}: tools include the public API and src/base only")
            else:
                for pattern, homes in EXTERNAL.items():
                    if re.search(pattern, target) and not any(name.startswith(h + "/") for h in homes):
                        bad.append(f"{where}: only {', '.join(homes)} may")
    return bad


def check_samples(root, files):
    bad = []
    for name in (f for f in files if f.startswith("samples/")):
        for number, line in enumerate(open(os.path.join(root, name), encoding="utf-8"), 1):
            m = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if m and not os.path.dirname(m.group(1)) == os.path.dirname(name) and "/" in m.group(1) and not m.group(1).startswith("samples/"):
                bad.append(f"{name}:{number}: samples use the public API alone, not {m.group(1)}")
    return bad


def check_stems(root, files):
    seen, bad = {}, []
    for name in (f for f in files if f.endswith((".c", ".cc"))):
        stem = os.path.splitext(os.path.basename(name))[0]
        if stem in seen:
            bad.append(f"{name}: another file has this stem: {seen[stem]}")
        seen[stem] = name
    return bad


def check_file_sizes(root, files):
    return [f"{n}: {c} lines, at most {MAX_FILE}" for n in files if (c := sum(1 for _ in open(os.path.join(root, n), encoding="utf-8"))) > MAX_FILE]


def check_function_sizes(root, files):
    bad = []
    for name in (f for f in files if f.endswith((".c", ".cc"))):
        start = None
        for number, line in enumerate(open(os.path.join(root, name), encoding="utf-8"), 1):
            if line.rstrip() == "{":
                start = number
            elif line.startswith("}") and start is not None:
                if line.rstrip() == "}" and number - start - 1 > MAX_FUNCTION:
                    bad.append(f"{name}:{start}: a function of {number - start - 1} lines, at most {MAX_FUNCTION}")
                start = None
    return bad


def check_names(root, files):
    banned = re.compile(r"(^|_)(utils?|common|helpers?|misc|manager)(_|$)")
    return [f"{n}: the name says no job" for n in files if banned.search(os.path.splitext(os.path.basename(n))[0])]


def check_words(root, files):
    """The repository speaks of the project alone."""
    out = subprocess.run(["git", "-C", root, "ls-files"], capture_output=True, text=True).stdout.split("\n")
    words = re.compile(r"(^|[^a-z.])/(work|root|farm)/|https?://(deb|registry|packages)\.|\bTODO\b|\bFIXME\b|\bXXX\b")
    bad = []
    for name in (n for n in out if n and not n.endswith((".onnx", ".safetensors", ".npy", ".bin", ".png", ".h5", ".pgm", ".tif"))):
        if name == "tests/structure/check_structure.py" or not os.path.isfile(os.path.join(root, name)):
            continue
        for number, line in enumerate(open(os.path.join(root, name), encoding="utf-8", errors="replace"), 1):
            if words.search(line):
                bad.append(f"{name}:{number}: {line.strip()[:80]}")
    return bad


def main(root):
    files = sources(root)
    checks = [("floors and external headers", check_includes), ("samples use the public API", check_samples), ("unique stems", check_stems),
              ("files of at most 800 lines", check_file_sizes), ("functions of at most 80 lines", check_function_sizes),
              ("file names say their job", check_names), ("no machine paths, no unfinished work", check_words)]
    print(f"1..{len(checks)}")
    failed = 0
    for i, (title, check) in enumerate(checks, 1):
        bad = check(root, files)
        failed += bool(bad)
        print(f"{'not ok' if bad else 'ok'} {i} - {title}")
        for line in bad:
            print(f"# {line}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
