#!/usr/bin/env python3
"""Turn a PyTorch encoder into MODEL.onnx with its card and a check vector.  Run once, where PyTorch is; the engine needs no Python.

SOURCE is one of
  FOLDER              downloaded from Hugging Face: config.json and pytorch_model.bin, model.safetensors or *.pth.  A timm model needs
                      timm installed, a transformers model transformers; with --architecture neither
  WEIGHTS             a lone weight file (.bin .pth .pt .safetensors); needs --architecture, one of those of --list
  timm/NAME           a model of timm by name; hf-hub:ORG/NAME also downloads, through timm
  MODULE:FUNCTION     your own code on PYTHONPATH: FUNCTION() returns a torch.nn.Module that takes N x 3 x size x size
  random              random weights for --architecture: to try the way before the weights have come

It writes, for -o MODEL.onnx:
  MODEL.onnx                weights inside, or beside it in MODEL.onnx.data when they exceed 2 GB; any batch size
  MODEL.card                the contract: tile, um per pixel, resize, crop, mean, std, pooling
  MODEL.check.input.npy     two normalised pictures, float32 2 x 3 x size x size
  MODEL.check.output.npy    PyTorch's feature of them after the card's pooling, 2 x D

What goes into the card, the last one wins: timm's pretrained_cfg or Hugging Face's preprocessor_config.json; the sample card of
--architecture (it knows the tile and um per pixel, too); --card; the options below.  Mean, std and size are never guessed, and neither
is um per pixel, which no config file has: without it the tool stops and says so.

examples:
  export_encoder.py UNI2-h/ --architecture uni_v2 -o models/uni2.onnx
  export_encoder.py H-optimus-0/pytorch_model.bin --architecture hoptimus0 -o models/hoptimus0.onnx
  export_encoder.py Virchow2/ --mpp 0.5 --pool cls+mean -o models/virchow2.onnx            (timm installed)
  export_encoder.py phikon/ --card phikon -o models/phikon.onnx                            (transformers installed)
  export_encoder.py mylab:encoder --card mylab.card -o models/mylab.onnx
then
  microtome model info --check models/uni2.onnx
"""
import argparse
import importlib
import inspect
import json
import os
import sys
import tempfile
import warnings

HERE = os.path.dirname(os.path.abspath(__file__))
CARDS = os.path.join(HERE, "..", "samples", "cards")
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin", "model.bin", "open_clip_pytorch_model.bin")
EXTERNAL_ABOVE = 2 * 1000 ** 3   # protobuf ends at 2 GiB; the rest of the graph needs a little of it
ALIGNMENT = 4096                 # of each weight in MODEL.onnx.data, so that it can be mapped
KEYS = ("name", "input", "output", "pool", "prefix_tokens", "size_px", "tile_px", "resize_px", "crop_px", "mpp", "fit", "channels",
        "value", "mean", "std", "interpolation", "batch", "licence")
POOLS = ("none", "cls", "mean", "cls+mean")
FILTERS = ("bilinear", "bicubic", "lanczos", "nearest")


class Refusal(Exception):
    """What was being done, to what, what was wrong, what to do."""


# ---- the card ----------------------------------------------------------------------------------------------------------------------

def read_card(path):
    """[encoder] of a card as a dict of texts."""
    values, group = {}, None
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            if line.startswith("["):
                group = line
            elif group == "[encoder]" and "=" in line:
                key, value = line.split("=", 1)
                values[key.strip()] = value.strip()
            else:
                raise Refusal(f"read {path}, line {number}: KEY=VALUE below [encoder] is wanted")
    return values


def find_card(name):
    path = name if os.path.exists(name) else os.path.join(CARDS, name + ".card")
    if not os.path.exists(path):
        raise Refusal(f"--card {name}: neither a file nor one of samples/cards ({', '.join(sample_cards())})")
    return read_card(path)


def sample_cards():
    return sorted(f[:-len(".card")] for f in os.listdir(CARDS) if f.endswith(".card")) if os.path.isdir(CARDS) else []


def numbers(values):
    return ";".join(f"{v:.9g}" for v in values)


def square(size, where):
    """224, [3, 224, 224], {"height": 224, "width": 224} or {"shortest_edge": 224}"""
    if isinstance(size, dict):
        size = [size["shortest_edge"]] if "shortest_edge" in size else [size.get("height"), size.get("width")]
    edges = list(size)[-2:] if isinstance(size, (list, tuple)) else [size]
    if len(set(edges)) != 1 or not isinstance(edges[0], int):
        raise Refusal(f"read {where}: {size!r} is not one edge of a square")
    return edges[0]


