"""Encoders of pathology by their published shapes, random weights: exported, run by the engine, held against Pillow and PyTorch.

Two blocks, and but for UNI2-h and CONCH a quarter of the width, so that the suite stays short.  By hand, whole, with figures:

    test_encoders.py MICROTOME MICROTOME-SYNTHETIC SOURCE --full uni_v2 [DIR]
"""
import contextlib
import dataclasses
import io
import json
import os
import subprocess
import sys
import time
import types

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
from harness import SOURCE, Skip, contains, equal, main, microtome  # noqa: E402

sys.path.insert(0, os.path.join(SOURCE, "tools"))
try:
    import h5py
    import numpy as np
    import onnx
    import torch
    from PIL import Image

    import encoder_architectures as known
    import export_encoder as exporter
except ImportError as missing:
    torch, WHY = None, f"{missing.name} is not installed"

FILTERS = {"bilinear": 2, "bicubic": 3}  # Pillow's numbers


# ---- PyTorch of Debian multiplies at 1 GFLOP/s (no BLAS); the same build has oneDNN, which it uses only when asked -------------------

if torch is not None:
    class Product(torch.autograd.Function):
        """F.linear through oneDNN; in a trace the node that F.linear leaves."""

        @staticmethod
        def forward(ctx, x, weight, bias):
            return torch._C._nn.mkldnn_linear(x.contiguous().to_mkldnn(), weight.contiguous(), bias).to_dense()

        @staticmethod
        def symbolic(g, x, weight, bias):
            product = g.op("MatMul", x, g.op("Transpose", weight, perm_i=[1, 0]))
            if x.type().sizes() is not None:
                product.setType(x.type().with_sizes(x.type().sizes()[:-1] + [weight.type().sizes()[0]]))
            return product if bias is None else g.op("Add", bias, product).setType(product.type())


@contextlib.contextmanager
def fast_products():
    plain = torch.nn.functional.linear
    if not torch.backends.mkldnn.is_available() or "BLAS_INFO=generic" not in torch.__config__.show():
        yield
        return
    x, weight, bias = torch.randn(3, 5, 40), torch.randn(70, 40), torch.randn(70)
    assert torch.allclose(plain(x, weight, bias), Product.apply(x, weight, bias), atol=1e-4)
    torch.nn.functional.linear = lambda x, weight, bias=None: Product.apply(x, weight, bias)
    try:
        yield
    finally:
        torch.nn.functional.linear = plain


# ---- from export to feature ----------------------------------------------------------------------------------------------------------

def export(*args):
    """What export_encoder.py prints, its exit code and the messages of a refusal."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = exporter.main([str(a) for a in args])
    return code, out.getvalue(), err.getvalue()


def exported(*args):
    code, out, err = export(*args)
    equal((code, err), (0, ""))
    return out


def picture(path, width, height):
    """Blobs of several colours and sizes with grain: neighbouring tiles differ."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[0:height, 0:width]
    image = np.full((height, width, 3), (236.0, 224, 232))
    for _ in range(60):
        cx, cy, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(6, 60)
        image += np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * r * r))[..., None] * -rng.uniform(10, 120, 3)
    image += rng.normal(0, 8, image.shape)
    Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(path)


def prepared(tile, card):
    """Pillow resizes and crops, then (v / 255 - mean) / std."""
    size, resize = int(card["size_px"]), int(card["resize_px"])
    if tile.size != (resize, resize):
        tile = tile.resize((resize, resize), FILTERS[card["interpolation"]])
    first = (resize - size) // 2
    pixels = np.asarray(tile.crop((first, first, first + size, first + size)), np.float32)
    mean, std = (np.array([float(v) for v in card[key].split(";")], np.float32) for key in ("mean", "std"))
    return torch.from_numpy(((pixels / np.float32(255) - mean) / std).transpose(2, 0, 1).copy())


