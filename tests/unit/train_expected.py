#!/usr/bin/env python3
"""Losses of test_target_loss.c by PyTorch, written as train_expected.h: python3 train_expected.py > train_expected.h"""
import torch
import torch.nn.functional as F

L = torch.tensor([0.5, -1.2, 0.3, 2.0, 0.1, -0.7, -0.4, 0.9, 1.5, 0.0, 0.2, -2.2, 1.1, -0.6, 0.8, -1.9, 0.7, 0.4], dtype=torch.float64)
N = 6


def logits(width):
    return L[: N * width].reshape(N, width)


def line(text, params, weights, value):
    print(f"{{{text}, {{{params}}}, {weights}, {float(value):.15g}}},")


y = torch.tensor([0, 2, 1, 0, 2, 0])
line("classes_text", ".task = MT_TASK_MULTICLASS", "false", F.cross_entropy(logits(3), y))
balanced = N / (3 * torch.bincount(y, minlength=3).double())
line("classes_text", ".task = MT_TASK_MULTICLASS", "true", F.cross_entropy(logits(3), y, weight=balanced))
pair = torch.tensor([0, 1, 1, 0, 0, 0])
line("pair_text", ".task = MT_TASK_BINARY", "false", F.cross_entropy(logits(2), pair))
# ordinal: "more than grade k" for k = 0, 1
more = torch.stack([(y > k).double() for k in range(2)], 1)
line("classes_text", ".task = MT_TASK_ORDINAL", "false", F.binary_cross_entropy_with_logits(logits(2), more, reduction="sum") / N)
nan = float("nan")
t = torch.tensor([[1, 0, nan], [nan, 1, 1], [0, 0, 0], [1, nan, 0], [nan, nan, 1], [0, 1, 1]], dtype=torch.float64)
known = ~torch.isnan(t)
each = F.binary_cross_entropy_with_logits(logits(3), torch.nan_to_num(t), reduction="none") * known
line("findings_text", ".task = MT_TASK_MULTILABEL, .labels = three", "false", (each.sum(1) / known.sum(1)).mean())
present, absent = ((t == 1) & known).sum(0).double(), ((t == 0) & known).sum(0).double()
w = torch.where(t == 1, (present + absent) / (2 * present), (present + absent) / (2 * absent))
w = torch.nan_to_num(w)
line("findings_text", ".task = MT_TASK_MULTILABEL, .labels = three", "true", ((each * w).sum(1) / known.sum(1)).mean())
time, event = [5, 2, 2, 9, 7, 7], [1, 0, 1, 0, 1, 1]
h = torch.sigmoid(logits(3))
total = 0
for i in range(N):
    k = [j for j, b in enumerate((3, 6, 9)) if time[i] <= b][0]
    before = torch.log(1 - h[i, :k]).sum()
    total -= before + (torch.log(h[i, k]) if event[i] else torch.log(1 - h[i, k]))
line("survival_text", ".task = MT_TASK_HAZARD, .labels = bounds", "false", total / N)
risk = L[:N]
total = 0
for i in range(N):
    if event[i]:
        total -= risk[i] - torch.logsumexp(risk[[j for j in range(N) if time[j] >= time[i]]], 0)
line("survival_text", ".task = MT_TASK_COX", "false", total / sum(event))
