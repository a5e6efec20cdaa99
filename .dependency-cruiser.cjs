// The layers of lib/, lowest first: a layer imports from itself and from the layers below it (docs/architecture.md).
const layers = [
  ['config', 'errors', 'progress', 'random'],
  ['files', 'wasm'],
  ['onnx'],
  ['backend'],
  ['text', 'images'],
  ['data'],
  ['model'],
  ['search'],
  ['metrics'],
  ['captioner'],
  ['publish'],
  ['train', 'evaluate'],
  ['lesson', 'viz', 'browser'],
  ['index', 'training'],
];

/** A path within one of the layers: a folder of lib/, or a file beside them. */
const within = (...names) => `^lib/(${names.map((name) => `${name}/|${name}\\.ts$`).join('|')})`;

const upward = layers.slice(0, -1).map((layer, i) => ({
  name: `${layer.join('-')}-imports-only-from-below`,
  severity: 'error',
  from: { path: within(...layer) },
  to: { path: within(...layers.slice(i + 1).flat()) },
}));

module.exports = {
  forbidden: [
    ...upward,
    {
      name: 'every-file-has-a-layer',
      severity: 'error',
      from: { path: '^lib/', pathNot: within(...layers.flat()) },
      to: {},
    },
    {
      name: 'backend-knows-no-captions',
      comment: 'The TensorFlow.js backend could be a package of its own.',
      severity: 'error',
      from: { path: '^lib/(backend|onnx)/' },
      to: {
        path: '^(lib|cli|serve)/',
        pathNot: ['^lib/(backend|onnx)/', '^lib/errors\\.ts$', '^lib/files/int8\\.ts$'],
      },
    },
    {
      name: 'entry-points-use-the-public-api',
      comment: 'cli/ and serve/ see of lib/ what every user of the package sees.',
      severity: 'error',
      from: { path: '^(cli|serve)/' },
      to: { path: '^lib/', pathNot: ['^lib/(index|training|viz)\\.ts$'] },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.check.json' },
    tsPreCompilationDeps: true,
  },
};
