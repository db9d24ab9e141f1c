"""What is refused, each with its exact message and exit code."""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import Skip, contains, equal, headline, main, microtome, read, synthetic, write_abmil, write_safetensors  # noqa: E402

ENCODERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "encoders")
MODELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "kernels", "data")


def slide(folder, size=1024):
    cohort = synthetic(os.path.join(folder, "slides"), "--count", 1, "--size", size, "--seed", 3)
    return next(os.path.join(cohort, n) for n in sorted(os.listdir(cohort)) if n.endswith(".tif"))


def without_resolution(path):
    """Turn the resolution tags (282, 283, 296) of a little-endian TIFF into private ones: the spacing is gone."""
    raw = bytearray(read(path, "rb"))
    big = raw[2] == 43
    at = int.from_bytes(raw[8:16] if big else raw[4:8], "little")
    while at:
        n = int.from_bytes(raw[at:at + (8 if big else 2)], "little")
        first = at + (8 if big else 2)
        size = 20 if big else 12
        for k in range(n):
            tag = int.from_bytes(raw[first + k * size:first + k * size + 2], "little")
            if tag == 296:
                raw[first + k * size + 8 + (4 if big else 0)] = 1  # unit: none
        end = first + n * size
        at = int.from_bytes(raw[end:end + (8 if big else 4)], "little")
    with open(path, "wb") as f:
        f.write(raw)


def refused(answer, code, message):
    equal((answer.code, answer.err.strip().split("\n")[-1 if answer.err.strip().count("\n") == 0 else 0]), (code, message))


def run(folder, *args, encoder="builtin:demo"):
    return microtome("run", "-e", encoder, "-o", os.path.join(folder, "out"), *args)


def reason(folder, case):
    return json.loads(read(os.path.join(folder, "out", "failed", case + ".json")))["reason"]


def test_usage(folder):
    """no encoder, no output, no case, an unknown option or verb: 64"""
    refused(microtome("run", "-o", folder, "x.svs"), 64,
            "microtome run: give an encoder with -e or a recipe with -r; to try the program: -r samples/demo.ini (demonstration only)")
    refused(microtome("run", "-e", "builtin:demo", "x.svs"), 64, "microtome run: give an output folder with -o")
    refused(microtome("run", "-e", "builtin:demo", "-o", folder), 64, "microtome run: name at least one case or a manifest")
    refused(microtome("run", "--colour", "red"), 64, "microtome run: Unknown option --colour")
    refused(microtome("slice"), 64, "microtome: unknown verb 'slice'. See microtome --help.")
    refused(microtome("run", "-e", "builtin:demo", "-o", folder, "--slide-mpp", "0,5", "x.svs"), 64,
            "microtome run: --slide-mpp 0,5: one or two positive numbers of µm per pixel are wanted, as 0.5 or 0.5,0.5")


def test_missing(folder):
    """a missing file, manifest, encoder: 66"""
    refused(run(folder, "nowhere.svs"), 66, "microtome run: open nowhere.svs: no such file")
    answer = run(folder, os.path.join(folder, "nowhere.csv"))
    equal(answer.code, 66)
    contains(answer.err, f"read manifest: read {folder}/nowhere.csv: ")
    equal(microtome("info", "nowhere.svs").code, 66)


def test_not_a_slide(folder):
    """a file that no backend opens: 65 with each backend's reason"""
    path = os.path.join(folder, "text.svs")
    open(path, "w").write("hello\n")
    equal(run(folder, path).code, 65)
    contains(reason(folder, "text"), "open text.svs: ")
    equal(microtome("info", path).code, 65)


