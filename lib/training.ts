/** The public API of training: `import … from 'captioner/train'`. Loads TensorFlow.js. */
export {};
