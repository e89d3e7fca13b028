import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    testTimeout: 60_000,
    // Most tests wait for child processes: a core kept free for vitest itself is a core idle.
    maxWorkers: Math.max(2, availableParallelism()),
    projects: [
      {
        extends: true,
        test: { name: "hsmadm", include: ["test/**/*.test.ts"], exclude: ["test/device/**"] },
      },
      {
        // A real card: runs only with HSM_TEST_SERIAL, and stops unless that very card is found.
        extends: true,
        test: { name: "device", include: ["test/device/**/*.test.ts"], fileParallelism: false },
      },
    ],
  },
});
