"""Maps of classifiers against PyTorch: CAM, Grad-CAM, saliency by autograd, rollout by its definition.  Random weights, statistics of batch norms too."""
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cli"))

DUMP, ROOT = sys.argv[1:3]
try:
    import numpy as np
    import torch
    import torchvision.models as tv
except ImportError as missing:
    print(f"1..0 # SKIP {missing}")
    sys.exit(0)

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
CARD = "[encoder]\nname=made\nsize_px={size}\nvalue=rgb8\nmean=0.5\nstd=0.25\n"


def randomise(network, seed):
    g = torch.Generator().manual_seed(seed)
    for m in network.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.running_mean.copy_(0.2 * torch.randn(m.running_mean.shape, generator=g))
            m.running_var.copy_(0.5 + torch.rand(m.running_var.shape, generator=g))
            m.weight.data.copy_(0.5 + torch.rand(m.weight.shape, generator=g))
            m.bias.data.copy_(0.2 * torch.randn(m.bias.shape, generator=g))
    return network.eval()


def export(network, folder, size):
    path = os.path.join(folder, "model.onnx")
    torch.onnx.export(network, torch.zeros(1, 3, size, size), path, opset_version=13, input_names=["pixels"], output_names=["logits"],
                      training=torch.onnx.TrainingMode.EVAL, do_constant_folding=False, dynamic_axes={"pixels": {0: "n"}, "logits": {0: "n"}})
    with open(os.path.join(folder, "model.card"), "w") as f:
        f.write(CARD.format(size=size))
    return path


def engine(path, method, column, x, layer=None):
    folder = os.path.dirname(path)
    np.save(os.path.join(folder, "x.npy"), x.numpy())
    done = subprocess.run([DUMP, path, method, str(column), os.path.join(folder, "x.npy"), os.path.join(folder, "map.npy"), *([layer] if layer else [])],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return np.load(os.path.join(folder, "map.npy")), done.stdout.split()


def off(given, wanted):
    assert given.shape == wanted.shape, (given.shape, wanted.shape)
    assert wanted.max() > 0
    return float(np.abs(given - wanted).max() / wanted.max())


def gradcam(network, layer, x, column):
    kept = {}

    def keep(module, inputs, output):
        kept["a"] = output.clone()
        kept["a"].retain_grad()
        return kept["a"]

    handle = layer.register_forward_hook(keep)
    x = x.clone().requires_grad_()
    network(x)[0, column].backward()
    handle.remove()
    a, g = kept["a"].detach()[0], kept["a"].grad[0]
    return torch.relu((g.mean((1, 2))[:, None, None] * a).sum(0)).numpy(), x.grad.abs().max(1)[0][0].numpy()


class Features(torch.nn.Module):
    """DenseNet's forward with its last ReLU as a module, so that a hook reaches it."""
    def __init__(self, network):
        super().__init__()
        self.features, self.relu, self.classifier = network.features, torch.nn.ReLU(), network.classifier

    def forward(self, x):
        return self.classifier(torch.flatten(torch.nn.functional.adaptive_avg_pool2d(self.relu(self.features(x)), 1), 1))


def check_pictures(network, last, size, folder, column=3, cam=None, centres=None):
    """Grad-CAM of the last features, saliency, and CAM where the classes are linear.  A ReLU whose input is nearly 0 may be on here and off there, which
    a saliency shows: PyTorch in float32 is as far from itself in float64."""
    path = export(network, folder, size)
    x = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(5))
    single = gradcam(network, last, x, column)[1]
    wanted, slopes = gradcam(network.double(), last, x.double(), column)
    network.float()
    if wanted.max() <= 0:
        return check_pictures(network, last, size, folder, column + 1, cam, centres)
    given, said = engine(path, "gradcam", column, x)
    assert centres is None or said[2:] == centres, said
    saliency = engine(path, "saliency", column, x)[0]
    apart = np.linalg.norm(saliency - slopes) / np.linalg.norm(slopes)
    errors = [off(given, wanted), apart, np.linalg.norm(single - slopes) / np.linalg.norm(slopes)]
    assert errors[0] < 1e-3 and apart < 5e-3, errors
    if cam is not None:
        linear, auto = engine(path, "cam", column, x)[0], engine(path, "auto", column, x)
        assert auto[1][0] == "cam" and (auto[0] == linear).all(), auto[1]
        a = cam(x)
        assert off(linear, a) < 1e-4, off(linear, a)
        # theory: the gradient of a mean is the same everywhere, so both maps are one but for the number of places
        errors.append(off(linear / linear.max(), given / given.max()))
        assert errors[-1] < 1e-4, errors
    print("#", type(network).__name__, said, " ".join(f"{e:.1e}" for e in errors))


