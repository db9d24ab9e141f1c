"""Training step by step beside PyTorch, from equal weights: ABMIL, CLAM-SB with and without its instance loss, CLAM-MB.

The models are written here from the published formulas with the published key names; what is learnt loads into them with strict=True.
Dropout is off, the optimiser is torch.optim.AdamW in float64, the rate falls as a cosine.
"""
import csv
import json
import math
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
from harness import Skip, equal, main, microtome, read  # noqa: E402

try:
    import h5py
    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional as F
    torch.set_num_threads(1)
except ImportError as missing:
    torch, WHY = None, f"{missing.name} is not installed"

DIM, HIDDEN, ATTENTION, K, EPOCHS, LR, DECAY = 12, 10, 6, 8, 5, 2e-3, 0.01
TILES = [3, 20, 40, 300, 90, 17]

if torch is not None:
    class Gated(nn.Module):
        """attention_a, attention_b, attention_c of CLAM and MIL-Lab."""

        def __init__(self, branches):
            super().__init__()
            self.attention_a = nn.Sequential(nn.Linear(HIDDEN, ATTENTION), nn.Tanh())
            self.attention_b = nn.Sequential(nn.Linear(HIDDEN, ATTENTION), nn.Sigmoid())
            self.attention_c = nn.Linear(ATTENTION, branches)

        def forward(self, h):
            return self.attention_c(self.attention_a(h) * self.attention_b(h))

    class Abmil(nn.Module):
        def __init__(self, classes):
            super().__init__()
            self.patch_embed = nn.Sequential(nn.Linear(DIM, HIDDEN), nn.ReLU())
            self.global_attn, self.classifier = Gated(1), nn.Linear(HIDDEN, classes)

        def forward(self, x, label=None):
            h = self.patch_embed(x)
            return self.classifier(torch.softmax(self.global_attn(h), 0).T @ h), None

    class Clam(nn.Module):
        def __init__(self, classes, branches):
            super().__init__()
            self.attention_net = nn.Sequential(nn.Linear(DIM, HIDDEN), nn.ReLU(), nn.Dropout(0), Gated(branches))
            self.instance_classifiers = nn.ModuleList([nn.Linear(HIDDEN, 2) for _ in range(classes)])
            self.classes, self.branches = classes, branches
            self.classifiers = nn.Linear(HIDDEN, classes) if branches == 1 else nn.ModuleList([nn.Linear(HIDDEN, 1) for _ in range(classes)])

        def instance_loss(self, a, h, label):
            """Of the label's classifier the K tiles with most attention against the K with least; of the others, where there are more than
            two classes, the K with most are none of theirs."""
            k, losses = min(K, len(h)), []
            for c, classifier in enumerate(self.instance_classifiers):
                branch = a[:, c if self.branches > 1 else 0]
                top = h[torch.topk(branch, k).indices]
                if c == label:
                    low = h[torch.topk(-branch, k).indices]
                    losses.append(F.cross_entropy(classifier(torch.cat([top, low])), torch.tensor([1] * k + [0] * k)))
                elif self.classes > 2:
                    losses.append(F.cross_entropy(classifier(top), torch.tensor([0] * k)))
            return sum(losses) / (len(self.instance_classifiers) if self.classes > 2 else 1)

        def forward(self, x, label=None):
            h = self.attention_net[:3](x)
            a = torch.softmax(self.attention_net[3](h), 0)
            m = a.T @ h
            logits = self.classifiers(m) if self.branches == 1 else torch.cat([c(m[i:i + 1]) for i, c in enumerate(self.classifiers)], 1)
            return logits, None if label is None else self.instance_loss(a, h, label)


def build(model, classes):
    torch.manual_seed(7)
    return (Abmil(classes) if model == "abmil" else Clam(classes, 1 if model == "clam_sb" else classes)).double()