def card_of_timm(cfg):
    """pretrained_cfg.  The tile is what timm resizes from: size / crop_pct, floored as timm does."""
    card, where = {}, "pretrained_cfg"
    if cfg.get("input_size") is not None:
        size = square(cfg["input_size"], where)
        resize = int(size // float(cfg.get("crop_pct") or 0.875))  # 0.875: timm's default
        card.update(size_px=str(size), crop_px=str(size), resize_px=str(resize), tile_px=str(resize))
    for key in ("mean", "std"):
        if cfg.get(key) is not None:
            card[key] = numbers(cfg[key])
    if cfg.get("interpolation") in FILTERS:
        card["interpolation"] = cfg["interpolation"]
    if cfg.get("license"):
        card["licence"] = cfg["license"]
    return card


def card_of_transformers(cfg):
    """preprocessor_config.json"""
    card, where = {}, "preprocessor_config.json"
    if cfg.get("do_rescale") is False or cfg.get("do_normalize") is False:
        raise Refusal(f"read {where}: it does not divide by 255 or does not normalise, which value=rgb8 means: give --card")
    if cfg.get("size") is not None:
        resize = square(cfg["size"], where)
        cropped = cfg.get("crop_size") is not None and cfg.get("do_center_crop") is not False
        size = square(cfg["crop_size"], where) if cropped else resize
        card.update(size_px=str(size), crop_px=str(size), resize_px=str(resize), tile_px=str(resize))
    for key, name in (("mean", "image_mean"), ("std", "image_std")):
        if cfg.get(name) is not None:
            card[key] = numbers(cfg[name])
    if cfg.get("resample") in (0, 1, 2, 3):
        card["interpolation"] = ("nearest", "lanczos", "bilinear", "bicubic")[cfg["resample"]]
    return card


def card_of_options(args):
    given = {"name": args.name, "pool": args.pool, "prefix_tokens": args.prefix_tokens, "size_px": args.size, "crop_px": args.size,
             "resize_px": args.resize, "tile_px": args.tile, "mpp": args.mpp, "mean": args.mean, "std": args.std,
             "interpolation": args.interpolation, "batch": args.batch, "licence": args.licence}
    card = {key: str(value) for key, value in given.items() if value is not None}
    return {key: value.replace(",", ";") if key in ("mean", "std") else value for key, value in card.items()}


def report_disagreement(said, card):
    """A config file and the card differ in what decides the feature: the card wins, and not in silence."""
    for key in ("size_px", "mean", "std", "interpolation"):
        if key in said and key in card and said[key] != card[key]:
            print(f"{key}: the config file beside the weights says {said[key]}, the card {card[key]}, which is taken", file=sys.stderr)


def complete_card(card, args):
    """Fill what follows from other keys; refuse what nothing says."""
    card = {"fit": "tiles", "channels": "rgb", "value": "rgb8", "pool": "none", **card, "input": "input", "output": "output"}
    card.setdefault("name", os.path.basename(stem(args.out)))
    for key, option in (("size_px", "--size 224"), ("mean", "--mean 0.485,0.456,0.406"), ("std", "--std 0.229,0.224,0.225"),
                        ("mpp", "--mpp 0.5 (20x), the um per pixel the encoder was trained at")):
        if key not in card:
            raise Refusal(f"make the card: {key} is said by no config file: give --card or {option}")
    for key in ("crop_px", "resize_px", "tile_px"):
        card.setdefault(key, card["size_px"])
    if "interpolation" not in card and len({card["tile_px"], card["resize_px"]}) > 1:
        raise Refusal(f"make the card: a tile of {card['tile_px']} px is resized to {card['resize_px']}: give --interpolation")
    if card["channels"] != "rgb" or card["value"] != "rgb8":
        raise Refusal("make the check vector: only channels=rgb with value=rgb8 is exported")
    if card["pool"] not in POOLS:
        raise Refusal(f"make the card: pool={card['pool']} is not one of {', '.join(POOLS)}")
    return card


def write_card(card, path, origin):
    unknown = set(card) - set(KEYS) - {"verified", "demonstration"}
    if unknown:
        raise Refusal(f"make the card: unknown key {', '.join(sorted(unknown))}")
    lines = [f"# exported from {origin}", "[encoder]"] + [f"{key}={card[key]}" for key in KEYS if key in card]
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")


# ---- the network -------------------------------------------------------------------------------------------------------------------

def read_safetensors(path):
    """name -> float32 tensor.  The format is a length, a JSON header and raw little-endian numbers."""
    import torch
    types = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    with open(path, "rb") as f:
        length = int.from_bytes(f.read(8), "little")
        if length > os.path.getsize(path):
            raise Refusal(f"read {path}: not a safetensors file")
        header, weights = json.loads(f.read(length)), {}
        for name, entry in header.items():
            if name == "__metadata__" or entry["dtype"] not in types:
                continue  # counters and masks are whole numbers: no weights
            first, end = entry["data_offsets"]
            f.seek(8 + length + first)
            raw = bytearray(f.read(end - first))
            tensor = torch.frombuffer(raw, dtype=types[entry["dtype"]]) if raw else torch.empty(0)
            weights[name] = tensor.reshape(entry["shape"]).float()
    return weights


def read_weights(path):
    """A state dict from any of the published forms; torch's unpickler is told to load tensors only, where it can."""
    import torch
    if path.endswith(".safetensors"):
        return read_safetensors(path)
    safe = {"weights_only": True} if "weights_only" in inspect.signature(torch.load).parameters else {}
    try:
        weights = torch.load(path, map_location="cpu", **safe)
    except Exception as e:
        raise Refusal(f"read {path}: {e}")
    for key in ("state_dict", "model", "teacher"):
        if isinstance(weights, dict) and isinstance(weights.get(key), dict):
            weights = weights[key]
    if not isinstance(weights, dict) or not all(torch.is_tensor(v) for v in weights.values()):
        raise Refusal(f"read {path}: a dictionary of weights is wanted, and this is none: export it from your code, MODULE:FUNCTION")
    return weights


def find_weights(folder):
    for name in WEIGHT_FILES:
        if os.path.exists(os.path.join(folder, name)):
            return os.path.join(folder, name)
    others = sorted(f for f in os.listdir(folder) if f.endswith((".pth", ".pt", ".bin", ".safetensors")))
    if len(others) != 1:
        what = f"several weight files ({', '.join(others)}): name one" if others else f"no weights ({', '.join(WEIGHT_FILES)} or *.pth)"
        raise Refusal(f"read {folder}: {what}")
    return os.path.join(folder, others[0])


def read_json(path):
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as f:
        try:
            return json.load(f)
        except ValueError as e:
            raise Refusal(f"read {path}: not JSON: {e}")


def needs(module, why):
    try:
        return importlib.import_module(module)
    except ImportError:
        raise Refusal(f"{why} needs the Python package {module}, which is not installed: pip install {module}, "
                      "or give --architecture with one of --list")


def packed_gate(weights):
    """SwiGLU packed: the second layer of the MLP takes half of what the first gives; config files do not say it."""
    first, second = weights.get("blocks.0.mlp.fc1.weight"), weights.get("blocks.0.mlp.fc2.weight")
    return first is not None and second is not None and first.shape[0] == 2 * second.shape[1]


def tokens_module(network, call):
    """One tensor for pictures: tokens where the card pools."""
    import torch

    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, pixels):
            return call(self.network, pixels)
    return Wrapped().eval()


