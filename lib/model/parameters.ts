import type { DecoderConfig } from '../config.js';
import type { Random } from '../random.js';

/** The sizes that a decoder's shapes depend on besides its hyperparameters. */
export interface DecoderSizes {
  /** Dimensions of a photo's feature vector. */
  readonly featureSize: number;
  /** Words of the vocabulary, the special ones included. */
  readonly vocabularySize: number;
}

type Initializer = 'zeros' | 'ones' | 'glorot' | 'he' | 'recurrent' | 'normal' | 'forget-bias';

/** One array of a network. */
export interface Parameter {
  /** Its name in checkpoints, e.g. `lstm0/kernel`. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly initializer: Initializer;
  /** Whether training changes it: feature statistics and frozen embeddings stay as they are. */
  readonly trainable: boolean;
}

/** Gates of each cell: blocks of H columns in its kernels. LSTM: i, f, g, o; GRU: r, z, n; RNN: its one state. */
const gates = { lstm: 4, gru: 3, rnn: 1 } as const;

/** Arrays of H numbers that each layer remembers: h, and c in an LSTM. */
const statesPerLayer = { lstm: 2, gru: 1, rnn: 1 } as const;

/** Names of the state's arrays, each [B, H], in the order in which `init` lays them out: h0, c0, h1, … */
export function stateNames({ cell, layers }: Pick<DecoderConfig, 'cell' | 'layers'>): string[] {
  return Array.from({ length: layers }, (_, l) => (cell === 'lstm' ? [`h${l}`, `c${l}`] : [`h${l}`])).flat();
}

/** Every array of a decoder: the one list that the decoder, its checkpoints and their loader share. */
export function decoderParameters(config: DecoderConfig, sizes: DecoderSizes): Parameter[] {
  const { cell, layers, hiddenSize: H, embeddingSize: E } = config;
  const { featureSize: D, vocabularySize: V } = sizes;
  const S = config.conditioning === 'init-state' ? layers * statesPerLayer[cell] * H : E;
  const parameter = (
    name: string,
    shape: readonly number[],
    initializer: Initializer,
    trainable = true,
  ): Parameter => ({ name, shape, initializer, trainable });
  return [
    ...(config.normalizeFeatures
      ? [parameter('features/mean', [D], 'zeros', false), parameter('features/std', [D], 'ones', false)]
      : []),
    parameter('embedding', [V, E], 'normal', config.embeddings !== 'pretrained-frozen'),
    parameter('init/kernel', [D, S], 'glorot'),
    parameter('init/bias', [S], 'zeros'),
    ...Array.from({ length: layers }, (_, l) => [
      parameter(`${cell}${l}/kernel`, [l === 0 ? E : H, gates[cell] * H], 'glorot'),
      parameter(`${cell}${l}/recurrent`, [H, gates[cell] * H], 'recurrent'),
      parameter(`${cell}${l}/bias`, [gates[cell] * H], cell === 'lstm' ? 'forget-bias' : 'zeros'),
      // n = tanh(x W + b + r * (h U + b')): only the GRU's candidate needs a second bias.
      ...(cell === 'gru' ? [parameter(`gru${l}/recurrentBias`, [H], 'zeros')] : []),
    ]).flat(),
    parameter('output/kernel', [H, V], 'glorot'),
    parameter('output/bias', [V], 'zeros'),
  ];
}

/** The values that a parameter starts with, row-major. */
export function initialValues({ shape, initializer }: Parameter, random: Random): Float32Array {
  const [rows, columns = 1] = shape;
  const values = new Float32Array(shape.reduce((product, d) => product * d, 1));
  switch (initializer) {
    case 'zeros':
      return values;
    case 'ones':
      return values.fill(1);
    case 'normal':
      return values.map(() => random.normal());
    case 'forget-bias':
      // Remember by default (Jozefowicz et al. 2015): the bias of f, the second of the four gates, is 1.
      return values.fill(1, values.length / 4, values.length / 2);
    case 'glorot': {
      const limit = Math.sqrt(6 / (rows + columns)); // Glorot and Bengio 2010, eq. 16
      return values.map(() => limit * (2 * random.uniform() - 1));
    }
    case 'he': {
      const deviation = Math.sqrt((2 * shape.at(-1)!) / values.length); // He et al. 2015, eq. 10: 2 / inputs of one output
      return values.map(() => deviation * random.normal());
    }
    case 'recurrent': {
      const limit = 1 / Math.sqrt(rows); // keeps h U at the scale of h
      return values.map(() => limit * (2 * random.uniform() - 1));
    }
  }
}
