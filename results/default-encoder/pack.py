"""Packs the photos for distill.py, as WebP of at most 224 pixels, with labels and captions beside them.

pack.py FOLDER full.jsonl

full.jsonl: all captioned photos of Flickr8k and everyday with their splits. The folder has pool/manifest.jsonl (photos without
captions) and everyday-labels.jsonl. 600 labelled photos without captions are held out.
"""

import gzip
import io
import json
import random
import sys
from PIL import Image

D = sys.argv[1] + "/"  # the folder that the names in the lists are relative to
full = [json.loads(l) for l in open(sys.argv[2])]
pool = ["pool/photos/" + json.loads(l)["file"] for l in open(D + "pool/manifest.jsonl")]
cap = {r["file"]: r for r in full}
ban = {r["file"] for r in full if r["split"] != "train"}
labels = {}
for l in open(D + "everyday-labels.jsonl"):
    r = json.loads(l)
    labels[r["file"]] = r["labels"]
rng = random.Random(5)
only = sorted(f for f in labels if f not in cap)
rng.shuffle(only)
held = sorted(only[:600])
ban |= set(held)
train = sorted((set(pool) | {r["file"] for r in full}) - ban)
dev = [r["file"] for r in full if r["split"] == "dev"]
dev = [f for f in dev if "flickr" in f][:350] + [f for f in dev if "flickr" not in f]
items = [(f, "train") for f in train] + [(f, "held") for f in held] + [(f, "dev") for f in dev]
random.Random(9).shuffle(items)
rows = []
parts = [open(f"part{k}.bin", "wb") for k in range(3)]
for i, (f, s) in enumerate(items):
    im = Image.open(D + f).convert("RGB")
    z = 192 if f.startswith("pool") else 224
    if im.size != (z, z):
        im = im.resize((z, z), Image.BICUBIC)
    b = io.BytesIO()
    im.save(b, "WEBP", quality=73, method=3)
    k = i % 3
    rows.append(
        dict(
            f=f,
            s=s,
            p=k,
            o=parts[k].tell(),
            n=b.tell(),
            l=labels.get(f),
            c=cap[f]["captions"] if f in cap else None,
        )
    )
    parts[k].write(b.getbuffer())
json.dump(rows, gzip.open("index.json.gz", "wt"))
for p in parts:
    print(p.tell())
print(
    len(train),
    len(held),
    len(dev),
    sum(1 for r in rows if r["c"] and r["s"] == "train"),
    sum(1 for r in rows if r["l"] and r["s"] == "train"),
)
