"""Distils MobileNetV2 into the captioner's compact residual network on a GPU.

Targets: MobileNetV2's last map and its pooled features, of the same random views; the object classes and the caption words of
photos that have them; and the captions themselves, through an LSTM that is thrown away afterwards.
"""

import argparse, collections, copy, gzip, io, json, math, os, re, time
import numpy as np, torch, torch.nn as nn, torch.nn.functional as F
from multiprocessing import Pool
from PIL import Image

a = argparse.ArgumentParser()
a.add_argument("--data", default=".")
a.add_argument("--parts", type=int, default=3)
a.add_argument("--teacher", default="teacher.npz")
a.add_argument("--out", default="out")
a.add_argument("--seconds", type=float, default=500)
a.add_argument("--width", type=int, default=32)
a.add_argument("--blocks", type=int, default=3)
a.add_argument("--batch", type=int, default=512)
a.add_argument("--lr", type=float, default=3e-3)
a.add_argument("--limit", type=int, default=0)
a.add_argument("--workers", type=int, default=16)
a.add_argument("--mix", type=float, default=0.5)
a.add_argument("--cache", default="")
a.add_argument("--label-weight", type=float, default=0.06)
a.add_argument("--word-weight", type=float, default=0.02)
a.add_argument("--caption-weight", type=float, default=0.15)
a.add_argument("--probe", type=int, default=1)
a.add_argument("--area", type=float, default=0.25)
a.add_argument("--wd", type=float, default=0.05)
A = a.parse_args()
os.makedirs(A.out, exist_ok=True)
dev_ = "cuda" if torch.cuda.is_available() else "cpu"
GPU = dev_ == "cuda"
torch.backends.cudnn.benchmark = True
torch.backends.cuda.matmul.allow_tf32 = True
torch.backends.cudnn.allow_tf32 = True
torch.manual_seed(1)
np.random.seed(1)
half = torch.float16 if GPU else torch.float32
bf = torch.bfloat16
T0 = time.time()
logf = open(f"{A.out}/log.txt", "a")


def say(*x):
    print(f"{time.time() - T0:7.1f}", *x, flush=True)
    print(f"{time.time() - T0:7.1f}", *x, file=logf, flush=True)


S, R = 192, 224
rows = [r for r in json.load(gzip.open(f"{A.data}/index.json.gz", "rt")) if r["p"] < A.parts]
if A.limit:
    rows = rows[: A.limit]
N = len(rows)
shape = (N, 3, R, R)


def decode(k):
    px = np.memmap(PX, np.uint8, "r+", shape=shape)
    for i in range(k * 64, min(N, k * 64 + 64)):
        r = rows[i]
        with open(f"{A.data}/part{r['p']}.bin", "rb") as f:
            f.seek(r["o"])
            b = f.read(r["n"])
        im = Image.open(io.BytesIO(b)).convert("RGB")
        if im.size != (R, R):
            im = im.resize((R, R), Image.BICUBIC)
        px[i] = np.asarray(im).transpose(2, 0, 1)