def rows_of(path):
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def tensors_of(path):
    blob = read(path, "rb")
    n = struct.unpack("<Q", blob[:8])[0]
    return {k: torch.from_numpy(np.frombuffer(blob[8 + n:][v["data_offsets"][0]:v["data_offsets"][1]], "<f4").reshape(v["shape"]).copy())
            for k, v in json.loads(blob[8:8 + n]).items() if k != "__metadata__"}


def cohort(folder, classes):
    rng, bags = np.random.default_rng(classes), {}
    os.makedirs(os.path.join(folder, "features"))
    with open(os.path.join(folder, "labels.csv"), "w") as labels:
        labels.write("id,label\n")
        for i, n in enumerate(TILES):
            x = rng.normal(size=(n, DIM)).astype("f4")
            x[: n // 2 + 1, : 3] += i % classes
            labels.write(f"b{i},{'abc'[i % classes]}\n")
            bags[f"b{i}"] = (torch.from_numpy(x).double(), i % classes)
            with h5py.File(os.path.join(folder, "features", f"b{i}.h5"), "w") as f:
                f["features"] = x
    return bags


def train(folder, model, classes, *args):
    head = os.path.join(folder, "head.safetensors")
    task = ["--positive", "b"] if classes == 2 else ["--task", "multiclass"]
    answer = microtome("train", os.path.join(folder, "features"), "--labels", os.path.join(folder, "labels.csv"), "-m", model, "-o", head, "--json",
                       "--dropout", 0, "--epochs", EPOCHS, "--lr", LR, "--weight-decay", DECAY, "--log-steps", *task, *args)
    assert answer.code == 0, answer
    return head, json.loads(answer.out)


def close(a, b, bound, what):
    assert abs(a - b) <= bound * abs(b) + 1e-9, f"{what}: {a} is not {b} within {bound}"


def follow(torch_model, bags, steps, weight):
    """The same steps in PyTorch; each loss is held against the one that was written."""
    for p in torch_model.parameters():  # as after an epoch: AdamW decays what has a gradient of zero
        p.grad = torch.zeros_like(p)
    optimiser, total = torch.optim.AdamW(torch_model.parameters(), lr=LR, weight_decay=DECAY), len(steps)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, total)
    for i, row in enumerate(steps):
        x, label = bags[row["id"]]
        close(float(row["lr"]), optimiser.param_groups[0]["lr"], 1e-9, f"rate of step {i + 1}")
        optimiser.zero_grad(set_to_none=False)
        logits, instance = torch_model(x, label if weight > 0 else None)
        loss = F.cross_entropy(logits, torch.tensor([label]))
        close(float(row["loss"]), loss.item(), 1e-4, f"loss of step {i + 1}")
        equal(row["instance_loss"] != "", instance is not None)
        if instance is not None:
            close(float(row["instance_loss"]), instance.item(), 1e-4, f"instance loss of step {i + 1}")
            loss = (1 - weight) * loss + weight * instance
        loss.backward()
        optimiser.step()
        cosine.step()


def logits_of(folder, head, case):
    out = os.path.join(folder, "scored")
    equal(microtome("aggregate", "-m", head, "-o", out, os.path.join(folder, "features")).code, 0)
    with h5py.File(os.path.join(out, "cases", case + ".h5")) as f:
        return f["prediction/logits"][:]


def check(folder, model, classes, weight):
    if torch is None:
        raise Skip(WHY)
    bags, twin = cohort(folder, classes), build(model, classes)
    init = os.path.join(folder, "init.pt")
    torch.save({k: v.float() for k, v in twin.state_dict().items()}, init)
    twin.load_state_dict({k: v.double() for k, v in torch.load(init).items()})
    head, report = train(folder, model, classes, "--init", init, *([] if model == "abmil" or weight == 0.3 else ["--instance-weight", weight]))
    equal(report["init_kept"], 0)
    steps = rows_of(os.path.join(folder, "head-steps.csv"))
    equal(sorted(r["id"] for r in steps[:len(bags)]), sorted(bags))
    equal(len(steps), EPOCHS * len(bags))
    follow(twin, bags, steps, weight)
    ours, theirs = tensors_of(head), twin.state_dict()
    equal(list(sorted(ours)), sorted(theirs))
    for key, w in theirs.items():
        if not key.endswith("attention_c.bias"):  # a softmax does not see it: its gradient is rounding alone, which AdamW makes large
            apart = (ours[key].double() - w).abs().max().item() / w.abs().max().item()
            assert apart < 1e-3, f"{key}: {apart:.2g}"
    again = build(model, classes).float()
    again.load_state_dict(ours, strict=True)
    for case in ("b0", "b3"):
        wanted = again.double()(bags[case][0])[0].detach().numpy()[0]
        assert np.allclose(logits_of(folder, head, case), wanted, rtol=1e-4, atol=1e-6), (case, wanted)


