"""
Whole training steps of a convolutional encoder in PyTorch on the CPU, as a peer for benchmarks.

The network: convolutions 3x3 with stride 2, a stem and four stages of which each has twice the channels of the one before;
in the last three, blocks of two convolutions follow around which a shortcut leads; batch normalisation and ReLU everywhere;
the mean over all pixels -> Linear. A step is forward, mean squared error, backward and AdamW, on random photos.

Protocol, one JSON object per line. On start it prints {"ready": true, "torch": version}. It then reads requests:
{"steps": 20} runs as many steps and answers {"seconds": s, "maxRssMb": m}, where maxRssMb is the peak memory of the process
so far; {"stop": true}, or the end of the input, ends it.
"""

import argparse
import time

import torch
from torch import nn
from torch.nn import functional

from protocol import max_rss_mb, requests, say


def block(inputs, outputs, stride):
    """A convolution with batch normalisation."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    """Two convolutions that a shortcut leads around."""

    def __init__(self, channels):
        super().__init__()
        self.first = block(channels, channels, 1)
        self.second = block(channels, channels, 1)

    def forward(self, x):
        return functional.relu(x + self.second(functional.relu(self.first(x), inplace=True)), inplace=True)


class Encoder(nn.Module):
    """Photos [N, 3, H, W] to features [N, outputs]."""

    def __init__(self, width, blocks, outputs):
        super().__init__()
        layers = [block(3, width, 2), nn.ReLU(inplace=True)]
        channels = width
        for stage in range(4):
            layers += [block(channels, width * 2**stage, 2), nn.ReLU(inplace=True)]
            channels = width * 2**stage
            if stage > 0:
                layers += [Residual(channels) for _ in range(blocks)]
        self.layers = nn.Sequential(*layers)
        self.output = nn.Linear(channels, outputs)

    def forward(self, photos):
        return self.output(self.layers(photos).mean(dim=(2, 3)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--pixels", type=int, default=128, help="height and width of a photo")
    parser.add_argument("--width", type=int, default=40, help="channels of the first stage")
    parser.add_argument("--blocks", type=int, default=1, help="in each of the last three stages")
    parser.add_argument("--outputs", type=int, default=1280)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", choices=["first", "last"], default="first", help="where the channels stand in memory")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    layout = torch.channels_last if options.memory == "last" else torch.contiguous_format
    model = Encoder(options.width, options.blocks, options.outputs).train().to(memory_format=layout)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    photos = torch.rand(options.batch, 3, options.pixels, options.pixels).to(memory_format=layout)
    features = torch.rand(options.batch, options.outputs)

    def step():
        optimizer.zero_grad(set_to_none=True)
        functional.mse_loss(model(photos), features).backward()
        optimizer.step()

    step()  # allocates gradients and the state of AdamW, so that no request pays for it
    say({"ready": True, "torch": torch.__version__})
    for request in requests():
        started = time.perf_counter()
        for _ in range(request["steps"]):
            step()
        say({"seconds": time.perf_counter() - started, "maxRssMb": max_rss_mb()})


if __name__ == "__main__":
    main()
