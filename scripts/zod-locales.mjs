// Stands in for zod's messages in all languages.
export { default as en } from '../node_modules/zod/v4/locales/en.js';
