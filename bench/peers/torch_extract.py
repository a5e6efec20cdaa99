"""
Features of photos with PyTorch on the CPU, as a peer for benchmarks: a data loader decodes JPEG files with Pillow and resizes
them, the network computes batches of 32, and the features are written to a file.

The network has the weights of --weights, a safetensors file with those of our encoder in the order in which it uses them, so
that the features can be compared.

Protocol (protocol.py): {"photos": 256, "out": file} takes as many of --photos, beginning again where they end, and answers
{"seconds": s, "maxRssMb": m}: m is the peak memory of the process, and of what its workers have for themselves (on Linux).
"""

import argparse
import time
from pathlib import Path

import numpy
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset, Sampler

from arrays import read_arrays
from protocol import max_rss_mb, requests, say
from torch_networks import ConvNet, MobileNetV2

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) * 255
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1) * 255


class Photos(Dataset):
    """Photos as bytes, [3, size, size]."""

    def __init__(self, files, size, draft):
        self.files = files
        self.size = size
        self.draft = draft

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        with Image.open(self.files[i]) as photo:
            if self.draft:
                photo.draft("RGB", (self.size, self.size))  # lets libjpeg decode an 8th, a quarter or half of the resolution
            photo = ImageOps.exif_transpose(photo).convert("RGB").resize((self.size, self.size), Image.BILINEAR)
        return torch.from_numpy(numpy.array(photo)).permute(2, 0, 1)


class Repeated(Sampler):
    """The first `count` photos, from the beginning again where there are fewer."""

    def __init__(self, photos):
        self.photos = photos
        self.count = 0

    def __len__(self):
        return self.count

    def __iter__(self):
        return (i % self.photos for i in range(self.count))


def load_network(kind, arrays):
    """The network with these weights. What has another number or shape of weights is another network."""
    if kind == "mobilenetv2":
        network = MobileNetV2()
    else:
        convolutions = sum(array.ndim == 4 and array.shape[2] > 1 for array in arrays)
        network = ConvNet(arrays[0].shape[0], (convolutions - 5) // 6, arrays[-1].size)
    parameters = list(network.parameters())
    if len(parameters) != len(arrays):
        raise ValueError(f"the encoder has {len(arrays)} weights, {kind} has {len(parameters)}")
    with torch.no_grad():
        for parameter, array in zip(parameters, arrays):
            values = torch.from_numpy(array if array.ndim != 2 else array.T.copy())
            if parameter.ndim > 1 and parameter.shape != values.shape:
                raise ValueError(f"a weight of the encoder is {tuple(values.shape)}, in {kind} {tuple(parameter.shape)}")
            parameter.copy_(values.reshape(parameter.shape))
    return network.eval()


def workers_mb(loader):
    """Memory that the loader's workers share with nobody, in MB."""
    kilobytes = 0
    for worker in getattr(loader._iterator, "_workers", []):
        rollup = Path(f"/proc/{worker.pid}/smaps_rollup")
        if rollup.exists():
            lines = rollup.read_text().splitlines()
            kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
    return kilobytes / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=["convnet", "mobilenetv2"], required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--photos", required=True, help="a file with the path of a photo on each line")
    parser.add_argument("--size", type=int, required=True, help="height and width of what the network takes")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="processes that decode; 0: the network's own")
    parser.add_argument("--draft", action="store_true", help="decode JPEG at a lower resolution where that is enough")
    parser.add_argument("--memory", choices=["first", "last"], default="last", help="where the channels stand in memory")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    layout = torch.channels_last if options.memory == "last" else torch.contiguous_format
    network = load_network(options.network, list(read_arrays(options.weights).values())).to(memory_format=layout)
    photos = Photos(Path(options.photos).read_text().splitlines(), options.size, options.draft)
    sampler = Repeated(len(photos))
    loader = DataLoader(
        photos,
        batch_size=options.batch,
        sampler=sampler,
        num_workers=options.workers,
        persistent_workers=options.workers > 0,
    )

    @torch.inference_mode()
    def extract(count, out):
        sampler.count = count
        features = []
        for batch in loader:
            pixels = batch.to(torch.float32, memory_format=layout).sub_(MEAN).div_(STD)
            features.append(network(pixels).numpy())
        numpy.concatenate(features).tofile(out)

    say({"ready": True, "torch": torch.__version__})
    for request in requests():
        started = time.perf_counter()
        extract(request["photos"], request["out"])
        seconds = time.perf_counter() - started
        say({"seconds": seconds, "maxRssMb": max_rss_mb() + workers_mb(loader)})


if __name__ == "__main__":
    main()