def torch_features(network, path, coords, card):
    image, px = Image.open(path).convert("RGB"), int(card["tile_px"])
    rows = []
    with torch.no_grad():
        for x, y in coords:
            output = network(prepared(image.crop((x, y, x + px, y + px)), card)[None])
            rows.append(exporter.pooled(output.numpy(), card))
    return np.concatenate(rows)


def difference(features, wanted):
    cosine = (features * wanted).sum(1) / np.linalg.norm(features, axis=1) / np.linalg.norm(wanted, axis=1)
    return cosine.min(), np.linalg.norm(features.astype(float) - wanted) / np.linalg.norm(wanted)


def engine_features(model, image, mpp, out):
    answer = microtome("run", "-e", model, "-o", out, "--slide-mpp", mpp, "--mask", "none", image, timeout=3000)
    assert answer.code == 0, answer
    with h5py.File(os.path.join(out, "cases", os.path.splitext(os.path.basename(image))[0] + ".h5")) as f:
        equal(f["valid"][:].tolist(), [1] * len(f["coords"]))
        return f["coords"][:], f["features"][:]


def check_vector(model, out):
    """The engine on MODEL.check.input.npy gives MODEL.check.output.npy."""
    stem = exporter.stem(model)
    answer = microtome("model", "run", model, "--input", stem + ".check.input.npy", "-o", out, timeout=3000)
    assert answer.code == 0, answer
    feature = exporter.pooled(np.load(os.path.join(out, "output.npy")), exporter.read_card(stem + ".card"))
    return difference(feature, np.load(stem + ".check.output.npy"))


@contextlib.contextmanager
def narrowed(name, share):
    """An architecture with fewer heads of the same size: every branch of the network, less to multiply."""
    whole = known.ARCHITECTURES[name]
    known.ARCHITECTURES[name] = dataclasses.replace(whole, width=whole.width // share, heads=whole.heads // share, hidden=whole.hidden // share)
    try:
        yield
    finally:
        known.ARCHITECTURES[name] = whole


def check_architecture(folder, name, width, tokens, depth=2):
    if torch is None:
        raise Skip(WHY)
    model, image = os.path.join(folder, name + ".onnx"), os.path.join(folder, "slide.png")
    began = time.time()
    with fast_products():
        exported("random", "--architecture", name, *(["--depth", depth] if depth else []), "--seed", 5, "-o", model)
    print(f"# {name}: exported in {time.time() - began:.0f} s")
    card = exporter.read_card(exporter.stem(model) + ".card")
    px, tiles = int(card["tile_px"]), 2 if depth else 1
    picture(image, tiles * px, px)
    vector = check_vector(model, os.path.join(folder, "vector"))
    coords, features = engine_features(model, image, card["mpp"], os.path.join(folder, "out"))
    equal(features.shape, (tiles, width))
    with fast_products(), torch.no_grad():
        network = known.fill_random(known.build(name, depth), 5)
        if tokens:
            equal(network.pos_embed.shape[1] + (0 if network.shape.prefix_positions else 1 + network.shape.registers), tokens)
        wanted = torch_features(network, image, coords, card)
    cosine, error = difference(features, wanted)
    between = difference(wanted[:1], wanted[-1:])[0] if tiles > 1 else 0
    print(f"# {name}: least cosine {cosine:.9f}, relative error {error:.2e}; check vector {vector[0]:.9f}, {vector[1]:.2e}"
          + (f"; cosine of the two tiles {between:.4f}" if tiles > 1 else ""))
    assert cosine >= 0.99999 and error <= 1e-4, (cosine, error)
    assert vector[0] >= 0.99999 and vector[1] <= 1e-4, vector
    assert between < 0.999, between  # else the tiles could be mixed up unseen


def test_uni2(folder):
    """UNI2-h: 8 registers, packed SwiGLU, LayerScale; features equal PyTorch's"""
    check_architecture(folder, "uni_v2", 1536, 265)


def test_virchow2(folder):
    """Virchow2: class token joined with the mean of the patch tokens; features equal PyTorch's"""
    if torch is None:
        raise Skip(WHY)
    with narrowed("virchow2", 4):
        check_architecture(folder, "virchow2", 640, 261)


def test_gigapath(folder):
    """Prov-GigaPath: resize 256, crop 224, bicubic; features equal PyTorch's"""
    if torch is None:
        raise Skip(WHY)
    with narrowed("gigapath", 4):
        check_architecture(folder, "gigapath", 384, 197)


def test_conch(folder):
    """CONCH: attention pooling at 448 px; features equal PyTorch's"""
    check_architecture(folder, "conch_v1", 512, None)


def test_hoptimus(folder):
    """H-optimus: 4 registers, LayerScale; features equal PyTorch's"""
    if torch is None:
        raise Skip(WHY)
    with narrowed("hoptimus0", 4):
        check_architecture(folder, "hoptimus0", 384, 261)


# ---- every way into the exporter, with an encoder small enough to be immediate -------------------------------------------------------

def tiny():
    if torch is None:
        raise Skip(WHY)
    known.ARCHITECTURES["tiny"] = known.Shape(32, 2, 2, 16, 96, image=64, gate=True, registers=2, source="a test")
    return known.fill_random(known.build("tiny"), 3)


TINY = ("--mpp", 0.5, "--size", 64, "--mean", "0.5,0.4,0.3", "--std", "0.2", "--pool", "cls+mean", "--prefix-tokens", 3)


def write_safetensors(path, weights, dtype):
    """By the format's description: length, JSON header, raw numbers."""
    header, blob = {"__metadata__": {"format": "pt"}}, b""
    for name, value in weights.items():
        raw = value.to(torch.float16).numpy().tobytes() if dtype == "F16" else value.numpy().tobytes()
        header[name] = {"dtype": dtype, "shape": list(value.shape), "data_offsets": [len(blob), len(blob) + len(raw)]}
        blob += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text + blob)


