"""Tasks of an encoder that scores by itself: classify, tiles, zero-shot, embed.  Results against ONNX Runtime's stored outputs, PyTorch, NumPy."""
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import Skip, contains, data, equal, headline, main, microtome, read, synthetic, write_safetensors  # noqa: E402

try:
    import h5py
    import numpy as np
except ImportError:
    h5py = np = None

CARD = "[encoder]\nsize_px={size}\nfit=stretch\nvalue=rgb8\nmean=0\nstd=0.00392156862745098\n"
DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "samples", "encoders")


def model(folder, name, size, head, encoder=""):
    """A trained model of the data set, its card beside it."""
    source = data("models", name, "model.onnx")
    path = os.path.join(folder, name + ".onnx")
    shutil.copy(source, path)
    write(path[:-5] + ".card", CARD.format(size=size) + encoder + head)
    return path


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return path


def needs(*modules):
    if None in modules:
        raise Skip("h5py and NumPy are not installed")


def result(folder, out="out"):
    cases = os.path.join(folder, out, "cases")
    return os.path.join(cases, sorted(os.listdir(cases))[0])


def stored(path, name):
    """What a test_data_set holds: the raw floats at the end of the protobuf."""
    return np.frombuffer(read(path, "rb")[-4 * name:], np.float32)


def test_classify(folder):
    """one picture: its scores are the network's"""
    needs(h5py)
    path = model(folder, "squeezenet_fp32", 224, "[head]\nactivation=softmax\nprobabilities=true\n")
    kitten = data("models", "images", "kitten_224.png")
    equal(microtome("run", "-e", path, "--task", "classify", "-o", folder + "/out", kitten).code, 0)
    wanted = stored(data("models", "squeezenet_fp32", "test_data_set_0", "output_0.pb"), 1000)
    with h5py.File(result(folder)) as f:
        scores = f["/prediction/scores"][:]
        equal(int(scores.argmax()), 281)
        assert np.allclose(scores, wanted, rtol=1e-3, atol=1e-5), abs(scores - wanted).max()
        assert np.array_equal(f["/tile_scores"][0], scores)
        assert "/attention" not in f
    contains(read(folder + "/out/recipe.ini").split("labels=")[0], "\n[head]\nkind=classify\ncombine=mean\nsha256=")


def test_recipe(folder):
    """a recipe with labels, positive label and threshold decides; thresholds of each label say what is found"""
    needs(h5py)
    names = ";".join("airplane automobile bird cat deer dog frog horse ship truck".split())
    model(folder, "cifar10_resnet8", 32, f"[head]\nlabels={names}\nactivation=softmax\nthresholds={';'.join(['0.5'] * 10)}\n", "output=logits\n")
    recipe = write(folder + "/r.ini", "[encoder]\nmodel=cifar10_resnet8.onnx\n[head]\ntask=classify\n[labels]\npositive=cat\n[thresholds]\ncat=0.5\n")
    kitten = data("models", "images", "kitten_224.png")
    equal(microtome("run", "-r", recipe, "-o", folder + "/out", kitten).code, 0)
    line = headline(result(folder))
    equal((line["status"], line["decision"]), ("ok", "review"))
    with h5py.File(result(folder)) as f:
        attributes = f["/prediction/scores"].attrs
        equal(attributes["found"] if isinstance(attributes["found"], str) else attributes["found"].decode(), "cat")
        equal(list(attributes["thresholds"]), [0.5] * 10)


def demo(folder, head):
    """The demonstration encoder as if its row were logits."""
    path = os.path.join(folder, "demo.onnx")
    shutil.copy(os.path.join(DEMO, "demo.onnx"), path)
    write(folder + "/demo.card", read(os.path.join(DEMO, "demo.card")) + head)
    return path


def slide(folder):
    cohort = synthetic(os.path.join(folder, "slides"), "--count", 1, "--size", 1024, "--seed", 3)
    return next(os.path.join(cohort, n) for n in sorted(os.listdir(cohort)) if n.endswith(".tif"))


def check_candidates(f, coords, scores, threshold):
    """/objects against SciPy's labelling of the tiles that are above the threshold"""
    from scipy import ndimage
    edge = f["/coords"].attrs["tile_level0"][0]
    cells = np.rint(coords / edge).astype(int)
    field = np.zeros(cells.max(0) + 1)
    field[tuple(cells.T)] = scores
    parts, n = ndimage.label(field >= threshold, np.ones((3, 3)))
    assert n > 0, scores
    best = sorted((float(field[parts == k + 1].max()), int((parts == k + 1).sum())) for k in range(n))[::-1]
    objects = f["/objects"]
    equal(len(objects["score"]), n)
    assert np.allclose(objects["score"][:], [b[0] for b in best])
    mpp = f["/coords"].attrs["mpp_x"]
    assert np.allclose(objects["area_mm2"][:], [b[1] * (edge * mpp / 1000) ** 2 for b in best], rtol=1e-6), (objects["area_mm2"][:], best)
    top = coords[scores.argmax()] + edge / 2
    assert np.allclose(objects["centre"][0][:2], top), (objects["centre"][0], top)


