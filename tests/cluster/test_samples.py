"""The other samples for clusters: they are what they claim to be, and call options that the program has."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import SOURCE, Skip, equal, main, microtome, read  # noqa: E402

FOLDER = os.path.join(SOURCE, "samples", "cluster")


def test_options(folder):
    """every option that a sample gives to microtome is one"""
    known = {}
    for verb in ("run", "status"):
        known[verb] = set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", microtome(verb, "--help").out))
    texts = [read(os.path.join(FOLDER, name)) for name in sorted(os.listdir(FOLDER))]
    texts.append(read(os.path.join(SOURCE, "samples", "systemd", "microtome-watch.service")))
    calls = 0
    for text in texts:
        text = re.sub(r"\[microtome, (run|status), ([^]]*)\]", lambda m: f"microtome {m.group(1)} " + m.group(2).replace(",", ""), text.replace("\\\n", " "))
        for verb, rest in re.findall(r"(?:microtome|\$program\") (run|status) ([^\n`\"|>]*)", text):
            calls += 1
            unknown = set(re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", rest)) - known[verb]
            equal((verb, sorted(unknown)), (verb, []))
    assert calls >= 6, calls


def test_shell(folder):
    """the Slurm script is a shell script and refuses to run outside an array"""
    script = os.path.join(FOLDER, "slurm.sbatch")
    equal(subprocess.run(["sh", "-n", script]).returncode, 0)
    env = {k: v for k, v in os.environ.items() if not k.startswith("SLURM")}
    done = subprocess.run(["sh", script, "-o", "out"], env=env, capture_output=True, text=True)
    assert done.returncode != 0 and "submit with sbatch" in done.stderr, done


def test_kubernetes(folder):
    """an Indexed Job whose number of pods is what the program is told"""
    try:
        import yaml
    except ImportError as missing:
        raise Skip(str(missing)) from None
    job = yaml.safe_load(read(os.path.join(FOLDER, "kubernetes.yaml")))
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    container = pod["containers"][0]
    equal((job["apiVersion"], job["kind"], spec["completionMode"], pod["restartPolicy"]), ("batch/v1", "Job", "Indexed", "Never"))
    equal({"MICROTOME_SHARDS": str(spec["completions"])}, {e["name"]: e["value"] for e in container["env"]})
    rules = spec["podFailurePolicy"]["rules"]
    equal([(r["action"], r["onExitCodes"]["values"]) for r in rules if "onExitCodes" in r], [("Ignore", [75]), ("FailIndex", [64, 65, 66, 78])])
    assert pod["terminationGracePeriodSeconds"] > 20
    equal({m["name"] for m in container["volumeMounts"]}, {v["name"] for v in pod["volumes"]})


def test_systemd(folder):
    """systemd understands the unit"""
    if shutil.which("systemd-analyze") is None:
        raise Skip("no systemd-analyze")
    unit = os.path.join(folder, "microtome-watch.service")
    text = read(os.path.join(SOURCE, "samples", "systemd", "microtome-watch.service"))
    open(unit, "w").write(text.replace("/usr/local/bin/microtome", os.path.abspath(sys.argv[1])).replace("User=microtome\n", ""))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "microtome-watch" in line]
    equal(said, [])


main([test_options, test_shell, test_kubernetes, test_systemd])
