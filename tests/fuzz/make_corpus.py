#!/usr/bin/env python3
"""Seeds for the fuzz targets: small whole files of every kind, and each cut short or with one byte changed.

usage: make_corpus.py CORPUS        (wants numpy, onnx and h5py; findings of the fuzzers, named found-*, are left alone)
"""
import gzip
import io
import json
import os
import pickle
import random
import struct
import sys
import zipfile
import zlib

import h5py
import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

RNG = random.Random(20)
NP = np.random.default_rng(20)


def floats(name, *shape):
    return nh.from_array(NP.standard_normal(shape).astype(np.float32), name)


def ints(name, *values):
    return nh.from_array(np.array(values, np.int64), name)


def port(name, shape, kind=T.FLOAT):
    return h.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs, outputs, weights=(), opset=13, **metadata):
    graph = h.make_graph(nodes, "g", inputs, outputs, list(weights))
    m = h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=8)
    h.set_model_props(m, metadata) if metadata else None
    return m.SerializeToString()


def convolutions():
    return model(
        [h.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
         h.make_node("BatchNormalization", ["c", "s", "o", "m", "v"], ["n"], epsilon=1e-5), h.make_node("Relu", ["n"], ["r"]),
         h.make_node("GlobalAveragePool", ["r"], ["p"]), h.make_node("Flatten", ["p"], ["f"]),
         h.make_node("Gemm", ["f", "g", "h"], ["y"], transB=1), h.make_node("Softmax", ["y"], ["z"], axis=-1)],
        [port("x", ["N", 3, 16, 16])], [port("z", ["N", 2])],
        [floats("w", 4, 3, 3, 3), floats("b", 4), floats("s", 4), floats("o", 4), floats("m", 4),
         nh.from_array(np.ones(4, np.float32), "v"), floats("g", 2, 4), floats("h", 2)], **{"microtome.card": "[encoder]\nname=a\n"})


def attention():
    return model(
        [h.make_node("MatMul", ["q", "k"], ["s"]), h.make_node("Mul", ["s", "scale"], ["t"]), h.make_node("Softmax", ["t"], ["a"], axis=-1),
         h.make_node("MatMul", ["a", "v"], ["o"]), h.make_node("ReduceMean", ["o"], ["mean"], axes=[-1], keepdims=1),
         h.make_node("Sub", ["o", "mean"], ["d"]), h.make_node("Pow", ["d", "two"], ["e"]), h.make_node("Erf", ["e"], ["y"])],
        [port("q", [1, 2, 4, 8]), port("k", [1, 2, 8, 4]), port("v", [1, 2, 4, 8])], [port("y", [1, 2, 4, 8])],
        [nh.from_array(np.float32(0.3), "scale"), nh.from_array(np.float32(2), "two")])


def shapes():
    return model(
        [h.make_node("Shape", ["x"], ["s"]), h.make_node("Gather", ["s", "zero"], ["n"], axis=0), h.make_node("Unsqueeze", ["n", "zero1"], ["n1"]),
         h.make_node("Concat", ["n1", "rest"], ["to"], axis=0), h.make_node("Reshape", ["x", "to"], ["r"]),
         h.make_node("Slice", ["r", "begin", "end", "axes"], ["c"]), h.make_node("Transpose", ["c"], ["t"], perm=[1, 0]),
         h.make_node("Pad", ["t", "pads"], ["p"]), h.make_node("Expand", ["p", "wide"], ["e"]), h.make_node("Tile", ["e", "times"], ["u"]),
         h.make_node("Split", ["u"], ["y", "z"], axis=0)],
        [port("x", ["N", 4, 2])], [port("y", None), port("z", None)],
        [nh.from_array(np.int64(0), "zero"), ints("zero1", 0), ints("rest", 8), ints("begin", 0), ints("end", 6), ints("axes", 1),
         ints("pads", 0, 1, 0, 1), ints("wide", 1, 1), ints("times", 2, 1)])


def constants():
    return model(
        [h.make_node("Constant", [], ["a"], value=floats("", 4)), h.make_node("ConstantOfShape", ["sh"], ["b"], value=nh.from_array(np.array([3], np.float32), "")),
         h.make_node("Range", ["lo", "hi", "step"], ["c"]), h.make_node("Cast", ["c"], ["d"], to=T.FLOAT), h.make_node("Add", ["a", "b"], ["e"]),
         h.make_node("Mul", ["e", "d"], ["f"]), h.make_node("Where", ["w", "f", "a"], ["g"]), h.make_node("TopK", ["g", "k"], ["t", "i"]),
         h.make_node("Add", ["x", "t"], ["y"])],
        [port("x", [2])], [port("y", [2])],
        [ints("sh", 4), nh.from_array(np.int64(0), "lo"), nh.from_array(np.int64(4), "hi"), nh.from_array(np.int64(1), "step"),
         nh.from_array(np.array([True, False, True, False]), "w"), ints("k", 2)])


