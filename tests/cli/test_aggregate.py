"""Heads over stored features, and the cases of a patient as one answer; expected scores are computed here in NumPy."""
import csv
import json
import os
import struct

from harness import SOURCE, Skip, contains, equal, headline, main, microtome, synthetic, write_abmil

try:
    import h5py
    import numpy as np
except ImportError:
    h5py = None

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError:
    onnx = None

HEAD = os.path.join(SOURCE, "samples", "heads", "demo.safetensors")


def need_h5py():
    if h5py is None:
        raise Skip("h5py is not installed")


def scored(folder):
    """A run over four slides of two patients."""
    need_h5py()
    slides, out = synthetic(os.path.join(folder, "slides"), "--count", 4, "--size", 2048, "--seed", 5), os.path.join(folder, "out")
    with open(os.path.join(slides, "cohort.csv"), "w") as f:
        f.write("path,id,patient\n" + "".join(f"slide-00{i}.tif,s{i},P/{(i - 1) // 2}\n" for i in range(1, 5)))
    answer = microtome("run", "-r", os.path.join(SOURCE, "samples", "demo.ini"), "-o", out, os.path.join(slides, "cohort.csv"))
    equal(answer.code, 0)
    contains(answer.err, "patients: 2 done, 0 as before, 0 failed")
    return os.path.join(slides, "cohort.csv"), out


def case(out, name):
    return os.path.join(out, "cases", name + ".h5")


def patient(out, name):
    return os.path.join(out, "patients", name + ".h5")


def weights(path):
    with open(path, "rb") as f:
        blob = f.read()
    n = struct.unpack("<Q", blob[:8])[0]
    header = json.loads(blob[8:8 + n])
    return {k: np.frombuffer(blob[8 + n:][v["data_offsets"][0]:v["data_offsets"][1]], "<f4").reshape(v["shape"]).astype(float)
            for k, v in header.items() if k != "__metadata__"}


def clam_sb(w, x):
    """Scores and attention by the formulas of CLAM-SB in float64."""
    def linear(key, v):
        return v @ w[key + ".weight"].T + w[key + ".bias"]
    h = np.maximum(linear("attention_net.0", x), 0)
    gate = np.tanh(linear("attention_net.3.attention_a.0", h)) / (1 + np.exp(-linear("attention_net.3.attention_b.0", h)))
    s = linear("attention_net.3.attention_c", gate)[:, 0]
    a = np.exp(s - s.max())
    a /= a.sum()
    logits = linear("classifiers", a @ h)
    p = np.exp(logits - logits.max())
    return p / p.sum(), a


def features(path):
    with h5py.File(path) as f:
        return f["features"][:].astype(float)[f["valid"][:] != 0]


def values(dataset):
    """Texts are references into the file: their bytes are no values."""
    return dataset[()].tolist() if dataset.dtype == object else dataset[()].tobytes()


def test_ours(folder):
    """the head of the run over its own results: the same prediction, and all that was known of the case"""
    _, out = scored(folder)
    again = os.path.join(folder, "again")
    answer = microtome("aggregate", "-m", HEAD, "-o", again, out)
    equal(answer.code, 0)
    for n in range(1, 5):
        with h5py.File(case(out, f"s{n}")) as f:
            contains(answer.err, f"[{n}/4] s{n}: done, {len(f['valid'])} tiles in ")
    for n in range(1, 5):
        with h5py.File(case(out, f"s{n}")) as a, h5py.File(case(again, f"s{n}")) as b:
            names = []
            a.visit(names.append)
            for name in names:
                if name != "provenance" and isinstance(a[name], h5py.Dataset):
                    equal((name, values(a[name]), dict(a[name].attrs).keys()), (name, values(b[name]), dict(b[name].attrs).keys()))
        old, new = headline(case(out, f"s{n}")), headline(case(again, f"s{n}"))
        for key in ("id", "status", "decision", "score", "scores", "tissue_mm2", "mpp_x", "encoder", "model_sha256", "head_sha256"):
            equal((key, new[key]), (key, old[key]))
    answer = microtome("aggregate", "-m", HEAD, "-o", again, out)
    equal(answer.code, 0)
    contains(answer.err, "0 done, 4 skipped, 0 failed")


