"""Pathology encoders in plain PyTorch (1.13 and later), so that a folder with nothing but the weights can be exported.

Parameter names are those of timm's VisionTransformer and of CONCH's image tower; adapt() renames the files of transformers and DINOv2.
Loading is strict: a weight that is missing, left over or of another shape is an error, never a silent default.  Positions are never
resampled: a file whose positions are for another picture size is refused.  Written from the published shapes and formulas; LayerNorm's
epsilon is 1e-6 as in timm and DINOv2, 1e-12 in transformers' ViT, 1e-5 in CONCH's pooling, which uses PyTorch's own LayerNorm.

A vision transformer here gives all tokens after its last LayerNorm, N x tokens x D; the card says how they become one feature.
"""
import re
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Shape:
    """Sizes of a vision transformer."""
    width: int
    depth: int
    heads: int
    patch: int
    hidden: int             # outputs of the first layer of the MLP; with gate: gate and value together
    image: int = 224
    gate: bool = False      # SwiGLU, packed: silu(first half) * second half
    registers: int = 0
    scale: bool = True      # LayerScale, a factor for each channel after attention and MLP
    prefix_positions: bool = True   # class and register tokens have positions too (timm's no_embed_class=False)
    eps: float = 1e-6
    pooler: int = 0         # width of CONCH's attention pooling, 0 without
    packed_pooler: bool = False     # keys and values in one matrix, no biases: CONCH v1.5
    source: str = ""


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.head = heads, width // heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x):
        tokens = int(x.shape[1])
        q, k, v = self.qkv(x).reshape(-1, tokens, 3, self.heads, self.head).permute(2, 0, 3, 1, 4).unbind(0)
        weights = ((q * self.head ** -0.5) @ k.transpose(-2, -1)).softmax(dim=-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(-1, tokens, self.heads * self.head))


class Mlp(nn.Module):
    def __init__(self, width, hidden, gate):
        super().__init__()
        self.gate = gate
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden // 2 if gate else hidden, width)

    def forward(self, x):
        x = self.fc1(x)
        if not self.gate:
            return self.fc2(F.gelu(x))
        gate, value = x.chunk(2, dim=-1)
        return self.fc2(F.silu(gate) * value)


class LayerScale(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), 1e-5))

    def forward(self, x):
        return x * self.gamma