def test_tiles(folder):
    """a slide's score is the rule's, its tiles' are stored"""
    needs(h5py)
    path, case = demo(folder, "[head]\nactivation=sigmoid\n"), slide(folder)
    for rule, combine in (("max", lambda p: p.max(0)), ("noisy-or", lambda p: 1 - (1 - p).prod(0)), ("top-k", lambda p: np.sort(p, 0)[-10:].mean(0))):
        out = folder + "/" + rule
        equal(microtome("run", "-e", path, "--task", "tiles", "--combine", rule, "-o", out, case).code, 0)
        with h5py.File(result(folder, rule)) as f:
            tiles = f["/tile_scores"][:].astype(np.float64)
            assert np.allclose(tiles, 1 / (1 + np.exp(-f["/features"][:].astype(np.float64))), atol=1e-6)
            assert np.allclose(f["/prediction/scores"][:], combine(tiles), atol=1e-5)
    middle = round(float(np.median(tiles[:, 1])) - 1e-3, 3)
    demo(folder, "[head]\nactivation=sigmoid\npositive=class_1\nthresholds=" + ";".join(["-", str(middle)] + ["-"] * (tiles.shape[1] - 2)) + "\n")
    equal(microtome("run", "-e", path, "--task", "tiles", "-o", folder + "/lesions", case).code, 0)
    with h5py.File(result(folder, "lesions")) as f:
        check_candidates(f, f["/coords"][:], f["/tile_scores"][:, 1], middle)
    refused = microtome("run", "-e", path, "--task", "tiles", "-o", folder + "/max", "--combine", "mean", case)
    equal(refused.code, 64)
    contains(refused.err, "combine")


def test_zero_shot(folder):
    """words against tiles: NumPy's softmax of the mean of scaled cosines"""
    needs(h5py)
    path, case = demo(folder, ""), slide(folder)
    with_features = microtome("run", "-e", path, "-o", folder + "/features", case)
    equal(with_features.code, 0)
    with h5py.File(result(folder, "features")) as f:
        x = f["/features"][:].astype(np.float64)
    text = np.random.default_rng(1).normal(size=(2, x.shape[1])).astype(np.float32)
    words = folder + "/words.safetensors"
    write_safetensors(words, {"embeddings": (list(text.shape), [float(v) for v in text.reshape(-1)])}, {"labels": "normal;tumour", "logit_scale": "10"})
    equal(microtome("run", "-e", path, "--task", "zero-shot", "-m", words, "-o", folder + "/out", case).code, 0)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True) @ (text / np.linalg.norm(text, axis=1, keepdims=True)).T.astype(np.float64)
    logits = 10 * unit.mean(0)
    wanted = np.exp(logits) / np.exp(logits).sum()
    with h5py.File(result(folder)) as f:
        assert np.allclose(f["/prediction/scores"][:], wanted, atol=1e-5)
        equal([s if isinstance(s, str) else s.decode() for s in f["/prediction/scores"].attrs["labels"]], ["normal", "tumour"])


def test_embed(folder):
    """features of normal cases in a folder: the score is the percentile of the distance among theirs"""
    needs(h5py)
    path = demo(folder, "")
    cohort = synthetic(os.path.join(folder, "slides"), "--count", 21, "--size", 512, "--seed", 5)
    slides = [os.path.join(cohort, n) for n in sorted(os.listdir(cohort)) if n.endswith(".tif")]
    recipe = write(folder + "/r.ini", "[encoder]\nmodel=demo.onnx\n[head]\ntask=embed\nreference=normal\n[thresholds]\nlow=0.5\n")
    equal(microtome("run", "-e", path, "-o", folder + "/few", *slides[:3]).code, 0)
    os.rename(folder + "/few", folder + "/normal")
    few = microtome("run", "-r", recipe, "-o", folder + "/out", slides[20])
    contains(few.err, "what training bags look like: 3 bags, at least 20 are wanted")
    shutil.rmtree(folder + "/normal")
    equal(microtome("run", "-e", path, "-o", folder + "/normal", *slides[:20]).code, 0)
    answer = microtome("run", "-r", recipe, "-o", folder + "/out", slides[0], slides[20])
    equal((answer.code, answer.err if answer.code else ""), (0, ""))
    for name in os.listdir(folder + "/out/cases"):
        with h5py.File(f"{folder}/out/cases/{name}") as f:
            score = float(f["/prediction/scores"][0])
            assert 0 < score < 1, score
            equal(bytes(f["/prediction/scores"].attrs["positive"], "ascii") if isinstance(f["/prediction/scores"].attrs["positive"], str)
                  else f["/prediction/scores"].attrs["positive"], b"unlike_normal")
        equal(headline(f"{folder}/out/cases/{name}")["status"], "ok")


