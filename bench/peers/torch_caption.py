"""
Captions of photos with PyTorch on the CPU, as a peer for benchmarks: from JPEG files to a line of JSON for each photo. A data loader
decodes the files with Pillow (torch_extract.py), the encoder computes batches of 32, and a straightforward beam search captions one
photo after the other (torch_decode.py).

--encoder-weights are those of our encoder in the order in which it uses them, --weights and --vocabulary the checkpoint's
`decoder.safetensors` and `vocab.json`.

Protocol (protocol.py): {"photos": 1000, "beam": 3, "out": file} captions as many of --photos, beginning again where they end, and
answers {"seconds": s, "maxRssMb": m}.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader

import torch_decode
from arrays import read_arrays
from protocol import max_rss_mb, requests, say
from torch_extract import MEAN, STD, Photos, Repeated, load_network, workers_mb


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=["convnet", "mobilenetv2"], required=True)
    parser.add_argument("--encoder-weights", required=True)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--vocabulary", required=True)
    parser.add_argument("--photos", required=True, help="a file with the path of a photo on each line")
    parser.add_argument("--size", type=int, required=True, help="height and width of what the network takes")
    parser.add_argument("--max-length", type=int, default=20)
    parser.add_argument("--length-penalty", type=float, default=0.7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="processes that decode; 0: the network's own")
    parser.add_argument("--draft", action="store_true", help="decode JPEG at a lower resolution where that is enough")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    encoder = load_network(options.network, list(read_arrays(options.encoder_weights).values()))
    encoder = encoder.to(memory_format=torch.channels_last)
    decoder = torch_decode.Captioner(read_arrays(options.weights), options).eval()
    words = json.loads(Path(options.vocabulary).read_text())["words"]
    photos = Photos(Path(options.photos).read_text().splitlines(), options.size, options.draft)
    sampler = Repeated(len(photos))
    loader = DataLoader(
        photos,
        batch_size=32,
        sampler=sampler,
        num_workers=options.workers,
        persistent_workers=options.workers > 0,
    )

    @torch.inference_mode()
    def caption(count, beam, out):
        sampler.count = count
        done = 0
        with open(out, "w") as lines:
            for batch in loader:
                pixels = batch.to(torch.float32, memory_format=torch.channels_last).sub_(MEAN).div_(STD)
                for features in encoder(pixels):
                    tokens = decoder.caption(features[None], beam, bound=True)
                    file = photos.files[done % len(photos)]
                    lines.write(json.dumps({"file": file, "caption": " ".join(words[token] for token in tokens)}) + "\n")
                    done += 1

    say({"ready": True, "torch": torch.__version__})
    for request in requests():
        started = time.perf_counter()
        caption(request["photos"], request["beam"], request["out"])
        seconds = time.perf_counter() - started
        say({"seconds": seconds, "maxRssMb": max_rss_mb() + workers_mb(loader)})


if __name__ == "__main__":
    main()
