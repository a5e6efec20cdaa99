"""
Whole training steps of a Show-and-Tell captioner in PyTorch on the CPU, as a peer for benchmarks.

The network: a photo's feature vector -> Linear -> h0 and c0 of an LSTM; word embeddings -> dropout -> LSTM -> dropout ->
Linear -> a score for each word. A step is forward, cross-entropy, backward and Adam, on random words and features: the
time of a step does not depend on what they are.

Protocol, one JSON object per line. On start it prints {"ready": true, "torch": version, "variant": what computes}. It then
reads requests: {"steps": 20} runs as many steps, {"lengths": [12, 20]} one step for each length, with captions of so many
words, and answers {"seconds": s, "maxRssMb": m}, where maxRssMb is the peak memory of the process so far; {"stop": true},
or the end of the input, ends it.

The defaults of --recurrence and --adam are the fastest of their choices.
"""

import argparse
import time

import torch
from torch import nn
from torch.nn import functional

from protocol import max_rss_mb, requests, say


class Captioner(nn.Module):
    """An LSTM that starts from a photo and predicts each next word."""

    def __init__(self, options):
        super().__init__()
        self.unrolled = options.recurrence == "cell"
        self.hidden = options.hidden
        self.dropout = options.dropout
        self.start = nn.Linear(options.features, 2 * options.hidden)  # h0 and c0 in one product
        self.embedding = nn.Embedding(options.vocabulary, options.embedding)
        recurrence = nn.LSTMCell if self.unrolled else nn.LSTM
        self.lstm = recurrence(options.embedding, options.hidden)
        self.output = nn.Linear(options.hidden, options.vocabulary)

    def forward(self, features, words):
        """The scores [length * batch, vocabulary] of the words after `words` [length, batch]."""
        h, c = (state.contiguous() for state in self.start(features).split(self.hidden, dim=1))
        inputs = functional.dropout(self.embedding(words), self.dropout, self.training)
        if self.unrolled:
            states = []
            for step in inputs:
                h, c = self.lstm(step, (h, c))
                states.append(h)
            outputs = torch.stack(states)
        else:
            outputs, _ = self.lstm(inputs, (h.unsqueeze(0), c.unsqueeze(0)))
        return self.output(functional.dropout(outputs, self.dropout, self.training).flatten(0, 1))


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--embedding", type=int, default=300)
    parser.add_argument("--vocabulary", type=int, default=3000)
    parser.add_argument("--features", type=int, default=1280)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--length", type=int, default=16, help="words predicted per caption")
    parser.add_argument("--dropout", type=float, default=0.5, help="on embeddings and on outputs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--recurrence", choices=["lstm", "cell"], default="lstm", help="nn.LSTM, or nn.LSTMCell unrolled")
    parser.add_argument("--adam", choices=["fused", "foreach", "single"], default="fused", help="implementation of Adam")
    return parser.parse_args()


def main():
    options = parse_options()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    model = Captioner(options).train()
    variants = {"fused": {"fused": True}, "foreach": {"foreach": True}, "single": {"foreach": False}}
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, **variants[options.adam])

    features = torch.randn(options.batch, options.features)
    words = torch.randint(options.vocabulary, (max(options.length, 100) + 1, options.batch))

    def step(length):
        optimizer.zero_grad(set_to_none=True)
        targets = words[1 : length + 1].flatten()
        functional.cross_entropy(model(features, words[:length]), targets).backward()
        optimizer.step()

    step(options.length)  # allocates gradients and the state of Adam, so that no request pays for it
    say({"ready": True, "torch": torch.__version__, "variant": f"{options.recurrence} + {options.adam} Adam"})
    for request in requests():
        lengths = request.get("lengths") or [options.length] * request["steps"]
        started = time.perf_counter()
        for length in lengths:
            step(length)
        seconds = time.perf_counter() - started
        say({"seconds": seconds, "maxRssMb": max_rss_mb()})


if __name__ == "__main__":
    main()