def expect(model, network, width):
    """The check vector is this network's, the graph gives it in the engine, for any batch."""
    stem = exporter.stem(model)
    card, pixels = exporter.read_card(stem + ".card"), np.load(stem + ".check.input.npy")
    with torch.no_grad():
        wanted = exporter.pooled(network(torch.from_numpy(pixels)).numpy(), card)
    equal(np.load(stem + ".check.output.npy").shape, (2, width))
    cosine, error = difference(np.load(stem + ".check.output.npy"), wanted)
    assert error < 1e-6, error
    cosine, error = check_vector(model, stem + "-run")
    assert cosine >= 0.99999 and error <= 1e-4, (cosine, error)
    answer = microtome("model", "info", "--check", model)
    assert answer.code == 0 and "as exported" in answer.out, answer
    return card


def test_weight_files(folder):
    """A lone .pth, a folder with .bin, a folder with float16 safetensors: the same network"""
    network = tiny()
    weights = network.state_dict()
    torch.save({"state_dict": {"module." + k: v for k, v in weights.items()}}, os.path.join(folder, "tiny.pth"))
    exported(os.path.join(folder, "tiny.pth"), "--architecture", "tiny", *TINY, "-o", os.path.join(folder, "a.onnx"))
    card = expect(os.path.join(folder, "a.onnx"), network, 64)
    equal((card["name"], card["pool"], card["mean"], card["tile_px"], card["mpp"]), ("a", "cls+mean", "0.5;0.4;0.3", "64", "0.5"))

    hub = os.path.join(folder, "hub")
    os.mkdir(hub)
    torch.save({**weights, "head.weight": torch.zeros(2, 32)}, os.path.join(hub, "pytorch_model.bin"))
    with open(os.path.join(hub, "config.json"), "w") as f:
        json.dump({"architecture": "vit", "pretrained_cfg": {"input_size": [3, 64, 64], "crop_pct": 0.9, "mean": [0.1, 0.2, 0.3],
                                                             "std": [1, 1, 1], "interpolation": "bicubic", "license": "mit"}}, f)
    exported(hub, "--architecture", "tiny", "--mpp", 0.25, "--pool", "mean", "--prefix-tokens", 3, "-o", os.path.join(folder, "b.onnx"))
    card = expect(os.path.join(folder, "b.onnx"), network, 32)
    equal([card[k] for k in ("size_px", "resize_px", "tile_px", "crop_px", "mean", "std", "interpolation", "licence")],
          ["64", "71", "71", "64", "0.1;0.2;0.3", "1;1;1", "bicubic", "mit"])

    os.remove(os.path.join(hub, "pytorch_model.bin"))
    write_safetensors(os.path.join(hub, "model.safetensors"), weights, "F16")
    code, _, err = export(hub, "--architecture", "tiny", *TINY, "-o", os.path.join(folder, "c.onnx"))
    equal((code, err), (0, "mean: the config file beside the weights says 0.1;0.2;0.3, the card 0.5;0.4;0.3, which is taken\n"
                        "std: the config file beside the weights says 1;1;1, the card 0.2, which is taken\n"))
    network.load_state_dict({k: v.half().float() for k, v in weights.items()})
    expect(os.path.join(folder, "c.onnx"), network, 64)


