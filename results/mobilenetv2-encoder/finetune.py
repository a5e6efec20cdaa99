"""Fine-tunes the last convolutions of MobileNetV2 on what photos show.

    python finetune.py mobilenetv2-features.onnx photos/ --labels labels.jsonl --held-out held-out.jsonl --epochs 2 --out labels.onnx
    python finetune.py mobilenetv2-features.onnx photos/ --labels labels.jsonl --held-out held-out.jsonl --captions captions.jsonl \
        --epochs 3 --from labels.onnx --out words.onnx
    python finetune.py mobilenetv2-features.onnx photos/ --labels labels.jsonl --held-out held-out.jsonl --captions captions.jsonl \
        --classes classes.jsonl --epochs 6 --layers 33 --mix --from words.onnx --out tuned.onnx

The first run learns to name COCO's 80 classes. The second learns, on all photos, the classes and the words of the captions, and
keeps the features close to MobileNetV2's own: the encoder of `mobilenetv2`. The third, which did not help, learns also to name actions and scenes of photos that are filed by them, and
sees mixtures of two photos in every other batch; what it writes is a moving average of the weights. Lists have a line for each photo:
{"file", "labels"}, {"file", "captions", "split"} or {"file", "class"}.
Needs torch, onnx, numpy and Pillow.
"""
import argparse, collections, json, random, re
import numpy as np, onnx, torch
import torch.nn.functional as F
from onnx import numpy_helper
from PIL import Image

args = argparse.ArgumentParser()
args.add_argument('base'); args.add_argument('photos')
for name in ('labels', 'held-out', 'captions', 'classes', 'from', 'out'): args.add_argument('--' + name)
args.add_argument('--epochs', type=int, default=2); args.add_argument('--layers', type=int, default=24)
args.add_argument('--batch', type=int, default=16); args.add_argument('--rate', type=float, default=1e-4)
args.add_argument('--mix', action='store_true', help='mix two photos in every other batch, average the weights')
args = vars(args.parse_args())
torch.set_num_threads(1)


def lines(file): return [json.loads(line) for line in open(file)] if file else []


labels = {row['file']: row['labels'] for row in lines(args['labels'])}
held_out = [row['file'] for row in lines(args['held_out'])]
listed = lines(args['captions'])
captions = {row['file']: row['captions'] for row in listed if row['split'] == 'train'}
dev = [row for row in listed if row['split'] == 'dev']
filed = {row['file']: row['class'] for row in lines(args['classes'])}
train = sorted(set(captions) | (set(labels) - set(held_out)))
names = {name: i for i, name in enumerate(sorted(set(filed.values())))}

classes = {name: i for i, name in enumerate(sorted({name for row in labels.values() for name in row}))}
stop = set('a an the is are of in on at and to with it its his her their this that by from for as be he she they them him there'.split())
words_of = lambda text: set(re.findall('[a-z]+', text.lower())) - stop
counts = collections.Counter(word for row in captions.values() for text in row for word in words_of(text))
words = {word: i for i, (word, _) in enumerate(counts.most_common(1000))}


def label_target(file):
    target = np.zeros(len(classes), np.float32)
    target[[classes[name] for name in labels.get(file, [])]] = 1
    return target


def word_target(texts):
    """The share of a photo's captions that have each word."""
    target = np.zeros(max(1, len(words)), np.float32)
    for text in texts or []:
        for word in words_of(text) & words.keys(): target[words[word]] += 1 / len(texts)
    return target


