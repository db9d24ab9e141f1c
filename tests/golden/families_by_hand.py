"""Families that torchvision lacks, transcribed in short from their papers: decoders, generators, towers, encoder blocks."""
import math

import torch
import torch.nn.functional as F
from torch import nn

from families import Family, image


def _double_conv(inp, out):
    return nn.Sequential(nn.Conv2d(inp, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(True),
                         nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(True))


class UNetPlusPlus(nn.Module):
    def __init__(self, w=(8, 16, 32)):
        super().__init__()
        self.down = nn.ModuleList([_double_conv(3, w[0]), _double_conv(w[0], w[1]), _double_conv(w[1], w[2])])
        self.up01, self.up11 = _double_conv(w[0] + w[1], w[0]), _double_conv(w[1] + w[2], w[1])
        self.up02, self.last = _double_conv(2 * w[0] + w[1], w[0]), nn.Conv2d(w[0], 2, 1)

    def forward(self, x):
        def up(t):
            return F.interpolate(t, scale_factor=2, mode="bilinear", align_corners=True)
        x00 = self.down[0](x)
        x10 = self.down[1](F.max_pool2d(x00, 2))
        x20 = self.down[2](F.max_pool2d(x10, 2))
        x01 = self.up01(torch.cat([x00, up(x10)], 1))
        x11 = self.up11(torch.cat([x10, up(x20)], 1))
        return self.last(self.up02(torch.cat([x00, x01, up(x11)], 1)))


class AttentionUNet(nn.Module):
    """A gate made of the coarser level weighs the skip connection."""
    def __init__(self):
        super().__init__()
        self.d1, self.d2, self.u1 = _double_conv(3, 8), _double_conv(8, 16), _double_conv(16, 8)
        self.up, self.wg, self.wx = nn.ConvTranspose2d(16, 8, 2, 2), nn.Conv2d(8, 4, 1), nn.Conv2d(8, 4, 1)
        self.bg, self.bx, self.psi = nn.BatchNorm2d(4), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 1)

    def forward(self, x):
        a = self.d1(x)
        b = self.up(self.d2(F.max_pool2d(a, 2)))
        gate = torch.sigmoid(self.psi(F.relu(self.bg(self.wg(b)) + self.bx(self.wx(a)))))
        return self.u1(torch.cat([a * gate, b], 1))