def test_abmil(folder):
    """ABMIL: the loss of every step and the last weights"""
    check(folder, "abmil", 2, 0)


def test_clam_sb(folder):
    """CLAM-SB without its instance loss"""
    check(folder, "clam_sb", 2, 0)


def test_clam_sb_instances(folder):
    """CLAM-SB with its instance loss, two classes"""
    check(folder, "clam_sb", 2, 0.3)


def test_clam_sb_subtypes(folder):
    """CLAM-SB with its instance loss, three classes, another weight"""
    check(folder, "clam_sb", 3, 0.5)


def test_clam_mb(folder):
    """CLAM-MB with its instance loss, three classes"""
    check(folder, "clam_mb", 3, 0.3)


def test_fine_tuning(folder):
    """classifiers of other labels begin anew, the rest from the checkpoint; widths are its own; what does not fit is refused"""
    if torch is None:
        raise Skip(WHY)
    cohort(folder, 3)
    init, wrapped = os.path.join(folder, "two.pt"), os.path.join(folder, "module.pt")
    torch.save(build("abmil", 2).float().state_dict(), init)
    torch.save({"module." + k: v for k, v in build("abmil", 3).float().state_dict().items()}, wrapped)
    head, report = train(folder, "abmil", 3, "--init", init, "--lr", 1e-9)
    equal(report["init_kept"], 2)
    w = tensors_of(head)
    equal(tuple(w["classifier.weight"].shape), (3, HIDDEN))
    assert torch.allclose(w["patch_embed.0.weight"], torch.load(init)["patch_embed.0.weight"], atol=1e-5)
    equal(train(folder, "abmil", 3, "--init", wrapped, "--force")[1]["init_kept"], 0)

    def refused(code, message, model, *args):
        answer = microtome("train", os.path.join(folder, "features"), "--labels", os.path.join(folder, "labels.csv"), "--task", "multiclass", "-o",
                           os.path.join(folder, "x.safetensors"), "-m", model, *args)
        equal((answer.code, answer.err), (code, f"microtome train: {message}\n"))

    refused(78, f"train all: begin from {init}: key 'attention_net.0.weight' is missing", "clam_sb", "--init", init)
    refused(78, f"train all: begin from {init}: key 'patch_embed.0.weight' is ({HIDDEN},{DIM}), (4,{DIM}) is wanted", "abmil", "--init", init,
            "--hidden", 4)
    refused(66, f"train all: read {folder}/none.pt: no such file", "abmil", "--init", os.path.join(folder, "none.pt"))
    refused(64, "--init: linear takes no steps from given weights: abmil, clam_sb, clam_mb and max do", "linear", "--init", init)
    refused(64, "--log-steps: knn takes no steps from given weights: abmil, clam_sb, clam_mb and max do", "knn", "--log-steps")
    refused(64, "--instance-weight 1: 0 (without that loss) to below 1 is wanted", "clam_sb", "--instance-weight", 1)
    assert math.isclose(sum(float(r["lr"]) for r in rows_of(os.path.join(folder, "head-steps.csv"))), LR * (len(TILES) * EPOCHS + 1) / 2)


main([test_abmil, test_clam_sb, test_clam_sb_instances, test_clam_sb_subtypes, test_clam_mb, test_fine_tuning])