def load(file, view=None):
    """A photo [3, 224, 224], squashed and normalised; with `view`, a random crop of at least half its area."""
    photo = Image.open(f"{args['photos']}/{file}").convert('RGB')
    box = None
    if view:
        width, height = photo.size
        area, stretch = view.uniform(.5, 1), view.uniform(.85, 1.18)
        w, h = min(1, (area * stretch) ** .5), min(1, (area / stretch) ** .5)
        x, y = view.uniform(0, 1 - w), view.uniform(0, 1 - h)
        box = (x * width, y * height, (x + w) * width, (y + h) * height)
    photo = photo.resize((224, 224), Image.BILINEAR, box=box)
    if view and view.random() < .5: photo = photo.transpose(Image.FLIP_LEFT_RIGHT)
    mean, std = (torch.tensor(x)[:, None, None] for x in ([.485, .456, .406], [.229, .224, .225]))
    photo = torch.tensor(np.asarray(photo, dtype=np.float32)).permute(2, 0, 1) / 255
    if view and args['mix']: photo = (photo * view.uniform(.75, 1.3) + view.uniform(-.08, .08)).clamp(0, 1)
    return (photo - mean) / std


# The network: an interpreter of its ONNX graph, frozen up to the first trained convolution.
model = onnx.load(args['base'])
frozen = {tensor.name: torch.tensor(numpy_helper.to_array(tensor).copy()) for tensor in model.graph.initializer}
nodes = list(model.graph.node)
first = [i for i, node in enumerate(nodes) if node.op_type == 'Conv'][-args['layers']]
trained = {name: torch.nn.Parameter(frozen[name].clone()) for node in nodes[first:] if node.op_type == 'Conv' for name in node.input[1:]}
if args['from']:
    for tensor in onnx.load(args['from']).graph.initializer:
        if tensor.name in trained: trained[tensor.name].data = torch.tensor(numpy_helper.to_array(tensor).copy())
made = {name for node in nodes[:first] for name in node.output}
read = {name for node in nodes[first:] for name in node.input} & made


for tensor in [*frozen.values(), *(parameter.data for parameter in trained.values())]:
    if tensor.dim() == 4: tensor.data = tensor.data.to(memory_format=torch.channels_last)


def run(values, nodes, weights):
    for node in nodes:
        x = [values.get(name, weights.get(name, frozen.get(name))) for name in node.input]
        at = {a.name: list(a.ints) if a.type == 7 else a.i for a in node.attribute}
        if node.op_type == 'Conv':
            y = F.conv2d(x[0], x[1], x[2] if len(x) > 2 else None, at.get('strides', [1, 1]), at.get('pads', [0, 0])[:2], 1, at.get('group', 1))
        elif node.op_type == 'Clip': y = F.relu6(x[0])
        elif node.op_type == 'Add': y = x[0] + x[1]
        elif node.op_type == 'GlobalAveragePool': y = x[0].mean((2, 3), keepdim=True)
        elif node.op_type == 'Flatten': y = x[0].flatten(1)
        else: y = x[0]
        values[node.output[0]] = y
    return values


def stem(photos):
    with torch.no_grad(): values = run({'input': photos.to(memory_format=torch.channels_last)}, nodes[:first], {})
    return {name: values[name] for name in read}


def features(stem, weights): return run(dict(stem), nodes[first:], weights)['features']


def whole(files, weights):
    with torch.no_grad():
        return torch.cat([features(stem(torch.stack([load(f) for f in files[i:i + 20]])), weights) for i in range(0, len(files), 20)])


def average_precision(scores, truth):
    truth = truth[np.argsort(-scores)]
    return (truth * np.cumsum(truth) / np.arange(1, len(truth) + 1)).sum() / truth.sum()


def evaluate():
    with torch.no_grad():
        weights = average or trained
        scores = label_head((whole(held_out, weights) - mean) / std).numpy()
        truth = np.stack([label_target(file) for file in held_out])
        found = {'mAP': np.mean([average_precision(scores[:, c], truth[:, c]) for c in range(len(classes)) if truth[:, c].any()])}
        if dev:
            logits = word_head((whole([row['file'] for row in dev], weights) - mean) / std)
            target = torch.tensor(np.stack([word_target(row['captions']) for row in dev]))
            found['devWords'] = F.binary_cross_entropy_with_logits(logits, target, reduction='sum').item() / len(dev)
    return {name: round(float(value), 4) for name, value in found.items()}


