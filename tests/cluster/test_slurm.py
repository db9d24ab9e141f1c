"""samples/cluster/slurm.sbatch on a real Slurm of one machine: an array of four on one folder; a task is killed, one is put back into the queue, one is
warned that its time is up.  Every case once, equal to the byte to a run by itself.  Standard library only."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "faults"))
sys.argv[4:] = []
from fault_points import digests, events_of, manifest  # noqa: E402
from harness import PROGRAM, SOURCE, Skip, contains, data, equal, main, microtome, read, synthetic  # noqa: E402

TASKS, CASES, SIZE_PX = 4, 40, 2048
HEAD = os.path.join(SOURCE, "samples", "heads", "demo.safetensors")
SCRIPT = os.path.join(SOURCE, "samples", "cluster", "slurm.sbatch")
LONGEST_S = 120
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")


class Slurm:
    def __init__(self, folder):
        self.tool, self.folder = data("..", "tools", "slurm_single_box.sh"), os.path.join(folder, "slurm")
        missing = [p for p in ("slurmctld", "slurmd", "sbatch", "scontrol", "squeue") if shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin") is None]
        if missing or not os.path.exists(self.tool):
            raise Skip(f"no {', '.join(missing) or self.tool}")
        self.told = {}  # task -> when it was told to begin
        self.env = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin", "SLURM_CONF": os.path.join(self.folder, "slurm.conf")}

    def __enter__(self):
        log = os.path.join(os.path.dirname(self.folder), "slurm.log")
        with open(log, "w") as out:  # the daemons keep what they are given: no pipe
            done = subprocess.run(["sh", self.tool, "start", self.folder], env=self.env, stdout=out, stderr=out, timeout=120)
        if done.returncode != 0:
            logs = "".join(read(os.path.join(self.folder, n))[-300:] for n in ("slurmctld.log", "slurmd.log"))
            raise Skip(f"Slurm does not start here: {read(log)[-200:]} {logs}".replace("\n", " "))
        return self

    def __exit__(self, *_):
        subprocess.run(["sh", self.tool, "stop", self.folder], env=self.env, capture_output=True, timeout=60)

    def ask(self, *args):
        done = subprocess.run(args, env=self.env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (args, done.stdout, done.stderr)
        return done.stdout.strip()

    def states(self, job):
        """task -> state, of what Slurm still knows"""
        lines = self.ask("squeue", "-r", "-h", "-t", "all", "-j", job, "-o", "%K %T").splitlines()
        return {int(line.split()[0]): line.split()[1] for line in lines}

    def begin_now(self, job):
        """What was put back waits for two minutes (its credential's time); an operator does not need to, nor does a test."""
        for task in [t for t, state in self.states(job).items() if state == "PENDING"]:
            if time.monotonic() - self.told.get(task, 0) > 5:
                self.told[task] = time.monotonic()
                subprocess.run(["scontrol", "update", f"JobId={job}_{task}", "StartTime=now"], env=self.env, capture_output=True, timeout=60)


def processes(folder, job):
    """(task, host, pid) of every start, from the logs of the tasks"""
    found = []
    for task in range(1, TASKS + 1):
        log = os.path.join(folder, f"microtome-{job}_{task}.log")
        for line in read(log).splitlines() if os.path.exists(log) else []:
            words = line.split()
            if len(words) == 8 and words[0] == "task" and words[4] == "process":
                found.append((task, words[3].rstrip(":"), int(words[5].rstrip(","))))
    return found


def wait_for(what, condition, seconds=LONGEST_S):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"{what} did not come to pass in {seconds} s"
        time.sleep(0.1)


def done_by(out):
    """process that finished it -> ids"""
    found = {}
    for _, case, log in events_of(out, "done"):
        found.setdefault(int(log.removesuffix(".jsonl").rsplit("-", 1)[1]), []).append(case)
    return found


def starts_of(folder, job, task):
    return [pid for t, _, pid in processes(folder, job) if t == task]


def disturb(slurm, folder, job, out):
    """Task 1 is killed with all that it started, task 2 put back by an operator, task 3 warned that its time is up."""
    def works_at(task):
        slurm.begin_now(job)
        ended, pids = slurm.states(job).get(task), starts_of(folder, job, task)
        assert ended not in ENDED, f"task {task} is {ended}: {read(os.path.join(folder, f'microtome-{job}_{task}.log'))[-600:]}"
        return bool(pids) and any(log.endswith(f"-{pids[-1]}.jsonl") for _, _, log in events_of(out, "started"))

    wait_for("task 1 at work", lambda: works_at(1))
    os.kill(starts_of(folder, job, 1)[-1], signal.SIGKILL)
    wait_for("task 2 at work", lambda: works_at(2))
    slurm.ask("scontrol", "requeue", f"{job}_2")
    wait_for("task 3 at work", lambda: works_at(3))
    slurm.ask("scancel", "--batch", "--signal=USR1", f"{job}_3")


def finish(slurm, folder, job):
    """To the end of all; an operator puts back what was killed, until it begins again."""
    def ended():
        slurm.begin_now(job)
        states = slurm.states(job)
        killed = states.get(1) == "FAILED" and len(starts_of(folder, job, 1)) == 1
        if killed:
            subprocess.run(["scontrol", "requeue", f"{job}_1"], env=slurm.env, capture_output=True, timeout=60)
        # what is put back is missing in squeue's list for a moment: the scripts' own last lines count, too
        said = [read(os.path.join(folder, f"microtome-{job}_{task}.log")).rstrip().splitlines()[-1] for task in states]
        return (not killed and sorted(states) == list(range(1, TASKS + 1)) and all(state in ENDED for state in states.values())
                and all(": exit " in line for line in said))
    wait_for("the end of all tasks", ended)


def test_array(folder):
    """an array of four on one folder, one task killed and requeued, one put back, one warned: every case once"""
    slurm = Slurm(folder)
    slides = synthetic(os.path.join(folder, "slides"), "--count", 3, "--size", SIZE_PX, "--seed", 5)
    cases = manifest(folder, slides, [f"case-{i:02d}" for i in range(CASES)])
    run = ["-e", "builtin:demo", "-m", HEAD]
    whole, out = os.path.join(folder, "whole"), os.path.join(folder, "out")
    equal(microtome("run", *run, "-o", whole, cases).code, 0)
    with slurm:
        slurm.env["MICROTOME"] = os.path.abspath(PROGRAM)
        job = slurm.ask("sbatch", "--parsable", f"--array=1-{TASKS}", "--cpus-per-task=1", "--mem=0", f"--chdir={folder}", SCRIPT, *run, "-o", out, cases)
        disturb(slurm, folder, job, out)
        finish(slurm, folder, job)
        starts = processes(folder, job)
    by_process, by_task = done_by(out), {}
    for task, _, pid in starts:
        by_task.setdefault(task, []).extend(by_process.get(pid, []))
    print("# cases done by each task: " + ", ".join(f"{t}: {len(ids)} in {sum(s[0] == t for s in starts)} starts" for t, ids in sorted(by_task.items())), flush=True)
    equal(sorted(sum(by_task.values(), [])), [f"case-{i:02d}" for i in range(CASES)])
    assert all(sum(s[0] == task for s in starts) > 1 for task in (1, 2, 3)), starts
    equal(digests(out), digests(whole))
    equal(json.loads(microtome("status", "--json", out).out)["done"], CASES)
    contains(microtome("verify", out).out, "problems: 0")


main([test_array])
