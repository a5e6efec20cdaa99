// mocha's spec reporter, closed by one plain line that any tool can read.
const { reporters } = require('mocha');

module.exports = class PlainTotals extends reporters.Spec {
  epilogue() {
    super.epilogue();
    const { passes, failures, pending } = this.stats;
    console.log(`${passes} passed, ${failures} failed${pending ? `, ${pending} skipped` : ''}`);
  }
};
