// The closing line of CI from vitest's JSON report: N passed, N failed, N skipped.
import { readFileSync } from "node:fs";

const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
const skipped = report.numPendingTests + (report.numTodoTests ?? 0);
for (const file of report.testResults) {
  for (const test of file.assertionResults) {
    if (test.status === "skipped" || test.status === "pending") console.log(`skipped: ${test.fullName}`);
  }
}
console.log(`${report.numPassedTests} passed, ${report.numFailedTests} failed, ${skipped} skipped`);