def test_resnet50(folder):
    """ResNet-50: CAM, Grad-CAM, saliency"""
    network = randomise(tv.resnet50(num_classes=10), 1)

    def cam(x):
        with torch.no_grad():
            a = torch.nn.Sequential(*list(network.children())[:-2])(x)[0]
            return torch.relu((network.fc.weight[3][:, None, None] * a).sum(0)).numpy()

    check_pictures(network, network.layer4, 224, folder, cam=cam, centres=["0", "32"])
    x, layer = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(5)), "/layer3/layer3.5/relu_2/Relu"
    early, column = next((m, c) for c in range(10) for m in [gradcam(network, network.layer3, x, c)[0]] if m.max() > 0)
    given, said = engine(os.path.join(folder, "model.onnx"), "gradcam", column, x, layer)
    assert off(given, early) < 1e-3 and said[1] == layer, (off(given, early), said)


def test_densenet121(folder):
    """DenseNet-121: Grad-CAM, saliency"""
    network = Features(randomise(tv.densenet121(num_classes=10), 2)).eval()
    check_pictures(network, network.relu, 224, folder)


def test_others(folder):
    """MobileNet (HardSwish, squeeze and excitation), EfficientNet, Inception's pools, VGG"""
    makers = {"mobilenet_v3_small": lambda n: n.features, "efficientnet_b0": lambda n: n.features, "shufflenet_v2_x0_5": lambda n: n.conv5,
              "convnext_tiny": None}
    for i, (name, last) in enumerate(makers.items()):
        network = randomise(getattr(tv, name)(num_classes=10), 10 + i)
        if name == "convnext_tiny":
            for m in network.modules():
                if hasattr(m, "layer_scale"):
                    m.layer_scale.data.fill_(0.5)
            last = lambda n: n.features
        inner = os.path.join(folder, name)
        os.mkdir(inner)
        check_pictures(network, last(network), 96, inner)


def test_rollout(folder):
    """ViT: rollout from the class token, half of each layer the token itself"""
    torch.manual_seed(3)
    network = tv.VisionTransformer(image_size=64, patch_size=16, num_layers=3, num_heads=4, hidden_dim=32, mlp_dim=64, num_classes=5).eval()
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.3)
    path = export(network, folder, 64)
    x = torch.randn(1, 3, 64, 64)
    maps, inputs = [], []
    hooks = [b.ln_1.register_forward_hook(lambda m, i, o, a=b.self_attention: inputs.append((a, o))) for b in network.encoder.layers]
    with torch.no_grad():
        network(x)
        for m, tokens in inputs:
            maps.append(m(tokens, tokens, tokens, need_weights=True, average_attn_weights=False)[1][0])
        for h in hooks:
            h.remove()
        rolled = torch.eye(17)
        for a in maps:
            a = 0.5 * a.mean(0) + 0.5 * torch.eye(17)
            rolled = a / a.sum(-1, keepdim=True) @ rolled
    given, said = engine(path, "auto", 0, x)
    assert said[0] == "rollout", said
    rolled = rolled[0, 1:].reshape(4, 4).numpy()
    assert off(given, rolled) < 1e-4, (given, rolled)
    slopes = gradcam(network, network.conv_proj, x, 2)[1]
    assert off(engine(path, "saliency", 2, x)[0], slopes) < 1e-3


def test_refused(folder):
    """what a graph does not allow is said, with what to do"""
    network = randomise(tv.resnet18(num_classes=4), 4)
    path = export(network, folder, 64)
    np.save(os.path.join(folder, "x.npy"), np.zeros((1, 3, 64, 64), "f4"))

    def says(*arguments):
        done = subprocess.run([DUMP, path, *arguments], capture_output=True, text=True)
        assert done.returncode == 78, done
        return done.stderr

    files = [os.path.join(folder, "x.npy"), os.path.join(folder, "map.npy")]
    assert "no attention over all patches; try gradcam" in says("rollout", "0", *files)
    assert "the last that do: /layer4" in says("gradcam", "0", *files, "nonsense")
    assert "no such class" in says("gradcam", "4", *files)


tests = [test_resnet50, test_densenet121, test_others, test_rollout, test_refused]
print(f"1..{len(tests)}")
failed = 0
for i, test in enumerate(tests, 1):
    folder, began = tempfile.mkdtemp(prefix="microtome-"), time.time()
    torch.manual_seed(7)
    try:
        test(folder)
        print(f"ok {i} - {test.__doc__} ({time.time() - began:.1f} s)", flush=True)
    except Exception as e:  # noqa: BLE001 - every failure is reported
        failed += 1
        print(f"not ok {i} - {test.__doc__}\n# {type(e).__name__}: " + str(e).replace("\n", "\n# "), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
sys.exit(failed > 0)
