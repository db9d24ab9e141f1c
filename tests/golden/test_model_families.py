"""Families of models, small and with random weights, against PyTorch in float64 (or a formula in numpy).

    test_model_families.py MICROTOME SYNTHETIC SOURCE [--all] [--only NAME,..] [--profile] [--keep FOLDER]

The default run takes the quick families; --all takes every one; --profile lists, per family, the steps that no primitive does
and their share of the time.
"""
import json
import os
import sys
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))
from harness import Skip, main, microtome  # noqa: E402

warnings.filterwarnings("ignore")  # PyTorch's exporter has much to say

try:
    import numpy as np
    import torch
    import torchvision  # noqa: F401
    from families import randomise
    from families_by_hand import FAMILIES as BY_HAND
    from families_styles import FAMILIES as STYLES
    from families_torchvision import FAMILIES as TORCHVISION
    WHY = None
    LIST = STYLES + BY_HAND + TORCHVISION
except ImportError as missing:
    WHY = f"{missing.name} is not installed"
    LIST = []


def option(name):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else None


def listed(outputs):
    return list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]


def exported(family, folder):
    """(path of the ONNX, inputs and wanted outputs by name)"""
    torch.manual_seed(len(family.name))
    network = randomise(family.build())
    inputs = family.inputs(family.batch)
    names = [f"in{i}" for i in range(len(inputs))]
    path = os.path.join(folder, family.name + ".onnx")
    with torch.no_grad():
        outputs = [f"out{i}" for i in range(len(listed(network(*inputs))))]
    axes = {n: {0: "N"} for n in names + outputs} if family.dynamic else None
    # with gradients on, or nn.MultiheadAttention takes its fast path, which cannot be exported
    torch.onnx.export(network, family.inputs(1) if family.dynamic else inputs, path, opset_version=family.opset,
                      input_names=names, output_names=outputs, dynamic_axes=axes)
    with torch.no_grad():
        wanted = listed(network.double()(*[x.double() if x.is_floating_point() else x for x in inputs]))
    return path, dict(zip(names, [x.numpy() for x in inputs])), dict(zip(outputs, [y.numpy() for y in wanted]))


def relative_error(given, wanted):
    assert given.shape == wanted.shape, (given.shape, wanted.shape)
    scale = np.linalg.norm(wanted.astype(np.float64))
    return np.linalg.norm(given.astype(np.float64) - wanted.astype(np.float64)) / (scale if scale > 0 else 1)


def check_run(family, folder, path, inputs, wanted, extra):
    feeds = []
    for name, array in inputs.items():
        np.save(os.path.join(folder, name + ".npy"), array)
        feeds += ["--input", f"{name}={os.path.join(folder, name + '.npy')}"]
    answer = microtome("model", "run", path, *feeds, "-o", folder, *extra)
    assert answer.code == 0, answer
    worst = 0
    for name, array in wanted.items():
        error = relative_error(np.load(os.path.join(folder, name + ".npy")), array)
        assert error <= family.bound, f"{name} {extra}: relative error {error:.3e} > {family.bound}"
        worst = max(worst, error)
    return worst


def steps_of(path):
    """(seconds, implementation, operator and node) of each step of one thread's session"""
    answer = microtome("model", "bench", path, "--batch", 2, "--threads", 1, "--seconds", 0.01, "--profile", "--json")
    assert answer.code == 0, answer
    return [(s["seconds"], s["implementation"], f"{s['operator']} {s['node']}") for s in json.loads(answer.out)["steps"]]


def list_slow_steps(family, path):
    """Comment lines: the reference steps of a batch of two, with their share of the time."""
    steps = steps_of(path)
    total = max(sum(s[0] for s in steps), 1e-9)
    slow = sorted(((s[0], s[2]) for s in steps if s[1] == "reference"), reverse=True)
    print(f"# {family.name}: {len(steps)} steps, {len(slow)} reference {100 * sum(s[0] for s in slow) / total:.0f} %")
    for seconds, name in slow[:6]:
        print(f"#     {100 * seconds / total:5.1f} %  {name}")


def test_of(family):
    def test(folder):
        folder = option("--keep") or folder
        path, inputs, wanted = (family.make if hasattr(family, "make") else lambda f: exported(family, f))(folder)
        error = check_run(family, folder, path, inputs, wanted, [])
        if family.reference and family.quick:
            check_run(family, folder, path, inputs, wanted, ["--reference"])
        print(f"# {family.name}: relative error {error:.1e}")
        most = getattr(family, "steps", 0)
        taken = steps_of(path) if most else []
        assert (len(taken) > 0) == (most > 0) and len(taken) <= most, f"{len(taken)} steps, {most} are enough: {taken}"
        if "--profile" in sys.argv:
            list_slow_steps(family, path)
    test.__doc__ = family.name
    return test


def skipped(folder):
    """families of models"""
    raise Skip(WHY)


only = option("--only")
main([skipped] if WHY else
     [test_of(f) for f in LIST if (f.name in only.split(",") if only else f.quick or "--all" in sys.argv)])
