"""The folders of other tools, opened as those tools' own readers open them; what is expected is computed from the result by h5py."""
import atexit
import csv
import json
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import uuid

from harness import PROGRAM, SOURCE, Skip, contains, equal, headline, main, microtome, synthetic

try:
    import h5py
    import numpy as np
    from PIL import Image
except ImportError:
    h5py = None

try:
    import torch
except ImportError:
    torch = None

HEAD = os.path.join(SOURCE, "samples", "heads", "demo.safetensors")
kept = []


def results():
    """A run over two slides, one without tissue and one of which a tile could not be read; made once."""
    if h5py is None:
        raise Skip("h5py, NumPy or Pillow is not installed")
    if not kept:
        folder = tempfile.mkdtemp(prefix="microtome-export-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        slides, out = synthetic(os.path.join(folder, "slides"), "--count", 2, "--size", 2048, "--seed", 5), os.path.join(folder, "out")
        Image.fromarray(np.full((1024, 1024, 3), 245, "u1")).save(os.path.join(slides, "glass.tif"), dpi=(50800, 50800))
        names = [os.path.join(slides, n) for n in ("slide-001.tif", "slide-002.tif", "glass.tif")]
        equal(microtome("run", "-r", os.path.join(SOURCE, "samples", "demo.ini"), "-o", out, *names).code, 0)
        kept.append(os.path.join(out, "cases"))
        with h5py.File(result("slide-002"), "r+") as f:
            f["valid"][3] = 0
            f["features"][3] = 0
    return kept[0]


def result(name):
    return os.path.join(results(), name + ".h5")


def changed(folder, name, change, source="slide-001"):
    """A copy of a result after change(its HDF5 file)."""
    path = os.path.join(folder, name + ".h5")
    shutil.copy(result(source), path)
    with h5py.File(path, "r+") as f:
        change(f)
    return path


def export(layout, out, *args):
    return microtome("export", "--layout", layout, "-o", out, *args)


def exported(layout, out, *args):
    answer = export(layout, out, *args)
    equal((answer.code, answer.err), (0, ""))
    return answer


def files(folder):
    return sorted(os.path.relpath(os.path.join(at, n), folder) for at, _, names in os.walk(folder) for n in names)


def stored(path):
    """Coordinates of all tiles; features and coordinates of those that could be read."""
    with h5py.File(path) as f:
        valid = f["valid"][:] != 0
        return f["coords"][:], f["features"][:][valid], f["coords"][:][valid], dict(f["coords"].attrs)


def clam_patches(path):
    """What the patch datasets of CLAM take from the file: the place, the edge and the level of each patch."""
    with h5py.File(path, "r") as f:
        d = f["coords"]
        return [(tuple(d[i]), d.attrs["patch_size"], d.attrs["patch_level"]) for i in range(len(d))]


def test_clam(folder):
    """clam: patches, features, pictures and the process list, as CLAM's readers take them"""
    out = os.path.join(folder, "clam")
    exported("clam", out, result("slide-001"), result("slide-002"), result("glass"), "--slide-ext", ".svs")
    both = [f"{d}/slide-00{i}.{e}" for d, e in (("h5_files", "h5"), ("patches", "h5"), ("pt_files", "pt"), ("stitches", "jpg")) for i in (1, 2)]
    equal(files(out), sorted(both + ["process_list_autogen.csv"] + [f"masks/{n}.jpg" for n in ("glass", "slide-001", "slide-002")]))
    for name in ("slide-001", "slide-002"):
        coords, features, read, _ = stored(result(name))
        equal(clam_patches(os.path.join(out, "patches", name + ".h5")), [((x, y), 224, 0) for x, y in coords.tolist()])
        with h5py.File(os.path.join(out, "patches", name + ".h5")) as f:
            d = f["coords"]
            equal((d.dtype, d.maxshape, d.attrs["name"], d.attrs["save_path"]), (np.int64, (None, 2), name, os.path.join(out, "patches")))
            equal([d.attrs[k].tolist() for k in ("downsample", "level_dim", "downsampled_level_dim")], [[1.0, 1.0], [2048, 2048], [2048, 2048]])
            equal((d.attrs["downsample"].dtype, d.attrs["patch_size"].dtype, d.attrs["mpp_x"], d.attrs["target_mpp"]), (np.float64, np.int64, 0.5, 0.5))
        with h5py.File(os.path.join(out, "h5_files", name + ".h5")) as f:
            equal((sorted(f), len(f["features"].attrs), len(f["coords"].attrs)), (["coords", "features"], 0, 0))
            equal((f["features"].dtype, f["features"].chunks, f["features"].maxshape), (np.float32, (32, 93), (None, 93)))
            equal((f["coords"].dtype, f["coords"].maxshape), (np.int32, (None, 2)))
            equal((f["features"][:].tobytes(), f["coords"][:].tolist()), (features.tobytes(), read.tolist()))
        for picture in ("masks", "stitches"):
            with Image.open(os.path.join(out, picture, name + ".jpg")) as image:
                equal((image.format, image.size), ("JPEG", (1024, 1024)))
    with open(os.path.join(out, "process_list_autogen.csv")) as f:
        rows = list(csv.DictReader(f))
    equal(list(rows[0]), "slide_id process status seg_level sthresh mthresh close use_otsu keep_ids exclude_ids a_t a_h max_n_holes vis_level "
          "line_thickness use_padding contour_fn".split())
    equal([(r["slide_id"], r["process"], r["status"]) for r in rows], [(n + ".svs", "0", "processed") for n in ("slide-001", "slide-002", "glass")])


def test_clam_tensor(folder):
    """clam: torch.load gives the features, with and without weights_only; equal results give equal bytes"""
    if torch is None:
        raise Skip("PyTorch is not installed")
    exported("clam", folder, result("slide-002"))
    path = os.path.join(folder, "pt_files", "slide-002.pt")
    for args in ({}, {"weights_only": True}):
        tensor = torch.load(path, **args)
        equal((tensor.dtype, tuple(tensor.shape), tensor.numpy().tobytes()), (torch.float32, (39, 93), stored(result("slide-002"))[1].tobytes()))
    with open(path, "rb") as f:
        first = f.read()
    exported("clam", folder, result("slide-002"), "--force")
    with open(path, "rb") as f:
        equal(f.read(), first)


def test_clam_level(folder):
    """clam: tiles that CLAM's rules cut keep their level; others are said in pixels of level 0"""
    def by_clam(f):
        a = f["coords"].attrs
        a["compat"], a["patch_level"], a["tile_level0"], a["patch_size_level0"] = "clam", 1, [896.0, 896.0], 896
        a["downsample"], a["level_dim"], a["downsampled_level_dim"] = [4.0, 4.0], [512, 512], [512, 512]

    def ours(f):
        f["coords"].attrs["patch_level"], f["coords"].attrs["tile_level0"] = 1, [886.4, 886.6]
    exported("clam", folder, changed(folder, "theirs", by_clam), changed(folder, "ours", ours))
    for name, wanted in (("theirs", (224, 1, [4.0, 4.0], [512, 512])), ("ours", (886, 0, [1.0, 1.0], [2048, 2048]))):
        with h5py.File(os.path.join(folder, "patches", name + ".h5")) as f:
            a = f["coords"].attrs
            equal((a["patch_size"], a["patch_level"], a["downsample"].tolist(), a["level_dim"].tolist()), wanted)
    with h5py.File(os.path.join(folder, "patches", "ours.h5")) as f:
        equal(f["coords"].attrs["tile_level0"].tolist(), [886.4, 886.6])


def trident_slide(path):
    """What TRIDENT's patcher takes from the file: without these attributes it falls back to older layouts."""
    with h5py.File(path, "r") as f:
        a = dict(f["coords"].attrs)
        return f["coords"][:], {k: a[k] for k in ("patch_size", "level0_magnification", "target_magnification", "overlap", "name", "level0_width",
                                                 "level0_height")}, int(a["patch_size_level0"])


def trident_pending(job, names, encoder):
    """The slides that TRIDENT would still segment, patch and encode, by the stems of files."""
    def stems(at, end):
        return {n[:-len(end)] for n in os.listdir(os.path.join(job, at)) if n.endswith(end)}
    grid = "20x_224px_0px_overlap"
    return [sorted(set(names) - stems(at, end)) for at, end in (("contours", ".jpg"), (grid + "/patches", "_patches.h5"),
                                                                (f"{grid}/features_{encoder}", ".h5"))]


def test_trident(folder):
    """trident: a job directory in which nothing is pending, read as TRIDENT reads it; a slide without tissue is empty datasets"""
    names, job = ["glass", "slide-001", "slide-002"], os.path.join(folder, "job")
    exported("trident", job, *map(result, names), "--slide-ext", ".svs", "--encoder-name", "uni_v1")
    grid = "20x_224px_0px_overlap"
    equal(trident_pending(job, names, "uni_v1"), [[], [], []])
    equal(files(job), sorted([f"{grid}/patches/{n}_patches.h5" for n in names] + [f"{grid}/features_uni_v1/{n}.h5" for n in names] +
                             [f"{grid}/slide_features_clam_sb/{n}.h5" for n in names[1:]] +
                             [f"{d}/{n}.{e}" for d, e in (("thumbnails", "jpg"), ("contours", "jpg"), ("contours_geojson", "geojson")) for n in names] +
                             [f"{grid}/_{k}_{w}" for k, e in (("config", "json"), ("logs", "txt")) for w in (f"coords.{e}", f"feats_uni_v1.{e}")] +
                             ["_config_segmentation.json", "_logs_segmentation.txt"]))
    for name in names:
        coords, features, read, _ = stored(result(name))
        found, attrs, edge = trident_slide(f"{job}/{grid}/patches/{name}_patches.h5")
        width = 1024 if name == "glass" else 2048
        equal((found.dtype, found.tolist(), edge), (np.int64, coords.tolist(), 224))
        equal(attrs, {"patch_size": 224, "level0_magnification": 20, "target_magnification": 20.0, "overlap": 0, "name": name,
                      "level0_width": width, "level0_height": width})
        with h5py.File(f"{job}/{grid}/features_uni_v1/{name}.h5") as f, h5py.File(f"{job}/{grid}/patches/{name}_patches.h5") as patches:
            d, a = f["features"], dict(f["features"].attrs)
            equal((d.dtype, d.shape, d[:].tobytes()), (np.float32, features.shape, features.tobytes()))
            equal(a, {"name": name, "savetodir": f"{job}/{grid}/features_uni_v1", "encoder": "uni_v1"})
            equal(f["coords"][:].tolist(), read.tolist())
            equal({k: np.asarray(v).tolist() for k, v in f["coords"].attrs.items()}, {k: np.asarray(v).tolist() for k, v in patches["coords"].attrs.items()})
            types = [patches["coords"].attrs[k].dtype for k in ("patch_size", "patch_size_level0", "target_magnification", "level0_magnification")]
            equal((types, patches["coords"].maxshape), ([np.int64, np.float64, np.float64, np.int64], (None, 2)))
        if name != "glass":
            with h5py.File(f"{job}/{grid}/slide_features_clam_sb/{name}.h5") as f, h5py.File(result(name)) as r:
                equal((f["features"][:].tobytes(), f["features"].attrs["name"], "coords" in f), (r["embedding"][:].tobytes(), name, True))
    for log in (f"{job}/_logs_segmentation.txt", f"{job}/{grid}/_logs_coords.txt", f"{job}/{grid}/_logs_feats_uni_v1.txt"):
        with open(log) as f:
            equal([line.split(": ")[0] for line in f], [n + ".svs" for n in names])
    with open(f"{job}/{grid}/_config_coords.json") as f:
        equal(json.load(f), {"written_by": "microtome", "target_magnification": 20.0, "patch_size": 224, "overlap": 0})


def rings_of(path):
    """The outer rings of a result, each with its holes, as TRIDENT's GeoJSON has them."""
    with h5py.File(path) as f:
        points, offsets, kinds = (f["tissue"][k][:] for k in ("points", "offsets", "kinds"))
    polygons = []
    for i, hole in enumerate(kinds):
        ring = points[offsets[i]:offsets[i + 1]].astype(float).tolist()
        if not hole:
            polygons.append([])
        polygons[-1].append(ring + ring[:1])
    return polygons


def test_trident_contours(folder):
    """trident: tissue as geopandas writes it, holes included"""
    def with_hole(f):
        points, offsets = f["tissue/points"][:], f["tissue/offsets"][:]
        for name in ("points", "offsets", "kinds"):
            del f["tissue"][name]
        hole = np.array([[900, 900], [1000, 900], [1000, 1000]], "i4")
        f["tissue"]["points"] = np.concatenate([points[:offsets[1]], hole])
        f["tissue"]["offsets"] = np.array([0, offsets[1], offsets[1] + 3], "i8")
        f["tissue"]["kinds"] = np.array([0, 1], "u1")
    paths = [changed(folder, "hole", with_hole), result("slide-002"), result("glass")]
    exported("trident", os.path.join(folder, "job"), *paths)
    for path in paths:
        name = os.path.basename(path)[:-3]
        with open(os.path.join(folder, "job", "contours_geojson", name + ".geojson")) as f:
            found = json.load(f)
        equal((found["type"], found["name"], found["crs"]["properties"]["name"]), ("FeatureCollection", name, "urn:ogc:def:crs:EPSG::3857"))
        equal([(f["type"], f["properties"], f["geometry"]) for f in found["features"]],
              [("Feature", {"tissue_id": i}, {"type": "Polygon", "coordinates": p}) for i, p in enumerate(rings_of(path))])


def test_trident_refused(folder):
    """trident: tiles of another size than TRIDENT would cut from the same numbers are refused, and those of unknown magnification"""
    def off(f):
        f["coords"].attrs["tile_level0"] = [212.0, 212.0]

    def unknown(f):
        del f["coords"].attrs["level0_magnification"]

    def nameless(f):
        del f["features"].attrs["encoder"]
    for name, change, why in (("off", off, "its tiles are 212 level-0 px, and TRIDENT reckons 224 from 20x and 20x: run it with --compat trident"),
                              ("unknown", unknown, "its magnification is not known, which the layout needs: run it again with --slide-mpp"),
                              ("nameless", nameless, "it does not say what encoder made its features: --encoder-name does")):
        path = changed(folder, name, change)
        answer = export("trident", os.path.join(folder, "job"), path)
        equal((answer.code, answer.err), (65, f"microtome export: export {path} as trident: {why}\n"))
    equal(files(os.path.join(folder, "job")), [])


def stamp_tiles(path):
    """What STAMP takes from the file: features, places and the edge of a tile in µm, µm/px."""
    with h5py.File(path, "r") as f:
        assert f.attrs["unit"] == "um" and f.attrs["feat_type"] == "tile" and f.attrs["stamp_version"].split(".")[0] == "2"
        um, px = f.attrs["tile_size_um"], int(f.attrs["tile_size_px"])
        return f["feats"][:], f["coords"][:], um, um / px, f.attrs["extractor"], f.attrs["code_hash"]


def test_stamp(folder):
    """stamp: features in half precision and places in µm; what does not fit is refused"""
    def oblong(f):
        a = f["coords"].attrs
        a["mpp_x"], a["mpp_y"], a["tile_level0"] = 0.25, 0.5, [448.0, 224.0]
    names = ["slide-002", "glass", "oblong"]
    exported("stamp", os.path.join(folder, "out"), result("slide-002"), result("glass"), changed(folder, "oblong", oblong))
    hash8 = stored_attr("slide-001", "encoder_sha256")[:8]
    equal(files(os.path.join(folder, "out")), sorted(f"demo-texture-{hash8}/{n}.h5" for n in names))
    for name, path, mpp in zip(names, (result("slide-002"), result("glass"), os.path.join(folder, "oblong.h5")), ([0.5, 0.5], [0.5, 0.5], [0.25, 0.5])):
        _, features, read, _ = stored(path)
        feats, coords, um, mpp_of_tile, extractor, code = stamp_tiles(os.path.join(folder, "out", f"demo-texture-{hash8}", name + ".h5"))
        equal((feats.dtype, feats.shape, feats.tobytes()), (np.float16, features.shape, features.astype("f2").tobytes()))
        equal((coords.dtype, coords.tolist()), (np.float32, (read * np.array(mpp)).tolist()))
        equal((um, mpp_of_tile, extractor, code), (112.0, 0.5, "demo-texture", hash8))

    def large(f):
        f["features"][5, 7] = 1e5

    def no_mpp(f):
        del f["coords"].attrs["mpp_x"]

    def square_px(f):
        f["coords"].attrs["mpp_x"] = 0.25

    def no_hash(f):
        del f["features"].attrs["encoder_sha256"]
    for name, change, why in (("large", large, "a feature of 100000 does not fit into float16"),
                              ("no-mpp", no_mpp, "its µm/px is not known, which the layout needs: run it again with --slide-mpp"),
                              ("square-px", square_px, "its tiles are 56 x 112 µm, and the layout has one edge for both"),
                              ("no-hash", no_hash, "it has no hash of the encoder that made its features")):
        path = changed(folder, name, change)
        answer = export("stamp", os.path.join(folder, "none"), path)
        equal((answer.code, answer.err), (65, f"microtome export: export {path} as stamp: {why}\n"))
    equal(files(os.path.join(folder, "none")), [])


def stored_attr(name, attr):
    with h5py.File(result(name)) as f:
        return f["features"].attrs[attr]


def check_geojson(path):
    """A FeatureCollection of closed polygons with ids of their own, as RFC 7946 and QuPath's tiles have them."""
    with open(path) as f:
        found = json.load(f)
    equal((found["type"], sorted(found)), ("FeatureCollection", ["features", "type"]))
    for f in found["features"]:
        equal((f["type"], f["geometry"]["type"], f["properties"]["objectType"], f["properties"]["isLocked"]), ("Feature", "Polygon", "tile", True))
        assert uuid.UUID(f["id"]).version == 4
        for ring in f["geometry"]["coordinates"]:
            assert ring[0] == ring[-1] and len(ring) >= 4 and all(len(p) == 2 for p in ring), ring
    equal(len({f["id"] for f in found["features"]}), len(found["features"]))
    return found["features"]


def test_wsinfer(folder):
    """wsinfer: patches at level 0, a row and a polygon a tile that could be read"""
    exported("wsinfer", folder, result("slide-002"), result("glass"))
    run = [n for n in files(folder) if n.startswith("run_metadata_")]
    equal((len(run), files(folder)), (1, sorted(run + ["masks/glass.jpg", "masks/slide-002.jpg", "model-outputs-csv/slide-002.csv",
                                                       "model-outputs-geojson/slide-002.geojson", "patches/glass.h5", "patches/slide-002.h5"])))
    coords, _, read, _ = stored(result("slide-002"))
    with h5py.File(os.path.join(folder, "patches", "slide-002.h5")) as f:
        a = f["coords"].attrs
        equal((f["coords"][:].tolist(), f["coords"].compression, a["patch_size"], a["patch_level"], a["patch_spacing_um_px"]),
              (coords.tolist(), "gzip", 224, 0, 0.5))
    with h5py.File(result("slide-002")) as f:
        scores = f["tile_scores"][:][f["valid"][:] != 0]
    with open(os.path.join(folder, "model-outputs-csv", "slide-002.csv")) as f:
        rows = list(csv.reader(f))
    equal(rows[0], ["minx", "miny", "width", "height", "prob_normal", "prob_tumour"])
    equal([[int(v) for v in r[:4]] for r in rows[1:]], [[x, y, 224, 224] for x, y in read.tolist()])
    equal(np.array([r[4:] for r in rows[1:]], "f4").tolist(), scores.tolist())
    features = check_geojson(os.path.join(folder, "model-outputs-geojson", "slide-002.geojson"))
    boxes = [np.array(f["geometry"]["coordinates"][0]) for f in features]
    equal([b.min(0).tolist() + b.max(0).tolist() for b in boxes], [[x, y, x + 224, y + 224] for x, y in read.tolist()])
    equal([np.float32(f["properties"]["measurements"]["prob_tumour"]) for f in features], scores[:, 1].tolist())

    def no_scores(f):
        del f["tile_scores"]
    path = changed(folder, "scoreless", no_scores)
    answer = export("wsinfer", os.path.join(folder, "none"), path)
    equal((answer.code, answer.err), (65, f"microtome export: export {path} as wsinfer: its head gave no score to each tile, and the layout holds nothing "
                                          "else\n"))


KINDS = {"array": "0.2.0", "string-array": "0.2.0", "dataframe": "0.2.0", "dict": "0.1.0", "string": "0.2.0", "numeric-scalar": "0.2.0", "anndata": "0.1.0"}


def check_anndata(f):
    """AnnData's on-disk schema: every object names its encoding; tables have an index and columns of one length."""
    def one(name, item):
        kind, version = item.attrs["encoding-type"], item.attrs["encoding-version"]
        equal((name, version), (name, KINDS[kind]))
        equal((name, isinstance(item, h5py.Group)), (name, kind in ("dataframe", "dict", "anndata")))
        if kind == "string-array":
            equal((name, h5py.check_string_dtype(item.dtype) is not None), (name, True))
    one("/", f)
    f.visititems(one)
    assert {"X", "obs", "var", "obsm", "uns", "varm", "obsp", "varp", "layers"} == set(f)
    for table, n in (("obs", f["X"].shape[0]), ("var", f["X"].shape[1])):
        columns = list(f[table].attrs["column-order"])
        equal(sorted(f[table]), sorted(columns + [f[table].attrs["_index"]]))
        equal({len(f[table][c]) for c in f[table]}, {n})
    equal(f["obsm/spatial"].shape, (f["X"].shape[0], 2))


def test_h5ad(folder):
    """h5ad: AnnData's schema; features, places and scores are those of the tiles that could be read"""
    def slashed(f):
        f["tile_scores"].attrs["labels"] = ["normal", "a/b"]
    exported("h5ad", folder, result("slide-002"), result("glass"), changed(folder, "slashed", slashed))
    equal(files(folder), ["glass.h5ad", "slashed.h5", "slashed.h5ad", "slide-002.h5ad"])
    for name in ("slide-002", "glass", "slashed"):
        with h5py.File(os.path.join(folder, name + ".h5ad")) as f:
            check_anndata(f)
    _, features, read, _ = stored(result("slide-002"))
    with h5py.File(os.path.join(folder, "slide-002.h5ad")) as f, h5py.File(result("slide-002")) as r:
        keep = r["valid"][:] != 0
        equal((f["X"].dtype, f["X"][:].tobytes()), (np.float32, features.tobytes()))
        equal(list(f["obs"].attrs["column-order"]), ["x", "y", "tile", "attention", "score_normal", "score_tumour"])
        equal(np.stack([f["obs/x"][:], f["obs/y"][:]], 1).tolist(), read.tolist())
        equal((f["obs/tile"][:].tolist(), [v.decode() for v in f["obs/_index"][:]]), (np.flatnonzero(keep).tolist(), [str(i) for i in np.flatnonzero(keep)]))
        equal(f["obs/score_tumour"][:].tobytes(), r["tile_scores"][:, 1][keep].tobytes())
        equal(f["obs/attention"][:].tobytes(), r["attention"][:, 0][keep].tobytes())
        equal(f["obsm/spatial"][:].tolist(), (read + 112.0).tolist())
        spatial = f["uns/spatial/slide-002"]
        equal((spatial["images/hires"].shape, spatial["scalefactors/tissue_hires_scalef"][()]), ((1024, 1024, 3), 0.5))
        equal((f["uns/microtome/encoder"][()].decode(), f["uns/microtome/scores"][:].tolist()), ("demo-texture", r["prediction/scores"][:].tolist()))
    with h5py.File(os.path.join(folder, "slashed.h5ad")) as f:
        assert "score_a_b" in f["obs"], list(f["obs"])
    try:
        import anndata
    except ImportError:
        return
    a = anndata.read_h5ad(os.path.join(folder, "slide-002.h5ad"))
    equal((a.shape, a.X.tobytes(), a.obs["x"].tolist()), (features.shape, features.tobytes(), read[:, 0].tolist()))


def test_withheld(folder):
    """a control case withholds scores: layouts without any are written, the others refused"""
    out = os.path.join(folder, "run")
    slides = os.path.join(os.path.dirname(os.path.dirname(results())), "slides")
    table = os.path.join(folder, "cohort.csv")
    with open(table, "w") as f:
        f.write(f"path,control\n{slides}/slide-001.tif,0.9..1\n{slides}/slide-002.tif,\n")
    equal(microtome("run", "-r", os.path.join(SOURCE, "samples", "demo.ini"), "-o", out, table).code, 65)
    path = os.path.join(out, "cases", "slide-002.h5")
    exported("clam", os.path.join(folder, "clam"), path)
    for layout in ("wsinfer", "h5ad"):
        answer = export(layout, os.path.join(folder, layout), path)
        equal((answer.code, files(os.path.join(folder, layout))), (65, []))
        contains(answer.err, f"export {path}: its score is withheld: ")
        contains(answer.err, ": clam, trident and stamp hold no scores\n")


def test_aggregate(folder):
    """features that were exported give the scores of the result"""
    clam, trident, scores = (os.path.join(folder, n) for n in ("clam", "trident", "scores"))
    exported("clam", clam, result("slide-001"))
    exported("trident", trident, result("slide-001"))
    for layout, features in (("clam", os.path.join(clam, "h5_files")), ("trident", os.path.join(trident, "20x_224px_0px_overlap/features_demo-texture"))):
        out = os.path.join(scores, layout)
        equal(microtome("aggregate", "-m", HEAD, "-o", out, features).code, 0)
        equal(headline(os.path.join(out, "cases", "slide-001.h5"))["scores"], headline(result("slide-001"))["scores"])


def append(f, name, rows, chunks=32):
    """Batches behind each other, as CLAM's extraction appends them."""
    if name not in f:
        f.create_dataset(name, data=rows, maxshape=(None, rows.shape[1]), chunks=(chunks, rows.shape[1]))
        return
    f[name].resize(len(f[name]) + len(rows), axis=0)
    f[name][-len(rows):] = rows


def clam_archive(folder, name, level):
    """patches/ID.h5 and h5_files/ID.h5 as create_patches_fp.py and extract_features_fp.py write them, at level 0 or 1."""
    coords, features, read, _ = stored(result(name))
    for d in ("patches", "h5_files"):
        os.makedirs(os.path.join(folder, d), exist_ok=True)
    with h5py.File(os.path.join(folder, "patches", name + ".h5"), "w") as f:
        append(f, "coords", coords, 1)
        down = 4.0 ** level
        f["coords"].attrs.update({"patch_size": int(224 / down), "patch_level": level, "downsample": (down, down), "name": name, "save_path": "/gone",
                                  "downsampled_level_dim": (int(2048 / down),) * 2, "level_dim": (int(2048 / down),) * 2})
    for i in range(0, len(read), 16):
        with h5py.File(os.path.join(folder, "h5_files", name + ".h5"), "a") as f:
            append(f, "features", features[i:i + 16])
            append(f, "coords", read[i:i + 16].astype("i4"))


def trident_archive(folder, name):
    """features_ENC/S.h5 of a TRIDENT job: single rows as chunks, attributes copied from the coordinates."""
    _, features, read, _ = stored(result(name))
    os.makedirs(folder, exist_ok=True)
    with h5py.File(os.path.join(folder, name + ".h5"), "w") as f:
        append(f, "features", features, 1)
        append(f, "coords", read, 1)
        f["features"].attrs.update({"name": name, "savetodir": "/gone", "encoder": "demo-texture"})
        f["coords"].attrs.update({"patch_size": 224, "patch_size_level0": 224.0, "level0_magnification": 20, "target_magnification": 20.0, "overlap": 0,
                                  "name": name, "savetodir": "/gone", "level0_width": 2048, "level0_height": 2048})


def test_archives(folder):
    """archives of CLAM and TRIDENT aggregate, are searched and drawn, tile by tile as the results they could have come from"""
    clam, trident, names = os.path.join(folder, "clam"), os.path.join(folder, "features_demo-texture"), ("slide-001", "slide-002")
    slides = os.path.join(os.path.dirname(os.path.dirname(results())), "slides")
    for level, name in zip((1, 0), names):
        clam_archive(clam, name, level)
        trident_archive(trident, name)

    def no_outlines(f):
        del f["tissue"]
    seen = {}
    for origin, args in (("ours", [changed(folder, name, no_outlines, name) for name in names]), ("clam", ("--coords", os.path.join(clam, "patches"), os.path.join(clam, "h5_files"))),
                         ("trident", (trident,))):
        out, maps = os.path.join(folder, origin + "-scores"), os.path.join(folder, origin + "-maps")
        equal(microtome("aggregate", "-m", HEAD, "-o", out, *args).code, 0)
        cases = [os.path.join(out, "cases", n + ".h5") for n in names]
        answer = microtome("heatmap", *cases, "-o", maps, "--to", "png", "--slides", slides)
        equal((answer.code, answer.err), (0, ""))
        hits = json.loads(microtome("search", out, "--tile", "slide-001:3", "-k", 5, "--json").out)["hits"]
        with Image.open(os.path.join(maps, "slide-001.png")) as image:  # the other one's has an unread tile, hatched
            picture = image.size, image.tobytes()
        seen[origin] = ([headline(c)["scores"] for c in cases], picture,
                        [(h["id"], h["x"], h["y"], round(h["score"], 6)) for h in hits])
    for origin in ("clam", "trident"):
        for kind, (found, wanted) in enumerate(zip(seen[origin], seen["ours"])):
            equal((origin, kind, found == wanted), (origin, kind, True))


def test_archive_refused(folder):
    """coordinates that are not the features', or not there"""
    clam_archive(folder, "slide-001", 0)
    path, coords = os.path.join(folder, "h5_files", "slide-001.h5"), os.path.join(folder, "patches")

    equal(microtome("aggregate", "-m", HEAD, "-o", os.path.join(folder, "blind"), path).code, 0)
    blind = os.path.join(folder, "blind", "cases", "slide-001.h5")
    answer = microtome("heatmap", blind, "-o", os.path.join(folder, "maps"))
    equal((answer.code, answer.err), (65, f"microtome heatmap: draw a heatmap of {blind}: /coords does not say how large its tiles are: for "
                                          "features of CLAM, aggregate --coords takes it from their patches\n"))

    def refused(name, code, why):
        answer = microtome("aggregate", "-m", HEAD, "-o", os.path.join(folder, name), "--coords", coords, path)
        equal(answer.code, code)
        contains(answer.err, why)
    with h5py.File(os.path.join(coords, "slide-001.h5"), "r+") as f:
        x, y = f["coords"][7].tolist()
        f["coords"][7] = [1, 2]
    refused("moved", 65, f"read {coords}/slide-001.h5: tile 7 of {path} (x {x}, y {y}) is not in it: they are not of one extraction")
    with h5py.File(os.path.join(coords, "slide-001.h5"), "r+") as f:
        f["coords"][7] = [x, y]
        del f["coords"].attrs["patch_size"]
    refused("edge", 65, f"read {coords}/slide-001.h5: it does not say how large its tiles are")
    os.remove(os.path.join(coords, "slide-001.h5"))
    refused("none", 65, f"find the coordinates of {path}: {coords} has no file of its name")


def test_once(folder):
    """what exists is kept without --force; lists take up what an earlier export wrote"""
    exported("clam", folder, result("slide-001"))
    before = files(folder)
    answer = export("clam", folder, result("slide-001"), result("glass"))
    equal((answer.code, answer.out), (65, result("glass") + "\n"))
    equal(answer.err, f"microtome export: export {result('slide-001')}: {folder}/masks/slide-001.jpg exists: --force replaces it\n")
    equal(files(folder), sorted(before + ["masks/glass.jpg"]))
    exported("clam", folder, result("slide-001"), "--force")
    with open(os.path.join(folder, "process_list_autogen.csv")) as f:
        equal([r["slide_id"] for r in csv.DictReader(f)], ["glass", "slide-001"])
    with open(os.path.join(folder, "process_list_autogen.csv"), "w") as f:
        f.write("slide_id,process,status,white_thresh\na,0,tbp,5\n")
    answer = export("clam", folder, result("slide-002"))
    equal((answer.code, answer.err), (64, f"microtome export: write {folder}/process_list_autogen.csv: it has other columns than those written "
                                          "here: --force replaces it\n"))


def test_same_name(folder):
    """two slides of one name are not written over each other"""
    os.mkdir(os.path.join(folder, "b"))
    other = shutil.copy(result("slide-002"), os.path.join(folder, "b", "slide-001.h5"))
    answer = export("clam", os.path.join(folder, "out"), result("slide-001"), other, "--force")
    equal((answer.code, answer.err), (65, f"microtome export: export {other}: slide-001 has been written from {result('slide-001')}: two slides of "
                                          "one name need two folders\n"))


def test_names(folder):
    """names are those of the slides, not what a result's file had to escape; what leads out of the folder stays escaped"""
    paths = [shutil.copy(result("glass"), os.path.join(folder, n + ".h5")) for n in ("my%20slide", "%ED%95%9C", "%2E%2E%2Fup", "a%0Ab", "a%2Cb")]
    exported("clam", os.path.join(folder, "out"), *paths)
    equal(sorted(os.listdir(os.path.join(folder, "out", "masks"))), ["%2E%2E%2Fup.jpg", "a%0Ab.jpg", "a%2Cb.jpg", "my slide.jpg", "한.jpg"])


def test_refused(folder):
    """what a layout cannot say is refused with one reason, and the other results go on"""
    def no_edge(f):
        for name in ("patch_size", "patch_size_level0", "tile_level0"):
            del f["coords"].attrs[name]

    def volume(f):
        n, attrs = len(f["coords"]), dict(f["coords"].attrs)
        del f["coords"]
        f.create_dataset("coords", data=np.zeros((n, 3), "i8")).attrs.update(attrs)

    def oblong(f):
        f["coords"].attrs["tile_level0"] = [224.0, 300.0]

    def nothing(f):
        del f["features"]

    def no_coords(f):
        del f["coords"]

    def unread(f):
        f["valid"][:] = 0
    def endless(f):
        f["coords"].attrs["tile_level0"] = [float("nan"), 224.0]

    def far(f):
        f["coords"][5] = [2 ** 62, 0]

    def outlines(f):
        f["tissue/offsets"][1] = 10 ** 9
    for name, change, why in (("endless", endless, "it does not say how large its tiles are"), ("far", far, "tile 5 lies off any slide"),
                              ("outlines", outlines, "its tissue outlines are damaged"), ("edge", no_edge, "it does not say how large its tiles are"),
                              ("volume", volume, "it is of a volume, and the layout has no place for planes"),
                              ("oblong", oblong, "its tiles are 224 x 300 level-0 px, and the layout has one edge for both"),
                              ("pruned", nothing, "no features are stored in it (prune --features none?): run it again with its encoder"),
                              ("patient", no_coords, "it has no tiles with coordinates"),
                              ("unread", unread, "none of its 35 tiles could be read")):
        path, out = changed(folder, name, change), os.path.join(folder, "out-" + name)
        answer = export("clam", out, path, result("slide-001"))
        equal((answer.code, answer.err, answer.out), (65, f"microtome export: export {path} as clam: {why}\n", result("slide-001") + "\n"))
        equal([n for n in files(out) if name in n], [])
    answer = export("clam", os.path.join(folder, "out"), os.path.join(folder, "none.h5"))
    equal((answer.code, answer.err), (66, f"microtome export: open {folder}/none.h5: No such file or directory\n"))


def test_disk(folder):
    """no room: named, and nothing under a final name that is not whole"""
    def little():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
    out = os.path.join(folder, "out")
    done = subprocess.run([PROGRAM, "export", result("slide-001"), result("slide-002"), "--layout", "clam", "-o", out], capture_output=True, text=True,
                          preexec_fn=little)
    equal(done.returncode, 74)
    contains(done.stderr, f"write {out}/masks/slide-001.jpg: File too large")
    equal(files(out), [])
    path = os.path.join(folder, "file")
    open(path, "w").close()
    answer = export("clam", path, result("slide-001"))
    equal((answer.code, answer.err), (74, f"microtome export: create folder {path}: Not a directory\n"))


def test_broken_off(folder):
    """no room, or killed, at any size of a file: without room nothing stays, else what has a final name is whole; --force finishes it"""
    def kept_bytes(out):
        return {n: open(os.path.join(out, n), "rb").read() for n in files(out) if ".tmp-" not in n}

    def limited(size, ignored):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN if ignored else signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    for layout in ("clam", "trident", "h5ad"):
        out = os.path.join(folder, layout)
        exported(layout, out, result("slide-001"))
        whole = kept_bytes(out)
        sizes = sorted({len(b) - 1 for b in whole.values()})
        for size in {sizes[0], sizes[len(sizes) // 2], sizes[-1]}:
            for ignored in (True, False):
                shutil.rmtree(out)
                done = subprocess.run([PROGRAM, "export", result("slide-001"), "--layout", layout, "-o", out], capture_output=True, text=True,
                                      preexec_fn=lambda: limited(size, ignored))
                equal(done.returncode, 74 if ignored else -signal.SIGXFSZ)
                equal([n for n, b in kept_bytes(out).items() if b != whole[n]], [])
                if ignored:
                    equal(files(out), [])
        exported(layout, out, result("slide-001"), "--force")
        equal(kept_bytes(out) == whole, True)


def test_usage(folder):
    """what is asked wrongly is said exactly"""
    path = result("slide-001")
    for message, args in (("name results (OUT/cases/*.h5) and give --layout NAME or --to KIND[,KIND], and -o DIR\nSee microtome export --help.", (path, "-o", folder)),
                          ("extension 'svs' of slides: a dot, letters and digits are wanted, as .svs",
                           (path, "--layout", "clam", "-o", folder, "--slide-ext", "svs")),
                          ("encoder '../x': letters, digits, dots, dashes and underscores are wanted",
                           (path, "--layout", "clam", "-o", folder, "--encoder-name", "../x"))):
        answer = microtome("export", *args)
        equal((answer.code, answer.err), (64, f"microtome export: {message}\n"))
    answer = export("zarr", folder, path)
    equal(answer.code, 64)
    contains(answer.err, "layout zarr: one of clam")


main([test_clam, test_clam_tensor, test_clam_level, test_trident, test_trident_contours, test_trident_refused, test_stamp, test_wsinfer, test_h5ad,
      test_withheld, test_aggregate, test_archives, test_archive_refused, test_once, test_same_name, test_names, test_refused, test_disk, test_broken_off, test_usage])