class Attention(nn.Module):
    """timm's: packed projection, reshape, permute, unbind; with optional norm of q and k."""
    def __init__(self, dim, heads, qk_norm=False, bias=True):
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.qkv, self.proj = nn.Linear(dim, 3 * dim, bias=bias), nn.Linear(dim, dim)
        self.q_norm = nn.LayerNorm(dim // heads) if qk_norm else nn.Identity()
        self.k_norm = nn.LayerNorm(dim // heads) if qk_norm else nn.Identity()

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        q, k = self.q_norm(q), self.k_norm(k)
        attention = ((q * self.scale) @ k.transpose(-2, -1)).softmax(dim=-1)
        return self.proj((attention @ v).transpose(1, 2).reshape(b, n, c))


class SwiGLU(nn.Module):
    """DINOv2's giant and Virchow: one product, cut in two."""
    def __init__(self, dim, hidden):
        super().__init__()
        self.w12, self.w3 = nn.Linear(dim, 2 * hidden), nn.Linear(hidden, dim)

    def forward(self, x):
        a, b = self.w12(x).chunk(2, dim=-1)
        return self.w3(F.silu(a) * b)


class LayerScale(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return x * self.gamma


class RMSNorm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class Block(nn.Module):
    def __init__(self, dim, heads, norm=nn.LayerNorm, mlp=None, scale=False, **kw):
        super().__init__()
        self.n1, self.n2, self.attn = norm(dim), norm(dim), Attention(dim, heads, **kw)
        self.mlp = mlp or nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.s1, self.s2 = (LayerScale(dim), LayerScale(dim)) if scale else (nn.Identity(), nn.Identity())

    def forward(self, x):
        x = x + self.s1(self.attn(self.n1(x)))
        return x + self.s2(self.mlp(self.n2(x)))


class ModernViT(nn.Module):
    """Registers, SwiGLU, layer scale, normed q and k; positions of another grid interpolated as DINOv2 exports do."""
    def __init__(self, dim=64, heads=4, size=32, patch=8, trained=3, norm=nn.LayerNorm):
        super().__init__()
        self.patch, self.trained = nn.Conv2d(3, dim, patch, patch), trained
        self.cls, self.reg = nn.Parameter(torch.randn(1, 1, dim)), nn.Parameter(torch.randn(1, 4, dim))
        self.pos = nn.Parameter(torch.randn(1, 1 + trained * trained, dim))
        self.blocks = nn.Sequential(*[Block(dim, heads, norm, SwiGLU(dim, 96), True, qk_norm=True) for _ in range(2)])
        self.norm = norm(dim)

    def positions(self, h, w):
        grid = self.pos[:, 1:].reshape(1, self.trained, self.trained, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, size=(h, w), mode="bicubic", align_corners=False)
        return torch.cat([self.pos[:, :1], grid.permute(0, 2, 3, 1).reshape(1, h * w, -1)], 1)

    def forward(self, x):
        x = self.patch(x)
        b, _, h, w = x.shape
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(b, -1, -1), x], 1) + self.positions(h, w)
        x = torch.cat([x[:, :1], self.reg.expand(b, -1, -1), x[:, 1:]], 1)
        x = self.norm(self.blocks(x))
        return x[:, 0], x[:, 5:]


class HubViT(nn.Module):
    """Separate projections, scores divided after the product: Hugging Face's ViT, Phikon, and with a mask BERT."""
    def __init__(self, dim=64, heads=4, masked=False):
        super().__init__()
        self.heads, self.masked = heads, masked
        self.norm = nn.ModuleList([nn.LayerNorm(dim, eps=1e-12) for _ in range(4)])
        self.q, self.k, self.v, self.o = [nn.ModuleList([nn.Linear(dim, dim) for _ in range(2)]) for _ in range(4)]
        self.up, self.down = nn.ModuleList([nn.Linear(dim, 128) for _ in range(2)]), nn.ModuleList([nn.Linear(128, dim) for _ in range(2)])

    def split(self, x):
        return x.view(*x.size()[:-1], self.heads, x.size(-1) // self.heads).permute(0, 2, 1, 3)

    def forward(self, x, mask=None):
        for i in range(2):
            n = self.norm[2 * i](x)
            q, k, v = self.split(self.q[i](n)), self.split(self.k[i](n)), self.split(self.v[i](n))
            s = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(q.size(-1))
            if self.masked:
                s = s + (1.0 - mask[:, None, None, :]) * -10000.0
            y = torch.matmul(s.softmax(-1), v).permute(0, 2, 1, 3).contiguous()
            x = x + self.o[i](y.view(*y.size()[:-2], -1))
            x = x + self.down[i](F.gelu(self.up[i](self.norm[2 * i + 1](x))))
        return x


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class ClipTower(nn.Module):
    """CLIP's blocks over nn.MultiheadAttention, tokens first, then CoCa's pooling by learned queries."""
    def __init__(self, dim=64, heads=4, queries=5):
        super().__init__()
        self.patch = nn.Conv2d(3, dim, 8, 8, bias=False)
        self.cls, self.pos = nn.Parameter(torch.randn(dim)), nn.Parameter(torch.randn(17, dim))
        self.pre, self.n1, self.n2, self.post = [nn.LayerNorm(dim) for _ in range(4)]
        self.attn = nn.MultiheadAttention(dim, heads)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), QuickGELU(), nn.Linear(4 * dim, dim))
        self.query, self.pool = nn.Parameter(torch.randn(queries, dim)), nn.MultiheadAttention(dim, heads)
        self.nq, self.nk, self.proj = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.Parameter(torch.randn(dim, 32) / 8)

    def forward(self, x):
        x = self.patch(x)
        x = x.reshape(x.shape[0], x.shape[1], -1).permute(0, 2, 1)
        cls = self.cls.to(x.dtype) + torch.zeros(x.shape[0], 1, x.shape[-1], dtype=x.dtype)
        x = self.pre(torch.cat([cls, x], dim=1) + self.pos).permute(1, 0, 2)
        n = self.n1(x)
        x = x + self.attn(n, n, n, need_weights=False)[0]
        x = x + self.mlp(self.n2(x))
        k = self.nk(self.post(x))
        q = self.nq(self.query).unsqueeze(1).repeat(1, k.shape[1], 1)
        pooled = self.pool(q, k, k, need_weights=False)[0].permute(1, 0, 2)
        return pooled[:, 0] @ self.proj, pooled[:, 1:]