def as_dinov2(weights, fold):
    """DINOv2's own names: w12 and w3, registers, a class position apart from the class token."""
    renamed = {k.replace("mlp.fc1", "mlp.w12").replace("mlp.fc2", "mlp.w3").replace("reg_token", "register_tokens"): v
               for k, v in weights.items()}
    renamed["pos_embed"] = torch.cat([fold, weights["pos_embed"]], 1)
    return {**renamed, "cls_token": weights["cls_token"] - fold, "mask_token": torch.zeros(1, 32)}


def as_transformers(weights):
    """transformers' Dinov2: query, key and value apart."""
    renamed = {"embeddings.mask_token": torch.zeros(1, 32)}
    for name, value in weights.items():
        part = name.split(".")
        layer, rest = ".".join(["encoder.layer", *part[1:2]]), ".".join(part[2:])
        last = part[-1]
        top = {"cls_token": "embeddings.cls_token", "pos_embed": "embeddings.position_embeddings", "norm": "layernorm." + last,
               "patch_embed": "embeddings.patch_embeddings.projection." + last}
        inside = {"attn.proj." + last: "attention.output.dense." + last, "ls1.gamma": "layer_scale1.lambda1",
                  "ls2.gamma": "layer_scale2.lambda1", "mlp.fc1." + last: "mlp.weights_in." + last,
                  "mlp.fc2." + last: "mlp.weights_out." + last}
        if rest.startswith("attn.qkv"):
            for which, third in zip(("query", "key", "value"), value.chunk(3)):
                renamed[f"{layer}.attention.attention.{which}.{last}"] = third
        else:
            renamed[top[part[0]] if part[0] in top else f"{layer}.{inside.get(rest, rest)}"] = value
    return renamed


def test_other_names(folder):
    """Weight files with the names of DINOv2 and of transformers, and CONCH v1.5's pooling"""
    tiny()
    known.ARCHITECTURES["a"] = known.Shape(32, 2, 2, 16, 96, image=64, gate=True, registers=2, prefix_positions=False, source="a test")
    known.ARCHITECTURES["b"] = known.Shape(32, 2, 2, 16, 96, image=64, gate=True, source="a test")
    known.ARCHITECTURES["c"] = known.Shape(32, 2, 2, 16, 64, image=64, pooler=16, packed_pooler=True, source="a test")
    networks = {name: known.fill_random(known.build(name), 4) for name in "abc"}
    files = {"a": as_dinov2(networks["a"].state_dict(), torch.randn(1, 1, 32)), "b": as_transformers(networks["b"].state_dict()),
             "c": {**networks["c"].state_dict(), "text.token_embedding.weight": torch.zeros(4, 4)}}
    for name, weights in files.items():
        torch.save(weights, os.path.join(folder, name + ".bin"))
        more = ("--pool", "none") if name == "c" else ()
        exported(os.path.join(folder, name + ".bin"), "--architecture", name, *TINY, *more, "-o", os.path.join(folder, name + ".onnx"))
        expect(os.path.join(folder, name + ".onnx"), networks.pop(name), 16 if name == "c" else 64)
        del known.ARCHITECTURES[name]