def test_truncated(folder):
    """a truncated slide: 65, never a score over missing pixels"""
    path = slide(folder, 2048)
    whole = read(path, "rb")
    with open(path, "wb") as f:
        f.write(whole[:len(whole) // 3])
    case = os.path.basename(path)[:-4]
    answer = run(folder, path)
    if answer.code == 0:
        line = headline(os.path.join(folder, "out", "cases", case + ".h5"))
        assert line["invalid_tiles"] > 0 and line["status"] in ("degraded", "withheld"), line
    else:
        equal(answer.code, 65)
        contains(reason(folder, case), os.path.basename(path))


def test_spacing(folder):
    """unknown µm/px: 65, the option named; given by hand it goes through"""
    path = slide(folder)
    without_resolution(path)
    case = os.path.basename(path)[:-4]
    answer = run(folder, path)
    equal(answer.code, 65)
    contains(reason(folder, case), "--slide-mpp")
    equal(run(folder, path, "--slide-mpp", "0.5").code, 0)
    equal(headline(os.path.join(folder, "out", "cases", case + ".h5"))["mpp_source"], "option")
    equal(os.path.exists(os.path.join(folder, "out", "failed", case + ".json")), False)


def test_off_contract(folder):
    """a µm/px or tile off the card: 64 with both numbers; --off-contract degrades"""
    path = slide(folder)
    refused(run(folder, path, "--mpp", "1"), 64,
            "microtome run: prepare encoder 'demo-texture': 1 µm/px is wanted and its card says 0.5: leave --mpp out, or give --off-contract (the result is then degraded)")
    refused(run(folder, path, "--tile", "256"), 64,
            "microtome run: prepare encoder 'demo-texture': tiles of 256 px are wanted and its card says 224: leave --tile out, or give --off-contract (the result is then degraded)")
    answer = run(folder, path, "--mpp", "1", "--off-contract")
    equal(answer.code, 0)
    equal(headline(os.path.join(folder, "out", "cases", os.path.basename(path)[:-4] + ".h5"))["status"], "degraded")


def test_coarse_slide(folder):
    """a slide more than 10 % coarser than wanted: 65 with both numbers"""
    path = slide(folder)
    equal(run(folder, path, "--slide-mpp", "0.8").code, 65)
    contains(reason(folder, os.path.basename(path)[:-4]), "it has 0.8 x 0.8 µm/px and encoder 'demo-texture' wants 0.5: give --off-contract")


def test_no_contract(folder):
    """a model without a contract: 78"""
    model = os.path.join(folder, "bare.onnx")
    shutil.copy(os.path.join(ENCODERS, "demo.onnx"), model)
    answer = run(folder, slide(folder), encoder=model)
    equal(answer.code, 78)
    contains(answer.err, f"load {model}: no contract: neither ")


def test_unknown_operator(folder):
    """an unknown operator: 78, node, operator and opset named"""
    model = os.path.join(MODELS, "refuse_unknown_op.onnx")
    refused(microtome("model", "info", model), 78,
            f"microtome model info: load {model}: node 'mystery': operator 'FooBar' (domain '', opset 13) is not supported")


def demo_dim():
    answer = microtome("model", "info", "--json", os.path.join(ENCODERS, "demo.onnx"))
    return json.loads(answer.out)["outputs"][0]["shape"][-1]


def test_head_width(folder):
    """a head of another width: 78, both widths named"""
    head = os.path.join(folder, "head.safetensors")
    write_abmil(head, 1000)
    answer = run(folder, "-m", head, slide(folder))
    equal(answer.code, 78)
    contains(answer.err, "1000")
    contains(answer.err, str(demo_dim()))


def test_head_of_another_encoder(folder):
    """a head made for another encoder: 78, both named"""
    head = os.path.join(folder, "head.safetensors")
    write_abmil(head, demo_dim(), metadata={"kind": "clam_sb", "encoder": "uni", "target_mpp": "0.5", "labels": "normal;tumour"})
    answer = run(folder, "-m", head, slide(folder))
    equal(answer.code, 78)
    contains(answer.err, "'uni'")
    contains(answer.err, "'demo-texture'")


def test_broken_head(folder):
    """a head with a missing key: 78, the file named"""
    head = os.path.join(folder, "head.safetensors")
    write_safetensors(head, {"attention_net.0.weight": ([2, 3], [0.0] * 6)})
    answer = run(folder, "-m", head, slide(folder))
    equal(answer.code, 78)
    contains(answer.err, head)


def test_unwritable(folder):
    """an output folder that cannot be made: 74"""
    file = os.path.join(folder, "file")
    open(file, "w").close()
    answer = microtome("run", "-e", "builtin:demo", "-o", os.path.join(file, "out"), slide(folder))
    refused(answer, 74, f"microtome run: open the output folder {file}/out/cases: Not a directory: choose a folder that can be written")


def test_full_disk(folder):
    """a full disk: 74, nothing half written, done after room is made"""
    path = slide(folder, 4096)
    script = (f"mount -t tmpfs -o size=96k tmpfs {folder}/disk && {sys.argv[1]} run -e builtin:demo -o {folder}/disk/out {path}; code=$?; "
              f"ls -A {folder}/disk/out/cases; exit $code")
    os.mkdir(os.path.join(folder, "disk"))
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, timeout=300)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        raise Skip("this system allows no mount in a user namespace")
    equal((done.returncode, done.stdout), (74, ""))
    contains(done.stderr, "No space left on device")
    contains(done.stderr, "make room and run again to resume")


def test_equal_ids(folder):
    """two cases of one id: 64 before anything starts, both paths named"""
    refused(run(folder, "a/x.svs", "b/x.tif"), 64,
            "microtome run: name the cases: a/x.svs and b/x.tif would both be case 'x': give them ids in a manifest (columns path,id)")
    equal(os.path.exists(os.path.join(folder, "out")), False)


def test_another_recipe(folder):
    """another recipe into the same folder: 64, the difference named, nothing changed"""
    path = slide(folder)
    equal(run(folder, path).code, 0)
    answer = run(folder, path, "--overlap", "0.5")
    refused(answer, 64, f"microtome run: use output folder {folder}/out: it holds results of another recipe (the folder has 'overlap=0', this run 'overlap=0.5'): choose another folder, or --force to do its cases again")


def test_recipe_keys(folder):
    """a recipe with an unknown key: 78, file, group and key named"""
    recipe = os.path.join(folder, "r.ini")
    open(recipe, "w").write("[encoder]\nmodel=builtin:demo\nmodle=x\n")
    refused(microtome("run", "-r", recipe, "-o", folder, "x.svs"), 78, f"microtome run: read {recipe}: unknown key 'modle' in [encoder]")


main([test_usage, test_missing, test_not_a_slide, test_truncated, test_spacing, test_off_contract, test_coarse_slide, test_no_contract,
      test_unknown_operator, test_head_width, test_head_of_another_encoder, test_broken_head, test_unwritable, test_full_disk, test_equal_ids,
      test_another_recipe, test_recipe_keys])
