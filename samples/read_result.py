#!/usr/bin/env python3
"""A result in Python: numbers with h5py alone, a heatmap through the C library with ctypes.

usage: read_result.py RESULT.h5 [HEATMAP.png [SLIDE]]      MICROTOME_LIBRARY: path of libmicrotome.so, where it is not installed
"""
import ctypes
import ctypes.util
import json
import os
import sys

import h5py


def headline(path):
    """The JSON line in front of the HDF5: no library is needed for it."""
    with open(path, "rb") as f:
        return json.loads(f.read(4096).rstrip(b"\0"))


def describe(path):
    head = headline(path)
    print(f"case      {head['id']}: {head['status']}")
    with h5py.File(path) as f:
        if "prediction/scores" in f:
            scores = f["prediction/scores"]
            for label, score in zip(scores.attrs["labels"], scores[:]):
                print(f"score     {score:.4f} {label}")
        if "coords" not in f:
            return
        coords, valid = f["coords"][:], f["valid"][:].astype(bool)
        print(f"tiles     {len(coords)}, {valid.sum()} of them read")
        if "attention" in f and valid.any():
            attention = f["attention"][:, 0]
            for i in attention.argsort()[::-1][:3]:
                print(f"attention {attention[i]:.5f} at {coords[i][0]}, {coords[i][1]}")


# The structs of <microtome/error.h>, <microtome/heatmap.h>, <microtome/heat_picture.h> and <microtome/heat_files.h>.
class GError(ctypes.Structure):
    _fields_ = [("domain", ctypes.c_uint32), ("code", ctypes.c_int), ("message", ctypes.c_char_p)]


class HeatmapParams(ctypes.Structure):
    _fields_ = [("label", ctypes.c_char_p), ("scale", ctypes.c_int), ("plane", ctypes.c_int64), ("source", ctypes.c_int),
                ("reference", ctypes.c_void_p), ("smooth_um", ctypes.c_double), ("range", ctypes.c_double * 2)]


class HeatStyle(ctypes.Structure):
    _fields_ = [("colormap", ctypes.c_void_p), ("alpha", ctypes.c_double), ("threshold", ctypes.c_double), ("map_only", ctypes.c_bool),
                ("slide_only", ctypes.c_bool)]


class HeatFileParams(ctypes.Structure):
    _fields_ = [("format", ctypes.c_int), ("um_per_px", ctypes.c_double), ("quality", ctypes.c_int), ("threads", ctypes.c_int),
                ("replace", ctypes.c_bool)]


PNG, PERCENTILE = 0, 1  # of mt_heat_format, mt_heat_scale


class Library:
    """Functions by their C names; each takes GError ** last, and its message becomes an exception."""

    def __init__(self):
        self.lib = ctypes.CDLL(os.environ.get("MICROTOME_LIBRARY") or ctypes.util.find_library("microtome") or "libmicrotome.so.0")

    def call(self, name, *arguments, gives=ctypes.c_void_p):
        function, error = self.lib[name], ctypes.POINTER(GError)()
        function.restype = gives
        given = function(*(ctypes.c_char_p(os.fsencode(a)) if isinstance(a, str) else a for a in arguments), ctypes.byref(error))
        if not given:
            raise RuntimeError(error.contents.message.decode())
        return ctypes.c_void_p(given) if gives is ctypes.c_void_p else given

    def free(self, name, pointer):
        if pointer:
            self.lib[name](pointer)


def write_heatmap(path, png, slide=None):
    """Ranks within the case, as wide as the stored picture allows; over the slide itself where it is named."""
    mt = Library()
    result = heatmap = case = picture = None
    try:
        result = mt.call("mt_result_open", path)
        heatmap = mt.call("mt_heatmap_new", result, ctypes.byref(HeatmapParams(plane=-1, scale=PERCENTILE)))
        case = mt.call("mt_case_open", slide, None) if slide else None
        picture = mt.call("mt_heat_picture_new", heatmap, result, case, ctypes.byref(HeatStyle(alpha=0.4)))
        params = HeatFileParams(format=PNG, um_per_px=8 if headline(path).get("mpp_x") else 0, replace=True)
        mt.call("mt_heat_file_write", picture, heatmap, ctypes.byref(params), png, gives=ctypes.c_bool)
    finally:
        mt.free("mt_heat_picture_free", picture)
        mt.free("mt_case_free", case)
        mt.free("mt_heatmap_free", heatmap)
        mt.free("mt_result_free", result)


def main():
    if len(sys.argv) not in (2, 3, 4):
        sys.exit(__doc__)
    describe(sys.argv[1])
    if len(sys.argv) > 2:
        try:
            write_heatmap(*sys.argv[1:])
        except (OSError, RuntimeError) as e:
            sys.exit(f"read_result.py: {e}")
        print(f"heatmap   {sys.argv[2]}")


if __name__ == "__main__":
    main()