def test_external_data(folder):
    """Weights beside the graph, each on its own page: the same feature as inside"""
    network = tiny()
    exporter.EXTERNAL_ABOVE, before = 0, exporter.EXTERNAL_ABOVE
    try:
        exported("random", "--architecture", "tiny", "--seed", 3, *TINY, "-o", os.path.join(folder, "deep", "x.onnx"))
    finally:
        exporter.EXTERNAL_ABOVE = before
    equal(sorted(f for f in os.listdir(os.path.join(folder, "deep"))),
          ["x.card", "x.check.input.npy", "x.check.output.npy", "x.onnx", "x.onnx.data"])
    model = onnx.load(os.path.join(folder, "deep", "x.onnx"), load_external_data=False)
    outside = [i for i in model.graph.initializer if i.data_location == onnx.TensorProto.EXTERNAL]
    assert len(outside) > 4, len(outside)
    assert all(int(e.value) % 4096 == 0 for i in outside for e in i.external_data if e.key == "offset")
    expect(os.path.join(folder, "deep", "x.onnx"), network, 64)


def fake_module(name, **members):
    module = types.ModuleType(name)
    for key, value in members.items():
        setattr(module, key, value)
    sys.modules[name] = module
    return module


def test_timm(folder):
    """timm by name and from its folder (a stand-in for timm: the real one is not installed here)"""
    network, asked = tiny(), []

    class Model(torch.nn.Module):
        pretrained_cfg = {"input_size": (3, 64, 64), "crop_pct": 1.0, "mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bicubic"}

        def __init__(self):
            super().__init__()
            self.inner = network

        def forward_features(self, x):
            return self.inner(x)

        def forward(self, x):
            return self.inner(x)[:, 0]

        def load_state_dict(self, weights, strict=True):
            return network.load_state_dict(weights, strict)

    def create_model(name, pretrained, **more):
        asked.append((name, pretrained, more))
        if name.endswith("gated") and "mlp_layer" not in more or name.endswith("broken"):
            raise RuntimeError("size mismatch for blocks.0.mlp.fc2.weight")
        return Model()

    fake_module("timm", create_model=create_model, layers=fake_module("timm.layers", SwiGLUPacked="packed"))
    try:
        exported("timm/vit_tiny", "--mpp", 0.5, "-o", os.path.join(folder, "a.onnx"))
        equal(expect(os.path.join(folder, "a.onnx"), lambda x: network(x)[:, 0], 32)["pool"], "none")
        more = ("--model-args", '{"init_values": 1e-5}')
        exported("hf-hub:lab/vit", "--mpp", 0.5, "--pool", "cls", *more, "-o", os.path.join(folder, "b.onnx"))
        expect(os.path.join(folder, "b.onnx"), network, 32)
        exported("hf-hub:lab/gated", "--mpp", 0.5, "--pool", "cls", "-o", os.path.join(folder, "d.onnx"))
        code, _, err = export("hf-hub:lab/broken", "--mpp", 0.5, "-o", os.path.join(folder, "e.onnx"))
        equal((code, err), (1, "export_encoder: load hf-hub:lab/broken through timm: size mismatch for blocks.0.mlp.fc2.weight\n"
                            "Its model card may name arguments: give --model-args JSON\n"))
        torch.save(network.state_dict(), os.path.join(folder, "pytorch_model.bin"))
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump({"architecture": "vit_tiny", "model_args": {"reg_tokens": 2}, "pretrained_cfg": Model.pretrained_cfg}, f)
        exported(folder, "--mpp", 0.5, "--pool", "cls", "-o", os.path.join(folder, "c.onnx"))
        expect(os.path.join(folder, "c.onnx"), network, 32)
    finally:
        del sys.modules["timm"], sys.modules["timm.layers"]
    equal([a[:2] for a in asked], [("vit_tiny", True), ("hf-hub:lab/vit", True), ("hf-hub:lab/gated", True), ("hf-hub:lab/gated", True),
                                   ("hf-hub:lab/broken", True), ("hf-hub:lab/broken", True), ("vit_tiny", False)])
    equal(asked[1][2], {"num_classes": 0, "init_values": 1e-5})
    equal(asked[-1][2], {"num_classes": 0, "reg_tokens": 2, "mlp_layer": "packed", "act_layer": torch.nn.SiLU})


