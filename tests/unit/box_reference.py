#!/usr/bin/python3
"""Writes box_expected.h: torchvision's NMS, NumPy transcriptions of the decoders, on the numbers that test_boxes.c makes.
   python3 box_reference.py [FASTESTDET_OUTPUT.pb] > box_expected.h"""
import sys

import numpy as np
import torch
import torchvision
from task_reference import values


def show(name, x, kind="double"):
    x = np.asarray(x, dtype=np.float64).reshape(-1)
    print(f"static const {kind} {name}[] = {{{', '.join(f'{v:.12g}' for v in x)}}};")


def made_boxes(n, axes):
    """Corners in 0..100, edges of 5..25, a score, a class of three; scores all differ."""
    v = values(n * (2 * axes + 1), 0.5, 0.5).reshape(n, -1).astype(np.float32).astype(np.float64)
    low, edge = v[:, :axes] * 100, 5 + v[:, axes:2 * axes] * 20
    return np.concatenate([low, low + edge], 1), v[:, 2 * axes], np.arange(n) % 3


def iou(a, b):
    k = len(a) // 2
    common = np.prod(np.clip(np.minimum(a[k:], b[k:]) - np.maximum(a[:k], b[:k]), 0, None))
    return common / (np.prod(a[k:] - a[:k]) + np.prod(b[k:] - b[:k]) - common)


def nms(boxes, scores, labels, threshold):
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if all(labels[i] != labels[j] or iou(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return kept


def best(boxes, scores, labels, threshold, least):
    some = scores >= least
    boxes, scores, labels = boxes[some], scores[some], labels[some]
    kept = nms(boxes, scores, labels, threshold)
    return np.concatenate([boxes[kept], scores[kept, None], labels[kept, None]], 1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def fastestdet(out, size, least, threshold):
    """dog-qiuqiu/FastestDet's post-processing, its NMS class by class and without its extra pixel."""
    _, h, w = out.shape
    y, x = np.mgrid[:h, :w]
    score = out[0] ** 0.6 * out[5:].max(0) ** 0.4
    cx, cy = (np.tanh(out[1]) + x) / w, (np.tanh(out[2]) + y) / h
    bw, bh = sigmoid(out[3]), sigmoid(out[4])
    boxes = np.stack([cx - bw / 2, cy - bh / 2, cx + bw / 2, cy + bh / 2], -1).reshape(-1, 4) * size
    return best(boxes, score.reshape(-1), out[5:].argmax(0).reshape(-1), threshold, least)


if __name__ == "__main__":
    print("/* Made by box_reference.py. */")
    boxes, scores, labels = made_boxes(400, 2)
    kept = torchvision.ops.batched_nms(torch.tensor(boxes), torch.tensor(scores), torch.tensor(labels), 0.3)
    show("batched_2d", kept, "int")
    show("agnostic_2d", torchvision.ops.nms(torch.tensor(boxes), torch.tensor(scores), 0.3), "int")
    boxes, scores, labels = made_boxes(400, 3)
    show("batched_3d", nms(boxes, scores, labels, 0.05), "int")
    # yolo: 3 classes, 60 boxes, input of 64 px
    out = values(60 * 8, 0.5, 0.5).reshape(60, 8).astype(np.float32).astype(np.float64)
    out[:, :4] *= 64
    classes = out[:, [4, 5, 6]]
    xywh = out[:, :4]
    corners = np.concatenate([xywh[:, :2] - xywh[:, 2:] / 2, xywh[:, :2] + xywh[:, 2:] / 2], 1)
    show("yolov8", best(corners, classes.max(1), classes.argmax(1), 0.45, 0.25))
    with_object = out[:, 5:8]
    show("yolov5", best(corners, out[:, 4] * with_object.max(1), with_object.argmax(1), 0.45, 0.25))
    made = values(8 * 6 * 5, 0.5, 0.5).reshape(8, 6, 5).astype(np.float32).astype(np.float64)
    made[1:5] = made[1:5] * 4 - 2
    show("fastestdet", fastestdet(made, np.array([80, 96, 80, 96]), 0.5, 0.45))
    if len(sys.argv) > 1:
        raw = np.frombuffer(open(sys.argv[1], "rb").read()[-85 * 22 * 22 * 4:], np.float32).reshape(85, 22, 22).astype(np.float64)
        show("fastestdet_real", fastestdet(raw, np.array([352] * 4), 0.35, 0.45))