def timm_forward(pool):
    """forward_features gives the tokens after the last LayerNorm; forward also pools."""
    return (lambda m, x: m(x)) if pool == "none" else (lambda m, x: m.forward_features(x))


def gate_arguments():
    return {"mlp_layer": importlib.import_module("timm.layers").SwiGLUPacked, "act_layer": importlib.import_module("torch").nn.SiLU}


def create_pretrained(timm, name, model_args):
    """From the hub the weights cannot be looked at first: when they do not fit, a packed gate is the usual reason."""
    try:
        return timm.create_model(name, pretrained=True, num_classes=0, **model_args)
    except RuntimeError as plain:
        try:
            return timm.create_model(name, pretrained=True, num_classes=0, **{**gate_arguments(), **model_args})
        except (RuntimeError, TypeError):
            raise Refusal(f"load {name} through timm: {plain}\nIts model card may name arguments: give --model-args JSON")


def timm_network(name, pool, model_args, weights=None):
    os.environ.setdefault("TIMM_FUSED_ATTN", "0")  # attention as plain products: every exporter knows them
    timm = needs("timm", f"{name}, a timm model,")
    if weights is None:
        network = create_pretrained(timm, name, model_args)
    else:
        gate = gate_arguments() if packed_gate(weights) else {}
        network = timm.create_model(name, pretrained=False, num_classes=0, **{**gate, **model_args})
    if weights is not None:
        weights = {k: v for k, v in weights.items() if not k.startswith("head.")}
        try:
            network.load_state_dict(weights, strict=True)
        except RuntimeError as e:
            raise Refusal(f"load the weights into timm's {name}: {e}\nThe model card may name arguments: give --model-args JSON")
    cfg = getattr(network, "pretrained_cfg", None) or getattr(network, "default_cfg", None) or {}
    return tokens_module(network, timm_forward(pool)), dict(cfg)