def test_transformers(folder):
    """A transformers folder (a stand-in: the real one is not installed here), its preprocessor_config.json"""
    network = tiny()

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, pixel_values):
            return types.SimpleNamespace(last_hidden_state=self.network(pixel_values))

    fake_module("transformers", AutoModel=types.SimpleNamespace(from_pretrained=lambda path, **more: Model()))
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump({"model_type": "dinov2"}, f)
    with open(os.path.join(folder, "preprocessor_config.json"), "w") as f:
        json.dump({"size": {"shortest_edge": 72}, "crop_size": {"height": 64, "width": 64}, "image_mean": [0.4, 0.5, 0.6],
                   "image_std": [0.5, 0.5, 0.5], "resample": 3}, f)
    try:
        exported(folder, "--mpp", 0.5, "--pool", "cls", "-o", os.path.join(folder, "m.onnx"))
    finally:
        del sys.modules["transformers"]
    card = expect(os.path.join(folder, "m.onnx"), network, 32)
    equal([card[k] for k in ("size_px", "resize_px", "tile_px", "mean", "interpolation")], ["64", "72", "72", "0.4;0.5;0.6", "bicubic"])


def test_function(folder):
    """MODULE:FUNCTION and a card of one's own; a map is averaged"""
    tiny()
    with open(os.path.join(folder, "mylab.py"), "w") as f:
        f.write("import torch\ndef encoder():\n    torch.manual_seed(1)\n"
                "    return torch.nn.Sequential(torch.nn.Conv2d(3, 8, 8, 8), torch.nn.GELU())\n")
    with open(os.path.join(folder, "mylab.card"), "w") as f:
        f.write("# ours\n[encoder]\nname=ours\npool=mean\nsize_px=64\nmpp=1\nmean=0\nstd=1\nvalue=rgb8\nbatch=3\n")
    sys.path.insert(0, folder)
    try:
        exported("mylab:encoder", "--card", os.path.join(folder, "mylab.card"), "-o", os.path.join(folder, "m.onnx"))
        import mylab
        card = expect(os.path.join(folder, "m.onnx"), mylab.encoder().eval(), 8)
    finally:
        sys.path.remove(folder)
    equal((card["name"], card["batch"], card["mean"]), ("ours", "3", "0"))


def test_cards_fit(folder):
    """Every architecture has a sample card that agrees with it: size, tokens before the patches, pooling"""
    if torch is None:
        raise Skip(WHY)
    for name, shape in known.ARCHITECTURES.items():
        if name != "tiny":
            card = exporter.find_card(name)
            equal((name, int(card["size_px"])), (name, shape.image))
            equal((name, card.get("prefix_tokens")), (name, None if shape.pooler else str(1 + shape.registers)))
            equal((name, card["pool"] == "none"), (name, shape.pooler > 0))
            equal((name, shape.image % shape.patch, shape.width % shape.heads), (name, 0, 0))


