#!/usr/bin/python3
"""Gradients of a gated attention head in float64, by PyTorch: writes gradient_expected.h beside itself."""
import math
import os

import torch

N, D, H, A, C = 7, 5, 4, 3, 2


def wave(start, *shape):
    """What test_gradient.c fills its tensors with."""
    count = math.prod(shape)
    return torch.tensor([0.9 * math.sin(start + 0.7 * i) for i in range(count)], dtype=torch.float64).reshape(shape)


def main():
    shapes = [(N, D), (H, D), (H,), (A, H), (A,), (A, H), (A,), (1, A), (1,), (C, H), (C,)]
    x, w1, b1, va, ba, ub, bb, wc, bc, w, b = [wave(k, *s).requires_grad_(True) for k, s in enumerate(shapes)]
    h = torch.relu(x @ w1.T + b1)
    s = (torch.tanh(h @ va.T + ba) * torch.sigmoid(h @ ub.T + bb)) @ wc.T + bc
    pooled = torch.softmax(s.T, dim=1) @ h
    loss = torch.nn.functional.cross_entropy(pooled @ w.T + b, torch.tensor([1]))
    loss.backward()
    lines = ["/* Made by gradient_expected.py with PyTorch %s. */" % torch.__version__.split("+")[0],
             "static const double expected_loss = %.17g;" % loss.item()]
    for name, tensor in zip("x w1 b1 va ba ub bb wc bc w b".split(), [x, w1, b1, va, ba, ub, bb, wc, bc, w, b]):
        values = ", ".join("%.17g" % v for v in tensor.grad.flatten().tolist())
        lines.append("static const double expected_%s[] = {%s};" % (name, values))
    lines.append("static const double *const expected[] = {%s};" % ", ".join(
        "expected_" + n for n in "x w1 b1 va ba ub bb wc bc w b".split()))
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "gradient_expected.h"), "w") as out:
        out.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
