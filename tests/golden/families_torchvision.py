"""torchvision's families with random weights: name -> Family.  Inputs are as small as the network allows."""
import torch
import torchvision.models as tv

from families import Family, image


def _without_classifier(network, width):
    """VGG and AlexNet keep nearly all their weights in two dense layers, behind a pooling that only fits some sizes."""
    network.avgpool = torch.nn.AdaptiveAvgPool2d(1)
    network.classifier = torch.nn.Sequential(torch.nn.Linear(width, 32), torch.nn.ReLU(True), torch.nn.Dropout(), torch.nn.Linear(32, 10))
    return network


def _shallow_densenet():
    return tv.DenseNet(growth_rate=16, block_config=(2, 3, 3, 2), num_init_features=32, num_classes=10)


def _mini_resnext():
    return tv.ResNet(tv.resnet.Bottleneck, [1, 1, 1, 1], groups=32, width_per_group=4, num_classes=10)


def _mini_wide():
    return tv.ResNet(tv.resnet.Bottleneck, [1, 1, 1, 1], width_per_group=128, num_classes=10)


class _Dict(torch.nn.Module):
    """Segmentation networks answer with a dict."""
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)["out"]


class _Detector(torch.nn.Module):
    """Backbone, pyramid and head of RetinaNet; anchors and suppression are another family."""
    def __init__(self):
        super().__init__()
        full = tv.detection.retinanet_resnet50_fpn(weights=None, weights_backbone=None, num_classes=4)
        self.body, self.head = full.backbone, full.head

    def forward(self, x):
        out = self.head(list(self.body(x).values()))
        return out["cls_logits"], out["bbox_regression"]


def _mini_convnext():
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt
    return ConvNeXt([CNBlockConfig(32, 64, 2), CNBlockConfig(64, 96, 2), CNBlockConfig(96, None, 1)], num_classes=10)


def _mini_swin(block=None):
    from torchvision.models.swin_transformer import PatchMergingV2, SwinTransformer, SwinTransformerBlockV2
    extra = {} if block is None else {"block": SwinTransformerBlockV2, "downsample_layer": PatchMergingV2}
    network = SwinTransformer([4, 4], 32, [2, 2], [2, 4], [4, 4], stochastic_depth_prob=0.1, num_classes=10, **extra)
    for module in network.modules():  # PyTorch cannot export how version 2 clears the bias of k
        if block is not None and hasattr(module, "qkv"):
            module.qkv.bias = None
    return network


def _mini_vit():
    return tv.VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=4, hidden_dim=64, mlp_dim=128, num_classes=10)


def _mini_maxvit():
    return tv.MaxVit((64, 64), 16, 4, [16, 32], [1, 1], 8, 0.1, num_classes=10)


def _inception():
    network = tv.inception_v3(weights=None, init_weights=False, aux_logits=True, num_classes=10)
    network.aux_logits, network.AuxLogits = False, None
    return network


FAMILIES = [
    Family("resnet18", tv.resnet18, image(64), quick=True),
    Family("resnext", _mini_resnext, image(64), quick=True),
    Family("wide_resnet", _mini_wide, image(48)),
    Family("densenet", _shallow_densenet, image(64), quick=True),
    Family("vgg11", lambda: _without_classifier(tv.vgg11(), 512), image(32)),
    Family("vgg11_bn", lambda: _without_classifier(tv.vgg11_bn(), 512), image(32)),
    Family("alexnet", lambda: _without_classifier(tv.alexnet(), 256), image(64)),
    Family("googlenet", lambda: tv.googlenet(weights=None, init_weights=False, aux_logits=False, num_classes=10), image(64)),
    Family("inception_v3", _inception, image(96)),
    Family("squeezenet", tv.squeezenet1_1, image(64), quick=True),
    Family("shufflenet", tv.shufflenet_v2_x0_5, image(64), quick=True),
    Family("mobilenet_v2", lambda: tv.mobilenet_v2(width_mult=0.35), image(64), quick=True),
    Family("mobilenet_v3", tv.mobilenet_v3_small, image(64), quick=True),
    Family("mnasnet", tv.mnasnet0_5, image(64)),
    Family("efficientnet_b0", tv.efficientnet_b0, image(64), quick=True),
    Family("efficientnet_v2", tv.efficientnet_v2_s, image(64)),
    Family("regnet_x", tv.regnet_x_400mf, image(64)),
    Family("regnet_y", tv.regnet_y_400mf, image(64), quick=True),
    Family("convnext", _mini_convnext, image(64), quick=True),
    Family("maxvit", _mini_maxvit, image(64), quick=True),
    Family("vit", _mini_vit, image(32), quick=True),
    Family("vit_opset11", _mini_vit, image(32), opset=11),
    Family("swin", _mini_swin, image(32), quick=True, bound=3e-4),
    Family("swin_padded", _mini_swin, image(44), bound=3e-4),
    Family("swin_v2", lambda: _mini_swin("v2"), image(32), quick=True),
    Family("deeplab_v3", lambda: _Dict(tv.segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None)), image(64)),
    Family("lraspp", lambda: _Dict(tv.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)), image(64)),
    Family("fcn", lambda: _Dict(tv.segmentation.fcn_resnet50(weights=None, weights_backbone=None)), image(64)),
    Family("resnet_3d", lambda: tv.video.r3d_18(weights=None), image(32, 4)),
    Family("resnet_2plus1d", lambda: tv.video.r2plus1d_18(weights=None), image(32, 4)),
    Family("s3d", lambda: tv.video.s3d(weights=None), image(224, 16)),
    Family("retinanet_head", _Detector, image(64)),
]
