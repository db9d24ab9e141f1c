"""A batch of three small slides under fault_shim.c: how it is run, what its folder must hold.  Standard library only."""
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import PROGRAM, SOURCE, equal, headline, read, synthetic  # noqa: E402

SHIM = sys.argv[4] if len(sys.argv) > 4 else ""
CASES, SIZE_PX, SEED = 3, 768, 3
HEAD = os.path.join(SOURCE, "samples", "heads", "demo.safetensors")
MB_FREE = re.compile(r"\(\d+\.\d MB free\)")


def sanitizer():
    """The runtime of a sanitized program must come before any other preloaded library."""
    linked = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True).stdout
    return [m.group(1) for m in re.finditer(r"=> (\S*lib[at]san\S*)", linked)]


def shim_env(folder, out, at=0, do="none", always=False, only="", by_name=False):
    """The environment of a run under the shim; its counts and its log begin anew."""
    state, log = os.path.join(folder, "state"), os.path.join(folder, "log")
    with open(state, "wb") as f:
        f.write(bytes(4096))
    open(log, "w").close()
    return {**os.environ, "LD_PRELOAD": ":".join([*sanitizer(), SHIM]), "FAULT_UNDER": out, "FAULT_STATE": state, "FAULT_LOG": log,
            "FAULT_AT": str(at), "FAULT_DO": do, "FAULT_ALWAYS": "1" if always else "0", "FAULT_ONLY": only,
            "FAULT_BY_NAME": "1" if by_name else "0"}


def events_of(out, *kinds):
    """(event, id, log) of all runs; lines that were cut by a fault are left out."""
    runs, found = os.path.join(out, "runs"), []
    for name in sorted(os.listdir(runs)) if os.path.isdir(runs) else []:
        for line in read(os.path.join(runs, name)).splitlines() if name.endswith(".jsonl") else []:
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                continue
            if event.get("event") in kinds:
                found.append((event["event"], event.get("id"), name))
    return found


def manifest(folder, slides, ids):
    """As many cases as ids, of few slides in turn."""
    tifs = sorted(os.path.join(slides, n) for n in os.listdir(slides) if n.endswith(".tif"))
    path = os.path.join(folder, "many.csv")
    with open(path, "w") as f:
        f.write("path,id\n" + "".join(f"{tifs[i % len(tifs)]},{name}\n" for i, name in enumerate(ids)))
    return path


def digests(out):
    cases = os.path.join(out, "cases")
    names = [n for n in os.listdir(cases) if n.endswith(".h5")] if os.path.isdir(cases) else []
    return {n: hashlib.sha256(read(os.path.join(cases, n), "rb")).hexdigest() for n in sorted(names)}


class Ended:
    def __init__(self, code, err, changes, hits, log):
        self.code, self.err, self.changes, self.hits, self.log = code, err, changes, hits, log


class Batch:
    """The slides, their results of an uninterrupted run, and one output folder at a time."""

    def __init__(self, folder):
        self.folder = folder
        self.slides = synthetic(os.path.join(folder, "slides"), "--count", CASES, "--size", SIZE_PX, "--seed", SEED)
        self.out = os.path.join(folder, "out")
        ended = self.run()
        equal((ended.code, ended.err if ended.code else ""), (0, ""))
        self.whole, self.changes, self.log = self.results(), ended.changes, ended.log
        equal(len(self.whole), CASES)
        self.fresh()

    def fresh(self):
        shutil.rmtree(self.out, ignore_errors=True)

    def command(self):
        return [PROGRAM, "run", "-e", "builtin:demo", "-m", HEAD, "-o", self.out, "--threads", "1", "--lease", "5",
                os.path.join(self.slides, "manifest.csv")]

    def run(self, at=0, do="none", always=False, only="", timeout=120):
        env = shim_env(self.folder, self.out, at, do, always, only)
        process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env, start_new_session=True)
        try:
            _, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(f"at {at} {do}: not ended after {timeout} s") from None
        wait_for_group(process.pid)
        counts = read(env["FAULT_STATE"], "rb")
        lines = [line.split("\t") for line in read(env["FAULT_LOG"]).splitlines()]
        return Ended(process.returncode, err, int.from_bytes(counts[:8], "little"), int.from_bytes(counts[8:16], "little"), lines)

    def results(self):
        return digests(self.out)

    def unfinished(self):
        return [os.path.join(where, n) for where, _, names in os.walk(self.out) for n in names if n.startswith(".tmp-")]

    def age(self):
        """As if the run had been broken off two hours ago."""
        claims = os.path.join(self.out, "claims")
        held = [os.path.join(claims, n) for n in os.listdir(claims)] if os.path.isdir(claims) else []
        for path in self.unfinished() + held:
            os.utime(path, (time.time() - 7200,) * 2)

    def events(self, kind):
        return [id for _, id, _ in events_of(self.out, kind)]

    def check_published(self):
        """What has its final name is whole, whatever happened."""
        for name, digest in self.results().items():
            equal((name, digest), (name, self.whole[name]))
        for name in ("recipe.ini", "manifest.csv", "summary.csv", "report.html"):
            path = os.path.join(self.out, name)
            assert not os.path.exists(path) or read(path).endswith("\n"), f"{name} was cut"
        failed = os.path.join(self.out, "failed")
        for name in os.listdir(failed) if os.path.isdir(failed) else []:
            if not name.startswith(".tmp-"):
                json.loads(read(os.path.join(failed, name)))

    def check_resumed(self):
        """Run again without faults: every case once, the bytes of an uninterrupted run, nothing unfinished left."""
        self.age()
        ended = self.run()
        equal((ended.code, ended.err if ended.code else ""), (0, ""))
        equal(self.results(), self.whole)
        for name in self.whole:
            equal(headline(os.path.join(self.out, "cases", name))["id"], name[:-3])
        equal(self.unfinished(), [])
        equal(os.listdir(os.path.join(self.out, "failed")), [])
        equal(os.listdir(os.path.join(self.out, "claims")), [])


def members(group):
    """Processes of a group that are not over."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = read(f"/proc/{entry}/stat").rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            found.append(int(entry))
    return sorted(found)


def wait_for_group(group):
    """A worker whose supervisor was killed ends by itself."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.005)
    raise AssertionError("a worker lives on without its supervisor")