def test_refusals(folder):
    """Every refusal says what to do"""
    tiny()
    out = ("-o", os.path.join(folder, "x.onnx"))

    def refused(message, *args):
        code, printed, err = export(*args, *out)
        equal((code, printed), (1, ""))
        contains(err, message)

    refused("export nothing: no such file or folder, and neither timm/NAME, hf-hub:ORG/NAME nor MODULE:FUNCTION", "nothing")
    refused("--architecture no: not one of conch_v1, ", "random", "--architecture", "no")
    refused("export random: which network are these weights of? give --architecture with one of --list", "random")
    refused("make the card: size_px is said by no config file: give --card or --size 224", "random", "--architecture", "tiny")
    refused("make the card: mpp is said by no config file: give --card or --mpp 0.5 (20x)", "random", "--architecture", "tiny",
            "--size", 64, "--mean", "0,0,0", "--std", "1,1,1")
    refused("a tile of 72 px is resized to 64: give --interpolation", "random", "--architecture", "tiny", *TINY, "--tile", 72)
    refused("pool the output: the network gives 2 x 19 x 32, which pool=none does not fit", "random", "--architecture", "tiny", *TINY,
            "--pool", "none")
    refused("--card no: neither a file nor one of samples/cards (conch_v1, ", "random", "--architecture", "tiny", "--card", "no")
    refused("call no.such:thing: No module named 'no'", "no.such:thing")
    refused(f"read {folder}: no weights (model.safetensors, ", folder, "--architecture", "tiny", *TINY)
    refused("its config.json names neither timm's \"architecture\" nor transformers' \"model_type\"", folder, *TINY)
    torch.save({"blocks.0.norm1.weight": torch.zeros(3), "other": torch.zeros(1)}, os.path.join(folder, "w.pth"))
    refused("these are not the weights of tiny (a test): missing: blocks.0.attn.proj.bias, ", folder, "--architecture", "tiny", *TINY)
    refused("blocks.0.norm1.weight is (3,), not (32,)", folder, "--architecture", "tiny", *TINY)
    refused("vit, a timm model, needs the Python package timm, which is not installed", "timm/vit", *TINY)
    equal([f for f in os.listdir(folder) if f.startswith("x")], [])


def timed(*args):
    """Run the engine alone: its output, seconds, and the most memory it held in MB."""
    began = time.time()
    done = subprocess.run([sys.executable, "-c", "import resource, subprocess, sys\n"
                           "code = subprocess.run(sys.argv[1:]).returncode\n"
                           "print('peak_kb', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\nsys.exit(code)",
                           sys.argv[1], *args], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text, peak = done.stdout.rsplit("peak_kb ", 1)
    return text, time.time() - began, int(peak) / 1024


def full(name, folder):
    """One encoder at full depth, with figures."""
    os.makedirs(folder, exist_ok=True)
    model = os.path.join(folder, name + ".onnx")
    torch.nn.init.kaiming_uniform_ = torch.nn.init.uniform_ = lambda tensor, *_, **__: tensor  # every weight is written afterwards
    check_architecture(folder, name, {"conch_v1": 512, "virchow": 2560, "virchow2": 2560}.get(name, 1536), None, depth=None)
    info = timed("model", "info", "--json", model)
    print(f"# load and hash: {info[1]:.1f} s, {info[2]:.0f} MB; {json.loads(info[0])['parameters'] / 1e6:.0f} M parameters")
    bench = timed("model", "bench", model, "--batch", "1", "--threads", "1", "--seconds", "5", "--json")
    speed = json.loads(bench[0])
    print(f"# batch 1, 1 thread: {speed['items_per_second']:.3f} items/s, {speed['gflops']:.0f} GFLOP/s, "
          f"{speed['gflops'] / speed['items_per_second']:.0f} GFLOP an item, peak {bench[2]:.0f} MB")


if "--full" in sys.argv:
    full(*sys.argv[sys.argv.index("--full") + 1:])
else:
    main([test_uni2, test_virchow2, test_gigapath, test_conch, test_hoptimus, test_weight_files, test_other_names, test_external_data,
          test_timm, test_transformers, test_function, test_cards_fit, test_refusals])
