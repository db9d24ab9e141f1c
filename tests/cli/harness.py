"""What the command-line tests share: running the program, TAP, small heads in safetensors.  Standard library only."""
import atexit
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile

PROGRAM, SYNTHETIC, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3]
DATA = os.environ.get("MICROTOME_TEST_DATA")


class Skip(Exception):
    pass


class Answer:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __repr__(self):
        return f"exit {self.code}\nstdout: {self.out[-1500:]}\nstderr: {self.err[-1500:]}"


def microtome(*args, cwd=None, timeout=600, env=None):
    return Answer(subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True, timeout=timeout, cwd=cwd, env=env))


drawn = {}  # arguments of microtome-synthetic: a folder with its slides


def synthetic(folder, *args):
    """The slides of these arguments in FOLDER: drawn once a program, a copy for each test."""
    args = tuple(map(str, args))
    if args not in drawn:
        kept = tempfile.mkdtemp(prefix="microtome-slides-")
        atexit.register(shutil.rmtree, kept, ignore_errors=True)
        done = subprocess.run([SYNTHETIC, "-o", kept, *args], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        drawn[args] = kept
    shutil.copytree(drawn[args], str(folder), dirs_exist_ok=True)
    return folder


def equal(a, b):
    assert a == b, f"\n  is     {a!r}\n  wanted {b!r}"


def contains(text, part):
    assert part in text, f"\n  {part!r}\n  is not in {text!r}"


def data(*parts):
    if DATA is None:
        raise Skip("MICROTOME_TEST_DATA is not set")
    return os.path.join(DATA, *parts)


def read(path, mode="r"):
    with open(path, mode) as f:
        return f.read()


def headline(path):
    return json.loads(read(path, "rb")[:4096].rstrip(b"\0"))


def write_safetensors(path, tensors, metadata=None):
    """tensors: name -> (shape, list of floats)"""
    header, blob = {}, b""
    for name, (shape, values) in tensors.items():
        raw = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(blob), len(blob) + len(raw)]}
        blob += raw
    if metadata:
        header["__metadata__"] = metadata
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + blob)


def write_abmil(path, dim, hidden=8, classes=2, seed=1, metadata=None):
    """A gated attention head with the published CLAM-SB keys and random weights."""
    rng = random.Random(seed)

    def t(*shape):
        n = 1
        for s in shape:
            n *= s
        return list(shape), [rng.uniform(-0.3, 0.3) for _ in range(n)]

    write_safetensors(path, {
        "attention_net.0.weight": t(hidden, dim), "attention_net.0.bias": t(hidden),
        "attention_net.3.attention_a.0.weight": t(4, hidden), "attention_net.3.attention_a.0.bias": t(4),
        "attention_net.3.attention_b.0.weight": t(4, hidden), "attention_net.3.attention_b.0.bias": t(4),
        "attention_net.3.attention_c.weight": t(1, 4), "attention_net.3.attention_c.bias": t(1),
        "classifiers.weight": t(classes, hidden), "classifiers.bias": t(classes)}, metadata)


def main(tests):
    """tests: functions that take a fresh folder; their first docstring line is the title."""
    print(f"1..{len(tests)}")
    failed = 0
    for i, test in enumerate(tests, 1):
        title = (test.__doc__ or test.__name__).strip().split("\n")[0]
        folder = tempfile.mkdtemp(prefix="microtome-")
        before = sum(os.times()[:4])
        try:
            test(folder)
            print(f"ok {i} - {title}", flush=True)
        except Skip as skip:
            print(f"ok {i} - {title} # SKIP {skip}", flush=True)
        except Exception as e:  # noqa: BLE001 - every failure is reported
            failed += 1
            print(f"not ok {i} - {title}", flush=True)
            for line in (f"{type(e).__name__}: {e}").split("\n"):
                print(f"# {line}", flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            print(f"# {sum(os.times()[:4]) - before:.1f} s of CPU", flush=True)
    sys.exit(1 if failed else 0)
