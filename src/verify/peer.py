"""PyTorch's side of the peer benchmark: the same networks, one training step or one batch of inference after another.

`cargo bench --bench peer` and `pleach devices --check` start it; `benches/peer/setup.sh` makes a Python that can run it. A
line of JSON on standard input is a request,

    {"network": "ResNet-20", "variant": "channels-last", "device": "cpu", "mode": "training", "threads": 1, "batch": 128,
     "seconds": 3.0}

and a line of JSON on standard output answers it: images a second over at least `seconds`, after a step that is not
counted; the parameters and multiplications of the network, by which the other side knows that it has the same one; the
most memory that the process ever held, and what it held before there was a network, in KiB. Or `error`, and why.

A network is built, and compiled, when the first request for it comes. For clean figures of memory there is a process for
every kind of request.

The file is not called after PyTorch because torchvision tries to import a module `pytorch`, and would find it.
"""

import json
import os
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import efficientnet, mobilenetv2, resnet, vgg

CLASSES = 10
SIZE = 32


class ShortcutBlock(nn.Module):
    """A residual block whose shortcut has no parameters (He et al. 2015, option A)."""

    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.stride, self.padding = stride, (out_channels - in_channels) // 2

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        if self.padding:
            x = F.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.padding, self.padding))
        return F.relu(y + x, inplace=True)


class ResNet20(nn.Module):
    """The residual network of 20 layers for small images (He et al. 2015, section 4.2)."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        blocks, channels = [], 16
        for stage in range(3):
            for block in range(3):
                width = 16 << stage
                blocks.append(ShortcutBlock(channels, width, 2 if stage > 0 and block == 0 else 1))
                channels = width
        self.blocks, self.fc = nn.Sequential(*blocks), nn.Linear(channels, CLASSES)

    def forward(self, x):
        x = self.blocks(F.relu(self.bn1(self.conv1(x)), inplace=True))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class DenseLayer(nn.Module):
    """A layer of a densely connected network without a bottleneck (Huang et al. 2017)."""

    def __init__(self, channels, growth):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(channels), nn.Conv2d(channels, growth, 3, 1, 1, bias=False)

    def forward(self, x):
        return torch.cat([x, self.conv1(F.relu(self.norm1(x), inplace=True))], 1)


class DenseNet40(nn.Module):
    """Three blocks of twelve layers, growth 12, transitions that keep all channels."""

    def __init__(self):
        super().__init__()
        channels, growth = 16, 12
        parts = [nn.Conv2d(3, channels, 3, 1, 1, bias=False)]
        for block in range(3):
            if block > 0:
                convolution = nn.Conv2d(channels, channels, 1, bias=False)
                parts += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True), convolution, nn.AvgPool2d(2)]
            for _ in range(12):
                parts.append(DenseLayer(channels, growth))
                channels += growth
        parts += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        self.features, self.classifier = nn.Sequential(*parts), nn.Linear(channels, CLASSES)

    def forward(self, x):
        return self.classifier(F.adaptive_avg_pool2d(self.features(x), 1).flatten(1))


def resnet18():
    """torchvision's, its first convolution 3x3 at full size, without pooling."""
    network = resnet.resnet18(num_classes=CLASSES)
    network.conv1, network.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    return network


def mobilenet_v2():
    """torchvision's without the first two of its strides of 2."""
    stages = [[1, 16, 1, 1], [6, 24, 2, 1], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]]
    network = mobilenetv2.MobileNetV2(CLASSES, inverted_residual_setting=stages)
    network.features[0][0].stride = (1, 1)
    return network


def efficientnet_b0():
    """torchvision's without the first two of its strides of 2."""
    network = efficientnet.efficientnet_b0(num_classes=CLASSES)
    network.features[0][0].stride = (1, 1)
    depthwise = network.features[2][0].block[1][0]
    assert depthwise.stride == (2, 2) and depthwise.groups > 1
    depthwise.stride = (1, 1)
    return network


