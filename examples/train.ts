/**
 * The plain training loop, from a data set to a checkpoint that captions. `captioner train` adds early stopping, resuming, data
 * augmentation and progress. The data set is drawn: 600 pictures of coloured shapes, learned in about a minute.
 *
 *     npx tsx examples/train.ts runs/shapes 8
 *     npx captioner info runs/shapes
 *
 * In a project of your own, import from 'captioner' and 'captioner/train'.
 */
import * as lib from '../lib/index.js';
import * as train from '../lib/training.js';

const [out = 'runs/shapes', epochs = '8'] = process.argv.slice(2);

// Data: photos with captions, a feature vector for each photo, and the words of the train captions.
const { manifest, features } = await lib.openLesson('tiny');
const photosOf = (split: string) => manifest.photos.filter((photo) => photo.split === split);
const words = photosOf('train').flatMap(({ captions }) => captions.map(lib.tokenize));
const vocabulary = lib.Vocabulary.build(words, lib.parseConfig(lib.VocabularyConfig, { minCount: 2 }));
const photos = photosOf('train').map(({ id, captions }) => ({
  id,
  captions: captions.map((caption) => vocabulary.encode(lib.tokenize(caption))),
}));

// Hyperparameters. Symbols: B captions, T words, D features, V vocabulary.
const training = lib.parseConfig(lib.TrainingConfig, { epochs: Number(epochs), batchSize: 64, learningRate: 0.01 });
const decoderConfig = lib.parseConfig(lib.DecoderConfig, { hiddenSize: 96, embeddingSize: 48 });
const sizes = { featureSize: features.dimension, vocabularySize: vocabulary.size }; // D, V

// The network, its optimiser, and one compiled step: forward pass, cross-entropy, gradients, Adam.
await train.useBackend(training.backend);
const { mean, std } = lib.featureStatistics(features, photos); // each [D]
const decoder = new train.Decoder(decoderConfig, sizes, {
  random: new lib.Random(training.seed),
  featureMean: mean,
  featureStd: std,
});
const optimizer = new train.Adam(train.trainableVariables(decoder.variables), training);
const step = new train.TrainingStep(decoder, train.storedFeatures, optimizer, training);

// The loop. Captions of similar length share a batch and are padded to the next of a few lengths T.
const lengths = photos.flatMap((photo) => train.examplesOf(photo, training.maxLength).map((e) => e.targets.length));
const buckets = train.bucketLengths(lengths);
const totalSteps = training.epochs * train.batchesPerEpoch(photos, training);
const graphs = train.exportDecoder(decoder); // ONNX files of the decoder, without weights
let steps = 0;
let CIDEr = 0;
for (let epoch = 0; epoch < training.epochs; epoch++) {
  let loss = 0;
  const plans = train.planEpoch(photos, buckets, epoch, training);
  for (const plan of plans) {
    const batch = train.readBatch(plan, features, training.batchSize); // features [B, D], tokens [T, B], targets [T * B]
    const rate = train.learningRateAt(steps, totalSteps, training);
    loss += (await step.learn(batch, steps++, rate)).loss / plans.length; // mean per word
  }
  CIDEr = await devScore();
  console.log(`epoch ${epoch + 1}  loss ${loss.toFixed(3)}  dev CIDEr ${CIDEr.toFixed(3)}`);
}

lib.saveCheckpoint(out, {
  config: lib.CheckpointConfig.parse({
    ...{ format: 1, captioner: lib.libraryVersion(), encoder: features.encoder, decoder: decoderConfig, training },
    ...{ vocabulary: { minCount: 2 }, vocabularySize: vocabulary.size, scores: { CIDEr } },
    dataset: { name: manifest.name, photos: photos.length, captions: words.length, devPhotos: photosOf('dev').length },
    trained: { epochs: training.epochs, steps },
  }),
  ...{ vocabulary, graphs, weights: train.weightsOf(decoder.variables) },
});
console.log(`${out} holds the captioner.`);

/** CIDEr of captions written for the dev photos by beam search, on ONNX Runtime. */
async function devScore(): Promise<number> {
  const dev = photosOf('dev');
  const session = await train.DecoderSession.load(graphs, train.weightsOf(decoder.variables));
  const rows = lib.readRows(
    features,
    dev.map(({ id }) => id),
  ); // [dev photos, D]
  const found = await lib.searchCaptions(session, vocabulary, rows, dev.length, lib.resolveSearch({}));
  await session.release();
  const scorer = new lib.CaptionScorer(dev.map(({ captions }) => captions.map(lib.ptbTokenize)));
  const written = found.map(([best]) => lib.ptbTokenize(vocabulary.decode(best.tokens)));
  return scorer.score(written).corpus.CIDEr;
}