def branches(depth):
    then = h.make_graph([h.make_node("Identity", ["x"], ["t"])], "then", [], [port("t", [2])])
    for i in range(depth):
        node = h.make_node("If", ["cond"], [f"y{i}"], then_branch=then, else_branch=then if i == 0 else h.make_graph(
            [h.make_node("Identity", ["x"], ["t"])], "else", [], [port("t", [2])]))
        then = h.make_graph([node], "outer", [], [port(f"y{i}", [2])])
    graph = h.make_graph([h.make_node("If", ["cond"], ["y"], then_branch=then, else_branch=then)], "g", [port("x", [2]), port("cond", [], T.BOOL)], [port("y", [2])])
    return h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8).SerializeToString()


def external():
    weight = T(name="w", data_type=T.FLOAT, dims=[4], data_location=T.EXTERNAL)
    for key, value in (("location", "../secret"), ("offset", "18446744073709551615"), ("length", "16")):
        weight.external_data.add(key=key, value=value)
    return model([h.make_node("Add", ["x", "w"], ["y"])], [port("x", [4])], [port("y", [4])], [weight])


def huge():
    weight = T(name="w", data_type=T.FLOAT, dims=[1 << 31, 1 << 31, 2], raw_data=b"1234")
    return model([h.make_node("Add", ["x", "w"], ["y"])], [port("x", [4])], [port("y", [4])], [weight])


def grown():
    """Small in the file, large when folded."""
    return model([h.make_node("ConstantOfShape", ["s"], ["c"]), h.make_node("Expand", ["c", "t"], ["e"]), h.make_node("Add", ["x", "e"], ["y"])],
                 [port("x", [4])], [port("y", None)], [ints("s", 1 << 14, 1 << 14), ints("t", 1 << 8, 1 << 14, 1 << 14)])


def quantised():
    return model(
        [h.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]), h.make_node("QLinearConv", ["q", "s", "z", "w", "s", "wz", "s", "z"], ["c"], pads=[0, 0, 0, 0]),
         h.make_node("DequantizeLinear", ["c", "s", "z"], ["d"]), h.make_node("Resize", ["d", "", "scales"], ["r"], mode="linear"),
         h.make_node("Einsum", ["r", "r"], ["y"], equation="nchw,nchw->nc")],
        [port("x", [1, 1, 4, 4])], [port("y", [1, 2])],
        [nh.from_array(np.float32(0.1), "s"), nh.from_array(np.uint8(3), "z"), nh.from_array(np.int8(0), "wz"),
         nh.from_array(NP.integers(-9, 9, (2, 1, 3, 3)).astype(np.int8), "w"), nh.from_array(np.array([1, 1, 2, 2], np.float32), "scales")])


def typed_lists():
    """Elements in typed lists, not raw bytes; half precision; unknown operator."""
    half = T(name="w", data_type=T.FLOAT16, dims=[2], int32_data=[0x3C00, 0xFC00])
    full = T(name="v", data_type=T.FLOAT, dims=[2], float_data=[1, 2])
    return model([h.make_node("Cast", ["w"], ["c"], to=T.FLOAT), h.make_node("Add", ["c", "v"], ["d"]), h.make_node("Frobnicate", ["d", "x"], ["y"])],
                 [port("x", [2])], [port("y", [2])], [half, full])


def cycle():
    return model([h.make_node("Add", ["x", "b"], ["a"]), h.make_node("Relu", ["a"], ["b"])], [port("x", [2])], [port("b", [2])])


def onnx_seeds():
    makers = [convolutions, attention, shapes, constants, external, huge, grown, quantised, typed_lists, cycle]
    seeds = {m.__name__: m() for m in makers}
    return {**seeds, "branches": branches(2), "branches-deep": branches(20), "empty": b""}


def safetensors(tensors, metadata=None, size=None, text=None):
    header, blob = {}, b""
    for name, (kind, shape, raw) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(blob), len(blob) + len(raw)]}
        blob += raw
    if metadata:
        header["__metadata__"] = metadata
    text = text if text is not None else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + blob


def floats_raw(*shape):
    return "F32", list(shape), NP.standard_normal(shape).astype("<f4").tobytes()


