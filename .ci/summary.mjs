// Prints `N passed, N failed, N skipped` from vitest's JSON report and fails unless every test that ran passed and
// at least one did. A report that is missing or unreadable counts as no tests.
//
// usage: node .ci/summary.mjs REPORT
import { readFileSync } from 'node:fs';

const report = read(process.argv[2]);
const passed = report.numPassedTests ?? 0;
const failed = report.numFailedTests ?? 0;
const skipped = (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0);
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
// `success` is false too when a file could not be loaded, though none of its tests failed.
process.exitCode = report.success && failed === 0 && passed > 0 ? 0 : 1;

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
}
