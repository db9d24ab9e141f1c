"""Stopped at random moments by SIGTERM, SIGINT and SIGUSR1: gone within 20 s (a second signal: 2 s), exit 75, nothing unfinished, resumed.

usage: test_stops.py MICROTOME SYNTHETIC SOURCE [STOPS [SEED]]      (8 in the suite; 100 by hand)
"""
import os
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fault_points import HEAD, digests, members  # noqa: E402
from harness import PROGRAM, SOURCE, equal, main, read, synthetic  # noqa: E402

STOPS = int(sys.argv[4]) if len(sys.argv) > 4 else 8
SEED = int(sys.argv[5]) if len(sys.argv) > 5 else 1
WITHIN_S, SECOND_WITHIN_S = 20, 2
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1]
KINDS = {"fast": 9, "slow": 6, "watch": 4, "stuck": 1}  # of 20 stops


def slow_encoder(folder):
    """The demonstration encoder's card with a graph of some 15 GFLOP a tile, 16 tiles at once; None without the package onnx."""
    try:
        import numpy as np
        from onnx import TensorProto, helper, numpy_helper, save
    except ImportError:
        return None
    rng = np.random.default_rng(SEED)
    weights = [("first", (128, 3, 3, 3)), ("second", (128, 128, 3, 3))]
    nodes = [helper.make_node("Conv", ["image", "first"], ["a"], pads=[1] * 4), helper.make_node("Conv", ["a", "second"], ["b"], pads=[1] * 4),
             helper.make_node("GlobalAveragePool", ["b"], ["c"]), helper.make_node("Flatten", ["c"], ["features"])]
    graph = helper.make_graph(nodes, "slow", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 224, 224])],
                              [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 128])],
                              [numpy_helper.from_array(rng.normal(0, 0.05, shape).astype(np.float32), name) for name, shape in weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    save(model, os.path.join(folder, "slow.onnx"))
    card = read(os.path.join(SOURCE, "samples", "encoders", "demo.card"))
    with open(os.path.join(folder, "slow.card"), "w") as f:
        f.write(card.replace("batch=2\n", "batch=16\n"))
    return os.path.join(folder, "slow.onnx")


class Kind:
    """One way of running: its command, the results of an uninterrupted run, how long that took."""

    def __init__(self, folder, name, encoder, cases):
        self.name, self.folder, self.cases = name, folder, cases
        self.encoder, self.out = encoder, os.path.join(folder, "out-" + name)
        self.temporary = os.path.join(folder, "tmp-" + name)
        os.makedirs(self.temporary)
        began = time.monotonic()
        self.finish()
        self.longest_s, self.whole = time.monotonic() - began, digests(self.out)
        equal(len(self.whole), 3)
        self.fresh()

    def fresh(self):
        shutil.rmtree(self.out)

    def start(self):
        process = subprocess.Popen([PROGRAM, "run", "-o", self.out, "--threads", "2", "--workers", "2", *self.encoder, *self.cases],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
                                   env={**os.environ, "TMPDIR": self.temporary})
        until = time.monotonic() + 60
        while process.poll() is None and not catches(process.pid):
            assert time.monotonic() < until, "no signal is caught"
            time.sleep(0.002)
        return process

    def finish(self):
        """Run to the end; a watched folder has none: stopped when every case has its result."""
        process = self.start()
        if self.name == "watch":
            while process.poll() is None and len(digests(self.out)) < 3:
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=900)
        wanted = 75 if self.name == "watch" else 0
        equal((process.returncode, err if process.returncode != wanted else b""), (wanted, b""))

    def is_done(self):
        return len(digests(self.out)) == 3

    def check(self):
        """What a stopped run may leave: whole results and nothing unfinished."""
        found = digests(self.out)
        equal(found, {name: digest for name, digest in self.whole.items() if name in found} if hasattr(self, "whole") else found)
        left = [os.path.join(where, n) for top in (self.out, self.temporary) for where, _, names in os.walk(top) for n in names
                if n.startswith(".tmp-") or top == self.temporary]
        left += [os.path.join(self.temporary, n) for n in os.listdir(self.temporary)]
        equal([(path, os.path.getsize(path)) for path in left], [])
        for name in ("claims", "failed"):
            path = os.path.join(self.out, name)
            equal((name, os.listdir(path) if os.path.isdir(path) else []), (name, []))