PX = A.cache or "/dev/shm/px.bin"
if not (os.path.exists(PX) and os.path.getsize(PX) == N * 3 * R * R):
    np.memmap(PX, np.uint8, "w+", shape=shape)
    with Pool(A.workers) as p:
        p.map(decode, range((N + 63) // 64), chunksize=1)
px = torch.from_numpy(np.memmap(PX, np.uint8, "r+", shape=shape)).to(dev_)
say("photos", N, "on", dev_, torch.cuda.get_device_name() if GPU else "")

split = np.array([r["s"] for r in rows])
ix = lambda s: torch.from_numpy(np.flatnonzero(split == s)).to(dev_)
train, held, dev = ix("train"), ix("held"), ix("dev")
tok = lambda s: re.findall(r"[a-z']+", s.lower())
cnt = collections.Counter(w for r in rows if r["s"] == "train" and r["c"] for c in r["c"] for w in tok(c))
df = collections.Counter(w for r in rows if r["s"] == "train" and r["c"] for c in r["c"] for w in set(tok(c)))
words = [w for w, _ in df.most_common(1030)][30:]
wi = {w: i for i, w in enumerate(words)}
classes = sorted({c for r in rows if r["l"] for c in r["l"]})
ci = {c: i for i, c in enumerate(classes)}
vocab = ["<pad>", "<start>", "<end>", "<unk>"] + [w for w, n in cnt.items() if n >= 6]
vi = {w: i for i, w in enumerate(vocab)}
L = 20
K = 10
lab = torch.zeros(N, len(classes))
haslab = torch.zeros(N)
wd = torch.zeros(N, len(words))
hascap = torch.zeros(N)
ncap = torch.ones(N, dtype=torch.long)
caps = torch.zeros(N, K, L, dtype=torch.long)
for i, r in enumerate(rows):
    if r["l"] is not None:
        haslab[i] = 1
        for c in r["l"]:
            lab[i, ci[c]] = 1
    if r["c"]:
        hascap[i] = 1
        ncap[i] = min(K, len(r["c"]))
        for k, c in enumerate(r["c"][:K]):
            t = [1] + [vi.get(w, 3) for w in tok(c)][: L - 2] + [2]
            caps[i, k, : len(t)] = torch.tensor(t)
        for c in r["c"]:
            for w in set(tok(c)):
                if w in wi:
                    wd[i, wi[w]] += 1 / len(r["c"])
lab, haslab, wd, hascap, ncap, caps = (t.to(dev_) for t in (lab, haslab, wd, hascap, ncap, caps))
extra = train[((haslab + hascap)[train] > 0)]
feed_ids = torch.cat([train, train, extra, extra])  # photos with labels or captions twice as often
say(
    "train",
    len(train),
    "labelled",
    int(haslab[train].sum()),
    "captioned",
    int(hascap[train].sum()),
    "classes",
    len(classes),
    "vocabulary",
    len(vocab),
)


# ---- views, as separable resampling: y = A x B^T
def cubic(d):
    d = d.abs()
    return torch.where(
        d < 1,
        (1.5 * d - 2.5) * d * d + 1,
        torch.where(d < 2, ((-0.5 * d + 2.5) * d - 4) * d + 2, torch.zeros_like(d)),
    )


def resample(start, size, n, src=R, flip=None):
    """[B] start and size (shares of the side) -> [B, n, src], antialiased bicubic."""
    i = (torch.arange(n, device=dev_) + 0.5) / n
    pos = (
        start[:, None] + size[:, None] * (i if flip is None else torch.where(flip[:, None], 1 - i, i))
    ) * src  # [B, n]
    scale = (size * src / n).clamp_min(1)[:, None, None]
    w = cubic((torch.arange(src, device=dev_) + 0.5 - pos[..., None]) / scale)
    return (w / w.sum(-1, keepdim=True)).to(half)


def apply(x, row, col):
    return row[:, None] @ x @ col[:, None].transpose(-1, -2)


MEAN = torch.tensor([0.485, 0.456, 0.406], device=dev_).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225], device=dev_).view(1, 3, 1, 1)
norm = lambda x: (x.float().clamp(0, 1) - MEAN) / STD


def raw(i):
    return px[i].to(half) / 255


GREY = torch.tensor([0.299, 0.587, 0.114], device=dev_).view(1, 3, 1, 1)


def jitter(x, c=0.35):
    n = len(x)
    r = lambda: ((torch.rand(n, 1, 1, 1, device=dev_) * 2 - 1) * c + 1).to(half)
    g = (x * GREY.to(half)).sum(1, True)
    return (((x - g) * r() + g) * r() - 0.5).mul(r()).add(0.5).clamp(0, 1)


def views(i):
    n = len(i)
    u = lambda: torch.rand(n, device=dev_)
    area = A.area + (1 - A.area) * u()
    st = torch.exp((u() * 2 - 1) * math.log(4 / 3))
    w = (area * st).sqrt().clamp_max(1)
    h = (area / st).sqrt().clamp_max(1)
    top, left, flip = u() * (1 - h), u() * (1 - w), u() < 0.5
    x = jitter(raw(i))
    t = apply(x, resample(top, h, R), resample(left, w, R, flip=flip))
    s = apply(x, resample(top, h, S), resample(left, w, S, flip=flip))
    if A.mix:
        lam = torch.where(u() < A.mix, u(), torch.ones(n, device=dev_)).view(-1, 1, 1, 1).to(half)
        p = torch.randperm(n, device=dev_)
        t = lam * t + (1 - lam) * t[p]
        s = lam * s + (1 - lam) * s[p]
        pure = lam.view(-1) == 1
    else:
        pure = torch.ones(n, dtype=torch.bool, device=dev_)
    return norm(t), norm(s), pure


one, zero = torch.ones(1, device=dev_), torch.zeros(1, device=dev_)


def plain(i):
    x = raw(i)
    return norm(x), norm(apply(x, resample(zero, one, S), resample(zero, one, S)))


