/** What a caller is told when a function goes wrong, of every executor. */
import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '#protocols/errors'
import type { Outcome, PlacedInvocation } from '#protocols/invocation'
import { callOf, requestOf, valueOf, type World } from './executor.world.ts'

type Failed = Extract<Outcome, { kind: 'failed' }>

export async function expectFailure(outcome: Promise<Outcome>, code: ErrorCode, started = true): Promise<Failed> {
  const ended = await outcome
  expect(ended).toMatchObject({ kind: 'failed', error: { code }, started })
  return ended as Failed
}

export interface ErrorTools {
  world: World
  invoke: (placed: PlacedInvocation) => Promise<Outcome>
  /** Defines a source and calls it. */
  run: (source: string) => Promise<Outcome>
}

export function errorTests({ world, invoke, run }: ErrorTools): void {
  describe('errors', () => {
    test('a throw is function_failed with the user’s own stack and no path of ours', async () => {
      const { error } = await expectFailure(
        run('function inner() { throw new TypeError("no good") }\nexport default () => inner()'),
        'function_failed',
      )
      expect(error.message).toContain('TypeError: no good')
      expect(error.functionStack).toMatch(/TypeError: no good\n {4}at inner \(f\d+\.js:1:26\)/)
      expect(error.functionStack).not.toMatch(/osiris:|isolated-vm|node_modules|protocols/)
    })
    test('stacks are in the places of the sources where the artifact has a map: errors, causes, loads, streams and logs', async () => {
      // Line 1, from its first column on, is line 7 of greet.ts.
      const map = Buffer.from(JSON.stringify({ version: 3, sources: ['src/greet.ts'], names: [], mappings: 'AAMA' })).toString('base64')
      const mapped = (code: string) => run(`${code}\n//# sourceMappingURL=data:application/json;base64,${map}\n`)
      const frame = /\n {4}at (?:async )?(?:(?:Object\.)?f (?:\[as fetch\] )?\()?src\/greet\.ts:7:1\)?/
      for (const code of [
        'export default function f() { throw new Error("x") }',
        'export default async function f() { await 0; throw new Error("x") }',
        'export default function f() { const error = new Error("x"); error.stack = undefined; throw new Error("y", { cause: new Error("x") }) }',
        'throw new Error("x")',
        'await 0; throw new Error("x")',
      ])
        expect((await expectFailure(mapped(code), 'function_failed')).error.functionStack).toMatch(frame)
      const web = 'export default { fetch: function f() { throw new Error("x") } }'
      const failed = await invoke(requestOf(world.define(`${web}\n//# sourceMappingURL=data:application/json;base64,${map}\n`)))
      expect(failed.kind === 'failed' && failed.error.functionStack).toMatch(frame)
    })
    test('causes and gathered errors are told, within bounds', async () => {
      const chain = 'let error = 1n; for (let i = 0; i < 99; i++) error = new Error("e" + i, { cause: error }); throw error'
      const deep = (await expectFailure(run(`export default () => { ${chain} }`), 'function_failed')).error.functionStack ?? ''
      expect(deep.match(/^Caused by: Error: e9[4-7]$/gm)).toHaveLength(4)
      const many = 'throw new AggregateError(Array.from({ length: 99 }, (_, i) => i === 1 ? "text" : new Error("e" + i)))'
      const gathered = (await expectFailure(run(`export default () => { ${many} }`), 'function_failed')).error.functionStack ?? ''
      expect(gathered).toMatch(/^Error 1 of 99: Error: e0\n {4}at /m)
      expect(gathered).toMatch(/^Error 2 of 99: "text"$/m)
      expect(gathered).not.toContain('Error 9 of 99')
      expect(Buffer.byteLength(gathered)).toBeLessThanOrEqual(4096)
    })
    test.each([
      'error.cause = error',
      'error.errors = [error, { cause: error, errors: [error] }]',
      'Object.defineProperty(error, "cause", { get() { throw 1 } })',
      'error.errors = new Proxy([], { get() { throw 1 } })',
      'error.errors = { length: 1e9 }',
      'Error.prepareStackTrace = () => ({}); error = new Error("boom")',
      'Error.prepareStackTrace = () => "boom\\n    at /etc/passwd:1:1"; error = new Error("boom")',
      'error.stack = 7',
      'Array.prototype.join = String.prototype.split = String.prototype.startsWith = () => { throw 1 }',
    ])('an error with %s is still function_failed with its message', async (damage) => {
      const { error } = await expectFailure(
        run(`export default () => { let error = new Error("boom"); ${damage}; throw error }`),
        'function_failed',
      )
      expect(error.message).toContain('boom')
      expect(Buffer.byteLength(error.functionStack ?? '')).toBeLessThanOrEqual(4096)
    })
    test('a rejection is function_failed as well', async () => {
      const { error } = await expectFailure(run('export default async () => { await 0; throw new Error("late") }'), 'function_failed')
      expect(error.message).toContain('Error: late')
    })
    test.each([
      'null',
      'undefined',
      '1',
      'Symbol("x")',
      '{}',
      '1n',
      '"text"',
      'Object.create(null)',
      'new Proxy({}, { get() { throw 1 } })',
    ])('throw %s is function_failed', async (thrown) => {
      await expectFailure(run(`export default () => { throw ${thrown} }`), 'function_failed')
    })
    test('an error’s text is cut at 4 KiB', async () => {
      const { error } = await expectFailure(run('export default () => { throw new Error("x".repeat(1e5)) }'), 'function_failed')
      expect(error.message.length).toBeLessThan(4300)
      expect(error.functionStack).toMatch(/^Error: x{1000,1024}\n {4}at /)
    })
    test.each([
      ['a syntax error', 'export default () => {', /SyntaxError/],
      ['a throw while loading', 'throw new Error("at the start")', /at the start/],
      ['a rejected top-level await', 'await 0; throw new Error("a bit later")', /a bit later/],
      ['no default export', 'export const a = 1', /has no default export/],
      ['a default export of no use', 'export default 7', /is a number/],
      ['an import', 'import fs from "fs"\nexport default () => 1', /imports "fs"/],
      ['a runtime’s own module', 'import { bind } from "osiris:bind"\nexport default () => 1', /imports "osiris:bind"/],
    ])('%s is function_failed', async (_, source, message) => {
      const { error } = await expectFailure(run(source), 'function_failed')
      expect(error.message).toMatch(message)
    })
    test('an unhandled rejection does not replace the result', async () => {
      expect(valueOf(await run('export default () => { Promise.reject(new Error("nobody")); return 5 }'))).toBe(5)
      expect(valueOf(await run('export default async () => { Promise.reject(new Error("nobody")); await 0; return 6 }'))).toBe(6)
    })
    test('an unknown version is not_found', async () => {
      const record = world.define('export default () => 1')
      await expectFailure(invoke(callOf({ ...record, version: 'f'.repeat(64) })), 'not_found', false)
    })
    test('a version of another function is not_found', async () => {
      const record = world.define('export default () => 1')
      await invoke(callOf(record))
      await expectFailure(invoke(callOf({ ...record, name: 'other' })), 'not_found', false)
    })
  })
}