def catches(pid):
    """Stops are taken care of: before, a signal ends the program by default, which has made nothing yet."""
    try:
        line = next(line for line in read(f"/proc/{pid}/status").splitlines() if line.startswith("SigCgt"))
    except (OSError, StopIteration):
        return False
    return int(line.split()[1], 16) >> (signal.SIGUSR1 - 1) & 1


def send(process, number, to_group):
    if process.poll() is None:
        os.killpg(process.pid, number) if to_group else os.kill(process.pid, number)


def wait(process, seconds, what):
    """Seconds until the program and all it started are gone."""
    began = time.monotonic()
    try:
        _, err = process.communicate(timeout=max(60, seconds))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"{what}: not ended after {max(60, seconds)} s") from None
    took = time.monotonic() - began
    equal((what, members(process.pid)), (what, []))
    assert took <= seconds, f"{what}: {took:.1f} s"
    return took, err.decode()


def one_stop(kind, rng, stuck, tally):
    """Returns False when the run was done before the signal."""
    number, twice = rng.choice(SIGNALS), rng.random() < 0.25
    to_group = number == signal.SIGINT or rng.random() < 0.5  # Ctrl-C, srun and systemd send to all
    process = kind.start()
    try:
        process.wait(timeout=rng.uniform(0, kind.longest_s * 1.1))
        _, err = process.communicate()
        equal((process.returncode, err if process.returncode else b""), (0, b""))
        return False
    except subprocess.TimeoutExpired:
        pass
    frozen = [pid for pid in members(process.pid) if pid != process.pid] if stuck else []
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    what = f"{kind.name}{' with stuck workers' if stuck else ''}, {number.name} to {'all' if to_group else 'the run'}{', twice' if twice else ''}"
    send(process, number, to_group)
    if twice:
        time.sleep(rng.uniform(0, 0.5))
        send(process, number, to_group)
    took, err = wait(process, SECOND_WITHIN_S if twice else WITHIN_S, what)
    whole = kind.is_done()
    equal((what, process.returncode, err[-400:] if process.returncode not in (75, 0) else ""), (what, 0 if process.returncode == 0 and whole else 75, ""))
    try:
        kind.check()
    except AssertionError as e:
        raise AssertionError(f"{what}, exit {process.returncode}, {err[-300:]}: {e}") from None
    times = tally.setdefault("second" if twice else "stuck" if stuck else kind.name, [])
    times.append(took)
    return True


def test_stops(folder):
    """stopped at random moments: gone in time, exit 75, no unfinished file, no claim; then resumed to the bytes of an uninterrupted run"""
    rng, tally, done, cohorts = random.Random(SEED), {}, 0, 0
    made = synthetic(os.path.join(folder, "slides"), "--count", 3, "--size", 768, "--seed", 3)
    listed, drop = os.path.join(made, "manifest.csv"), os.path.join(folder, "drop")
    os.mkdir(drop)
    for name in os.listdir(made):
        if name.endswith(".tif"):
            shutil.copy(os.path.join(made, name), drop)
    demo, slow = ["-e", "builtin:demo", "-m", HEAD], slow_encoder(folder)
    kinds = {"fast": Kind(folder, "fast", demo, [listed]), "watch": Kind(folder, "watch", demo, ["--watch", drop, "--settle", "0.2"])}
    if slow is not None:
        kinds["slow"] = Kind(folder, "slow", ["-e", slow], [listed])
    else:
        print("# a slow model is left out: the package onnx is not there", flush=True)
    turns = [name for name, n in KINDS.items() for _ in range(n)]
    while done < STOPS:
        turn = turns[(done * 7 + SEED) % len(turns)]  # 7 and 20 have no common factor: every kind has its share
        kind = kinds.get("slow" if turn == "stuck" else turn, kinds["fast"])
        stopped = one_stop(kind, rng, turn == "stuck", tally)
        done += stopped
        if not stopped or kind.is_done():
            kind.finish()
            equal(digests(kind.out), kind.whole)
            kind.check()
            kind.fresh()
            cohorts += 1
    for kind in kinds.values():
        kind.finish()
        equal(digests(kind.out), kind.whole)
        kind.check()
    told = ", ".join(f"{name} {len(times)} (slowest {max(times):.1f} s)" for name, times in sorted(tally.items()))
    print(f"# seed {SEED}: {done} stops, each with exit 75 and nothing unfinished: {told}; whole cohorts in between: {cohorts}", flush=True)


main([test_stops])
