"""
Beam search with PyTorch on the CPU, as a peer for benchmarks, as tutorials have it: one photo at a time, its beam as the batch.
A step is LSTMCell -> Linear -> log-softmax -> the best of all beams' words; what ends leaves the beam, until the beam is empty or
captions have the greatest length.

--weights is the `decoder.safetensors` of a captioner (one layer of LSTM that starts from the photo), --features a safetensors file
with the array `features` [N, D].

Protocol (protocol.py): {"beam": 3, "bound": false} captions all photos and answers {"seconds": s, "captions": [[words' numbers]],
"maxRssMb": m}. With "bound" a search ends as soon as no beam can become better than the best caption that has ended.
"""

import argparse
import time

import torch
from torch import nn

from arrays import read_arrays
from protocol import max_rss_mb, requests, say

PAD, START, END, UNK = range(4)


class Captioner(nn.Module):
    def __init__(self, arrays, options):
        super().__init__()
        weights = {name: torch.from_numpy(array) for name, array in arrays.items()}
        self.vocabulary, embedding = weights["embedding"].shape
        features, states = weights["init/kernel"].shape
        self.mean = weights.get("features/mean", torch.zeros(features))
        self.std = weights.get("features/std", torch.ones(features))
        self.start = nn.Linear(features, states)  # h0 and c0 in one product
        self.embedding = nn.Embedding(self.vocabulary, embedding)
        self.cell = nn.LSTMCell(embedding, states // 2)
        self.output = nn.Linear(states // 2, self.vocabulary)
        with torch.no_grad():
            self.start.weight.copy_(weights["init/kernel"].T)
            self.start.bias.copy_(weights["init/bias"])
            self.embedding.weight.copy_(weights["embedding"])
            self.cell.weight_ih.copy_(weights["lstm0/kernel"].T)  # gates i, f, g, o in both
            self.cell.weight_hh.copy_(weights["lstm0/recurrent"].T)
            self.cell.bias_ih.copy_(weights["lstm0/bias"])
            self.cell.bias_hh.zero_()
            self.output.weight.copy_(weights["output/kernel"].T)
            self.output.bias.copy_(weights["output/bias"])
        self.max_length = options.max_length
        self.length_penalty = options.length_penalty
        self.never = torch.zeros(self.vocabulary)
        self.never[[PAD, START, UNK]] = -torch.inf

    @torch.inference_mode()
    def caption(self, features, beam, bound):
        """The best caption of one photo: features [1, D] to the numbers of its words."""
        h, c = self.start((features - self.mean) / self.std).chunk(2, dim=1)  # [1, H]
        words = torch.tensor([START])
        scores = torch.zeros(1)
        captions = torch.zeros(1, 0, dtype=torch.long)
        ended = []
        for length in range(1, self.max_length + 2):  # <end> counts, too
            h, c = self.cell(self.embedding(words), (h, c))
            logs = torch.log_softmax(self.output(h), dim=1) + self.never  # [beam, V]
            best = (scores[:, None] + logs).flatten().topk(beam)
            rows, words, scores = best.indices // self.vocabulary, best.indices % self.vocabulary, best.values
            captions = torch.cat([captions[rows], words[:, None]], dim=1)
            at_end = words == END
            if at_end.any():
                for caption, score in zip(captions[at_end].tolist(), scores[at_end].tolist()):
                    ended.append((score / length**self.length_penalty, caption[:-1]))
                going = ~at_end
                rows, words, scores, captions = rows[going], words[going], scores[going], captions[going]
                beam = len(words)
                if beam == 0:
                    break
            if bound and ended:
                hope = scores.max().item() / (self.max_length + 1) ** self.length_penalty
                if hope <= max(ended)[0]:
                    break
            h, c = h[rows], c[rows]
        return max(ended)[1] if ended else captions[0, : self.max_length].tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--features", required=True)
    parser.add_argument("--max-length", type=int, default=20)
    parser.add_argument("--length-penalty", type=float, default=0.7)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    captioner = Captioner(read_arrays(options.weights), options).eval()
    features = torch.from_numpy(read_arrays(options.features)["features"])
    say({"ready": True, "torch": torch.__version__})
    for request in requests():
        started = time.perf_counter()
        captions = [captioner.caption(photo[None], request["beam"], request["bound"]) for photo in features]
        say({"seconds": time.perf_counter() - started, "captions": captions, "maxRssMb": max_rss_mb()})


if __name__ == "__main__":
    main()