def transformers_network(folder, trust):
    transformers = needs("transformers", f"{folder}, a transformers model,")
    more = {"attn_implementation": "eager"} if hasattr(transformers, "AttentionInterface") else {}
    network = transformers.AutoModel.from_pretrained(folder, local_files_only=os.path.isdir(folder), trust_remote_code=trust, **more)
    return tokens_module(network.float(), lambda m, x: m(pixel_values=x).last_hidden_state)


def call_function(spec):
    module, _, function = spec.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        build = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as e:
        raise Refusal(f"call {spec}: {e}: MODULE has to be on PYTHONPATH and hold FUNCTION")
    network = build()
    if not hasattr(network, "state_dict"):
        raise Refusal(f"call {spec}: it returned {type(network).__name__}: a torch.nn.Module is wanted")
    return network.eval()


def architectures():
    sys.path.insert(0, HERE)
    import encoder_architectures
    return encoder_architectures


def bundled_network(args, weights):
    known = architectures()
    if args.architecture not in known.ARCHITECTURES:
        raise Refusal(f"--architecture {args.architecture}: not one of {', '.join(sorted(known.ARCHITECTURES))}")
    if weights is None:
        return known.fill_random(known.build(args.architecture, args.depth), args.seed)
    try:
        return known.load(args.architecture, weights)
    except ValueError as e:
        raise Refusal(str(e))


def from_folder(folder, args, pool, said):
    config = read_json(os.path.join(folder, "config.json")) or {}
    processor = read_json(os.path.join(folder, "preprocessor_config.json"))
    cfg = config.get("pretrained_cfg", config)
    said.update(card_of_timm(cfg) if "input_size" in cfg else card_of_transformers(processor) if processor else {})
    if args.architecture:
        return bundled_network(args, read_weights(find_weights(folder)))
    if "architecture" in config:
        weights = read_weights(find_weights(folder))
        network, _ = timm_network(config["architecture"], pool, {**config.get("model_args", {}), **args.model_args}, weights)
        return network
    if "model_type" in config or "architectures" in config:
        return transformers_network(folder, args.trust_remote_code)
    raise Refusal(f"read {folder}: its config.json names neither timm's \"architecture\" nor transformers' \"model_type\": "
                  "give --architecture with one of --list")


def make_network(args, pool, said):
    """The network in eval mode, and into `said` what its config files say of the card."""
    source = args.source
    if source == "random" or os.path.isfile(source):
        if not args.architecture:
            raise Refusal(f"export {source}: which network are these weights of? give --architecture with one of --list")
        return bundled_network(args, None if source == "random" else read_weights(source))
    if os.path.isdir(source):
        return from_folder(source, args, pool, said)
    if source.startswith(("timm/", "hf-hub:", "hf_hub:")):
        network, cfg = timm_network(source[len("timm/"):] if source.startswith("timm/") else source, pool, args.model_args)
        said.update(card_of_timm(cfg))
        return network
    if ":" in source:
        return call_function(source)
    raise Refusal(f"export {source}: no such file or folder, and neither timm/NAME, hf-hub:ORG/NAME nor MODULE:FUNCTION")


# ---- ONNX --------------------------------------------------------------------------------------------------------------------------

def stem(path):
    return path[:-len(".onnx")] if path.endswith(".onnx") else path


def weight_bytes(network):
    return sum(p.numel() * p.element_size() for p in list(network.parameters()) + list(network.buffers()))