class Block(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.norm1 = nn.LayerNorm(s.width, eps=s.eps)
        self.attn = Attention(s.width, s.heads)
        self.ls1 = LayerScale(s.width) if s.scale else nn.Identity()
        self.norm2 = nn.LayerNorm(s.width, eps=s.eps)
        self.mlp = Mlp(s.width, s.hidden, s.gate)
        self.ls2 = LayerScale(s.width) if s.scale else nn.Identity()

    def forward(self, x):
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.proj = nn.Conv2d(3, s.width, s.patch, stride=s.patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    def __init__(self, s):
        super().__init__()
        patches, prefix = (s.image // s.patch) ** 2, 1 + s.registers
        self.shape = s
        self.cls_token = nn.Parameter(torch.zeros(1, 1, s.width))
        if s.registers:
            self.reg_token = nn.Parameter(torch.zeros(1, s.registers, s.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, patches + (prefix if s.prefix_positions else 0), s.width))
        self.patch_embed = PatchEmbed(s)
        self.blocks = nn.Sequential(*[Block(s) for _ in range(s.depth)])
        self.norm = nn.LayerNorm(s.width, eps=s.eps)

    def forward(self, pixels):
        x = self.patch_embed(pixels)
        if not self.shape.prefix_positions:
            x = x + self.pos_embed
        prefix = torch.cat([self.cls_token, self.reg_token], 1) if self.shape.registers else self.cls_token
        x = torch.cat([prefix.expand(x.shape[0], -1, -1), x], 1)
        if self.shape.prefix_positions:
            x = x + self.pos_embed
        return self.norm(self.blocks(x))


class AttentionPooler(nn.Module):
    """CONCH: learned queries look at all tokens.  The parameters are nn.MultiheadAttention's (kdim and vdim of their own)."""

    def __init__(self, width, context, heads=8, queries=1):
        super().__init__()
        self.query = nn.Parameter(torch.zeros(queries, width))
        self.attn = nn.MultiheadAttention(width, heads, kdim=context, vdim=context)
        self.ln_q = nn.LayerNorm(width)
        self.ln_k = nn.LayerNorm(context)

    def forward(self, x):
        a, x, tokens = self.attn, self.ln_k(x), int(x.shape[1])
        head = a.embed_dim // a.num_heads
        bias_q, bias_k, bias_v = a.in_proj_bias.chunk(3)
        q = F.linear(self.ln_q(self.query), a.q_proj_weight, bias_q) * head ** -0.5
        q = q.reshape(1, -1, a.num_heads, head).transpose(1, 2)
        k = F.linear(x, a.k_proj_weight, bias_k).reshape(-1, tokens, a.num_heads, head).permute(0, 2, 3, 1)
        v = F.linear(x, a.v_proj_weight, bias_v).reshape(-1, tokens, a.num_heads, head).transpose(1, 2)
        pooled = ((q @ k).softmax(dim=-1) @ v).transpose(1, 2).reshape(-1, self.query.shape[0], a.embed_dim)
        return a.out_proj(pooled)


class PackedPooler(nn.Module):
    """CONCH v1.5: the same without biases, keys and values from one matrix."""

    def __init__(self, width, context, heads=8, queries=1):
        super().__init__()
        self.heads, self.head = heads, width // heads
        self.query = nn.Parameter(torch.zeros(queries, width))
        self.ln_k = nn.LayerNorm(context)
        self.ln_q = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_kv = nn.Linear(context, 2 * width, bias=False)
        self.to_out = nn.Linear(width, width, bias=False)

    def forward(self, x):
        tokens, queries = int(x.shape[1]), self.query.shape[0]
        q = (self.to_q(self.ln_q(self.query)) * self.head ** -0.5).reshape(1, queries, self.heads, self.head).transpose(1, 2)
        k, v = self.to_kv(self.ln_k(x)).chunk(2, dim=-1)
        k = k.reshape(-1, tokens, self.heads, self.head).permute(0, 2, 3, 1)
        v = v.reshape(-1, tokens, self.heads, self.head).transpose(1, 2)
        return self.to_out(((q @ k).softmax(dim=-1) @ v).transpose(1, 2).reshape(-1, queries, self.heads * self.head))


class ConchVision(nn.Module):
    """CONCH's image side up to LayerNorm before the projection, what TRIDENT and CONCH's authors use for slides: N x 512 or 768."""

    def __init__(self, s):
        super().__init__()
        self.trunk = VisionTransformer(s)
        self.attn_pool_contrast = (PackedPooler if s.packed_pooler else AttentionPooler)(s.pooler, s.width)
        self.ln_contrast = nn.LayerNorm(s.pooler)

    def forward(self, pixels):
        return self.ln_contrast(self.attn_pool_contrast(self.trunk(pixels))[:, 0])


def _vit(width, depth, heads, patch, hidden, **more):
    return Shape(width, depth, heads, patch, hidden, **more)


_GIANT = _vit(1536, 40, 24, 14, 8192, gate=True, registers=4, prefix_positions=False)
_HUGE = _vit(1280, 32, 16, 14, 6832, gate=True)
_BASE = _vit(768, 12, 12, 16, 3072, scale=False)
_SMALL = _vit(384, 12, 6, 16, 1536, scale=False)
_LARGE = _vit(1024, 24, 16, 16, 4096)

# one entry a weight file; `source` is where its shape is published
ARCHITECTURES = {
    "uni_v1": replace(_LARGE, source="MahmoodLab/UNI: ViT-L/16, init_values 1e-5"),
    "uni_v2": replace(_GIANT, depth=24, registers=8, source="MahmoodLab/UNI2-h: timm_kwargs of its model card"),
    "virchow": replace(_HUGE, source="paige-ai/Virchow: ViT-H/14, mlp_ratio 5.3375, SwiGLUPacked"),
    "virchow2": replace(_HUGE, registers=4, source="paige-ai/Virchow2: ViT-H/14, 4 registers with positions"),
    "gigapath": replace(_GIANT, patch=16, registers=0, prefix_positions=True,
                        source="prov-gigapath: vit_giant_patch14_dinov2 with patch_size 16"),
    "hoptimus0": replace(_GIANT, source="bioptimus/H-optimus-0: vit_giant_patch14_reg4_dinov2 at 224"),
    "hoptimus1": replace(_GIANT, source="bioptimus/H-optimus-1: vit_giant_patch14_reg4_dinov2 at 224"),
    "h0-mini": replace(_GIANT, width=768, depth=12, heads=12, hidden=4096,
                       source="bioptimus/H0-mini: ViT-B/14 with SwiGLUPacked, 86 M parameters"),
    "conch_v1": replace(_BASE, image=448, pooler=512, source="MahmoodLab/CONCH: conch_ViT-B-16.json, image tower"),
    "conch_v15": replace(_LARGE, image=448, pooler=768, packed_pooler=True,
                         source="MahmoodLab/conchv1_5: pytorch_model_vision.bin with positions for 448 px"),
    "phikon": replace(_BASE, eps=1e-12, source="owkin/phikon: ViT-B/16 of transformers"),
    "phikon_v2": replace(_LARGE, source="owkin/phikon-v2: Dinov2Model of transformers, ViT-L/16 at 224"),
    "midnight12k": replace(_GIANT, registers=0, prefix_positions=True,
                           source="kaiko-ai/midnight: Dinov2Model of transformers, ViT-g/14 at 224"),
    "openmidnight": replace(_GIANT, source="SophontAI/OpenMidnight: dinov2_vitg14_reg at 224"),
    "gpfm": replace(_LARGE, patch=14, source="majiabo/GPFM: vit_large_patch14_dinov2 at 224"),
    "kaiko-vits8": replace(_SMALL, patch=8, source="1aurent/vit_small_patch8_224.kaiko_ai_towards_large_pathology_fms"),
    "kaiko-vits16": replace(_SMALL, source="1aurent/vit_small_patch16_224.kaiko_ai_towards_large_pathology_fms"),
    "kaiko-vitb8": replace(_BASE, patch=8, source="1aurent/vit_base_patch8_224.kaiko_ai_towards_large_pathology_fms"),
    "kaiko-vitb16": replace(_BASE, source="1aurent/vit_base_patch16_224.kaiko_ai_towards_large_pathology_fms"),
    "lunit-vits8": replace(_SMALL, patch=8, source="1aurent/vit_small_patch8_224.lunit_dino"),
}


def build(name, depth=None):
    """A network without weights, in eval mode.  depth: keep only so many blocks (tests)."""
    shape = ARCHITECTURES[name]
    if depth is not None:
        shape = replace(shape, depth=min(depth, shape.depth))
    return (ConchVision(shape) if shape.pooler else VisionTransformer(shape)).eval()


def fill_random(network, seed):
    """Weights of the size that training leaves, LayerScale far from its start: every branch counts in the feature."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in network.named_parameters():
            if name.endswith("gamma"):
                p.uniform_(0.3, 1.0, generator=generator)
            elif "norm" in name or "ln_" in name:
                p.normal_(1.0 if name.endswith("weight") else 0.0, 0.2, generator=generator)
            elif name.endswith("bias") or "token" in name or "pos_embed" in name:
                p.normal_(0.0, 0.2, generator=generator)
            else:
                p.normal_(0.0, 1.5 * p[0].numel() ** -0.5, generator=generator)
    return network


# names of transformers' ViT and Dinov2, and of DINOv2 itself, to timm's
_RENAMED = [(re.compile(p), r) for p, r in (
    (r"^(vit|dinov2|module)\.", ""), (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^embeddings\.position_embeddings$", "pos_embed"), (r"^embeddings\.cls_token$", "cls_token"),
    (r"^(embeddings\.)?register_tokens$", "reg_token"), (r"^layernorm\.", "norm."), (r"^encoder\.layer\.", "blocks."),
    (r"\.attention\.output\.dense\.", ".attn.proj."), (r"\.attention\.attention\.(query|key|value)\.", r".attn.\1."),
    (r"\.layernorm_before\.", ".norm1."), (r"\.layernorm_after\.", ".norm2."), (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
    (r"\.(intermediate\.dense|mlp\.weights_in|mlp\.w12)\.", ".mlp.fc1."), (r"^(blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"\.mlp\.(weights_out|w3)\.", ".mlp.fc2."))]
_NOT_AN_ENCODER = ("head.", "fc_norm.", "mask_token", "embeddings.mask_token", "pooler.")  # classifiers, what only training needs


def _timm_name(name):
    for pattern, new in _RENAMED:
        name = pattern.sub(new, name)
    return name


def _join_projections(weights):
    """query, key and value of a block become one matrix."""
    for name in [k for k in weights if ".attn.query." in k]:
        parts = [weights.pop(name.replace("query", part), None) for part in ("query", "key", "value")]
        if all(part is not None for part in parts):
            weights[name.replace("query", "qkv")] = torch.cat(parts)
    return weights


def _fold_class_position(shape, weights):
    """DINOv2 stores a position for the class token and none for registers; here the sum of both is the class token."""
    positions, patches = weights.get("pos_embed"), (shape.image // shape.patch) ** 2
    if shape.prefix_positions or positions is None or positions.shape[1] != patches + 1 or "cls_token" not in weights:
        return weights
    return {**weights, "cls_token": weights["cls_token"] + positions[:, :1], "pos_embed": positions[:, 1:]}


def adapt(name, weights):
    """The part of a published weight file that is the image encoder, under the names used here."""
    shape = ARCHITECTURES[name]
    if shape.pooler:  # CONCH's file also holds the text tower, the decoder, the caption queries
        weights = {re.sub(r"^(module\.)?(visual\.)?", "", k): v for k, v in weights.items()}
        return {k: v for k, v in weights.items() if k.startswith(("trunk.", "attn_pool_contrast.", "ln_contrast."))}
    weights = _join_projections({_timm_name(k): v for k, v in weights.items()})
    return _fold_class_position(shape, {k: v for k, v in weights.items() if not k.startswith(_NOT_AN_ENCODER)})


def load(name, weights):
    """Build `name` and load its weights; ValueError says which weights do not fit."""
    network, weights = build(name), adapt(name, weights)
    wanted = network.state_dict()
    missing, left = sorted(wanted.keys() - weights.keys()), sorted(weights.keys() - wanted.keys())
    other = [k for k in wanted if k in weights and weights[k].shape != wanted[k].shape]
    if missing or left or other:
        def some(keys):
            return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
        parts = ([f"missing: {some(missing)}"] if missing else []) + ([f"not part of it: {some(left)}"] if left else []) + [
            f"{k} is {tuple(weights[k].shape)}, not {tuple(wanted[k].shape)}" for k in other[:3]]
        raise ValueError(f"these are not the weights of {name} ({ARCHITECTURES[name].source}): " + "; ".join(parts))
    network.load_state_dict({k: v.float() for k, v in weights.items()})
    return network.eval()
