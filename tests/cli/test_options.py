"""Every option in --help is in the manual page and offered by the shell's completion, which offers no other."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import SOURCE, Skip, equal, main, microtome, read  # noqa: E402

VERBS = ["run", "plan", "status", "verify", "report", "prune", "info", "tissue", "convert", "deidentify", "tile", "heatmap", "export", "aggregate", "train", "evaluate", "calibrate", "compare", "search", "serve", "review", "user", "send", "worklist",
         "bench tiles", "bench pipeline", "bench bag", "model info", "model run", "model bench", "model verify", "model quantize", "doctor"]
# parsed before the others: two words behind it; and what `evaluate` takes with --masks, --lesions or --predicted
ELSEWHERE = {"run": ["on"], "evaluate": ["masks", "lesions", "predicted", "classes", "mask-mpp", "no-distance", "iou", "lesion-scale", "join-um", "ignore-um"]}


def helped(verb):
    answer = microtome(*verb.split(), "--help")
    equal((verb, answer.code), (verb, 0))
    return sorted(set(re.findall(r"^\s+(?:-\w, )?--([a-z0-9-]+)", answer.out, re.M)) | set(ELSEWHERE.get(verb, [])))


def completed(words, word):
    """what bash would offer for `word` behind `words`"""
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _microtome; printf "%s\\n" "${COMPREPLY[@]}"'
    try:
        out = subprocess.run(["bash", "-c", script, "bash", os.path.join(SOURCE, "tools", "completion.bash"), "microtome", *words, word],
                             capture_output=True, text=True)
    except FileNotFoundError:
        raise Skip("there is no bash")
    equal((out.returncode, out.stderr), (0, ""))
    return out.stdout.split()


def test_verbs(folder):
    """the verbs of the program, of bench and of model"""
    offered = completed([], "")
    equal(sorted(w for w in offered if w[0] != "-"), sorted({v.split()[0] for v in VERBS}))
    shown = microtome("--help")
    for verb in {v.split()[0] for v in VERBS}:
        assert re.search(rf"^\s+{verb}\b", shown.out + shown.err, re.M), f"{verb} is not in --help"
    for group in ("bench", "model"):
        equal(sorted(completed([group], "")), sorted(v.split()[1] for v in VERBS if v.startswith(group)))


def test_completion(folder):
    """option by option"""
    wrong = []
    for verb in VERBS:
        offered, wanted = sorted(w[2:] for w in completed(verb.split(), "--")), helped(verb)
        wrong += [f"{verb} --{o}: not offered" for o in wanted if o not in offered]
        wrong += [f"{verb} --{o}: offered, and there is none" for o in offered if o not in wanted]
    equal(wrong, [])


def test_manual(folder):
    """option by option; the manual names none that no verb has"""
    page = read(os.path.join(SOURCE, "docs", "microtome.1")).replace("\\-", "-")
    named = set(re.findall(r"--([a-z0-9][a-z0-9-]*)", page))
    options = {o: verb for verb in VERBS for o in helped(verb)}
    equal(sorted(f"{verb} --{o}: not in the manual" for o, verb in options.items() if o not in named), [])
    equal(sorted(f"--{o}: no verb has it" for o in named - set(options) - {"version"}), [])


main([test_verbs, test_completion, test_manual])