class SamBlock(nn.Module):
    """Window attention with padding and positions decomposed into rows and columns."""
    def __init__(self, dim=32, heads=2, window=6, size=8):
        super().__init__()
        self.heads, self.window, self.scale = heads, window, (dim // heads) ** -0.5
        self.n1, self.n2, self.qkv, self.proj = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 64), nn.GELU(), nn.Linear(64, dim))
        side = window or size
        self.rel_pos_h = nn.Parameter(torch.randn(2 * side - 1, dim // heads))
        self.rel_pos_w = nn.Parameter(torch.randn(2 * side - 1, dim // heads))

    def attention(self, x):
        b, h, w, c = x.shape
        qkv = self.qkv(x).reshape(b, h * w, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.reshape(3, b * self.heads, h * w, -1).unbind(0)
        attn = (q * self.scale) @ k.transpose(-2, -1)
        index = torch.arange(h)[:, None] - torch.arange(h)[None, :] + h - 1
        r_q = q.reshape(b * self.heads, h, w, -1)
        rel_h = torch.einsum("bhwc,hkc->bhwk", r_q, self.rel_pos_h[index])
        rel_w = torch.einsum("bhwc,wkc->bhwk", r_q, self.rel_pos_w[index])
        attn = (attn.view(-1, h, w, h, w) + rel_h[:, :, :, :, None] + rel_w[:, :, :, None, :]).view(-1, h * w, h * w)
        x = (attn.softmax(dim=-1) @ v).view(b, self.heads, h, w, -1).permute(0, 2, 3, 1, 4).reshape(b, h, w, -1)
        return self.proj(x)

    def windowed(self, x):
        b, h, w, c = x.shape
        s = self.window
        x = F.pad(x, (0, 0, 0, (s - w % s) % s, 0, (s - h % s) % s))
        hp, wp = x.shape[1], x.shape[2]
        t = x.view(b, hp // s, s, wp // s, s, c).permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, s, s, c)
        t = self.attention(t)
        t = t.view(b, hp // s, wp // s, s, s, c).permute(0, 1, 3, 2, 4, 5).contiguous().view(b, hp, wp, c)
        return t[:, :h, :w, :].contiguous()

    def forward(self, x):
        n = self.n1(x)
        x = x + (self.windowed(n) if self.window else self.attention(n))
        return x + self.mlp(self.n2(x))


class LayerNorm2d(nn.Module):
    """Over channels of NCHW, by hand: SAM's neck, ConvNeXt's downsampling."""
    def __init__(self, c):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(c)), nn.Parameter(torch.zeros(c))

    def forward(self, x):
        u = x.mean(1, keepdim=True)
        s = (x - u).pow(2).mean(1, keepdim=True)
        x = (x - u) / torch.sqrt(s + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class SamEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch, self.pos = nn.Conv2d(3, 32, 4, 4), nn.Parameter(torch.randn(1, 8, 8, 32))
        self.blocks = nn.Sequential(SamBlock(), SamBlock(window=0))
        self.neck = nn.Sequential(nn.Conv2d(32, 16, 1, bias=False), LayerNorm2d(16), nn.Conv2d(16, 16, 3, padding=1), LayerNorm2d(16))

    def forward(self, x):
        return self.neck(self.blocks(self.patch(x).permute(0, 2, 3, 1) + self.pos).permute(0, 3, 1, 2))


class ConvNeXtBlock(nn.Module):
    """timm's: depthwise, NHWC norm and Linear, layer scale, back."""
    def __init__(self, dim=24):
        super().__init__()
        self.dw, self.norm = nn.Conv2d(dim, dim, 7, padding=3, groups=dim), nn.LayerNorm(dim)
        self.fc1, self.fc2, self.gamma = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim), nn.Parameter(torch.ones(dim))

    def forward(self, x):
        y = self.norm(self.dw(x).permute(0, 2, 3, 1))
        y = self.gamma * self.fc2(F.gelu(self.fc1(y)))
        return x + y.permute(0, 3, 1, 2)


def _convnext_timm():
    return nn.Sequential(nn.Conv2d(3, 24, 4, 4), LayerNorm2d(24), ConvNeXtBlock(), ConvNeXtBlock(), LayerNorm2d(24), nn.Conv2d(24, 32, 2, 2))


class TransUNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.s1, self.s2 = _double_conv(3, 8), _double_conv(8, 16)
        self.patch, self.pos = nn.Conv2d(16, 32, 2, 2), nn.Parameter(torch.randn(1, 16, 32))
        self.blocks = nn.Sequential(Block(32, 4), Block(32, 4))
        self.u1, self.u2, self.last = _double_conv(32 + 16, 16), _double_conv(16 + 8, 8), nn.Conv2d(8, 3, 1)

    def forward(self, x):
        a = self.s1(x)
        b = self.s2(F.max_pool2d(a, 4))
        t = self.patch(b).flatten(2).transpose(-1, -2) + self.pos
        t = self.blocks(t)
        n, tokens, hidden = t.size()
        side = int(math.sqrt(16))
        t = t.permute(0, 2, 1).contiguous().view(n, hidden, side, side)
        t = self.u1(torch.cat([F.interpolate(t, scale_factor=2, mode="bilinear", align_corners=False), b], 1))
        return self.last(self.u2(torch.cat([F.interpolate(t, scale_factor=4, mode="nearest"), a], 1)))


def _nn_unet(dims):
    conv, up, norm = (nn.Conv2d, nn.ConvTranspose2d, nn.InstanceNorm2d) if dims == 2 else (nn.Conv3d, nn.ConvTranspose3d, nn.InstanceNorm3d)

    def stage(i, o, stride=1):
        return nn.Sequential(conv(i, o, 3, stride, 1), norm(o, affine=True), nn.LeakyReLU(0.01, True),
                             conv(o, o, 3, 1, 1), norm(o, affine=True), nn.LeakyReLU(0.01, True))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.e1, self.e2, self.e3 = stage(1, 8), stage(8, 16, 2), stage(16, 24, 2)
            self.t2, self.t1, self.d2, self.d1 = up(24, 16, 2, 2, bias=False), up(16, 8, 2, 2, bias=False), stage(32, 16), stage(16, 8)
            self.last = conv(8, 3, 1)

        def forward(self, x):
            a = self.e1(x)
            b = self.e2(a)
            y = self.d2(torch.cat((self.t2(self.e3(b)), b), 1))
            return self.last(self.d1(torch.cat((self.t1(y), a), 1)))
    return Net()


class VaeDecoder(nn.Module):
    """Group norm and SiLU, attention over pixels, nearest upsampling: a latent diffusion decoder."""
    def __init__(self, c=32):
        super().__init__()
        self.first, self.n1, self.c1 = nn.Conv2d(4, c, 3, padding=1), nn.GroupNorm(8, c, eps=1e-6), nn.Conv2d(c, c, 3, padding=1)
        self.na, self.q, self.k, self.v, self.o = nn.GroupNorm(8, c), *[nn.Conv2d(c, c, 1) for _ in range(4)]
        self.up, self.n2, self.last = nn.Conv2d(c, c, 3, padding=1), nn.GroupNorm(4, c), nn.Conv2d(c, 3, 3, padding=1)

    def forward(self, z):
        x = self.first(z)
        x = x + self.c1(F.silu(self.n1(x)))
        h = self.na(x)
        b, c, y, w = h.shape
        q = self.q(h).reshape(b, c, y * w).permute(0, 2, 1)
        s = torch.bmm(q, self.k(h).reshape(b, c, y * w)) * (int(c) ** (-0.5))
        h = torch.bmm(self.v(h).reshape(b, c, y * w), s.softmax(dim=2).permute(0, 2, 1)).reshape(b, c, y, w)
        x = self.up(F.interpolate(x + self.o(h), scale_factor=2.0, mode="nearest"))
        return torch.tanh(self.last(F.silu(self.n2(x))))


def _generator():
    """DCGAN's, with sub-pixel and leaky layers."""
    return nn.Sequential(nn.ConvTranspose2d(16, 32, 4, 1, 0, bias=False), nn.BatchNorm2d(32), nn.ReLU(True),
                         nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(True),
                         nn.Conv2d(16, 16, 3, padding=1), nn.PixelShuffle(2), nn.PReLU(), nn.ReflectionPad2d(1), nn.Conv2d(4, 3, 3), nn.Tanh())


class ResnetGenerator(nn.Module):
    """CycleGAN's, for stain translation: reflection padding, instance norm without scale, residual blocks."""
    def __init__(self, c=8):
        super().__init__()
        self.stem = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(3, c, 7), nn.InstanceNorm2d(c), nn.ReLU(True),
                                  nn.Conv2d(c, 2 * c, 3, 2, 1), nn.InstanceNorm2d(2 * c), nn.ReLU(True))
        self.block = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(2 * c, 2 * c, 3), nn.InstanceNorm2d(2 * c), nn.ReLU(True),
                                   nn.ReflectionPad2d(1), nn.Conv2d(2 * c, 2 * c, 3), nn.InstanceNorm2d(2 * c))
        self.tail = nn.Sequential(nn.ConvTranspose2d(2 * c, c, 3, 2, 1, output_padding=1), nn.InstanceNorm2d(c), nn.ReLU(True),
                                  nn.ReflectionPad2d(3), nn.Conv2d(c, 3, 7), nn.Tanh())

    def forward(self, x):
        x = self.stem(x)
        return self.tail(x + self.block(x))


class ConvStem(nn.Module):
    """CTransPath's: convolutions in place of the patch projection, then a norm over tokens, then windows with position bias."""
    def __init__(self, dim=32, heads=2, window=4):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(True),
                                  nn.Conv2d(8, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(True), nn.Conv2d(16, dim, 1))
        self.norm, self.n1, self.attn, self.window, self.heads = nn.LayerNorm(dim), nn.LayerNorm(dim), Attention(dim, heads), window, heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        at = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
        d = (at[:, :, None] - at[:, None, :]).permute(1, 2, 0) + window - 1
        self.register_buffer("index", d[:, :, 0] * (2 * window - 1) + d[:, :, 1])
        region = torch.zeros(1, 8, 8, 1)
        for i, h in enumerate((slice(0, -4), slice(-4, -2), slice(-2, None))):
            for k, w in enumerate((slice(0, -4), slice(-4, -2), slice(-2, None))):
                region[:, h, w] = 3 * i + k
        r = region.view(1, 2, 4, 2, 4, 1).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16)
        self.register_buffer("mask", ((r[:, None] - r[:, :, None]) != 0).float() * -100.0)

    def forward(self, x):
        x = self.norm(self.stem(x).flatten(2).transpose(1, 2))
        b, length, c = x.shape
        y = torch.roll(self.n1(x).view(b, 8, 8, c), shifts=(-2, -2), dims=(1, 2))
        y = y.view(b, 2, 4, 2, 4, c).permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, 16, c)
        qkv = self.attn.qkv(y).reshape(-1, 16, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        attn = (q * self.attn.scale) @ k.transpose(-2, -1)
        bias = self.relative_position_bias_table[self.index.view(-1)].view(16, 16, -1).permute(2, 0, 1).contiguous()
        attn = attn + bias.unsqueeze(0)
        attn = attn.view(-1, 4, self.heads, 16, 16) + self.mask.unsqueeze(1).unsqueeze(0)
        attn = attn.view(-1, self.heads, 16, 16).softmax(-1)
        y = self.attn.proj((attn @ v).transpose(1, 2).reshape(-1, 16, c))
        y = y.view(-1, 2, 2, 4, 4, c).permute(0, 1, 3, 2, 4, 5).contiguous().view(-1, 8, 8, c)
        return x + torch.roll(y, shifts=(2, 2), dims=(1, 2)).view(-1, 64, c)


class SwinMlpNorms(nn.Module):
    """Functions written out: hard swish and sigmoid, mish, softplus, gated linear units."""
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(16, 32), nn.Linear(16, 32), nn.Conv2d(3, 16, 3)

    def forward(self, x):
        y = self.c(x).mean((2, 3))
        p = F.glu(self.a(y), -1) + F.mish(self.b(y))[:, :16]
        q = F.hardswish(self.a(y)) * F.hardsigmoid(self.b(y)) + F.softplus(self.b(y), beta=2)
        r = self.b(y) * (F.relu6(self.b(y) + 3) / 6) + F.elu(self.a(y)) + F.selu(self.b(y)) + F.celu(self.a(y), 0.7)
        return p, q, r + F.gelu(self.a(y), approximate="tanh") + F.softsign(self.b(y))


class MilTransformer(nn.Module):
    """nn.TransformerEncoderLayer with batch first, as slide-level transformers are built."""
    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(32, 4, 64, activation="gelu", batch_first=True, norm_first=True)
        self.encoder, self.cls = nn.TransformerEncoder(layer, 2), nn.Parameter(torch.randn(1, 1, 32))

    def forward(self, x):
        return self.encoder(torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1))[:, 0]


class Detector(nn.Module):
    """YOLOv8 in small: C2f, SPPF, a decoupled head with distribution focal loss, boxes decoded."""
    def __init__(self):
        super().__init__()
        def cbs(i, o, k=1, s=1):
            return nn.Sequential(nn.Conv2d(i, o, k, s, k // 2, bias=False), nn.BatchNorm2d(o), nn.SiLU())
        self.stem, self.cv1, self.m, self.cv2 = nn.Sequential(cbs(3, 8, 3, 2), cbs(8, 16, 3, 2)), cbs(16, 16), cbs(8, 8, 3), cbs(24, 16)
        self.sp1, self.pool, self.sp2 = cbs(16, 8), nn.MaxPool2d(5, 1, 2), cbs(32, 16)
        self.box, self.cls = nn.Conv2d(16, 64, 1), nn.Conv2d(16, 4, 1)
        self.register_buffer("project", torch.arange(16.0).view(1, 16, 1, 1))

    def forward(self, x):
        x = self.stem(x)
        a, b = self.cv1(x).chunk(2, 1)
        x = self.cv2(torch.cat([a, b, self.m(b) + b], 1))
        y = [self.sp1(x)]
        for _ in range(3):
            y.append(self.pool(y[-1]))
        x = self.sp2(torch.cat(y, 1))
        b, _, h, w = x.shape
        box, cls = self.box(x).view(b, 64, 64), self.cls(x).view(b, 4, 64)
        d = F.conv2d(box.view(b, 4, 16, 64).transpose(2, 1).softmax(1), self.project).view(b, 4, 64)
        anchors = torch.stack([(torch.arange(64) % 8) + 0.5, (torch.arange(64) // 8) + 0.5]).to(x.dtype)
        lt, rb = d.chunk(2, 1)
        return torch.cat([anchors - lt, anchors + rb], 1) * 4.0, cls.sigmoid()


def tokens(n, dim, mask=False):
    def make(batch):
        x = torch.randn(batch, n, dim)
        return (x, (torch.rand(batch, n) > 0.3).float()) if mask else (x,)
    return make


FAMILIES = [
    Family("unet_plus_plus", UNetPlusPlus, image(32), quick=True),
    Family("attention_unet", AttentionUNet, image(32), quick=True),
    Family("trans_unet", TransUNet, image(32), quick=True),
    Family("nn_unet_2d", lambda: _nn_unet(2), image(32, channels=1), quick=True),
    Family("nn_unet_3d", lambda: _nn_unet(3), image(16, 16, 1), quick=True),
    Family("vae_decoder", VaeDecoder, image(8, channels=4), quick=True),
    Family("gan_generator", _generator, image(1, channels=16), quick=True),
    Family("cyclegan_generator", ResnetGenerator, image(16), quick=True),
    Family("clip_tower", ClipTower, image(32), quick=True),
    Family("sam_encoder", SamEncoder, image(32), quick=True),
    Family("modern_vit", ModernViT, image(32), quick=True),
    Family("modern_vit_rms", lambda: ModernViT(norm=RMSNorm), image(32), quick=True),
    Family("hub_vit", HubViT, tokens(20, 64), quick=True),
    Family("hub_bert", lambda: HubViT(masked=True), tokens(20, 64, True), quick=True),
    Family("conv_stem_windows", ConvStem, image(32), quick=True),
    Family("convnext_timm", _convnext_timm, image(32), quick=True),
    Family("functions", SwinMlpNorms, image(8), quick=True),
    Family("mil_transformer", MilTransformer, tokens(12, 32), quick=True),
    Family("detector", Detector, image(32), quick=True),
    Family("modern_vit_opset11", ModernViT, image(32), opset=11),
    Family("clip_tower_opset12", ClipTower, image(32), opset=12),
    Family("hub_vit_opset9", HubViT, tokens(20, 64), opset=9),
    Family("clip_tower_fixed", ClipTower, image(32), opset=16, dynamic=False),
    Family("modern_vit_opset16", ModernViT, image(32), opset=16),
]
