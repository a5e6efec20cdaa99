import type { Command } from 'commander';

/**
 * The commands in the order of the help, each with its summary there. Loading them all would take a third of a second, so only the one
 * that is called is loaded.
 */
export const commands: Readonly<Record<string, { readonly summary: string; readonly load: () => Promise<Command> }>> = {
  download: {
    summary: 'Download data sets and encoders from their publishers.',
    load: async () => (await import('./commands/download.js')).downloadCommand(),
  },
  extract: {
    summary: "Compute the features of a data set's photos with a pretrained encoder, for training and evaluation.",
    load: async () => (await import('./commands/extract.js')).extractCommand(),
  },
  merge: {
    summary: 'Join folders of features.',
    load: async () => (await import('./commands/merge.js')).mergeCommand(),
  },
  pair: {
    summary: 'Assign captions without images to photos that they fit.',
    load: async () => (await import('./commands/pair.js')).pairCommand(),
  },
  vocab: {
    summary: 'Count the words of the training captions.',
    load: async () => (await import('./commands/vocab.js')).vocabCommand(),
  },
  train: {
    summary: "Train a captioner on the features of a data set's photos.",
    load: async () => (await import('./commands/train.js')).trainCommand(),
  },
  sweep: {
    summary: 'Train a captioner for each combination of hyperparameters, and rank them.',
    load: async () => (await import('./commands/sweep.js')).sweepCommand(),
  },
  distill: {
    summary: "Train a compact encoder to reproduce a pretrained encoder's features.",
    load: async () => (await import('./commands/distill.js')).distillCommand(),
  },
  finetune: {
    summary: "Fine-tune the encoder and decoder of a trained captioner together on a data set's photos.",
    load: async () => (await import('./commands/finetune.js')).finetuneCommand(),
  },
  reinforce: {
    summary: "Train a captioner's decoder on the CIDEr of its own captions (self-critical sequence training).",
    load: async () => (await import('./commands/reinforce.js')).reinforceCommand(),
  },
  evaluate: {
    summary: 'Caption the photos of a split and score the captions.',
    load: async () => (await import('./commands/evaluate.js')).evaluateCommand(),
  },
  calibrate: {
    summary: "Calibrate a captioner's confidence.",
    load: async () => (await import('./commands/calibrate.js')).calibrateCommand(),
  },
  compare: {
    summary: 'Compare two runs on the same photos.',
    load: async () => (await import('./commands/compare.js')).compareCommand(),
  },
  judge: {
    summary: 'Write a page for judging captions by eye.',
    load: async () => (await import('./commands/judge.js')).judgeCommand(),
  },
  score: {
    summary: 'Score captions against human references.',
    load: async () => (await import('./commands/score.js')).scoreCommand(),
  },
  export: {
    summary: 'Write a trained captioner as a small checkpoint with a model card, ready to share.',
    load: async () => (await import('./commands/export.js')).exportCommand(),
  },
  caption: {
    summary: 'Caption photos.',
    load: async () => (await import('./commands/caption.js')).captionCommand(),
  },
  serve: {
    summary: 'Serve captions over HTTP, with a demo page.',
    load: async () => (await import('./commands/serve.js')).serveCommand(),
  },
  encoders: {
    summary: 'List the pretrained encoders, which turn photos into features, and where each comes from.',
    load: async () => (await import('./commands/encoders.js')).encodersCommand(),
  },
  runs: {
    summary: 'Show the training runs under a folder on a local page.',
    load: async () => (await import('./commands/runs.js')).runsCommand(),
  },
  info: {
    summary: 'Describe a data set, a folder of features or a checkpoint.',
    load: async () => (await import('./commands/info.js')).infoCommand(),
  },
};