def test_other_tools(folder):
    """features as CLAM and TRIDENT write them: the scores of our own file; nothing of their folders is kept"""
    _, out = scored(folder)
    with h5py.File(case(out, "s2")) as f:
        x, coords = f["features"][:], f["coords"][:]
    theirs = os.path.join(folder, "theirs")
    os.mkdir(theirs)
    with h5py.File(os.path.join(theirs, "clam.h5"), "w") as f:
        f.create_dataset("features", data=x, chunks=(32, x.shape[1]), maxshape=(None, x.shape[1]))
        f.create_dataset("coords", data=coords.astype("i4"))
    with h5py.File(os.path.join(theirs, "trident.h5"), "w") as f:
        d = f.create_dataset("features", data=x, chunks=(1, x.shape[1]))
        d.attrs["encoder"], d.attrs["savetodir"] = "demo-texture", "/home/secret"
        d = f.create_dataset("coords", data=coords)
        d.attrs.update({"patch_size": 224, "patch_size_level0": 224.0, "level0_magnification": 20, "target_magnification": 20.0, "overlap": 0,
                        "level0_width": 2048, "level0_height": 2048, "savetodir": "/home/secret", "name": "x"})
    scores = os.path.join(folder, "scores")
    equal(microtome("aggregate", "-m", HEAD, "-o", scores, theirs).code, 0)
    wanted = headline(case(out, "s2"))["scores"]
    for name in ("clam", "trident"):
        equal(headline(case(scores, name))["scores"], wanted)
        with open(case(scores, name), "rb") as f:
            assert b"secret" not in f.read()
        with h5py.File(case(scores, name)) as f:
            equal((f["coords"].dtype, f["coords"][:].tobytes(), f["features"][:].tobytes()), (coords.dtype, coords.tobytes(), x.tobytes()))
    with h5py.File(case(scores, "trident")) as f:
        equal((f["coords"].attrs["patch_size_level0"], f["coords"].attrs["level0_width"]), (224, 2048))
    equal(microtome("heatmap", case(scores, "trident"), "-o", os.path.join(folder, "pictures")).code, 0)


def test_bag_of_patient(folder):
    """a patient's tiles are one bag: score and attention by the formulas over all of them"""
    _, out = scored(folder)
    w = weights(HEAD)
    for p, names in (("P%2F0", ("s1", "s2")), ("P%2F1", ("s3", "s4"))):
        score, attention = clam_sb(w, np.concatenate([features(case(out, n)) for n in names]))
        with h5py.File(patient(out, p)) as f:
            assert np.abs(f["prediction/scores"][:] - score).max() < 1e-5
            assert np.abs(f["attention"][:, 0] - attention).max() < 1e-5
            equal([s.decode() for s in f["cases"][:]], list(names))
            equal(f["case_offsets"][:].tolist()[-1], len(attention))
            assert np.allclose(f["case_scores"][0], list(headline(case(out, names[0]))["scores"].values()), atol=1e-6)


