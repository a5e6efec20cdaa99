/** Captions of similar confidence, and their mean score. */
export interface CalibrationBin {
  readonly captions: number;
  /** Lowest and highest confidence in the bin. */
  readonly from: number;
  readonly to: number;
  /** Mean confidence. */
  readonly confidence: number;
  /** Mean score. */
  readonly score: number;
}

/** Agreement of confidence with the quality of captions. */
export interface Calibration {
  /**
   * Spearman's rank correlation of confidence and score, in [-1, 1]. 1: captions rank by score as
   * by confidence. 0: confidence carries no information. Undefined if all confidences, or all
   * scores, are equal.
   */
  readonly spearman?: number;
  /** Bins of equally many captions, least confident first. */
  readonly bins: readonly CalibrationBin[];
}

/**
 * Calibration of confidences against scores.
 *
 * @param confidences of each caption: its log-probability, total or per word.
 * @param scores of each caption: its CIDEr.
 * @param bins maximum number of bins. Captions of equal confidence keep their order.
 */
export function calibration(confidences: readonly number[], scores: readonly number[], bins = 10): Calibration {
  const order = confidences.map((_, i) => i).sort((a, b) => confidences[a] - confidences[b] || a - b);
  const n = order.length;
  const count = Math.min(bins, n);
  const spearman = spearmanCorrelation(confidences, scores);
  return {
    ...(spearman !== undefined && { spearman }),
    bins: Array.from({ length: count }, (_, b) => {
      const members = order.slice(Math.round((b * n) / count), Math.round(((b + 1) * n) / count));
      return {
        captions: members.length,
        from: confidences[members[0]],
        to: confidences[members.at(-1)!],
        confidence: mean(members.map((i) => confidences[i])),
        score: mean(members.map((i) => scores[i])),
      };
    }),
  };
}

/** Agreement of predicted probabilities with a binary outcome. */
export interface Reliability {
  /** Share of outcomes that are true. */
  readonly share: number;
  /** Area under the ROC curve: the probability that a true outcome ranks above a false one. Undefined if all outcomes are equal. */
  readonly auc?: number;
  /** Mean squared difference of probability and outcome (Brier 1950); predicting the share alone gives `share * (1 - share)`. */
  readonly brier: number;
  /** The reliability diagram: bins of equally many predictions, whose `score` is the share of true outcomes. */
  readonly bins: readonly CalibrationBin[];
}

/** Compares predicted probabilities with outcomes. */
export function reliability(probabilities: readonly number[], outcomes: readonly boolean[], bins = 10): Reliability {
  const truth = outcomes.map(Number);
  const auc = areaUnderRoc(probabilities, outcomes);
  return {
    share: mean(truth),
    ...(auc !== undefined && { auc }),
    brier: mean(probabilities.map((p, i) => (p - truth[i]) ** 2)),
    bins: calibration(probabilities, truth, bins).bins,
  };
}

/** Area under the ROC curve, by the ranks of the true outcomes (Mann and Whitney 1947); ties count half. */
export function areaUnderRoc(scores: readonly number[], outcomes: readonly boolean[]): number | undefined {
  const positives = outcomes.filter(Boolean).length;
  const negatives = outcomes.length - positives;
  if (positives === 0 || negatives === 0) return undefined;
  const rankSum = ranks(scores).reduce((sum, rank, i) => (outcomes[i] ? sum + rank : sum), 0);
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/**
 * Pearson's correlation of ranks, where equal values share their mean rank. Undefined if either
 * side is constant.
 */
export function spearmanCorrelation(a: readonly number[], b: readonly number[]): number | undefined {
  const [x, y] = [ranks(a), ranks(b)];
  const middle = (a.length + 1) / 2;
  let [product, xSquares, ySquares] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += (x[i] - middle) * (y[i] - middle);
    xSquares += (x[i] - middle) ** 2;
    ySquares += (y[i] - middle) ** 2;
  }
  return xSquares === 0 || ySquares === 0 ? undefined : product / Math.sqrt(xSquares * ySquares);
}

/** Ranks, 1 for the smallest value. */
function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
  const ranked = new Array<number>(values.length);
  for (let first = 0; first < order.length;) {
    let end = first + 1;
    while (end < order.length && values[order[end]] === values[order[first]]) end++;
    for (let i = first; i < end; i++) ranked[order[i]] = (first + 1 + end) / 2;
    first = end;
  }
  return ranked;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
