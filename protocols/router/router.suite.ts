/** What every router promises, whether it lives here or on a peer. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OsirisError } from '#protocols/errors'
import { type Body, type Caller, failed, type Invocation, type Outcome } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { collect } from '#protocols/body'
import type { Router } from './router.ts'
import { callerWith, callOf, type FakeExecutor, requestOf, versionFor } from './router.world.ts'

export interface RouterFixture {
  router: Router
  /** Everybody who may run the demo functions; they share their counts. */
  executors: FakeExecutor[]
  stop(): Promise<void>
}

export function routerSuite(kind: string, create: () => Promise<RouterFixture>): void {
  describe(`a router: ${kind}`, () => {
    let fixture: RouterFixture
    let caller: Caller
    beforeEach(async () => {
      fixture = await create()
      caller = await callerWith('demo')
    })
    afterEach(() => fixture.stop())
    const invoke = (name: string, parts: Partial<Invocation> = {}) => fixture.router.invoke(callOf(name, { caller, ...parts }))
    const started = () => fixture.executors[0]?.started ?? 0

    test('a call ends with its value, and says which version ran where', async () => {
      const outcome = await invoke('greet')
      expect(outcome).toMatchObject({ kind: 'value', meta: { version: versionFor('greet'), node: expect.stringMatching(/^executor-/) } })
      expect(textOf(outcome)).toBe('["Ada"]')
    })
    test('a public function needs no token', async () => {
      expect(await invoke('open', { caller: { subject: 'anonymous' } })).toMatchObject({ kind: 'value' })
    })
    test('the stack of a public function is for callers with a grant there; others get its sentence', async () => {
      for (const each of fixture.executors)
        each.behave = async (_, meta) => failed(new OsirisError('function_failed', 'no', { functionStack: 'at open' }), meta, true)
      const told = async (by: Caller) => {
        const outcome = await invoke('open', { caller: by })
        return outcome.kind === 'failed'
          ? [outcome.error.code, outcome.error.message, outcome.error.functionStack, outcome.started]
          : outcome
      }
      expect(await told(caller)).toEqual(['function_failed', 'no', 'at open', true])
      for (const by of [{ subject: 'anonymous' }, { subject: 'ada', token: 'a.b.c' }, await callerWith('other')])
        expect(await told(by)).toEqual(['function_failed', 'no', undefined, true])
    })
    test('without a token, with a wrong one or without a grant nothing starts', async () => {
      expect(await invoke('greet', { caller: { subject: 'ada' } })).toMatchObject({ error: { code: 'unauthenticated' }, started: false })
      expect(await invoke('greet', { caller: { subject: 'ada', token: 'a.b.c' } })).toMatchObject({
        error: { code: 'unauthenticated' },
        started: false,
      })
      expect(await invoke('greet', { caller: await callerWith('other') })).toMatchObject({ error: { code: 'forbidden' }, started: false })
      expect(started()).toBe(0)
    })
    test('where an alias means two versions a key always gets the same one, by header or by cookie, and calls without a key get both', async () => {
      const versionsOf = async (count: number, parts: Partial<Invocation>) => {
        const outcomes = await Promise.all(Array.from({ length: count }, () => invoke('split', parts)))
        return new Set(outcomes.map((each) => each.meta.version))
      }
      const both = new Set([versionFor('split'), versionFor('split-2')])
      expect(await versionsOf(40, {})).toEqual(both)
      const keys = Array.from({ length: 20 }, (_, at) => `caller ${at}`)
      const byKey = await Promise.all(keys.map((sticky) => versionsOf(3, { sticky })))
      expect(byKey.every((each) => each.size === 1)).toBe(true)
      expect(new Set(byKey.flatMap((each) => [...each]))).toEqual(both)
      const { payload } = requestOf('GET', 'http://x/', { headers: [['cookie', 'osiris-sticky=ada']] }) as {
        payload: Invocation['payload']
      }
      expect(await versionsOf(3, { payload })).toEqual(await versionsOf(1, { sticky: 'ada' }))
    })
    test('a version without traffic is reached by naming it, by whoever holds a grant; not by a stranger, however public the function is', async () => {
      const unreleased = { override: versionFor('open-2') }
      const ran = { kind: 'value', meta: { version: versionFor('open-2') } }
      const stranger = { caller: { subject: 'anonymous' } }
      const at = (selector: string) => ({ target: { namespace: 'demo', name: 'open', selector } })
      expect(await invoke('open', unreleased)).toMatchObject(ran)
      expect(await invoke('open', at(versionFor('open-2')))).toMatchObject(ran)
      for (const parts of [unreleased, { override: 'v99' }, { override: versionFor('open') }, at(versionFor('open-2'))])
        expect(await invoke('open', { ...parts, ...stranger })).toMatchObject({ error: { code: 'unauthenticated' }, started: false })
      const { caller: other } = { caller: await callerWith('other') }
      expect(await invoke('open', { ...unreleased, caller: other })).toMatchObject({ error: { code: 'forbidden' } })
      expect(await invoke('open', { ...at(versionFor('open')), ...stranger })).toMatchObject({ kind: 'value' })
    })
    test('through a route too; an unknown version is not_found, and two versions in one call are refused', async () => {
      const route = requestOf('GET', 'http://shop.example.org/items/1')
      const outcome = await invoke('', { ...route, override: versionFor('site') })
      expect(outcome).toMatchObject({ kind: 'response', meta: { version: versionFor('site') } })
      expect(await invoke('', { ...route, override: 'v99' })).toMatchObject({ error: { code: 'not_found' }, started: false })
      const twice = { target: { namespace: 'demo', name: 'open', selector: 'v1' }, override: 'v2' }
      expect(await invoke('', twice)).toMatchObject({ error: { code: 'invalid_argument' }, started: false })
    })
    test('an unknown function is not_found', async () => {
      expect(await invoke('nobody')).toMatchObject({ kind: 'failed', error: { code: 'not_found' }, started: false })
    })
    test('a route reaches its function with the parameters of its path', async () => {
      const outcome = await invoke('', requestOf('GET', 'http://shop.example.org/items/a%2Fb?q=%20'))
      expect(outcome).toMatchObject({ kind: 'response', status: 200 })
      expect(Object.fromEntries((outcome as { headers: [string, string][] }).headers)).toEqual({
        'x-params': '{"id":"a/b"}',
        'x-url': 'http://shop.example.org/items/a%2Fb?q=%20',
      })
    })
    test('a host that no function has is not_found, and says so', async () => {
      expect(await invoke('', requestOf('GET', 'http://nobody.example/items'))).toMatchObject({
        error: {
          code: 'not_found',
          message: expect.stringContaining('none has the host "nobody.example"'),
          details: { unknownHost: 'nobody.example' },
        },
        started: false,
      })
    })
    test('a path nobody holds is not_found, a method nobody takes is method_not_allowed with what is', async () => {
      expect(await invoke('', requestOf('GET', 'http://shop.example.org/nothing'))).toMatchObject({ error: { code: 'not_found' } })
      expect(await invoke('', requestOf('DELETE', 'http://shop.example.org/items/1'))).toMatchObject({
        error: { code: 'method_not_allowed', details: { allow: ['GET', 'HEAD', 'OPTIONS', 'POST'] } },
        started: false,
      })
    })
    test('bodies stream both ways, whole and in order', async () => {
      const body = chunksOf(64, 16 * 1024)
      const outcome = await invoke('', requestOf('POST', 'http://shop.example.org/items/1', { body }))
      expect(outcome).toMatchObject({ kind: 'response' })
      const bytes = await collect((outcome as { body: Body }).body, 2 ** 24, 'the body')
      expect(bytes.length).toBe(64 * 16 * 1024)
      expect(bytes.every((byte, index) => byte === Math.floor(index / (16 * 1024)))).toBe(true)
    })
    test('a function’s own error arrives with its code, its stack, and as started', async () => {
      expect(await invoke('throw')).toMatchObject({ error: { code: 'function_failed', functionStack: 'at throw' }, started: true })
    })
    test('a function that never ends is ended at its own timeout', async () => {
      const startedAt = systemClock.monotonic()
      expect(await invoke('hang')).toMatchObject({ kind: 'failed', error: { code: 'deadline_exceeded' }, started: true })
      expect(systemClock.monotonic() - startedAt).toBeLessThan(1300)
    })
    test('the caller’s deadline wins when it is shorter', async () => {
      const startedAt = systemClock.monotonic()
      const outcome = await invoke('hang', { deadlineAt: startedAt + 100 })
      expect((outcome as { error: { code: string } }).error.code).toMatch(/^(deadline_exceeded|outcome_unknown)$/)
      expect(systemClock.monotonic() - startedAt).toBeLessThan(1100)
    })
    test('a deadline that has passed starts nothing', async () => {
      expect(await invoke('greet', { deadlineAt: systemClock.monotonic() - 1 })).toMatchObject({ error: { code: 'deadline_exceeded' } })
      expect(started()).toBe(0)
    })
    test('beyond 16 calls deep nothing starts', async () => {
      expect(await invoke('greet', { depth: 16 })).toMatchObject({ kind: 'value' })
      expect(await invoke('greet', { depth: 17 })).toMatchObject({ error: { code: 'depth_exceeded' }, started: false })
      expect(started()).toBe(1)
    })
    test('a caller who leaves ends the run', async () => {
      const abort = new AbortController()
      const running = invoke('hang', { signal: abort.signal })
      await expect.poll(started).toBe(1)
      abort.abort()
      await expect.poll(() => fixture.executors.flatMap((each) => each.aborted)).toHaveLength(1)
      expect(await running).toMatchObject({ kind: 'failed' })
    })
    test('every call is started once', async () => {
      await Promise.all(Array.from({ length: 50 }, () => invoke('greet')))
      const starts = fixture.executors[0]?.starts ?? new Map<string, number>()
      expect(starts.size).toBe(50)
      expect([...starts.values()].every((each) => each === 1)).toBe(true)
    })
    test('a member that refuses is passed over, and the call starts elsewhere', async () => {
      const [first] = fixture.executors
      for (const each of fixture.executors)
        each.refuse = () => (each === first ? undefined : new OsirisError('overloaded', 'Cannot run: full'))
      const outcomes = await Promise.all(Array.from({ length: 20 }, () => invoke('greet')))
      expect(outcomes.every((each) => each.kind === 'value' && each.meta.node === first?.name)).toBe(true)
    })
    test('when everybody refuses the caller hears the refusal', async () => {
      for (const each of fixture.executors) each.refuse = () => new OsirisError('overloaded', 'Cannot run: full')
      expect(await invoke('greet')).toMatchObject({ error: { code: 'overloaded' }, started: false })
      expect(started()).toBe(0)
    })
  })
}

async function* chunksOf(count: number, bytes: number): AsyncGenerator<Uint8Array> {
  for (let index = 0; index < count; index++) yield new Uint8Array(bytes).fill(index)
}

function textOf(outcome: Outcome): string {
  return outcome.kind === 'value' ? Buffer.from(outcome.value).toString() : outcome.kind
}
