#!/usr/bin/python3
"""Writes task_expected.h: what NumPy and PyTorch make of the outputs that test_task_head.c feeds to the heads of tasks.
   python3 task_reference.py > task_expected.h"""
import numpy as np
import torch


def values(n, scale, shift=0.0):
    """The same numbers as made() in the test."""
    i = np.arange(1, n + 1, dtype=np.uint32)
    with np.errstate(over="ignore"):
        h = i * np.uint32(2654435761)
        h ^= h >> np.uint32(15)
        h *= np.uint32(2246822519)
        h ^= h >> np.uint32(13)
    return ((h >> np.uint32(8)).astype(np.float64) * 2.0 ** -23 - 1) * scale + shift


def op_norm(outputs, thresholds):
    """As torchxrayvision.models.op_norm."""
    thresholds = thresholds.expand(outputs.shape[0], -1)
    new = torch.zeros(outputs.shape, dtype=outputs.dtype)
    low = outputs < thresholds
    new[low] = outputs[low] / (thresholds[low] * 2)
    new[~low] = 1.0 - ((1.0 - outputs[~low]) / ((1 - thresholds[~low]) * 2))
    return new


def show(name, x):
    x = np.asarray(x, dtype=np.float64).reshape(-1)
    print(f"static const double {name}[] = {{{', '.join(f'{v:.12g}' for v in x)}}};")


def main():
    N, C, D = 7, 3, 16
    logits = torch.tensor(values(N * C, 3).reshape(N, C))
    sig, soft = torch.sigmoid(logits), torch.softmax(logits, 1)
    print("/* Made by task_reference.py. */")
    show("soft_tiles", soft)
    show("soft_mean", torch.softmax(logits.mean(0), 0))
    show("soft_max_positive_2", soft[soft[:, 2].argmax()])
    show("soft_max_any", soft[soft.max(1).values.argmax()])
    show("soft_topk_3", torch.softmax(logits.topk(3, 0).values.mean(0), 0))
    show("soft_temperature", torch.softmax(logits.mean(0) / 1.7, 0))
    show("sig_max", sig.max(0).values)
    show("sig_mean", torch.sigmoid(logits.mean(0)))
    show("sig_noisy_or", 1 - (1 - sig).prod(0))
    show("sig_topk_3", sig.topk(3, 0).values.mean(0))
    show("sig_op_norm", op_norm(sig.max(0).values[None], torch.tensor([0.07, 0.97, 0.5], dtype=torch.float64))[0])
    above = torch.sigmoid(torch.tensor([2.0, 0.5, -1.0], dtype=torch.float64))
    show("ordinal_one", torch.cat([1 - above[:1], above[:-1] - above[1:], above[-1:]]))
    show("soft_probabilities_mean", soft.mean(0))

    # zero-shot: CLIP's prompt ensembles, MI-Zero's pooling
    images = torch.nn.functional.normalize(torch.tensor(values(N * D, 1).reshape(N, D).astype(np.float32).astype(np.float64)), dim=-1)
    prompts = torch.tensor(values(4 * C * D, 1, 0.25).reshape(4, C, D).astype(np.float32).astype(np.float64))
    zeroshot = []
    for c in range(C):
        e = prompts[:, c] / prompts[:, c].norm(dim=-1, keepdim=True)
        e = e.mean(dim=0)
        zeroshot.append(e / e.norm())
    weights = torch.stack(zeroshot, dim=1)
    similarity = 20 * images @ weights
    show("zero_tiles", torch.softmax(similarity, 1))
    show("zero_mean", torch.softmax(similarity.mean(0), 0))
    show("zero_topj_2", torch.softmax(similarity.topk(2, 0, True, True).values.mean(0), 0))
    single = torch.nn.functional.normalize(prompts[0], dim=-1)
    show("zero_single", torch.softmax((20 * images @ single.T).mean(0), 0))

    # embed: percentile among 20 normal cases, i of n at i / (n + 1)
    distances = np.sort(np.abs(values(20, 1))).astype(np.float32).astype(np.float64)
    tested = np.array([0.0, 0.01, 0.5, 0.999, 2.0])
    n = len(distances)
    points = np.concatenate([[0], distances]), np.arange(n + 1) / (n + 1)
    show("percentiles", [1 - distances[-1] / d / (n + 1) if d > distances[-1] else np.interp(d, *points) for d in tested])


if __name__ == "__main__":
    main()