def one_data_file(folder, name, out):
    """PyTorch writes a large model as one file a weight: join them, each on a page of its own, without holding them in memory."""
    import onnx
    model = onnx.load(os.path.join(folder, name), load_external_data=False)
    data = os.path.basename(out) + ".data"
    with open(out + ".data", "wb") as joined:
        for weight in model.graph.initializer:
            if weight.data_location == onnx.TensorProto.EXTERNAL:
                entries = {e.key: e.value for e in weight.external_data}
                path = os.path.join(folder, entries["location"])
                with open(path, "rb") as one:
                    one.seek(int(entries.get("offset", 0)))
                    raw = one.read(int(entries["length"])) if "length" in entries else one.read()
            elif len(weight.raw_data) >= 1024:
                raw = weight.raw_data
                weight.ClearField("raw_data")
            else:
                continue
            joined.seek(-joined.tell() % ALIGNMENT, os.SEEK_CUR)
            del weight.external_data[:]
            weight.data_location = onnx.TensorProto.EXTERNAL
            for key, value in (("location", data), ("offset", joined.tell()), ("length", len(raw))):
                weight.external_data.add(key=key, value=str(value))
            joined.write(raw)
    onnx.save(model, out)


def write_onnx(network, example, out, opset):
    """Through a folder of its own beside `out`: what is interrupted leaves no half model."""
    import torch
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    large = weight_bytes(network) > EXTERNAL_ABOVE
    old = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}  # the exporter of PyTorch 1.13 to 2.8
    with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(out))) as folder:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sizes that are Python numbers: meant so, but for the batch
            torch.onnx.export(network, example, os.path.join(folder, "model.onnx"), opset_version=opset, do_constant_folding=True,
                              input_names=["input"], output_names=["output"],
                              dynamic_axes={"input": {0: "N"}, "output": {0: "N"}}, **old)
        done = os.path.join(folder, os.path.basename(out))
        if large:
            one_data_file(folder, "model.onnx", done)
            os.replace(done + ".data", out + ".data")
        else:
            os.rename(os.path.join(folder, "model.onnx"), done)
            if os.path.exists(out + ".data"):
                os.remove(out + ".data")
        os.replace(done, out)


# ---- the check vector --------------------------------------------------------------------------------------------------------------

def check_pixels(card):
    """Two pictures of blobs and grain in 0 .. 255, normalised as the engine does."""
    import numpy as np
    size = int(card["size_px"])
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:size, 0:size] / size
    pictures = []
    for _ in range(2):
        waves = rng.uniform(2, 9, (3, 2)), rng.uniform(0, 6.28, 3)
        smooth = np.stack([np.sin(6.28 * (waves[0][c, 0] * x + waves[0][c, 1] * y) + waves[1][c]) for c in range(3)])
        pictures.append(np.clip(np.rint(150 + 70 * smooth + rng.normal(0, 20, smooth.shape)), 0, 255))
    mean, std = ([float(v) for v in card[key].split(";")] for key in ("mean", "std"))
    mean, std = (np.array(v if len(v) == 3 else v * 3, np.float32).reshape(3, 1, 1) for v in (mean, std))
    return ((np.stack(pictures).astype(np.float32) / np.float32(255) - mean) / std).astype(np.float32)


def pooled(output, card):
    """The card's pooling, as the engine does it: sums in float64."""
    import numpy as np
    pool, prefix = card["pool"], int(card.get("prefix_tokens", 1 if card["pool"].startswith("cls") else 0))
    shape, output = output.shape, np.asarray(output)
    if pool == "none" and len(shape) == 4 and shape[2] * shape[3] == 1:
        return output.reshape(shape[0], shape[1])
    if len(shape) == 4 and pool == "mean":
        return output.mean((2, 3), dtype=np.float64).astype(np.float32)
    if len(shape) == 2 and pool == "none":
        return output
    if len(shape) == 3 and pool != "none":
        first, mean = output[:, 0], output[:, prefix:].mean(1, dtype=np.float64).astype(np.float32)
        return {"cls": first, "mean": mean, "cls+mean": np.concatenate([first, mean], 1)}[pool]
    raise Refusal(f"pool the output: the network gives {' x '.join(map(str, shape))}, which pool={pool} does not fit: "
                  "N x D takes pool=none, N x tokens x D cls, mean or cls+mean, a map N x D x h x w mean (--pool)")


def adjust_pool(card, rank, given):
    """A sample card pools tokens; a network that already pools needs none."""
    if rank == 2 and card["pool"] != "none" and not given:
        print(f"the network pools itself: the card says pool=none instead of {card['pool']}", file=sys.stderr)
        card["pool"] = "none"
        card.pop("prefix_tokens", None)


