import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{protocols,node,sdk,scripts,fixtures}/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'fixtures/functions/**'],
    // isolated-vm crashes in threads and needs the plain start-up heap.
    pool: 'forks',
    execArgv: ['--no-node-snapshot'],
    testTimeout: 15_000,
    hookTimeout: 30_000,
  },
})
