import * as tf from '@tensorflow/tfjs-core';
import type { TrainingConfig } from '../../config.js';
import { CaptionerError } from '../../errors.js';
import type { Weights } from '../../files/safetensors.js';
import { createVariable, disposeVariables, type Variables } from '../../model/variables.js';

/** The hyperparameters of the optimiser. */
export type OptimizerConfig = Pick<TrainingConfig, 'optimizer' | 'clipNorm' | 'weightDecay'> & {
  /** Decay of the average of gradients. Default 0.9. */
  readonly beta1?: number;
  /** Decay of the average of squared gradients. Default 0.999. */
  readonly beta2?: number;
  /** Term that keeps the division finite. Default 1e-8. */
  readonly epsilon?: number;
  /** Factor on the learning rate of a weight, by its name. Default: 1 for all. */
  readonly share?: (name: string) => number;
  /** Variables that follow those trained, by the same names, as moving averages: each step leaves `averageDecay` of them. */
  readonly averages?: Variables;
  readonly averageDecay?: number;
};

/** The numbers that change from step to step. They are inputs of the step, because a compiled step would freeze them. */
export interface OptimizerScalars {
  /** The learning rate with both bias corrections. */
  readonly stepSize: number;
  /** Epsilon with the second bias correction. */
  readonly epsilon: number;
  /** Factor that weight decay leaves of a weight. */
  readonly keep: number;
  /** Share of the way that an average moves towards its weight. */
  readonly follow: number;
}

/**
 * Adam (Kingma and Ba 2015, algorithm 1) and AMSGrad (Reddi et al. 2018), with decoupled weight decay (Loshchilov and Hutter
 * 2019) of matrices, after scaling all gradients down to a global norm of at most `clipNorm` (Pascanu et al. 2013):
 *
 *     m <- b1 m + (1 - b1) g        v <- b2 v + (1 - b2) g²        (AMSGrad: u <- max(u, v), used in place of v)
 *     w <- (1 - rate * decay) w - rate * m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon)
 *
 * Averages (Polyak and Juditsky 1992) follow w exponentially; over the first steps they follow faster, as they know little yet.
 *
 * AMSGrad's maximum is taken before the bias correction, as PyTorch does. The slots hold the sums m / (1 - b1) and v / (1 - b2):
 * then all constants gather in the two scalars `stepSize` and `epsilon`, and each weight is passed over fewer times.
 */
export class Adam {
  /** The optimiser's memory: `m/<weight>`, `v/<weight>`, and for AMSGrad `u/<weight>`. */
  readonly slots: Variables;
  readonly beta1: number;
  readonly beta2: number;

  /**
   * @param variables to be trained, by name.
   * @param slots to resume from, by name; zeros otherwise.
   * @throws CaptionerError `mismatch`: slots of other variables.
   */
  constructor(
    readonly variables: Variables,
    readonly config: OptimizerConfig,
    slots?: Weights,
  ) {
    ({ beta1: this.beta1 = 0.9, beta2: this.beta2 = 0.999 } = config);
    const kinds = config.optimizer === 'amsgrad' ? ['m', 'v', 'u'] : ['m', 'v'];
    const made: Record<string, tf.Variable> = {};
    for (const [weight, variable] of Object.entries(variables)) {
      for (const kind of kinds) {
        const name = `${kind}/${weight}`;
        const values = slots ? slots.get(name)?.data : new Float32Array(variable.size);
        if (values?.length !== variable.size) {
          disposeVariables(made);
          throw new CaptionerError('mismatch', `The saved optimiser has no '${name}' of ${variable.size} numbers.`);
        }
        made[name] = createVariable(values, variable.shape, false, name);
      }
    }
    this.slots = made;
  }

  /**
   * The numbers of a step, from its number and its learning rate.
   * @param step counted from 1.
   */
  scalars(step: number, learningRate: number): OptimizerScalars {
    const { beta1, beta2 } = this;
    const { epsilon = 1e-8, weightDecay, averageDecay = 0 } = this.config;
    const second = Math.sqrt((1 - beta2) / (1 - beta2 ** step));
    return {
      stepSize: (learningRate * (1 - beta1)) / (1 - beta1 ** step) / second,
      epsilon: epsilon / second,
      keep: 1 - learningRate * weightDecay,
      follow: 1 - Math.min(averageDecay, step / (9 + step)),
    };
  }

