/**
 * Session options (`extra.session`) by which threads that wait for each other between two operators do so in a loop, but only for a moment:
 * without it two threads are hardly faster than one, with ONNX Runtime's default of a millisecond they take the cores from all others.
 */
export const shortWaits = { intra_op: { allow_spinning: '1', spin_duration_us: '50' } };
