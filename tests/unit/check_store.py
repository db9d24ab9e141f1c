"""Reads with h5py what test_store.c wrote, and makes hostile files for it.
check_store.py read FILE | hostile FOLDER.  Exit 77: no h5py here."""
import json
import os
import sys

try:
    import h5py
    import numpy as np
except ImportError:
    sys.exit(77)


def same(got, want):
    got = got.tolist() if isinstance(got, (np.ndarray, np.generic)) else got
    if got != want:
        sys.exit(f"got {got!r}, wanted {want!r}")


def attributes(f):
    a = f["coords"].attrs
    want = {"name": "case-ä", "patch_size": 224, "patch_level": 0, "patch_size_level0": 449, "patch_depth": 1, "overlap": 56,
            "level0_magnification": 40, "target_magnification": 20.0, "level0_width": 3000, "level0_height": 2000,
            "mpp_x": 0.2495, "mpp_y": 0.2496, "target_mpp": 0.5, "mpp_source": "openslide"}
    for key, value in want.items():
        same(a[key], value)
        assert isinstance(a[key], str if isinstance(value, str) else (np.int64 if isinstance(value, int) else np.float64)), key
    same(sorted(a), sorted([*want, "tile_level0"]))
    same(a["tile_level0"], [448.5, 448.25])
    assert a["tile_level0"].dtype == np.float64
    same({k: v for k, v in f["features"].attrs.items()}, {"encoder": "toy", "encoder_sha256": "ab" * 32, "precision": "fp32"})
    same(list(f["attention"].attrs["labels"]), ["normal", "tumour ≥ 2 mm"])
    assert isinstance(f["attention"].attrs["labels"][0], str)


def read(path):
    head = open(path, "rb").read(4096)
    line, rest = head.split(b"\n", 1)
    same(json.loads(line)["id"], "case-ä")
    same(set(rest), {0})
    f = h5py.File(path, "r")
    same(f.userblock_size, 4096)
    i = np.arange(300)
    same(f["coords"][:], np.stack([i * 224, i * 100, i * 0], 1)[:, :2].tolist())
    assert f["coords"].dtype == np.int64 and f["coords"].chunks is None
    x = f["features"]
    assert x.dtype == np.float32 and x.shape == (300, 1024) and x.maxshape == (None, 1024) and x.compression is None
    same(x.chunks, (128, 1024))
    same(bool((x[:] == (i[:, None] * 3 + np.arange(1024)[None]).astype(np.float32)).all()), True)
    half = f["half"]
    assert half.dtype == np.float16 and half.chunks == (3, 2), (half.dtype, half.chunks)
    same(half[:].astype(float), [[1.0, -2.5], [6.103515625e-05, 5.960464477539063e-08], [65504.0, float("inf")]])
    valid = [0 if k % 7 == 3 else 1 for k in range(300)]
    same(f["valid"][:], valid)
    assert f["valid"].dtype == np.uint8
    attention = f["attention"][:]
    same(attention.shape, (300, 2))
    same(attention[3], [0.0, 0.0])
    same(attention[4], [3 * 2 / 8, (3 * 2 + 1) / 8])
    same(f["tissue/points"][:], [[0, 0], [10, 0], [10, 10], [0, 10], [2, 2], [4, 2], [4, 4]])
    same(f["tissue/offsets"][:], [0, 4, 7])
    same(f["tissue/kinds"][:], [0, 1])
    same([str(f[f"tissue/{k}"].dtype) for k in ("points", "offsets", "kinds")], ["int32", "int64", "uint8"])
    same(f["geometry/affine"][:], np.diag([0.5, 0.5, 2, 1]).tolist())
    same(f["geometry/size"][:], [3000, 2000, 1])
    same(f["geometry/bounds"][:], [1, 2, 2998, 1997])
    same(f["geometry/axis"].asstr()[()], "axial")
    same(f["thumbnail"].shape, (2, 3, 3))
    assert f["thumbnail"].dtype == np.uint8
    provenance = f["provenance"].asstr()[()]
    same(list(json.loads(provenance)), sorted(json.loads(provenance)))
    attributes(f)
    same(sorted(f), ["attention", "coords", "features", "geometry", "half", "provenance", "thumbnail", "tissue", "valid"])


def hostile(folder):
    os.chdir(folder)
    with h5py.File("other.h5", "w") as f:
        f["secret"] = np.arange(4.0)
    np.arange(4.0).tofile("raw.bin")
    with h5py.File("hostile.h5", "w", libver="latest") as f:
        f["plain"] = np.arange(6, dtype="f4").reshape(3, 2)
        f["big-endian"] = np.arange(6, dtype=">f8").reshape(3, 2)
        f["strings"] = np.array([b"abc", b"defg"], dtype="S6")
        f["complex"] = np.zeros(3, dtype="c16")
        f["unsigned"] = np.zeros(3, dtype="u8")
        f["external"] = h5py.ExternalLink("other.h5", "/secret")
        f["soft"] = h5py.SoftLink("/plain")
        f.create_dataset("outside", (4,), "f8", external=[("raw.bin", 0, 32)])
        layout = h5py.VirtualLayout((4,), "f8")
        layout[:] = h5py.VirtualSource("other.h5", "secret", (4,))
        f.create_virtual_dataset("virtual", layout)
        f.create_dataset("claims", (1 << 40,), "f4", chunks=(1 << 20,))
        f.create_dataset("packed", data=np.ones((64, 64), "f4"), compression="gzip", shuffle=True)
        f.create_dataset("lzf", data=np.ones((64, 64), "f4"), compression="lzf")
        f["plain"].attrs["fixed"] = np.bytes_("fixed")
        f["plain"].attrs["many"] = np.arange(5)
        f["plain"].attrs["word"] = "ja"
        f["plain"].attrs["empty"] = h5py.Empty("f4")


if __name__ == "__main__":
    {"read": read, "hostile": hostile}[sys.argv[1]](sys.argv[2])
