"""status: every case of a folder, whoever runs or ran it."""
import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from harness import PROGRAM, contains, equal, main, microtome, read, synthetic  # noqa: E402
import made_folder  # noqa: E402


def status(out, *args):
    answer = microtome("status", out, "--json", *args)
    return answer.code, json.loads(answer.out)


def by_id(answer):
    return {c["id"]: c for c in answer["cases"]}


def test_states(folder):
    """done, failed, pending and superseded of a folder, in the order of its manifest, in JSON and as a table"""
    out = made_folder.make(os.path.join(folder, "out"), 40)
    open(os.path.join(out, "superseded", "case-00003.1.h5"), "w").close()
    code, answer = status(out)
    equal(code, 65)
    equal({k: answer[k] for k in ("total", "done", "failed", "running", "pending", "superseded")},
          {"total": 40, "done": 28, "failed": 4, "running": 0, "pending": 8, "superseded": 1})
    equal([c["id"] for c in answer["cases"]], [f"case-{i:05d}" for i in range(40)])
    cases = by_id(answer)
    equal(cases["case-00007"], {"id": "case-00007", "patient": "p1", "state": "failed", "reason": "open case-00007.svs: damaged",
                                "stage": "open", "exit_code": 65, "attempts": 1})
    equal((cases["case-00003"]["superseded"], cases["case-00003"]["decision"], cases["case-00003"]["score"]), (1, "urgent", 0.5))
    equal(cases["case-00009"]["state"], "pending")
    table = microtome("status", out)
    contains(table.out, "case-00007                   failed   exit code 65, stage open, attempts 1: open case-00007.svs: damaged\n")
    contains(table.out, "28 of 40 done, 4 failed, 0 running, 8 pending; superseded: 1; nobody works on it: run the same command again to resume")


def test_hosts(folder):
    """a log of another machine that goes on: its case runs; one that is old: pending, and who had it"""
    out = made_folder.make(os.path.join(folder, "out"), 10)
    log = os.path.join(out, "runs", "20260102T000000Z-far-away-7.jsonl")
    with open(log, "w") as f:
        f.write('{"event":"started","id":"case-00008","attempt":1,"time":"2026-01-02T00:00:00.000000Z"}\n'
                '{"event":"progress","id":"case-00008","done":30,"total":120,"time":"2026-01-02T00:00:30.000000Z"}\n'
                '{"event":"progr')
    case = by_id(status(out)[1])["case-00008"]
    equal(case, {"id": "case-00008", "patient": "p2", "state": "running", "host": "far-away", "pid": 7, "tiles_done": 30, "tiles_total": 120})
    # one case left and three quarters of this one, at a quarter in 30 s
    equal(round(status(out)[1]["seconds_left"]), 210)
    os.utime(log, (0, 0))
    equal(by_id(status(out)[1])["case-00008"]["state"], "pending")
    contains(microtome("status", out).out, "begun on far-away, whose process 7 is gone")


def test_beats(folder):
    """a run of another machine lives by its beat, however long its log says nothing; without one it is gone"""
    out = made_folder.make(os.path.join(folder, "out"), 10)
    log, beat = os.path.join(out, "runs", "20260102T000000Z-far-away-7.jsonl"), os.path.join(out, "claims", "0123456789abcdef.beat")
    with open(log, "w") as f:
        f.write('{"event":"began","run":"0123456789abcdef","lease":60,"time":"2026-01-02T00:00:00.000000Z"}\n'
                '{"event":"started","id":"case-00008","attempt":1,"time":"2026-01-02T00:00:00.000000Z"}\n{"event":"watch_stalled"}\n')
    os.utime(log, (0, 0))
    os.makedirs(os.path.dirname(beat), exist_ok=True)
    with open(beat, "w") as f:
        f.write("0123456789abcdef\nfar-away\nboot\npid:[1]\n7\n5\n00000000000000000009\n")
    equal(by_id(status(out)[1])["case-00008"]["state"], "running")
    contains(microtome("status", out).out, "the folder that is watched on far-away, process 7, does not answer\n")
    os.utime(beat, (0, 0))
    equal(by_id(status(out)[1])["case-00008"]["state"], "pending")
    os.utime(beat)
    os.utime(log)
    equal(by_id(status(out)[1])["case-00008"]["state"], "running")
    os.unlink(beat)
    equal(by_id(status(out)[1])["case-00008"]["state"], "pending")


def test_real_run(folder):
    """a run that is watched: running with its process, pending; killed: pending again; resumed: all done, exit 0"""
    cohort = synthetic(os.path.join(folder, "slides"), "--count", 3, "--size", 2048, "--seed", 5)
    out = os.path.join(folder, "out")
    command = [PROGRAM, "run", "-e", "builtin:demo", "-o", out, os.path.join(cohort, "manifest.csv"), "--threads", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    seen = None
    while process.poll() is None and seen is None:
        answer = microtome("status", out, "--json")
        running = [c for c in json.loads(answer.out)["cases"] if c["state"] == "running"] if answer.code != 66 else []
        seen = running[0] if running else None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    equal((seen["host"], seen["pid"]), (socket.gethostname(), process.pid))
    code, answer = status(out)
    equal((code, answer["running"], answer["total"]), (75, 0, 3))
    equal(subprocess.run(command, capture_output=True).returncode, 0)
    code, answer = status(out)
    equal((code, answer["done"], answer["pending"]), (0, 3, 0))
    equal(read(os.path.join(out, "manifest.csv")).split("\n")[0].split(",")[:3], ["id", "patient", "file"])


def test_summary(folder):
    """summary.csv has every case of the folder and the columns of its manifests; formulas are escaped"""
    cohort = synthetic(os.path.join(folder, "slides"), "--count", 2, "--size", 1024, "--seed", 5)
    slides = sorted(n for n in os.listdir(cohort) if n.endswith(".tif"))
    with open(os.path.join(cohort, "one.csv"), "w") as f:
        f.write(f'path,patient,ward,score\n{slides[0]},P1,"=cmd()|x",high\n')
    with open(os.path.join(cohort, "two.csv"), "w") as f:
        f.write(f"path,note\n{slides[1]},\tx\nmissing.svs,+1\n")
    out = os.path.join(folder, "out")
    equal(microtome("run", "-e", "builtin:demo", "-o", out, os.path.join(cohort, "one.csv")).code, 0)
    second = microtome("run", "-e", "builtin:demo", "-o", out, os.path.join(cohort, "two.csv"))
    equal(second.code, 65)
    assert slides[0][:-4] not in second.out, second.out  # of this command alone
    with open(os.path.join(out, "summary.csv"), newline="") as f:
        rows = {r["id"]: r for r in csv.DictReader(f)}
    equal(list(rows), [slides[0][:-4], slides[1][:-4], "missing"])
    first = rows[slides[0][:-4]]
    equal((first["patient"], first["ward"], first["manifest_score"], first["file"], first["status"]),
          ("P1", "'=cmd()|x", "high", slides[0], "embedded"))
    assert float(first["seconds"]) > 0
    equal((rows[slides[1][:-4]]["note"], rows["missing"]["note"]), ("'\tx", "'+1"))
    equal((rows["missing"]["status"], rows["missing"]["error"]), ("failed", "open missing.svs: no such file"))


def test_no_folder(folder):
    """no output folder: 66"""
    answer = microtome("status", os.path.join(folder, "nowhere"))
    equal(answer.code, 66)
    contains(answer.err, "it is not an output folder of microtome: give the -o of a run")
    equal(microtome("status").code, 64)


if __name__ == "__main__":
    main([test_states, test_hosts, test_beats, test_real_run, test_summary, test_no_folder])
