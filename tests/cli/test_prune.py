"""prune: features as float16 or none, everything else as it was, and the folder still right."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(__file__))
from harness import Skip, contains, equal, headline, main, microtome, synthetic  # noqa: E402

try:
    import h5py
    import numpy as np
except ImportError:
    h5py = None


def everything(path):
    found = {}
    with h5py.File(path, "r") as f:
        f.visititems(lambda name, o: found.update({name: (o[()].tobytes() if isinstance(o[()], np.ndarray) and o.dtype != object else str(o[()]))
                                                   if isinstance(o, h5py.Dataset) else None,
                                                   name + "@": {k: str(v) for k, v in o.attrs.items()}}))
    return found


def test_prune(folder):
    """f16, then none: sizes fall, all other data and attributes are the same, verify finds nothing, a run skips the cases"""
    if h5py is None:
        raise Skip("h5py is not here")
    cohort = synthetic(os.path.join(folder, "slides"), "--count", 1, "--size", 2048, "--seed", 5)
    recipe = os.path.join(os.path.dirname(__file__), "..", "..", "samples", "demo.ini")
    out, slide = os.path.join(folder, "out"), os.path.join(cohort, "slide-001.tif")
    equal(microtome("run", "-r", recipe, "-o", out, slide).code, 0)
    path = os.path.join(out, "cases", "slide-001.h5")
    whole, line = everything(path), headline(path)
    shutil.copy(path, os.path.join(folder, "whole.h5"))
    for form, kept in (("f16", "float16"), ("none", "none")):
        size = os.path.getsize(path)
        answer = microtome("prune", out, "--features", form)
        equal(answer.code, 0)
        contains(answer.out, "1 results: ")
        assert os.path.getsize(path) < size, (os.path.getsize(path), size)
        pruned, now = everything(path), headline(path)
        equal(now.pop("features"), kept)
        equal({k: v for k, v in now.items() if k != "content_sha256"}, {k: v for k, v in line.items() if k != "content_sha256"})
        equal({k: v for k, v in pruned.items() if k not in ("features", "features@", "provenance")},
              {k: v for k, v in whole.items() if k not in ("features", "features@", "provenance")})
        with h5py.File(path, "r") as f, h5py.File(os.path.join(folder, "whole.h5"), "r") as w:
            equal(json.loads(f["provenance"][()])["features"], kept)
            if form == "f16":
                equal(dict(f["features"].attrs), dict(w["features"].attrs))
                assert (f["features"][:] == w["features"][:].astype("f2")).all()
                size = os.path.getsize(path)
                equal(microtome("prune", out, "--features", "f16").code, 0)
                equal(os.path.getsize(path), size)
            else:
                assert "features" not in f
        verified = microtome("verify", out)
        equal((verified.code, verified.out.rstrip().split(", ")[-1]), (0, "problems: 0"))
        contains(microtome("run", "-r", recipe, "-o", out, slide).err, "0 done, 1 skipped, 0 failed")
    head = os.path.join(os.path.dirname(recipe), "heads", "demo.safetensors")
    again = microtome("aggregate", path, "-m", head, "-o", os.path.join(folder, "again"))
    equal(again.code, 65)
    contains(again.err, "it has no features (microtome prune takes them out): run the case again")
    equal(microtome("prune", out).code, 64)
    equal(microtome("prune", folder, "--features", "f16").code, 66)


if __name__ == "__main__":
    main([test_prune])
