/** What every executor promises of events: who gets one, when it is over, and what is said where nobody takes it. */
import { describe, expect, test } from 'vitest'
import type { EventHandler, Outcome, PlacedInvocation } from '#protocols/invocation'
import type { FunctionConfig } from '#protocols/manifest'
import { expectFailure } from './errors.suite.ts'
import { callOf, requestOf, valueOf, type World } from './executor.world.ts'

export interface EventTests {
  world: World
  invoke: (placed: PlacedInvocation) => Promise<Outcome>
}

export function eventTests({ world, invoke }: EventTests): void {
  const send = (source: string, handler: EventHandler = 'scheduled', event = '{"cron":"* * * * *"}', config: FunctionConfig = {}) =>
    invoke(callOf(world.define(source, { config }), [], { payload: { kind: 'event', handler, event: Buffer.from(event) } }))
  const sayHow = (what: string) => `async (event, env, ctx) => { throw new Error(JSON.stringify(${what})) }`
  const saidBy = async (outcome: Promise<Outcome>) => (await expectFailure(outcome, 'function_failed')).error.message

  describe('events', () => {
    test('a web function gets one by the method of its name, with env and ctx; what that gives back goes nowhere', async () => {
      const config = { env: { A: 'a' } }
      const source = `export default { fetch() {}, scheduled: ${sayHow('[event, env, typeof ctx.waitUntil]')}, message: () => 7 }`
      expect(await saidBy(send(source, 'scheduled', '{"cron":"0 0 * * *"}', config))).toContain(
        '[{"cron":"0 0 * * *"},{"A":"a"},"function"]',
      )
      expect(valueOf(await send(source, 'message'))).toBe(null)
    })
    test('an object with a handler and no fetch is a function too; `this` is the object', async () => {
      const source = `export default { here: 1, message() { if (this.here !== 1) throw new Error('lost') } }`
      expect(valueOf(await send(source, 'message'))).toBe(null)
      const record = world.define(source)
      const { error } = await expectFailure(invoke(requestOf(record)), 'invalid_argument')
      expect(error.message).toBe(`Cannot run "${record.name}": its default export has no fetch method (it has: message)`)
      expect((await expectFailure(invoke(callOf(record)), 'invalid_argument')).error.message).toContain('reached by events only')
    })
    test('a value function gets the event as its one argument, and its result is the answer', async () => {
      expect(valueOf(await send('export default (...all) => all', 'message', '{"a":[1]}'))).toEqual([{ a: [1] }])
      expect(valueOf(await send('export default async (event) => event', 'scheduled', '1'))).toBe(1)
    })
    test('a module without that method says which it has', async () => {
      const { error } = await expectFailure(send('export default { fetch() {}, message() {} }', 'scheduled'), 'invalid_argument')
      expect(error.message).toMatch(/^Cannot run "f\d+": its default export has no scheduled method \(it has: fetch, message\)$/)
    })
    test('a Proxy that makes methods up has none for events', async () => {
      const source = 'export default new Proxy({ fetch: () => new Response() }, { get: (own, name) => own[name] ?? (() => {}) })'
      expect((await expectFailure(send(source), 'invalid_argument')).error.message).toContain('(it has: fetch)')
    })
    test('an event that is no JSON is invalid_argument; one above the limit is payload_too_large, and nothing starts', async () => {
      await expectFailure(send('export default () => 1', 'message', '1,2'), 'invalid_argument')
      const config = { execution: { payload: '1KB' } }
      await expectFailure(send('export default () => 1', 'message', `"${'x'.repeat(2000)}"`, config), 'payload_too_large', false)
    })
    test.each([
      ['throws', '() => { throw new TypeError("no") }'],
      ['rejects', 'async () => { throw new TypeError("no") }'],
      [
        'rejects beside a waitUntil',
        'async (event, env, ctx) => { ctx.waitUntil(new Promise((done) => setTimeout(done, 5))); throw new TypeError("no") }',
      ],
    ])('a handler that %s fails its event', async (_, handler) => {
      expect(await saidBy(send(`export default { scheduled: ${handler} }`))).toContain('TypeError: no')
    })
    test('an event is over when all it said waitUntil of is; what of that rejects fails nothing', async () => {
      const record = world.define(`let done = 0
        export default { message: () => { throw new Error('done ' + done) },
          scheduled(event, env, ctx) {
            for (const ms of [1, 20, 40]) ctx.waitUntil(new Promise((ok, no) => setTimeout(() => { done++; ms === 20 ? no(new Error('left')) : ok() }, ms)))
          } }`)
      const deliver = (handler: EventHandler) =>
        invoke(callOf(record, [], { payload: { kind: 'event', handler, event: Buffer.from('{}') } }))
      expect(valueOf(await deliver('scheduled'))).toBe(null)
      expect(await saidBy(deliver('message'))).toContain('done 3')
    })
    test('a waitUntil without end ends at the deadline', async () => {
      const source = 'export default { scheduled: (event, env, ctx) => ctx.waitUntil(new Promise(() => {})) }'
      await expectFailure(send(source, 'scheduled', '{}', { execution: { timeout: '150ms' } }), 'deadline_exceeded')
    })
  })
}
