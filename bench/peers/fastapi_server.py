"""
A minimal caption service with FastAPI and PyTorch on the CPU, as a peer for benchmarks.

POST /caption takes a photo as the body. The network is that of the shipped captioner: MobileNetV2 without its head, whose
batch normalisation is folded into the convolutions, -> Linear -> the state of an LSTM (512, embedding 300, vocabulary
2,540); beam search with a beam of 3. Weights are random, and the search always takes --steps steps: the time does not depend
on what the words are.

Prints {"port": n, "torch": version} when it listens. Needs torch, fastapi, uvicorn and Pillow.
"""

import argparse
import asyncio
import io
import json
import socket

import numpy
import torch
import uvicorn
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from PIL import Image
from torch import nn

from torch_networks import mobilenet_v2


class Captioner(nn.Module):
    def __init__(self, hidden=512, embedding=300, vocabulary=2540):
        super().__init__()
        self.encoder = mobilenet_v2()
        self.start = nn.Linear(1280, 2 * hidden)
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.cell = nn.LSTMCell(embedding, hidden)
        self.output = nn.Linear(hidden, vocabulary)
        self.vocabulary = vocabulary

    @torch.inference_mode()
    def forward(self, photo, beam, steps):
        features = self.encoder(photo).mean(dim=(2, 3))
        h, c = self.start(features).chunk(2, dim=1)
        words = torch.ones(1, dtype=torch.long)
        scores = torch.zeros(1, 1)
        captions = torch.zeros(1, 0, dtype=torch.long)
        for _ in range(steps):
            h, c = self.cell(self.embedding(words), (h, c))
            total = scores + torch.log_softmax(self.output(h), dim=1)
            best = total.flatten().topk(beam)
            origin = best.indices // self.vocabulary
            words = best.indices % self.vocabulary
            scores = best.values[:, None]
            h, c = h[origin], c[origin]
            captions = torch.cat([captions[origin], words[:, None]], dim=1)
        return captions[0].tolist(), scores[0, 0].item()


def make_app(captioner, beam, steps):
    app = FastAPI()
    mean = numpy.array([0.485, 0.456, 0.406], dtype=numpy.float32)
    std = numpy.array([0.229, 0.224, 0.225], dtype=numpy.float32)

    def caption(data):
        photo = Image.open(io.BytesIO(data)).convert("RGB").resize((224, 224), Image.BILINEAR)
        pixels = (numpy.asarray(photo, dtype=numpy.float32) / 255 - mean) / std
        words, score = captioner(torch.from_numpy(pixels).permute(2, 0, 1)[None], beam, steps)
        return {"captions": [{"caption": " ".join(map(str, words)), "p": score}]}

    @app.post("/caption")
    async def post(request: Request):
        return await run_in_threadpool(caption, await request.body())

    return app


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--beam", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's own choice")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    app = make_app(Captioner().eval(), options.beam, options.steps)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(512)
    print(json.dumps({"port": listener.getsockname()[1], "torch": torch.__version__}), flush=True)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    asyncio.run(server.serve(sockets=[listener]))


if __name__ == "__main__":
    main()