random.Random(3).shuffle(train)
sample = whole(train[:1000], {})
mean, std = sample.mean(0), (sample.var(0) + 1e-4).sqrt()
label_head, word_head, class_head = (torch.nn.Linear(len(mean), max(1, len(kind))) for kind in (classes, words, names))
for head in (label_head, word_head): torch.nn.init.zeros_(head.weight), torch.nn.init.constant_(head.bias, -4)
heads = [parameter for head in (label_head, word_head, class_head) for parameter in head.parameters()]
optimizer = torch.optim.AdamW([
    {'params': list(trained.values()), 'lr': args['rate'], 'weight_decay': 1e-2},
    {'params': heads, 'lr': 10 * args['rate'], 'weight_decay': .3},
])
rates = [group['lr'] for group in optimizer.param_groups]
B, view, step = args['batch'], random.Random(2), 0
steps = args['epochs'] * ((len(train) + len(filed) // 2) // B)
average = {name: value.detach().clone() for name, value in trained.items()} if args['mix'] else None
bce = lambda logits, targets: F.binary_cross_entropy_with_logits(logits, torch.tensor(np.stack(targets)), reduction='none').sum(1)
has = lambda files, known: torch.tensor([float(file in known) for file in files])


def losses_of(raw, files):
    """Each kind of loss for every photo, 0 where it has no target of the kind."""
    found = {'labels': bce(label_head(raw), [label_target(f) for f in files]) * has(files, labels)}
    if captions: found['words'] = bce(word_head(raw), [word_target(captions.get(f)) for f in files]) * has(files, captions)
    if filed:
        target = torch.tensor([names[filed[f]] if f in filed else -1 for f in files])
        found['classes'] = F.cross_entropy(class_head(raw), target, ignore_index=-1, reduction='none')
    return found


def save():
    for tensor in model.graph.initializer:
        if tensor.name in trained:
            value = (average or trained)[tensor.name].detach().contiguous()
            tensor.CopyFrom(numpy_helper.from_array(value.numpy(), tensor.name))
    onnx.save(model, args['out'])


for epoch in range(args['epochs']):
    order = random.Random(10 + epoch)
    files_of_epoch = train + order.sample(sorted(filed), len(filed) // 2)
    order.shuffle(files_of_epoch)
    for i in range(0, len(files_of_epoch) - B + 1, B):
        for group, rate in zip(optimizer.param_groups, rates):
            group['lr'] = rate * min(1, step / 200) * .5 * (1 + np.cos(np.pi * step / steps))
        files = files_of_epoch[i:i + B]
        photos = torch.stack([load(file, view) for file in files])
        share, others = 1, files
        if args['mix'] and step % 2:
            share, others = view.betavariate(.5, .5), files[1:] + files[:1]
            photos = share * photos + (1 - share) * photos.roll(-1, 0)
        below = stem(photos)
        now = (features(below, trained) - mean) / std
        dropped = F.dropout(now, .3)
        losses = {name: share * value.sum() / B for name, value in losses_of(dropped, files).items()}
        if share != 1:
            for name, value in losses_of(dropped, others).items(): losses[name] = losses[name] + (1 - share) * value.sum() / B
        if captions:
            with torch.no_grad(): teacher = (features(below, {}) - mean) / std
            losses['teacher'] = ((now - teacher) ** 2).mean()
        loss = sum({'words': .3}.get(name, 1) * value for name, value in losses.items())
        optimizer.zero_grad(); loss.backward(); torch.nn.utils.clip_grad_norm_(list(trained.values()), 20); optimizer.step()
        step += 1
        if average:
            with torch.no_grad():
                for name, value in trained.items(): average[name].lerp_(value, max(.002, 1 / (step + 1)))
        if step % 50 == 0: print(json.dumps({'step': step, 'of': steps, **{k: round(v.item(), 3) for k, v in losses.items()}}), flush=True)
    print(json.dumps({'epoch': epoch + 1, **evaluate()}), flush=True)
    save()