def head(metadata=None):
    keys = {"attention_net.0.weight": (3, 4), "attention_net.0.bias": (3,), "attention_net.3.attention_a.0.weight": (2, 3),
            "attention_net.3.attention_a.0.bias": (2,), "attention_net.3.attention_b.0.weight": (2, 3), "attention_net.3.attention_b.0.bias": (2,),
            "attention_net.3.attention_c.weight": (1, 2), "attention_net.3.attention_c.bias": (1,), "classifiers.weight": (2, 3), "classifiers.bias": (2,)}
    return safetensors({k: floats_raw(*s) for k, s in keys.items()}, metadata)


def safetensors_seeds():
    one = {"a": ("F32", [2], b"\0" * 8)}
    nan = {"a": ("F32", [1], struct.pack("<f", float("nan"))), "b": ("BF16", [2], b"\1\2\3\4"), "c": ("F16", [0], b""), "d": ("I64", [], b"\0" * 8)}
    lie = b'{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}'
    overlap = b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}'
    return {"one": safetensors(one), "head": head(), "head-card": head({"kind": "clam_sb", "labels": "a;b", "temperature": "1.5"}), "nan": safetensors(nan),
            "header-long": safetensors(one, size=1 << 63), "header-off": safetensors(one, size=9), "shape-lie": safetensors({}, text=lie) + b"\0" * 8,
            "overlap": safetensors({}, text=overlap) + b"\0" * 8, "deep": safetensors({}, text=b'{"a":' * 3000), "empty": b"",
            "mil": safetensors({"attention.0.weight": floats_raw(4, 3), "attention.0.bias": floats_raw(4)})}


ENCODER = """# a card
[encoder]
name=a\ninput=image\noutput=features\npool=cls+mean\nprefix_tokens=5\nsize_px=224\ntile_px=256\nresize_px=256\ncrop_px=224\nmpp=0.5
fit=tiles\nchannels=rgb\nvalue=range:-10,1e3\nmean=0.485;0.456;0.406\nstd=0.229;0.224;0.225\ninterpolation=bicubic\nbatch=16
verified=fp32;bf16\nlicence=none\ndemonstration=false
"""
DENSE = """[encoder]
name=a\ninput=x\noutput=y\nsize_px=128x128x64\nslices=1\nchannels=t1;t2\nvalue=zscore-foreground;ct:-1000,400,-300,250\nmean=0.5;0\nstd=2;1
spacing_mm=1;1;1.5\ncrop=nonzero\norientation=ras\nlabels=whole;core\nactivation=sigmoid\nregions=1,2,3;2,3\npaint=1;3\nwindows=monai\nstep=0.6
weight=constant\nmirror=xz\nverified=fp32\n
"""
HEAD = """[head]
kind=clam_sb\nencoder=a\nencoder_sha256=%s\ntarget_mpp=0.5\nlabels=normal;tumour\npositive=tumour\nactivation=softmax\nlogits=l\nattention=a
temperature=1.3\nthreshold=0.31
""" % ("ab" * 32)
RECIPE = """[input]
modality=SM\nplane_axis=axial\n[mask]\nmethod=clam:biopsy\nmin_share=0.25\n[grid]\nmpp=0.5\ntile=256\noverlap=0.25
[encoder]\nmodel=models/a.onnx\nbatch=4\n[head]\nmodel=heads/a.safetensors\n[labels]\nnames=a;b\npositive=b\n[thresholds]\nb=0.4
"""


def card_seeds():
    return {"encoder": ENCODER.encode(), "dense": DENSE.encode(), "head": HEAD.encode(), "recipe": RECIPE.encode(), "above": b"[encoder]\nmodel=../../a.onnx\n",
            "number": b"[encoder]\nmpp=1e999\nsize_px=99999999999999999999\nmean=nan;inf;\n", "latin1": b"[encoder]\nname=\xe9\n", "zero": b"[encoder]\nname=a\0b\n",
            "locale": b"[head]\nlabels[de]=a;b\nlabels=;;;\\;\n", "no-group": b"a=b\n", "empty": b"", "escape": b"[head]\nlabels=a\\s\\q\\;b\n",
            "tasks": b"[encoder]\nsize_px=224\nfit=stretch\nvalue=rgb8\nmean=0\nstd=1\n[head]\nlabels=a;b\nactivation=sigmoid\nop_norm=0.1;-\nthresholds=0.2;0.3\ncombine=top-k\nk=3\nlogit_scale=100\n"
            b"[detect]\nformat=explicit\nlabels=a\nboxes=b\nscores=s\norder=corners-z-last\nbackground=true\n"}