# ---- teacher
Z = np.load(A.teacher)
plan = json.loads(bytes(Z["plan"]).decode())
W = {
    k: torch.from_numpy(Z[k]).to(dev_, half).contiguous(memory_format=torch.channels_last)
    if Z[k].ndim == 4
    else torch.from_numpy(Z[k]).to(dev_, half)
    for k in Z.files
    if k != "plan"
}


@torch.no_grad()
def teach(x):
    v = {"input": x.to(half).contiguous(memory_format=torch.channels_last)}
    for op in plan:
        t, i, o = op["t"], op["i"], op["o"]
        if t == "Conv":
            v[o] = F.conv2d(v[i[0]], W[i[1]], W[i[2]] if len(i) > 2 else None, op["s"], op["p"], 1, op["g"])
        elif t == "Clip":
            v[o] = F.hardtanh(v[i[0]], 0, 6, inplace=True)
        elif t == "Add":
            v[o] = v[i[0]] + v[i[1]]
        elif t == "Identity":
            v[o] = v[i[0]]
    m = v["map"].float()
    return m, m.mean((2, 3))


# ---- student: the captioner's network
class CB(nn.Module):
    def __init__(s, i, o, k, st):
        super().__init__()
        s.c = nn.Conv2d(i, o, k, st, (k - 1) // 2, bias=False)
        s.b = nn.BatchNorm2d(o, eps=1e-5, momentum=0.02)
        nn.init.kaiming_normal_(s.c.weight, nonlinearity="relu")

    def forward(s, x):
        return s.b(s.c(x))


class Net(nn.Module):
    def __init__(s, W=A.width, nb=A.blocks):
        super().__init__()
        s.m = nn.ModuleDict()
        s.nb = nb
        s.m["stem_a"] = CB(3, W, 7, 4)
        s.m["stem_b"] = CB(W, W, 3, 1)
        for k in range(3):
            C = 2 * W * 2**k
            s.m[f"stage{k}_down"] = CB(C // 2, C, 3, 2)
            for b in range(nb):
                s.m[f"stage{k}_block{b}_a"] = CB(C, C, 3, 1)
                s.m[f"stage{k}_block{b}_b"] = CB(C, C, 3, 1)
                nn.init.zeros_(s.m[f"stage{k}_block{b}_b"].b.weight)
        s.h = nn.Conv2d(8 * W, 1280, 1)
        nn.init.kaiming_normal_(s.h.weight, nonlinearity="relu")
        nn.init.zeros_(s.h.bias)

    def forward(s, x):
        m = s.m
        x = F.relu(m["stem_b"](F.relu(m["stem_a"](x))))
        for k in range(3):
            x = F.relu(m[f"stage{k}_down"](x))
            for b in range(s.nb):
                x = F.relu(x + m[f"stage{k}_block{b}_b"](F.relu(m[f"stage{k}_block{b}_a"](x))))
        return F.relu(s.h(x))


class Captions(nn.Module):
    """Standardised features -> teacher-forced loss, summed over words."""

    def __init__(s, D=1280, H=512, E=256):
        super().__init__()
        s.i = nn.Linear(D, 2 * H)
        s.e = nn.Embedding(len(vocab), E)
        s.l = nn.LSTM(E, H, batch_first=True)
        s.o = nn.Linear(H, len(vocab))

    def forward(s, z, t):
        h, c = s.i(F.dropout(z, 0.3)).tanh().chunk(2, 1)
        y, _ = s.l(F.dropout(s.e(t[:, :-1]), 0.3), (h[None].contiguous(), c[None].contiguous()))
        return F.cross_entropy(
            s.o(F.dropout(y, 0.4)).flatten(0, 1).float(), t[:, 1:].flatten(), ignore_index=0
        )


net = Net().to(dev_, memory_format=torch.channels_last)
aux = nn.Linear(1280, len(classes) + len(words)).to(dev_)
lm = Captions().to(dev_)
nn.init.normal_(aux.weight, std=0.01)
nn.init.constant_(aux.bias, -4)
say("weights", sum(p.numel() for p in net.parameters()))
fm = torch.cat([teach(plain(train[i : i + 256])[0])[1] for i in range(0, min(len(train), 8192), 256)])
f_mean, f_std = fm.mean(0), fm.std(0).clamp_min(1e-3)
mm = torch.cat([teach(plain(train[i : i + 64])[0])[0] for i in range(0, min(len(train), 1024), 64)])
m_mean, m_std = mm.mean((0, 2, 3)).view(1, -1, 1, 1), mm.std((0, 2, 3)).clamp_min(1e-2).view(1, -1, 1, 1)
down = resample(zero, one, S // 32, 7).float()[0]
ema = copy.deepcopy(net)


def amp():
    return torch.autocast(dev_, bf) if GPU else torch.autocast("cpu", bf, enabled=False)


@torch.no_grad()
def feats(n, ids):
    n.eval()
    out, tea = [], []
    for i in range(0, len(ids), 256):
        t, s = plain(ids[i : i + 256])
        tea.append(teach(t)[1])
        with amp():
            out.append(n(s.contiguous(memory_format=torch.channels_last)).float().mean((2, 3)))
    n.train()
    return torch.cat(out), torch.cat(tea)


def average_precision(score, truth):
    aps = []
    for c in range(truth.shape[1]):
        if truth[:, c].sum() == 0:
            continue
        t = truth[score[:, c].argsort(descending=True), c]
        p = t.cumsum(0) / torch.arange(1, len(t) + 1, device=t.device)
        aps.append(((p * t).sum() / t.sum()).item())
    return sum(aps) / len(aps)


isf = torch.tensor(["flickr8k" in rows[i]["f"] for i in dev.tolist()], device=dev_)


@torch.no_grad()
def evaluate(n):
    z, t = feats(n, dev)
    zs, ts = (z - f_mean) / f_std, (t - f_mean) / f_std
    c = F.cosine_similarity(zs, ts)
    r2 = 1 - (zs - ts).pow(2).mean() / (ts - ts.mean(0)).pow(2).mean()
    s = aux(zs)[:, len(classes) :]
    wl = F.binary_cross_entropy_with_logits(s, wd[dev], reduction="sum") / len(dev)
    lm.eval()
    cl = lm(zs, caps[dev, 0]).item()
    lm.train()
    h, _ = feats(n, held)
    ap = average_precision(aux((h - f_mean) / f_std)[:, : len(classes)], lab[held]) if len(held) else 0
    return dict(
        flickr=round(c[isf].mean().item(), 4),
        everyday=round(c[~isf].mean().item(), 4),
        r2=round(r2.item(), 4),
        words=round(wl.item(), 3),
        captions=round(cl, 4),
        map=round(ap, 4),
    )


dec = [p for p in net.parameters() if p.dim() > 1]
rest = [p for p in net.parameters() if p.dim() <= 1]
opt = torch.optim.AdamW(
    [
        dict(params=dec, weight_decay=A.wd),
        dict(params=rest, weight_decay=0),
        dict(params=[*aux.parameters(), *lm.parameters()], weight_decay=0.02),
    ],
    lr=1e-3,
    betas=(0.9, 0.98),
    fused=GPU,
)


def save(tag=""):
    from safetensors.numpy import save_file

    out = {}
    g = lambda t: np.ascontiguousarray(t.detach().float().cpu().numpy())
    for k, c in ema.m.items():
        n = k.replace("_", "/")
        out[n + "/kernel"] = g(c.c.weight.permute(2, 3, 1, 0))
        out[n + "/scale"] = g(c.b.weight)
        out[n + "/shift"] = g(c.b.bias)
        out[n + "/mean"] = g(c.b.running_mean)
        out[n + "/variance"] = g(c.b.running_var)
    out["head/kernel"] = g(ema.h.weight.flatten(1).t())
    out["head/bias"] = g(ema.h.bias)
    out["teacher/mean"] = g(f_mean)
    out["teacher/std"] = g(f_std)
    keys = sorted(out)
    big = [k for k in keys if k.startswith("stage2")]
    save_file({k: out[k] for k in big[: len(big) // 2]}, f"{A.out}/a{tag}.safetensors")
    save_file({k: out[k] for k in big[len(big) // 2 :]}, f"{A.out}/b{tag}.safetensors")
    save_file({k: out[k] for k in keys if k not in big}, f"{A.out}/c{tag}.safetensors")


net.train()
step = 0
acc = collections.defaultdict(float)
t0 = time.time()
told = t0
checked = t0
while True:
    p = (time.time() - t0) / A.seconds
    if p >= 1:
        break
    lr = (A.lr * 0.5 * (1 + math.cos(math.pi * p)) + 1e-6) * min(1, (step + 1) / 300)
    for g in opt.param_groups:
        g["lr"] = lr
    i = feed_ids[torch.randint(len(feed_ids), (A.batch,), device=dev_)]
    xt, xs, pure = views(i)
    tm, tf = teach(xt)
    zt = (tf - f_mean) / f_std
    ts = ((down @ tm @ down.t()) - m_mean) / m_std
    with amp():
        y = net(xs.contiguous(memory_format=torch.channels_last))
    y = y.float()
    z = y.mean((2, 3))
    zs = (z - f_mean) / f_std
    ys = (y - m_mean) / m_std
    lp = (zs - zt).pow(2).mean() + 1 - F.cosine_similarity(zs, zt).mean()
    ld = (ys - ts).pow(2).mean() + 1 - F.cosine_similarity(ys, ts, dim=1).mean()
    s = aux(zs)
    pl = pure * haslab[i]
    pc = pure * hascap[i]
    ll = (
        F.binary_cross_entropy_with_logits(s[:, : len(classes)], lab[i], reduction="none").sum(1) * pl
    ).sum() / A.batch
    lw = (
        F.binary_cross_entropy_with_logits(s[:, len(classes) :], wd[i], reduction="none").sum(1) * pc
    ).sum() / A.batch
    j = pc.nonzero()[:, 0]
    pick = (torch.rand(len(j), device=dev_) * ncap[i[j]]).long()
    lc = lm(zs[j], caps[i[j], pick]) * len(j) / A.batch if len(j) else zs.sum() * 0
    loss = lp + 0.5 * ld + A.label_weight * ll + A.word_weight * lw + A.caption_weight * lc
    opt.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 5)
    opt.step()
    step += 1
    with torch.no_grad():
        d = min(0.998, (step + 1) / (step + 20))
        torch._foreach_lerp_(list(ema.parameters()), list(net.parameters()), 1 - d)
        eb = [b for b in ema.buffers() if b.is_floating_point()]
        torch._foreach_lerp_(eb, [b for b in net.buffers() if b.is_floating_point()], 1 - d)
        acc["n"] += 1
        for k, v in dict(lp=lp, ld=ld, ll=ll, lw=lw, lc=lc).items():
            acc[k] = acc[k] + v.detach()
    if step % 20 == 0 and time.time() - told > 10:
        told = time.time()
        n = acc.pop("n")
        say(
            step,
            step * A.batch,
            f"lr {lr:.2g}",
            {k: round(float(v) / n, 3) for k, v in acc.items()},
            f"{step * A.batch / (time.time() - t0):.0f} views/s",
        )
        acc.clear()
        if not math.isfinite(loss.item()):
            raise SystemExit("loss is not finite")
        if time.time() - checked > 60:
            checked = time.time()
            say("  dev", "ema", evaluate(ema))
say("end", step * A.batch, "views; dev net", evaluate(net), "ema", evaluate(ema))
save()
if A.probe:
    # Linear heads on frozen features, trained on labelled train photos; weight decay chosen on a tenth of them.
    li = train[haslab[train] > 0]
    perm = torch.randperm(len(li), generator=torch.Generator().manual_seed(3)).to(dev_)
    fit, val = li[perm[len(li) // 10 :]], li[perm[: len(li) // 10]]
    for name, k in (("student", 0), ("mobilenetv2", 1)):
        X, V, H = (feats(ema, q)[k] for q in (fit, val, held))
        mu, sd = X.mean(0), X.std(0).clamp_min(1e-4)
        best = (-1,)
        for wdv in (0.01, 0.1, 0.3, 1.0, 3.0):
            head = nn.Linear(1280, len(classes)).to(dev_)
            nn.init.zeros_(head.weight)
            nn.init.constant_(head.bias, -4)
            o = torch.optim.AdamW(head.parameters(), lr=2e-3, weight_decay=wdv)
            for e in range(400):
                q = torch.randint(len(fit), (1024,), device=dev_)
                l = (
                    F.binary_cross_entropy_with_logits(head((X[q] - mu) / sd), lab[fit[q]], reduction="sum")
                    / 1024
                )
                o.zero_grad()
                l.backward()
                o.step()
            with torch.no_grad():
                v = average_precision(head((V - mu) / sd), lab[val])
                h = average_precision(head((H - mu) / sd), lab[held])
            best = max(best, (v, wdv, h))
        say(
            "probe", name, "mAP on held", round(best[2], 4), "weight decay", best[1], "val", round(best[0], 4)
        )
json.dump(
    dict(
        vars(A),
        classes=len(classes),
        words=len(words),
        vocabulary=len(vocab),
        train=len(train),
        views=step * A.batch,
        steps=step,
        torch=torch.__version__,
    ),
    open(f"{A.out}/run.json", "w"),
    indent=1,
)