def test_multi(folder):
    """two outputs of one graph, each a head of its own; one is the case's"""
    needs(h5py)
    names = ";".join("airplane automobile bird cat deer dog frog horse ship truck".split())
    model(folder, "cifar10_resnet8", 32, "", "")
    heads = (f"[head.prob]\noutput=prob\nactivation=softmax\nprobabilities=true\nlabels={names}\n"
             f"[head.animal]\noutput=logits\nprimary=true\nactivation=softmax\ntemperature=2\nlabels={names}\npositive=cat\nthreshold=0.1\n")
    recipe = write(folder + "/r.ini", "[encoder]\nmodel=cifar10_resnet8.onnx\n[head]\ntask=multi\n" + heads)
    kitten = data("models", "images", "kitten_224.png")
    answer = microtome("run", "-r", recipe, "-o", folder + "/out", kitten)
    equal((answer.code, answer.err if answer.code else ""), (0, ""))
    with h5py.File(result(folder)) as f:
        row = f["/features"][0].astype(np.float64)  # prob, then logits
        logits = row[10:]
        plain, cooled = (np.exp(logits / t) / np.exp(logits / t).sum() for t in (1, 2))
        assert np.allclose(row[:10], plain, atol=1e-5)
        assert np.allclose(f["/prediction/prob/scores"][:], plain, atol=1e-5)
        assert np.allclose(f["/prediction/animal/scores"][:], cooled, atol=1e-5)
        assert np.array_equal(f["/prediction/scores"][:], f["/prediction/animal/scores"][:])
        equal(float(f["/prediction/animal/scores"].attrs["threshold"]), 0.1)
    contains(read(folder + "/out/recipe.ini"), "[head.prob]\noutput=prob\n")
    for text, message in ((heads.replace("primary=true\n", ""), "load the heads of task multi: 0 of 2 say primary=true, one is wanted: its score is the case's"),
                          (heads.replace("output=prob\n", ""), "load head prob: output= is missing: which output of the graph is it"),
                          (heads.replace("output=prob\n", "output=map\n"), "output map is wanted, but the graph has logits, prob"),
                          (heads.replace("[head.prob]", "[head.scores]"), "load head scores: a name of letters, digits, - and _ is wanted, and none of "
                           "scores, logits and members"),
                          (heads.replace("temperature=2", "warmth=2"), "read head.animal: unknown key 'warmth' in [head]")):
        write(recipe, "[encoder]\nmodel=cifar10_resnet8.onnx\n[head]\ntask=multi\n" + text)
        refused = microtome("run", "-r", recipe, "-o", folder + "/again", kitten)
        contains(refused.err, message)
        assert refused.code != 0


def test_patients(folder):
    """three series of one exam, each max-pooled, become one patient's score (MRNet)"""
    needs(h5py)
    path = demo(folder, "[head]\nactivation=sigmoid\npositive=class_0\nthreshold=0.5\n")
    cohort = synthetic(os.path.join(folder, "slides"), "--count", 3, "--size", 1024, "--seed", 3)
    series = [os.path.join(cohort, n) for n in sorted(os.listdir(cohort)) if n.endswith(".tif")]
    manifest = write(folder + "/m.csv", "path,id,patient\n" + "".join(f"{p},{plane},exam1\n" for p, plane in zip(series, ("axial", "coronal", "sagittal"))))
    equal(microtome("run", "-e", path, "--task", "classify", "--combine", "max", "--patients", "mean", "-o", folder + "/out", manifest).code, 0)
    each = []
    for plane in ("axial", "coronal", "sagittal"):
        with h5py.File(f"{folder}/out/cases/{plane}.h5") as f:
            each.append(f["/prediction/scores"][:])
            assert np.allclose(each[-1], f["/tile_scores"][:].max(0), atol=1e-6)
    with h5py.File(folder + "/out/patients/exam1.h5") as f:
        assert np.allclose(f["/prediction/scores"][:], np.mean(each, 0), atol=1e-6)


def test_refusals(folder):
    """what does not go together is told before a case is opened"""
    path, case = demo(folder, ""), slide(folder)
    for options, code, message in (
            (["--task", "segments"], 64, "microtome run: --task segments: mil, classify, tiles, zero-shot, embed, multi, segment, detect or reconstruct is wanted"),
            (["--task", "classify", "--combine", "sum"], 64, "microtome run: --combine sum: max, mean, noisy-or or top-k is wanted"),
            (["--combine", "max"], 64, "prepare the run: combine, k, reference and [head.NAME] are of a task: name it, [head] task=classify or another"),
            (["--task", "classify", "-m", "mean"], 64, "prepare the run: this task is the encoder's own: leave [head] model and -m out"),
            (["--task", "zero-shot"], 64, "prepare the run: task zero-shot compares with text embeddings: name their file, [head] "
             "model=FILE.safetensors or -m FILE"),
            (["--task", "embed", "--combine", "max"], 64, "prepare the run: task embed averages the features of a case: leave combine and k out"),
            (["--task", "embed"], 64, "no reference is named: give [head] reference=, a folder of normal cases' features or FILE.safetensors"),
            (["--task", "multi"], 64, "prepare the run: task multi and groups [head.NAME], one for each output, belong together")):
        answer = microtome("run", "-e", path, *options, "-o", folder + "/out", case)
        contains(answer.err, message)
        equal((options, answer.code), (options, code))


main([test_classify, test_recipe, test_tiles, test_zero_shot, test_embed, test_multi, test_patients, test_refusals])