def export(args):
    import numpy as np
    import torch
    sample = find_card(args.architecture) if args.architecture in sample_cards() else {}
    card = {**sample, **(find_card(args.card) if args.card else {}), **card_of_options(args)}
    said = {}
    network = make_network(args, card.get("pool", "none"), said).float()
    report_disagreement(said, card)
    card = complete_card({**said, **card}, args)
    pixels = check_pixels(card)
    with torch.no_grad():
        output = network(torch.from_numpy(pixels))
    if not torch.is_tensor(output):
        raise Refusal(f"run the network: it gives {type(output).__name__}, one tensor is wanted: wrap it, MODULE:FUNCTION")
    adjust_pool(card, output.dim(), args.pool)
    feature = pooled(output.numpy(), card)
    if not np.isfinite(feature).all():
        raise Refusal("run the network: its feature is not finite: are these the weights?")
    out = stem(args.out) + ".onnx"
    write_onnx(network, torch.from_numpy(pixels[:1]), out, args.opset)
    np.save(stem(args.out) + ".check.input.npy", pixels)
    np.save(stem(args.out) + ".check.output.npy", np.ascontiguousarray(feature, np.float32))
    write_card(card, stem(args.out) + ".card", args.architecture if args.source == "random" else os.path.basename(args.source.rstrip("/")))
    sizes = [f for f in (out, out + ".data") if os.path.exists(f)]
    print(f"{out}: feature of {feature.shape[1]} values, pool={card['pool']}, {sum(map(os.path.getsize, sizes)) / 1e6:.0f} MB in "
          f"{len(sizes)} file{'s' * (len(sizes) > 1)}\ncheck it: microtome model info --check {out}")


def list_known():
    print("architectures (no timm needed), with the shape that is published:")
    for name, shape in sorted(architectures().ARCHITECTURES.items()):
        print(f"  {name:14} {shape.source}")
    print("cards: " + ", ".join(sample_cards()))


def parse(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("source", nargs="?", metavar="SOURCE", help="see above")
    p.add_argument("-o", "--out", metavar="MODEL.onnx", help="where to write")
    p.add_argument("--architecture", metavar="NAME", help="build the network from tools/encoder_architectures.py")
    p.add_argument("--list", action="store_true", help="architectures and sample cards")
    p.add_argument("--card", metavar="NAME|FILE", help="a card of samples/cards, or your own")
    p.add_argument("--opset", type=int, default=17, help="default 17")
    p.add_argument("--model-args", type=json.loads, default={}, metavar="JSON", help="more arguments for timm.create_model")
    p.add_argument("--trust-remote-code", action="store_true", help="run Python code that a transformers folder brings")
    g = p.add_argument_group("the card")
    g.add_argument("--name", help="name of the encoder; heads are bound to it (default: the card's, else MODEL)")
    g.add_argument("--mpp", type=float, metavar="F", help="um per pixel of a tile: 0.5 is 20x, 1 is 10x")
    g.add_argument("--tile", type=int, metavar="PX", help="edge of the tile read at --mpp")
    g.add_argument("--resize", type=int, metavar="PX", help="its edge after resizing")
    g.add_argument("--size", type=int, metavar="PX", help="edge of the network's input, the centre crop")
    g.add_argument("--mean", metavar="R,G,B", help="of pixels in 0 .. 1")
    g.add_argument("--std", metavar="R,G,B")
    g.add_argument("--interpolation", choices=FILTERS)
    g.add_argument("--pool", choices=POOLS, help="how tokens become one feature")
    g.add_argument("--prefix-tokens", type=int, metavar="N", help="tokens before the patch tokens: class token and registers")
    g.add_argument("--batch", type=int, metavar="N", help="tiles at once in the engine")
    g.add_argument("--licence", help="of the weights; a note for readers of the card")
    t = p.add_argument_group("for SOURCE random")
    t.add_argument("--seed", type=int, default=0, help="default 0")
    t.add_argument("--depth", type=int, metavar="N", help="keep only N blocks")
    args = p.parse_args(argv)
    if not args.list and (args.source is None or args.out is None):
        p.error("name a SOURCE and give -o MODEL.onnx (--help explains both)")
    return args


def main(argv=None):
    args = parse(argv)
    try:
        if args.list:
            list_known()
            return 0
        importlib.import_module("torch")
        importlib.import_module("onnx")
        export(args)
    except ImportError as e:
        print(f"export_encoder: {e}: PyTorch 1.13 or later and the package onnx are needed", file=sys.stderr)
        return 1
    except Refusal as e:
        print(f"export_encoder: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
