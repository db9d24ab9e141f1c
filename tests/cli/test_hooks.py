"""--on, --on-fail, --on-finish and metrics.prom: told without shell injection, bounded, never in the way."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import contains, equal, main, microtome, read, synthetic  # noqa: E402
import harness  # noqa: E402
import made_folder  # noqa: E402

harness.PROGRAM = os.path.abspath(harness.PROGRAM)  # called from another folder


def test_commands(folder):
    """a command for each decision, failure and the end gets the facts as environment; one that fails is logged and stops nothing"""
    cohort = synthetic(os.path.join(folder, "slides"), "--count", 2, "--size", 1024, "--seed", 5)
    slides = sorted(n for n in os.listdir(cohort) if n.endswith(".tif"))
    hostile = "$(touch owned);`touch owned`;'\"x"
    with open(os.path.join(cohort, "m.csv"), "w") as f:
        f.write('path,id,patient\n' + slides[0] + ',,"' + hostile.replace('"', '""') + '"\n' + slides[1] + ',,\n"missing $(touch owned).svs",,\n')
    out, note = os.path.join(folder, "out"), os.path.join(folder, "note")
    metrics = os.path.join(folder, "node.prom")
    answer = microtome("run", "-e", "builtin:demo", "-o", out, os.path.join(cohort, "m.csv"),
                       "--on", "none", f'echo "none|$MICROTOME_ID|$MICROTOME_STATUS|$MICROTOME_PATIENT|$MICROTOME_RESULT" >>{note}; exit 3',
                       "--on-fail", f'echo "fail|$MICROTOME_EXIT_CODE|$MICROTOME_REASON" >>{note}',
                       "--on-finish", f'echo "finish|$MICROTOME_DONE|$MICROTOME_FAILED|$MICROTOME_EXIT_CODE" >>{note}; test -s "$MICROTOME_REPORT"',
                       "--metrics", metrics, cwd=folder)
    equal(answer.code, 65)
    assert "warning" not in answer.err, answer.err
    lines = sorted(read(note).split("\n")[:-1])
    equal(len(lines), 4)
    equal(lines[:2], ["fail|66|open missing $(touch owned).svs: no such file", "finish|2|1|65"])
    first = os.path.realpath(os.path.join(out, "cases", slides[0][:-4] + ".h5"))
    equal(lines[2], f"none|{slides[0][:-4]}|embedded|{hostile}|{first}")
    equal([n for n in os.listdir(folder) + os.listdir(cohort) if n == "owned"], [])
    log = [json.loads(line) for n in os.listdir(os.path.join(out, "runs")) if n.endswith(".jsonl") for line in read(os.path.join(out, "runs", n)).split("\n")[:-1]]
    equal(sorted((e["on"], e["ok"], e["how"]) for e in log if e["event"] == "hook"),
          [("fail", True, "exit 0"), ("none", False, "exit 3"), ("none", False, "exit 3")])
    equal(read(metrics), read(os.path.join(out, "metrics.prom")))
    contains(read(metrics), 'microtome_cases{out="out",state="done"} 2\n')
    contains(read(metrics), 'microtome_cases{out="out",state="running"} 0\n')
    answer = microtome("run", "-e", "builtin:demo", "-o", out, os.path.join(cohort, slides[0]), "--on", "sometimes", "x")
    equal(answer.code, 64)
    contains(answer.err, "--on sometimes: a decision (urgent, review, clear, none) or status")


def test_metrics(folder):
    """metrics.prom counts the whole folder; buckets are cumulative, each line is in the format"""
    out = made_folder.make(os.path.join(folder, "out"), 100)
    microtome("run", "-e", "builtin:demo", "-o", out, os.path.join(folder, "missing.svs"), os.path.join(folder, "gone.svs"))
    text = read(os.path.join(out, "metrics.prom"))
    for line in text.split("\n")[:-1]:
        assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+\{(\w+="[^"]*",?)+\} [-+0-9.e]+', line), line
    values = dict(line.rsplit(" ", 1) for line in text.split("\n")[:-1] if line[0] != "#")
    equal((values['microtome_cases{out="out",state="done"}'], values['microtome_cases{out="out",state="failed"}'],
           values['microtome_tiles_total{out="out"}']), ("70", "12", "7000"))
    encode = [int(values[f'microtome_stage_seconds_bucket{{out="out",stage="encode",le="{le}"}}']) for le in ("0.1", "0.3", "1", "+Inf")]
    equal(encode, [0, 70, 70, 70])
    equal(float(values['microtome_stage_seconds_sum{out="out",stage="encode"}']), 17.5)


if __name__ == "__main__":
    main([test_commands, test_metrics])