def nnunet_seeds():
    """The folders of tests/unit/data/nnunet: plans, a zero byte, dataset."""
    base, seeds = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "unit", "data", "nnunet"), {"empty": b"", "object": b"{}\0{}"}
    for name in sorted(os.listdir(base)):
        seeds[name] = b"\0".join(open(os.path.join(base, name, file), "rb").read() for file in ("plans.json", "dataset.json"))
    small = (b'{"image_reader_writer":"SimpleITKIO","transpose_forward":[0,1,2],"transpose_backward":[0,1,2],"configurations":{"2d":{"patch_size":[8,8],"spacing":[1,1],'
             b'"normalization_schemes":["CTNormalization"],"use_mask_for_norm":[false],"resampling_fn_data":"resample_torch_fornnunet",'
             b'"resampling_fn_probabilities":"no_resampling_hack"}},"foreground_intensity_properties_per_channel":{"0":{"mean":1,"std":1,"percentile_00_5":0,'
             b'"percentile_99_5":2}}}\0{"channel_names":{"0":"CT"},"labels":{"background":0,"a":[1,2],"b":[2]},"regions_class_order":[1,2]}')
    seeds["small"] = small
    seeds["circle"] = b'{"configurations":{"2d":{"inherits_from":"2d"}}}\0{"channel_names":{"0":"CT"},"labels":{"background":0,"a":1}}'
    return seeds


def npy(array, version=(1, 0)):
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asarray(array), version=version)
    return out.getvalue()


def npy_text(text, payload=b""):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + payload


def npy_seeds():
    dictionary = b"{'descr': '%s', 'fortran_order': False, 'shape': (%s), }\n"
    return {"f4": npy(np.ones((2, 3), "<f4")), "u1": npy(np.arange(5, dtype="u1")), "i8-v2": npy(np.ones((), "<i8"), (2, 0)), "bool": npy([True]),
            "fortran": npy(np.asfortranarray(np.ones((2, 2), "<f4"))), "big": npy(np.ones(2, ">f4")), "huge": npy_text(dictionary % (b"<f4", b"4294967296, 4294967296,")),
            "zero": npy_text(dictionary % (b"<f8", b"0, 9223372036854775807,")), "negative": npy_text(dictionary % (b"<f8", b"-1,")),
            "rank": npy_text(dictionary % (b"|u1", b"1," * 99), b"1"), "short": npy_text(b"{'descr': '"), "order": npy_text(b"{'fortran_order':", b""), "empty": b""}


def headline_seeds():
    line = {"schema": 1, "id": "a", "status": "ok", "decision": "review", "positive": "tumour", "score": 0.7, "threshold": 0.5, "labels": ["n", "tumour"],
            "scores": [0.3, 0.7], "tiles": 12, "invalid_tiles": 0, "tissue_mm2": 1.5, "mpp_x": 0.5, "mpp_y": 0.5, "mpp_source": "aperio", "encoder": "e",
            "head": "h", "precision": "fp32", "recipe_sha256": "0" * 64, "model_sha256": "0" * 64, "head_sha256": None, "input_sha256": "1", "demonstration": True}
    text = json.dumps(line).encode()
    wrong = dict(line, labels=["a", 3, None], scores=[1e308, "x", {}], tiles=-1, id=7, score="0.1")
    return {"line": text, "block": (text + b"\n").ljust(4096, b"\0") + b"\x89HDF\r\n\x1a\n", "newer": json.dumps(dict(line, schema=99)).encode().ljust(4096, b"\0"),
            "types": json.dumps(wrong).encode(), "scores": json.dumps(dict(line, scores=[0.5] * 400)).encode(), "deep": b"[" * 3000, "array": b"[1]",
            "nul": b'{"id":"a\\u0000b"}', "twice": b'{"id":"a","id":"b"}', "empty": b""}


def csv_seeds():
    return {"manifest": b"path,id,mpp,patient\na.svs,a,0.5,p1\n\"b,c.svs\",b,0.25,\"p \"\"2\"\"\"\n", "labels": b"\xef\xbb\xbfid,label\r\na,1\r\nb,0\r\n",
            "ragged": b"a,b\n1\n", "open": b"a,b\n\"1,2\n3", "formula": b"id\n=1+1\n@x\n-2\n", "nul": b"a\0b,c\n1,2\n", "latin1": b"a\n\xe9\n", "twice": b"path,path\na,b\n",
            "mpp": b"path,mpp\na.svs,nan\nb.svs,-1\nc.svs,1e400\n", "same": b"wsi\na/x.svs\nb/x.svs\n", "long-id": b"path,id\na," + b"%" * 500 + b"\n", "blank": b"\n\n\n",
            "empty": b"", "control": b"path,id\na.svs,../../etc\nb.svs,.\nc.svs,\n"}