def vgg16():
    """torchvision's features with normalization, and one linear layer."""
    return nn.Sequential(
        vgg.make_layers(vgg.cfgs["D"], batch_norm=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, CLASSES))


NETWORKS = {
    "ResNet-20": ResNet20,
    "ResNet-18": resnet18,
    "MobileNetV2": mobilenet_v2,
    "DenseNet-40": DenseNet40,
    "EfficientNet-b0": efficientnet_b0,
    "VGG-16": vgg16,
}


def multiplications(network, images):
    """Multiplications with accumulation for one image, in convolutions and linear layers."""
    total = 0

    def convolution(module, _, output):
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    def linear(module, _, output):
        nonlocal total
        total += output[0].numel() * module.in_features

    hooks = [module.register_forward_hook(convolution if isinstance(module, nn.Conv2d) else linear)
             for module in network.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    network.eval()
    with torch.no_grad():
        network(images[:1])
    for hook in hooks:
        hook.remove()
    return total


class Work:
    """A network in one variant, and what is done with it again and again."""

    def __init__(self, name, variant, device, mode, batch):
        torch.manual_seed(0)
        self.device, tf32 = torch.device(device.removesuffix("-tf32")), device.endswith("-tf32")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        # The fastest algorithm for these sizes, as a user who cares for speed has it.
        torch.backends.cudnn.benchmark = True
        network = NETWORKS[name]()
        self.images, self.labels = torch.randn(batch, 3, SIZE, SIZE), torch.arange(batch) % CLASSES
        self.parameters = sum(parameter.numel() for parameter in network.parameters())
        self.multiplications = multiplications(network, self.images)
        network, self.images, self.labels = (thing.to(self.device) for thing in (network, self.images, self.labels))
        if variant != "nchw":
            network = network.to(memory_format=torch.channels_last)
            self.images = self.images.to(memory_format=torch.channels_last)
        training = mode == "training"
        network.train(training)
        # Weight decay is free of charge on both sides, and the fused form the fastest that there is on a processor.
        self.optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, fused=True)
        self.network = torch.compile(network) if variant == "compiled" else network
        self.step = self.train if training else self.infer
        self.warm, self.steps = False, 0

    def train(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(self.network(self.images), self.labels)
        loss.backward()
        self.optimizer.step()
        # On a GPU the host may run ahead; pleach looks at losses every 16 steps.
        self.steps += 1
        if self.device.type == "cpu" or self.steps % 16 == 0:
            loss.item()

    def infer(self):
        with torch.inference_mode():
            self.network(self.images).cpu()

    def measure(self, seconds):
        # Compilation, and what the allocator and oneDNN learn from the first steps.
        for _ in range(1 if self.warm else 3):
            self.step()
        self.warm = True
        steps, begun = 0, time.perf_counter()
        while steps == 0 or time.perf_counter() - begun < seconds:
            self.step()
            steps += 1
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return steps * len(self.labels) / (time.perf_counter() - begun)


def kibibytes(line):
    """A line of what Linux tells about this process's memory."""
    with open("/proc/self/status") as status:
        return next(int(words.split()[1]) for words in status if words.startswith(line + ":"))


def main():
    # Libraries may print; answers go where nothing else does.
    answers, sys.stdout = sys.stdout, sys.stderr
    torch.set_num_interop_threads(1)
    before = kibibytes("VmRSS")
    built = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            torch.set_num_threads(request["threads"])
            key = tuple(request[name] for name in ("network", "variant", "device", "mode", "batch"))
            if (key, request["threads"]) not in built:
                built[key, request["threads"]] = Work(*key)
            work = built[key, request["threads"]]
            answer = {
                "images_per_second": work.measure(request["seconds"]),
                "parameters": work.parameters,
                "multiplications": work.multiplications,
                "peak": kibibytes("VmHWM"),
                "before": before,
            }
        except Exception as error:
            answer = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
