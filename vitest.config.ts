import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/harness/scratch.ts',
    // Forks, not threads: the listener's addon reads its limits from the process environment when it loads.
    pool: 'forks',
    // Many tests start a gateway with processes of its own, and as many wait for what takes its time: four keep two cores busy.
    maxWorkers: 4,
    // A machine that builds for others at the same time may miss a second once, not twice.
    retry: process.env.CI ? 1 : 0,
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
