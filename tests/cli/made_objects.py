"""Results with objects as docs/objects.md describes them, made by hand with h5py."""
import os

import h5py
import numpy as np

from made_results import write_headline

TEXT = h5py.string_dtype()


def write_objects(path, objects, affine=None, size=(64, 64, 40), frame=None, measures=(), actions=(), thumbnail=None, mpp=None, **headline):
    """objects: dicts with class, centre_mm or centre (voxels), longest_mm, volume_mm3, score ..; measures: (name, value, unit, rule)."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    rows = []
    for o in objects:
        o = {"kind": "mask", "location": "", "finding": "", "score": 0.9, "finding_score": np.nan, "longest_mm": np.nan, "perpendicular_mm": np.nan,
             "area_mm2": np.nan, "volume_mm3": np.nan, "voxels": 500, "stage": 1, "centre_mm": [np.nan] * 3, **o}
        if "centre" not in o:
            o["centre"] = (np.linalg.inv(affine) @ [*o["centre_mm"], 1])[:3]
        if "box" not in o:
            half = o.get("half", [3, 3, 1 if affine is not None else 0])
            o["box"] = np.concatenate([np.floor(np.subtract(o["centre"], half)), np.ceil(np.add(o["centre"], half)) + 1])
        rows.append(o)
    with h5py.File(path, "w", userblock_size=4096) as f:
        for name in ("kind", "class", "location", "finding"):
            f.create_dataset(f"objects/{name}", data=[r[name] for r in rows], dtype=TEXT, shape=(len(rows),))
        for name in ("score", "finding_score", "longest_mm", "perpendicular_mm", "area_mm2", "volume_mm3"):
            f.create_dataset(f"objects/{name}", data=np.array([r[name] for r in rows], "f8"))
        for name, width in (("voxels", 0), ("stage", 0), ("box", 6)):
            f.create_dataset(f"objects/{name}", data=np.array([r[name] for r in rows], "i8").reshape((len(rows), width) if width else (len(rows),)))
        for name in ("centre", "centre_mm"):
            f.create_dataset(f"objects/{name}", data=np.array([r[name] for r in rows], "f8").reshape(len(rows), 3))
        if measures:
            kind = [("name", TEXT), ("value", "f8"), ("unit", TEXT), ("low", "f8"), ("high", "f8"), ("rule", TEXT)]
            f.create_dataset("measurements", data=np.array([(n, v, u, np.nan, np.nan, r) for n, v, u, r in measures], kind))
        if actions:
            f.create_dataset("actions", data=list(actions), dtype=TEXT)
        f.create_dataset("geometry/size", data=np.array(size, "i8"))
        if affine is not None:
            f.create_dataset("geometry/affine", data=np.array(affine, "f8"))
        if frame is not None:
            f.create_dataset("geometry/frame_of_reference", data=frame, dtype=TEXT)
        if thumbnail is not None:
            f.create_dataset("thumbnail", data=thumbnail)
    case = os.path.basename(path)[:-3]
    write_headline(path, {"schema": 1, "id": case, "status": "ok", "decision": "review", "score": 0.9, "threshold": 0.5, "positive": "nodule",
                          "scores": {"nodule": 0.9}, "tiles": 4, "invalid_tiles": 0, "mpp_x": mpp, "mpp_y": mpp, "model_sha256": "cd" * 32,
                          "recipe_sha256": "ef" * 32, **headline})
    return path