  /** {@link scalars} as tensors, for the inputs of a compiled step. */
  inputs(step: number, learningRate: number): Record<keyof OptimizerScalars, tf.Scalar> {
    const { stepSize, epsilon, keep, follow } = this.scalars(step, learningRate);
    return {
      stepSize: tf.scalar(stepSize),
      epsilon: tf.scalar(epsilon),
      keep: tf.scalar(keep),
      follow: tf.scalar(follow),
    };
  }

  /**
   * Computes a loss and changes the variables by one step of its gradients.
   *
   * @param scalars of {@link inputs}; other tensors among them are ignored.
   * @returns the loss, and the global norm of its gradients before clipping.
   */
  minimize(
    lossOf: () => tf.Scalar,
    { stepSize, epsilon, keep, follow }: Readonly<Record<string, tf.Tensor>>,
  ): { loss: tf.Scalar; gradientNorm: tf.Scalar } {
    const { loss, gradients } = this.gradients(lossOf);
    const scalars = { stepSize, epsilon, keep, follow } as Record<keyof OptimizerScalars, tf.Scalar>;
    return { loss, gradientNorm: this.apply(gradients, scalars) };
  }

  /** Computes a loss and its gradients, by the variables' names here. */
  gradients(lossOf: () => tf.Scalar): { loss: tf.Scalar; gradients: Record<string, tf.Tensor> } {
    const trained = Object.entries(this.variables);
    const { value: loss, grads } = tf.variableGrads(
      lossOf,
      trained.map(([, variable]) => variable),
    );
    return { loss, gradients: Object.fromEntries(trained.map(([name, { name: of }]) => [name, grads[of]])) };
  }

  /**
   * Changes the variables by one step.
   *
   * @param gradients by the variables' names here.
   * @param scalars of {@link scalars}, as tensors; `follow` where there are averages.
   * @returns the global norm of the gradients, before clipping.
   */
  apply(
    gradients: Readonly<Record<string, tf.Tensor>>,
    {
      stepSize,
      epsilon,
      keep,
      follow,
    }: Readonly<Record<'stepSize' | 'epsilon' | 'keep', tf.Scalar>> & {
      readonly follow?: tf.Scalar;
    },
  ): tf.Scalar {
    const { variables, slots, beta1, beta2 } = this;
    const { optimizer, clipNorm, share = () => 1, averages } = this.config;
    const norm = globalNorm(gradients); // []
    const scale = clipNorm > 0 ? tf.minimum(tf.div(clipNorm, norm), 1) : undefined; // []
    for (const [name, w] of Object.entries(variables)) {
      const g = scale ? tf.mul(gradients[name], scale) : gradients[name];
      const m = tf.add(tf.mul(slots[`m/${name}`], beta1), g);
      const v = tf.add(tf.mul(slots[`v/${name}`], beta2), tf.square(g));
      slots[`m/${name}`].assign(m);
      slots[`v/${name}`].assign(v);
      let u = v;
      if (optimizer === 'amsgrad') {
        u = tf.maximum(slots[`u/${name}`], v);
        slots[`u/${name}`].assign(u);
      }
      const part = share(name);
      const rate = part === 1 ? stepSize : tf.mul(stepSize, part);
      const step = tf.div(tf.mul(m, rate), tf.add(tf.sqrt(u), epsilon));
      if (this.decays(w)) {
        const left = part === 1 ? keep : tf.add(tf.mul(keep, part), 1 - part);
        w.assign(tf.sub(tf.mul(w, left), step));
      } else w.assign(tf.sub(w, step));
      const average = averages?.[name];
      average?.assign(tf.add(average, tf.mul(tf.sub(w, average), follow!)));
    }
    return norm;
  }

  /** A weight with its slots and, if there are averages, its average: w, m, v(, u)(, average). */
  arraysOf(name: string): tf.Variable[] {
    const kinds = this.config.optimizer === 'amsgrad' ? ['m', 'v', 'u'] : ['m', 'v'];
    const average = this.config.averages?.[name];
    return [this.variables[name], ...kinds.map((kind) => this.slots[`${kind}/${name}`]), ...(average ? [average] : [])];
  }

  /** Whether weight decay applies: to matrices, not to biases. */
  decays({ rank }: tf.Variable): boolean {
    return this.config.weightDecay > 0 && rank > 1;
  }

  /** Frees the slots. */
  dispose(): void {
    disposeVariables(this.slots);
  }
}

/** The norm of all gradients as one vector. */
function globalNorm(gradients: Readonly<Record<string, tf.Tensor>>): tf.Scalar {
  return tf.sqrt(tf.addN(Object.values(gradients).map((g) => tf.sum(tf.square(g))))) as tf.Scalar; // []
}