def write_places_head(path, dim):
    """Logits: the mean over tiles of x W + tanh(coords / edge V); returns it as a function of features, places and edge."""
    node, info, rng = helper.make_node, helper.make_tensor_value_info, np.random.default_rng(3)
    w, v = rng.normal(size=(dim, 2)).astype("f4") / dim, rng.normal(size=(2, 2)).astype("f4") / 10
    nodes = [node("Cast", ["coords"], ["xy"], to=1), node("Cast", ["patch_size"], ["edge"], to=1), node("Div", ["xy", "edge"], ["cell"]),
             node("MatMul", ["cell", "v"], ["cv"]), node("Tanh", ["cv"], ["p"]), node("MatMul", ["x", "w"], ["xw"]),
             node("Add", ["xw", "p"], ["t"]), node("ReduceMean", ["t"], ["logits"], axes=[0], keepdims=0)]
    inputs = [info("x", TensorProto.FLOAT, ["N", dim]), info("coords", TensorProto.INT64, ["N", 2]),
              info("patch_size", TensorProto.INT64, [])]
    graph = helper.make_graph(nodes, "head", inputs, [info("logits", TensorProto.FLOAT, [2])],
                              [numpy_helper.from_array(w, "w"), numpy_helper.from_array(v, "v")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 7
    onnx.save(model, path)
    return lambda x, places, edge: (x @ w + np.tanh(places / np.floor(edge + 0.5) @ v)).mean(axis=0)


def places(path):
    with h5py.File(path) as f:
        keep = f["valid"][:] != 0
        return f["features"][:].astype(float)[keep], f["coords"][:][keep], f["coords"].attrs["tile_level0"][0]


def test_places(folder):
    """a head that takes the places of the tiles: in the run, from its results, of a patient; refused where they are not known"""
    table, out = scored(folder)
    if onnx is None:
        raise Skip("onnx is not installed")
    head = os.path.join(folder, "places.onnx")
    formula = write_places_head(head, features(case(out, "s1")).shape[1])
    again, ran = os.path.join(folder, "again"), os.path.join(folder, "ran")
    equal(microtome("aggregate", "-m", head, "-o", again, "--labels", table, out).code, 0)
    recipe = os.path.join(folder, "places.ini")
    with open(recipe, "w") as f:
        f.write("[mask]\nmethod=otsu\n[encoder]\nmodel=builtin:demo\n[head]\nmodel=places.onnx\n")
    equal(microtome("run", "-r", recipe, "-o", ran, table).code, 0)
    for names, file in [((f"s{n}",), case(o, f"s{n}")) for n in range(1, 5) for o in (again, ran)] + [
            (("s1", "s2"), patient(again, "P%2F0")), (("s3", "s4"), patient(ran, "P%2F1"))]:
        x, xy, edge = (list(parts) for parts in zip(*(places(case(out, n)) for n in names)))
        with h5py.File(file) as f:
            difference = np.abs(f["prediction/logits"][:] - formula(np.concatenate(x), np.concatenate(xy), edge[0])).max()
            assert difference < 1e-5, (file, difference)
    bare = os.path.join(folder, "bare.h5")
    with h5py.File(bare, "w") as f:
        f["features"] = places(case(out, "s1"))[0].astype("f4")
    answer = microtome("aggregate", "-m", head, "-o", os.path.join(folder, "none"), bare)
    equal(answer.code, 65)
    contains(answer.err, "input 'coords': the place of each tile is wanted, these features come without: use a file with /coords")


def test_rules(folder):
    """max, mean and noisy-or of the cases' scores; another rule supersedes, the same one is kept"""
    table, out = scored(folder)
    p1, p2 = (headline(case(out, n))["scores"]["tumour"] for n in ("s1", "s2"))
    wanted = {"max": max(p1, p2), "mean": (p1 + p2) / 2, "noisy_or": 1 - (1 - p1) * (1 - p2)}
    scores = os.path.join(folder, "scores")
    for rule in wanted:
        answer = microtome("aggregate", "-m", HEAD, "-o", scores, "--labels", table, "--patients", rule, out)
        equal(answer.code, 0)
        contains(answer.err, "patients: 2 done, 0 as before, 0 failed")
        line = headline(patient(scores, "P%2F0"))
        assert abs(line["score"] - wanted[rule]) < 1e-6, (rule, line["score"], wanted[rule])
        assert abs(sum(line["scores"].values()) - 1) < 1e-6
    contains(microtome("aggregate", "-m", HEAD, "-o", scores, "--labels", table, "--patients", "noisy_or", out).err,
             "patients: 0 done, 2 as before, 0 failed")
    equal(sorted(os.listdir(os.path.join(scores, "superseded"))), [f"patient-P%2F{p}.{n}.h5" for p in (0, 1) for n in (1, 2)])


def test_missing_case(folder):
    """a patient of whom a case failed is degraded, says which, and is never clear"""
    table, _ = scored(folder)
    with open(table, "a") as f:
        f.write("gone.tif,s5,P/1\n")
    rows = [r for r in csv.DictReader(open(table)) if r["id"] in ("s3", "s5")]
    small = os.path.join(os.path.dirname(table), "small.csv")
    with open(small, "w") as f:
        f.write("path,id,patient\n" + "".join(f"{r['path']},{r['id']},{r['patient']}\n" for r in rows))
    out = os.path.join(folder, "out2")
    answer = microtome("run", "-r", os.path.join(SOURCE, "samples", "demo.ini"), "-o", out, small)
    equal(answer.code, 65)
    line = headline(patient(out, "P%2F1"))
    equal((line["status"], line["decision"], line["reason"].split(";")[0]), ("degraded", "none", "without s5 (no result)"))


def test_refusals(folder):
    """what does not fit is refused, with what to do; the other cases go on"""
    table, out = scored(folder)
    with h5py.File(os.path.join(folder, "cube.h5"), "w") as f:
        f["features"] = np.zeros((1, 3, 4), "f4")
    with h5py.File(os.path.join(folder, "other.h5"), "w") as f:
        f["features"] = np.zeros((3, 5), "f4")
        f["features"].attrs["encoder"] = "uni_v1"
    open(os.path.join(folder, "text.h5"), "w").write("no HDF5")
    scores = os.path.join(folder, "scores")
    answer = microtome("aggregate", "-m", HEAD, "-o", scores, *[os.path.join(folder, n) for n in ("cube.h5", "other.h5", "text.h5")],
                       case(out, "s1"))
    equal(answer.code, 65)
    contains(answer.err, "1 done, 0 skipped, 3 failed")
    contains(answer.err, "/features is 1x3x4; a row per tile is wanted")
    contains(answer.err, "was made for encoder 'demo-texture'")
    contains(answer.err, "not a result of microtome (no headline in front of HDF5 data)")
    equal(sorted(os.listdir(os.path.join(scores, "failed"))), ["cube.json", "other.json", "text.json"])
    plain = os.path.join(folder, "plain.safetensors")
    write_abmil(plain, features(case(out, "s1")).shape[1])
    answer = microtome("aggregate", "-m", plain, "-o", scores, out)
    equal(answer.code, 64)
    contains(answer.err, "it holds results of another recipe")
    os.remove(case(out, "s1"))
    with open(table) as f:
        rows = f.read().split("\n")
    open(table, "w").write("\n".join(r for r in rows if "s2" not in r))
    answer = microtome("aggregate", "-m", HEAD, "-o", os.path.join(folder, "new"), "--labels", table, out)
    equal((answer.code, answer.err.strip()),
          (65, f"microtome aggregate: labels {table}: case s2 is not in it: add its row, or leave the case out"))
    equal(microtome("aggregate", "-m", HEAD, "-o", "x", "--patients", "sum", out).code, 64)
    equal(microtome("aggregate", "-m", HEAD, "-o", "x", os.path.join(folder, "none.h5")).code, 66)


main([test_ours, test_other_tools, test_bag_of_patient, test_places, test_rules, test_missing_case, test_refusals])
