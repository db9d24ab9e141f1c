"""What a family of models is to the family test: how to build it, what to feed it, how close the answer must be."""
import torch


class Family:
    """build() gives a network, inputs(batch) its inputs; `quick` ones are in the default run."""
    def __init__(self, name, build, inputs, quick=False, opset=14, bound=1e-4, dynamic=True, reference=True, batch=2):
        self.name, self.build, self.inputs, self.quick, self.opset = name, build, inputs, quick, opset
        self.bound, self.dynamic, self.reference, self.batch = bound, dynamic, reference, batch


def image(size, depth=0, channels=3):
    """Inputs of one image of size x size, or of one volume."""
    shape = (channels, depth, size, size) if depth else (channels, size, size)
    return lambda batch: (torch.randn(batch, *shape),)


def randomise(network):
    """Statistics that are not 0 and 1, scales and shifts that are not 1 and 0: a forgotten one must show."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.8, 1.2)
            if getattr(module, "weight", None) is not None and "Norm" in type(module).__name__:
                module.weight.uniform_(0.8, 1.2)
            if getattr(module, "bias", None) is not None and isinstance(module.bias, torch.Tensor):
                module.bias.normal_(0, 0.1)
        for name, parameter in network.named_parameters():
            unset = not parameter.any()  # zeros: torchvision's last layer of a ViT
            if unset or any(part in name for part in ("layer_scale", "relative_position_bias_table", "rel_pos", "gamma")):
                parameter.normal_(0, 0.5)
    return network.eval()