def nifti_header(order="<", dim=(3, 4, 3, 2, 1, 1, 1, 1), kind=4, bits=16, offset=352.0, magic=b"n+1\0", slope=1.0, sform=1, units=2, zooms=(1, 1, 2, 3, 1, 1, 1, 1)):
    head = bytearray(352)
    struct.pack_into(order + "i", head, 0, 348)
    struct.pack_into(order + "8h", head, 40, *dim)
    struct.pack_into(order + "2h", head, 70, kind, bits)
    struct.pack_into(order + "8f", head, 76, *zooms)
    struct.pack_into(order + "3f", head, 108, offset, slope, 0)
    head[123] = units
    struct.pack_into(order + "2h", head, 252, 0, sform)
    struct.pack_into(order + "12f", head, 280, 0, -2, 0, 5, 0, 0, 3, -7, 1, 0, 0, 9)
    head[344:348] = magic
    return bytes(head)


def nifti2_header():
    head = bytearray(544)
    struct.pack_into("<i8s2h8q", head, 0, 540, b"n+2\0\r\n\x1a\n", 2, 8, 3, 4, 3, 2, 1, 1, 1, 1)
    struct.pack_into("<8d", head, 104, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<q", head, 168, 544)
    struct.pack_into("<i", head, 500, 2)
    return bytes(head)


def nifti_seeds():
    voxels = bytes(range(48))
    plain = nifti_header() + voxels
    seeds = {"i16": plain, "i16-big": nifti_header(">") + voxels, "gz": gzip.compress(plain, mtime=0), "nifti2": nifti2_header() + voxels, "scaled": nifti_header(slope=0.5) + voxels,
             "f32": nifti_header(kind=16, bits=32) + voxels * 2, "rgb": nifti_header(kind=128, bits=24) + voxels * 2, "bits-lie": nifti_header(kind=16, bits=8) + voxels,
             "offset-nan": nifti_header(offset=float("nan")) + voxels, "offset-inf": nifti_header(offset=float("inf")) + voxels, "offset-back": nifti_header(offset=-8) + voxels,
             "huge": nifti_header(dim=(3, 32767, 32767, 32767, 1, 1, 1, 1)), "huge-gz": gzip.compress(nifti_header(dim=(3, 32767, 32767, 300, 1, 1, 1, 1)), mtime=0),
             "zooms": nifti_header(zooms=(1, float("nan"), 0, -3, 1, 1, 1, 1)) + voxels, "four": nifti_header(dim=(4, 2, 2, 2, 3, 1, 1, 1)) + voxels,
             "pair": nifti_header(magic=b"ni1\0") + voxels, "kind": nifti_header(kind=999) + voxels, "empty": b"",
             "bomb": gzip.compress(nifti_header(dim=(3, 512, 512, 2, 1, 1, 1, 1)) + bytes(1 << 20), mtime=0)}
    for n in (-1, 0, 8, 200):
        seeds[f"dim{n}"] = nifti_header(dim=(n, 4, 3, 2, 1, 1, 1, 1)) + voxels
    return seeds


def timm_seeds():
    cfg = {"input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center", "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2], "num_classes": 0}
    clip = {"image_processor_type": "ViTImageProcessor", "size": {"height": 224, "width": 224}, "resample": 3, "rescale_factor": 1 / 255, "do_normalize": True,
            "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "do_resize": True, "crop_size": {"height": 224, "width": 224}, "do_center_crop": True}
    wrong = dict(cfg, input_size=[3, 0, -1], crop_pct=0, mean=[1e400, "x"], std=[0, 0, 0])
    return {"new": json.dumps({"architecture": "vit", "pretrained_cfg": cfg}).encode(), "flat": json.dumps(cfg).encode(), "processor": json.dumps(clip).encode(),
            "edge": json.dumps(dict(clip, size={"shortest_edge": 1 << 40})).encode(), "wrong": json.dumps(wrong).encode(), "other": b'{"model_type":"bert"}',
            "tiny-crop": json.dumps(dict(cfg, crop_pct=1e-300)).encode(), "deep": b"[" * 3000, "array": b"[]", "empty": b"", "int": json.dumps(dict(clip, size=224)).encode()}


def worker_seeds():
    recipe = {"modality": "SM", "plane_axis": 1, "mask_method": "otsu", "min_share": 0.5, "mpp": 0.5, "tile_px": 256, "overlap": 0, "encoder": "builtin:demo", "batch": 2,
              "head": "mean", "label_names": ["a", "b"], "positive": "b", "threshold": 0.5, "backend": None, "off_contract": True, "path": "a.ini"}
    done = {"event": "done", "timings": {"tiles": 3, "invalid_tiles": 0, "threads": 2, "open_s": 0.1, "total_s": 1e300}}
    return {"recipe": json.dumps(recipe).encode(), "types": json.dumps({k: [] for k in recipe}).encode(), "numbers": json.dumps(dict(recipe, tile_px=1e30, batch=-(1 << 62), mpp="x")).encode(),
            "events": json.dumps(done).encode() + b'\n{"event":"progress","done":1,"total":2}\nnot json\n{"event":', "empty": b"\n", "twice": b'{"a":1,"a":2}\n', "nul": b"\0\n\0",
            "deep": b"[" * 3000 + b"\n"}


def annotation_seeds():
    square = [[[0, 0], [20, 0], [20, 10.5], [0, 10], [0, 0]]]
    hole = [[2, 2], [4, 2], [4, 4], [2, 4], [2, 2]]

    def feature(geometry, **properties):
        return {"type": "Feature", "id": "PathAnnotationObject", "geometry": geometry, "properties": properties}

    polygon = {"type": "Polygon", "coordinates": square + [hole]}
    multi = {"type": "MultiPolygon", "coordinates": [square, [hole]]}
    line = {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}
    features = [feature(polygon, objectType="annotation", classification={"name": "Tumor", "color": [1, 2, 3]}), feature(multi, classification={"names": ["A", "B"]}),
                feature(polygon, classification="Ignore*"), feature(line), feature(None), feature(polygon, objectType="cell")]
    nested = polygon
    for _ in range(70):
        nested = {"type": "GeometryCollection", "geometries": [nested]}
    seeds = {"collection": {"type": "FeatureCollection", "features": features}, "array": features, "feature": features[0], "polygon": polygon, "multi": multi,
             "geometries": {"type": "GeometryCollection", "geometries": [polygon, line]}, "deep-collection": nested, "far": {"type": "Polygon", "coordinates": [[[1e300, 0], [0, 1], [1, 1]]]},
             "vanishing": {"type": "Polygon", "coordinates": [[[0, 0], [0.1, 0], [0.1, 0.1]], hole]}, "types": {"type": 7, "features": {"coordinates": "x"}},
             "circle": {"type": "Circle", "radius": 1}, "none": {"type": "FeatureCollection", "features": []}, "two-points": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}}
    texts = {k: json.dumps(v).encode() for k, v in seeds.items()}
    return {**texts, "bom": b"\xef\xbb\xbf" + texts["polygon"], "deep": b"[" * 3000, "escape": b'{"feat\\u0075res":[{}],"type":"FeatureCollection"}', "string": b'{"a":"\\', "empty": b"",
            "nul": b'[\0]', "commas": b'[{"type":"Feature"},,]', "tail": texts["array"] + b" x", "nan": b'{"type":"Polygon","coordinates":[[[NaN,0],[1e999,1],[2,2]]]}'}


STORAGE = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\x000X\3\0\0\0cpuK\4tQ"
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"K\0K\4\x85K\1\x85\x89ccollections\nOrderedDict\n)RtR"


def state(value):
    return b"\x80\2}q\0X\1\0\0\0wq\1" + value + b"s."


def pickle_seeds():
    ordered = b"\x80\2ccollections\nOrderedDict\n)R(X\1\0\0\0a" + TENSOR + b"X\1\0\0\0b" + TENSOR + b"u}X\x09\0\0\0_metadataNsb."
    parameter = state(b"ctorch._utils\n_rebuild_parameter\n" + TENSOR + b"\x88)\x87R")
    return {"tensor": state(TENSOR), "ordered": ordered, "parameter": parameter, "plain0": pickle.dumps({"a": [1, 2.5, "x", None, True], "b": (10**30, -5)}, 0),
            "plain2": pickle.dumps({"a": [1, 2.5, "x", None, True, b"y"], "b": (10**30, -5, {1, 2})}, 2), "plain4": pickle.dumps({"a": [1, 2.5, "x" * 300, b"y"], "b": {3}, "c": frozenset([4])}, 4),
            "plain5": pickle.dumps([bytearray(b"abc"), {"k": (1, 2, 3)}], 5), "system": b"cos\nsystem\n(X\1\0\0\0atR.", "loop": b"]q\0h\0ah\0a.", "deep": b"]" + b"\x85" * 80 + b".",
            "scalar": pickle.dumps({"auc": np.float64(0.5)}, 2), "empty": b""}


def torch_zip(parts):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as z:
        for name, data in parts.items():
            z.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def torch_checkpoint_seeds():
    four = struct.pack("<4f", 1, 2, 3, 4)
    parts = {"a/data.pkl": state(TENSOR), "a/data/0": four}
    legacy = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + state(TENSOR) + pickle.dumps(["0"], 2) + struct.pack("<q", 4) + four
    wrapped = dict(parts, **{"a/data.pkl": b"\x80\2}(X\5\0\0\0epochK\3X\x0a\0\0\0state_dict}X\1\0\0\0w" + TENSOR + b"su."})
    return {"zip": torch_zip(parts), "legacy": legacy, "wrapped": torch_zip(wrapped), "big-endian": torch_zip(dict(parts, **{"a/byteorder": b"big"})), "no-storage": torch_zip({"a/data.pkl": state(TENSOR)}),
            "system": torch_zip({"a/data.pkl": b"cos\nsystem\n."}), "script": torch_zip({"a/data.pkl": b"N.", "a/constants.pkl": b")."}), "empty": b""}


def table_seeds():
    header = "slide_id,case_id,label,split,site,time,event,Edema,Mass\n"
    rows = ["a,p,0,train,x,12,1,1,", "b,q,1,val,y,3.5,0,0,1", "c,r,2,test,x,40,1,-1,0", "d,r,,test,z,,,1,1"]
    return {"labels": (header + "\n".join(rows) + "\n").encode(), "findings": b"Image Index,Finding Labels\na.png,Edema|Mass\nb.png,No Finding\n",
            "clam": b",train,val,test\n0,a,b,c\n", "clam-bool": b",train,val,test\na,True,False,False\nb,False,True,False\nc,False,False,True\n",
            "splits": b"id,patient,fold_0,fold_1\na,p,train,test\nb,q,val,train\nc,r,test,train\n", "training": b"id,patient\na,p\nb,q\n", "empty": b"",
            "quoted": b'id,label\r\n"a","yes, it is"\r\n"b""",no\r\n'}


def word_seeds():
    ome = ('<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Instrument><Objective ID="O:0" '
           'NominalMagnification="20"/></Instrument><Image ID="Image:0"><ObjectiveSettings ID="O:0"/><Pixels ID="P:0" DimensionOrder="XYCZT" '
           'Type="uint8" SizeX="64" SizeY="48" SizeC="3" SizeZ="2" SizeT="1" PhysicalSizeX="0.5" PhysicalSizeXUnit="\u00b5m" '
           'PhysicalSizeY="500" PhysicalSizeYUnit="nm"><Channel ID="C:0" SamplesPerPixel="3"/></Pixels></Image></OME>')
    return {"bytes": b"1048576", "mega": b"800M", "share": b"1.5g", "pair": b"0.4990,0.25", "tiny": b"5e-324", "huge": b"1.7976931348623157e308",
            "hex": b"0x1p-3", "nan": b"nan,inf", "ome": ome.encode()}


def tiff(big=False, tile=16, width=40, height=24, description=b"", packed=8):
    """One directory of tiles of 8-bit RGB, deflate."""
    across, down = -(-width // tile), -(-height // tile)
    tiles = [zlib.compress(bytes([i * 40 % 256, i, 200]) * (tile * tile)) for i in range(across * down)]
    head, word, code = (16, "Q", 16) if big else (8, "I", 4)
    out = bytearray(head)

    def place(raw):
        out.extend(raw)
        return len(out) - len(raw)

    offsets = [place(t) for t in tiles]
    entries = [(256, 4, [width]), (257, 4, [height]), (258, 3, [8, 8, 8]), (259, 3, [packed]), (262, 3, [2]), (277, 3, [3]), (282, 5, [20000, 1]),
               (283, 5, [20000, 1]), (284, 3, [1]), (296, 3, [3]), (322, 3, [tile]), (323, 3, [tile]), (324, code, offsets), (325, 4, [len(t) for t in tiles])]
    if description:
        entries.insert(5, (270, 2, list(description + b"\0")))
    body = b""
    for tag, kind, values in entries:
        raw = struct.pack("<" + {2: "B", 3: "H", 4: "I", 5: "I", 16: "Q"}[kind] * len(values), *values)
        field = raw if len(raw) <= struct.calcsize(word) else struct.pack("<" + word, place(raw))
        body += struct.pack("<HH" + word, tag, kind, len(values) // (2 if kind == 5 else 1)) + field.ljust(struct.calcsize(word), b"\0")
    at = place(struct.pack("<Q" if big else "<H", len(entries)) + body + struct.pack("<" + word, 0))
    out[:head] = struct.pack("<2sHHHQ", b"II", 43, 8, 0, at) if big else struct.pack("<2sHI", b"II", 42, at)
    return bytes(out)


def tiff_seeds():
    ome = word_seeds()["ome"]
    return {"plain": tiff(), "big": tiff(big=True), "ome": tiff(description=ome), "aperio": tiff(description=b"Aperio Image Library v1\r\n|AppMag = 20|MPP = 0.5"),
            "unknown-packing": tiff(packed=50000)}


def hdf5(line=None, **objects):
    raw = io.BytesIO()
    with h5py.File(raw, "w", libver="earliest", userblock_size=512 if line else 0) as f:
        for name, (values, attributes) in objects.items():
            f.create_dataset(name.replace("__", "/"), data=values, track_times=False).attrs.update(attributes)
    data = raw.getvalue()
    return line.ljust(511).encode() + b"\n" + data[512:] if line else data


def result_seeds():
    features = NP.standard_normal((3, 4)).astype(np.float32)
    coords = np.array([[0, 0], [224, 0], [0, 224]])
    whole = {"features": (features, {"encoder": "demo", "precision": "f32"}), "coords": (coords, {"patch_size": 224, "patch_size_level0": 224}),
             "valid": (np.ones(3, np.uint8), {}), "prediction__scores": (np.array([0.25, 0.75], np.float32), {"labels": ["a", "b"]})}
    return {"clam": hdf5(features=whole["features"], coords=whole["coords"]), "result": hdf5('{"microtome": "0.1.0", "id": "a", "status": "ok"}', **whole),
            "ragged": hdf5(features=whole["features"], valid=(np.ones(2, np.uint8), {})), "cube": hdf5(features=(np.zeros((1, 2, 3)), {})),
            "text": hdf5(features=(np.array([b"a", b"b"]), {})), "empty": b""}


def text_volume_seeds():
    voxels = bytes(range(48))
    nrrd = b"NRRD0004\n# made\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 4 3 2\nspace directions: (0.5,0,0) (0,0.5,0) (0,0,2)\nkinds: domain domain domain\nendian: %s\nencoding: %s\nspace origin: (-1,2,3)\nkey:=value\n\n"
    meta = b"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = %s\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = -1 2 3\nElementSpacing = 0.5 0.5 2\nDimSize = 4 3 2\nElementType = %s\nElementDataFile = %s\n"
    return {"nrrd-raw": nrrd % (b"little", b"raw") + voxels, "nrrd-gzip": nrrd % (b"big", b"gzip") + gzip.compress(voxels, mtime=0), "nrrd-text": nrrd % (b"little", b"txt") + voxels,
            "nrrd-huge": nrrd.replace(b"4 3 2", b"90000 90000 9") % (b"little", b"gzip") + gzip.compress(voxels, mtime=0), "nrrd-header": (nrrd % (b"little", b"raw")).rstrip(),
            "nrrd-spacings": b"NRRD0001\ntype: uchar\ndimension: 3\nsizes: 4 3 4\nspacings: 1 1 2\nunits: \"mm\" \"mm\" \"mm\"\nencoding: raw\n\n" + voxels,
            "meta-raw": meta % (b"False", b"MET_SHORT", b"LOCAL") + voxels, "meta-zlib": meta % (b"True", b"MET_USHORT", b"LOCAL") + zlib.compress(voxels),
            "meta-beside": meta % (b"False", b"MET_FLOAT", b"made.raw"), "meta-list": meta % (b"False", b"MET_FLOAT", b"LIST"), "meta-folder": meta % (b"False", b"MET_FLOAT", b"../made.raw"),
            "meta-huge": meta.replace(b"4 3 2", b"99999 99999 99999") % (b"True", b"MET_DOUBLE", b"LOCAL") + zlib.compress(voxels), "meta-cut": meta % (b"False", b"MET_DOUBLE", b"LOCAL") + voxels}


def damaged(data):
    """Cut short at three places; one byte changed at two."""
    made = {f"cut{i}": data[:RNG.randrange(len(data))] for i in range(3)}
    for i in range(2):
        at = RNG.randrange(len(data))
        made[f"byte{i}"] = data[:at] + bytes([data[at] ^ RNG.randrange(1, 256)]) + data[at + 1:]
    return made


def write(folder, seeds):
    os.makedirs(folder, exist_ok=True)
    for name, data in seeds.items():
        whole = {"": data}
        if 0 < len(data) < 2000:
            whole.update(damaged(data))
        for ending, part in whole.items():
            with open(os.path.join(folder, name + (f"-{ending}" if ending else "")), "wb") as f:
                f.write(part)


def main(corpus):
    for name, seeds in (("card", card_seeds()), ("csv", csv_seeds()), ("headline", headline_seeds()), ("nifti", nifti_seeds()), ("nnunet", nnunet_seeds()), ("npy", npy_seeds()), ("onnx", onnx_seeds()),
                        ("safetensors", safetensors_seeds()), ("timm_config", timm_seeds()), ("worker_command", worker_seeds()), ("annotation", annotation_seeds()), ("pickle", pickle_seeds()),
                        ("torch_checkpoint", torch_checkpoint_seeds()), ("tables", table_seeds()), ("words", word_seeds()), ("tiff", tiff_seeds()), ("result", result_seeds()),
                        ("text_volume", text_volume_seeds())):
        write(os.path.join(corpus, name), seeds)


if __name__ == "__main__":
    main(sys.argv[1])
