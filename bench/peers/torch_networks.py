"""
Encoders in PyTorch for use: the batch normalisations are folded into the convolutions. Photos [N, 3, S, S] to features [N, D].
"""

from torch import nn
from torch.nn import functional


def convolution(inputs, outputs, kernel, stride=1, groups=1, activate=True):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)]
    return nn.Sequential(*layers, nn.ReLU6(inplace=True)) if activate else layers[0]


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, stride, expand):
        super().__init__()
        hidden = inputs * expand
        widen = [convolution(inputs, hidden, 1)] if expand != 1 else []
        self.layers = nn.Sequential(
            *widen,
            convolution(hidden, hidden, 3, stride, groups=hidden),
            convolution(hidden, outputs, 1, activate=False),
        )
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.layers(x) if self.shortcut else self.layers(x)


def mobilenet_v2():
    """The map of Table 2 of Sandler et al. 2018, before its pooling."""
    table = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    layers, inputs = [convolution(3, 32, 3, 2)], 32
    for expand, outputs, repeats, stride in table:
        for i in range(repeats):
            layers.append(InvertedResidual(inputs, outputs, stride if i == 0 else 1, expand))
            inputs = outputs
    return nn.Sequential(*layers, convolution(inputs, 1280, 1))


class MobileNetV2(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = mobilenet_v2()

    def forward(self, photos):
        return self.layers(photos).mean(dim=(2, 3))


class Residual(nn.Module):
    """Two convolutions that a shortcut leads around."""

    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return functional.relu_(self.second(functional.relu_(self.first(x))).add_(x))


class ConvNet(nn.Module):
    """The network of `lib/model/encoder/convnet.ts`."""

    def __init__(self, width, blocks, outputs):
        super().__init__()
        layers = [nn.Conv2d(3, width, 7, 4, 3), nn.ReLU(inplace=True)]
        layers += [nn.Conv2d(width, width, 3, 1, 1), nn.ReLU(inplace=True)]
        channels = width
        for _ in range(3):
            layers += [nn.Conv2d(channels, 2 * channels, 3, 2, 1), nn.ReLU(inplace=True)]
            channels *= 2
            layers += [Residual(channels) for _ in range(blocks)]
        layers += [nn.Conv2d(channels, outputs, 1), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)

    def forward(self, photos):
        return self.layers(photos).mean(dim=(2, 3))
