/** Answers that go on, and the token that opened them. */
import { beforeEach, describe, expect, it } from 'vitest'
import { Access, createIdentity, type Grant, issueTokenBy, universeId } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { createEvents } from '#protocols/events'
import type { ByteStream } from '#protocols/invocation'
import { type Clock, systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { callOf, demoCatalog, FakeExecutor, FakeMembers } from './router.world.ts'
import { RouterService } from './service.ts'
import { type PassInit, Standing } from './standing.ts'

/** Time that stands still until it is told. */
class Time implements Clock {
  at = 0
  #timers = new Map<object, { at: number; run: () => void }>()
  now = () => this.at
  monotonic = () => this.at
  after = (ms: number, run: () => void) => {
    const timer = {}
    this.#timers.set(timer, { at: this.at + ms, run })
    return () => void this.#timers.delete(timer)
  }

  get timers(): number {
    return this.#timers.size
  }

  async pass(ms: number): Promise<void> {
    const end = this.at + ms
    for (;;) {
      const [next] = [...this.#timers].filter(([, each]) => each.at <= end).toSorted(([, a], [, b]) => a.at - b.at)
      if (next === undefined) break
      this.#timers.delete(next[0])
      this.at = next[1].at
      next[1].run()
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.at = end
  }
}

/** Goes on until it is left. */
class Endless {
  isLeft = false
  async *body(): ByteStream & AsyncGenerator<Uint8Array> {
    try {
      for (let tick = 0; ; tick++) {
        yield Buffer.from(String(tick))
        if (tick === 2) await new Promise(() => {})
      }
    } finally {
      this.isLeft = true
    }
  }

  /** As bodies of executors and peers do: left while somebody waits for more. */
  get stream(): ByteStream {
    const chunks = this.body()
    return {
      [Symbol.asyncIterator]: () => ({
        next: () => chunks.next(),
        return: () => {
          this.isLeft = true
          return Promise.resolve({ done: true, value: undefined })
        },
      }),
    }
  }
}

async function read(body: ByteStream): Promise<{ heard: string[]; code: string | undefined }> {
  const heard: string[] = []
  try {
    for await (const chunk of body) heard.push(Buffer.from(chunk).toString())
    return { heard, code: undefined }
  } catch (error) {
    return { heard, code: (error as OsirisError).code }
  }
}

describe('Standing', () => {
  let clock: Time
  let standing: Standing
  let verdict: OsirisError | undefined
  let judged: number
  const passOf = (init: Partial<PassInit> = {}): PassInit => ({
    key: 'ada',
    endsAtMs: undefined,
    judge: () => {
      judged++
      if (verdict !== undefined) throw verdict
    },
    ...init,
  })
  beforeEach(() => {
    clock = new Time()
    standing = new Standing(clock)
    verdict = undefined
    judged = 0
  })

  it('lets an answer go on while its pass holds, and ends it within a second of the time that it does not', async () => {
    const source = new Endless()
    const ended = read(standing.during(source.stream, passOf()))
    await clock.pass(60_000)
    expect([judged, source.isLeft]).toEqual([60, false])
    verdict = new OsirisError('forbidden', 'Cannot')
    await clock.pass(1000)
    expect(await ended).toEqual({ heard: ['0', '1', '2'], code: 'forbidden' })
    expect([source.isLeft, standing.size, clock.timers]).toEqual([true, 0, 0])
  })

  it('looks at once when the token ends', async () => {
    const ended = read(standing.during(new Endless().stream, passOf({ endsAtMs: 1234 })))
    await clock.pass(1200)
    verdict = new OsirisError('unauthenticated', 'Cannot')
    await clock.pass(34)
    expect((await ended).code).toBe('unauthenticated')
    expect(clock.at).toBe(1234)
  })

  it('goes on where nobody can be asked, and when whoever is asked takes long', async () => {
    let open = 0
    const source = new Endless()
    void read(standing.during(source.stream, passOf({ judge: () => (open++, new Promise(() => {})) })))
    void read(standing.during(source.stream, passOf({ key: 'b', judge: () => Promise.reject(new OsirisError('unavailable', 'Cannot')) })))
    await clock.pass(10_000)
    expect([open, source.isLeft, standing.size]).toEqual([1, false, 2])
  })

  it('is one look for all answers of one pass, and a bounded number for all passes together', async () => {
    for (let each = 0; each < 10; each++) void read(standing.during(new Endless().stream, passOf()))
    await clock.pass(1000)
    expect(judged).toBe(1)
    for (let each = 0; each < 1200; each++) void read(standing.during(new Endless().stream, passOf({ key: `k${each}` })))
    await clock.pass(3000)
    expect(judged).toBe(1 + 3 * 500)
    verdict = new OsirisError('forbidden', 'Cannot')
    await clock.pass(3000)
    expect([standing.size, clock.timers]).toEqual([0, 0])
  })

  it('keeps nothing of an answer that ends by itself, fails, or is left', async () => {
    const broken = new OsirisError('worker_crashed', 'Cannot')
    async function* some(error?: OsirisError): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a')
      if (error !== undefined) throw error
    }
    expect(await read(standing.during(some(), passOf()))).toEqual({ heard: ['a'], code: undefined })
    expect(await read(standing.during(some(broken), passOf()))).toEqual({ heard: ['a'], code: 'worker_crashed' })
    const source = new Endless()
    for await (const chunk of standing.during(source.body(), passOf())) if (chunk.length > 0) break
    await standing.during(some(), passOf())[Symbol.asyncIterator]().return?.()
    expect([source.isLeft, standing.size, clock.timers]).toEqual([true, 0, 0])
  })

  it('is looked after although one before it, of the same pass, is left once more', async () => {
    async function* none(): AsyncGenerator<Uint8Array> {}
    const first = standing.during(none(), passOf())[Symbol.asyncIterator]()
    await first.next()
    const ended = read(standing.during(new Endless().stream, passOf()))
    await first.return?.()
    verdict = new OsirisError('forbidden', 'Cannot')
    await clock.pass(1000)
    expect([(await ended).code, standing.size, clock.timers]).toEqual(['forbidden', 0, 0])
  })

  it('that failed before anybody read says so to whoever begins to', async () => {
    const source = new Endless()
    const body = standing.during(source.stream, passOf())
    verdict = new OsirisError('forbidden', 'Cannot')
    await clock.pass(1000)
    expect(await read(body)).toEqual({ heard: [], code: 'forbidden' })
    expect(source.isLeft).toBe(true)
  })
})

describe('a stream through a router', () => {
  const root = createIdentity()
  const person = createIdentity()
  const everything: Grant[] = [{ can: ['invoke'], namespaces: ['demo'] }]

  function worldOf() {
    let held: readonly Grant[] = everything
    const access = new Access({ root: root.id, clock: systemClock })
    access.follow({ grantsOf: () => held })
    const executor = new FakeExecutor('here')
    const source = new Endless()
    executor.behave = async (_, meta) => ({ kind: 'response', status: 200, headers: [], body: source.stream, meta })
    const router = new RouterService({
      ...{ catalog: demoCatalog(), access, clock: systemClock, random: Math.random, events: createEvents() },
      ...{ peer: 'p', members: new FakeMembers(), executor, remote: { at: () => executor } },
    })
    const open = async (name: string, token: string | undefined) => {
      const caller = token === undefined ? { subject: 'anonymous' } : { subject: 'ada', token }
      const outcome = await router.invoke(
        callOf(name, { caller, payload: { kind: 'fetch', method: 'GET', url: 'http://x/', headers: [] } }),
      )
      if (outcome.kind !== 'response') throw new Error(outcome.kind)
      return { ended: read(outcome.body as ByteStream) }
    }
    const revoke = () => {
      held = []
      access.reconsider()
    }
    return { open, revoke, source, access }
  }
  const tokenFor = (ms: number) => issueTokenBy(person, universeId({ root: root.id }), 'ada', everything, Date.now() + ms)

  it.each(['greet', 'open'])('ends when its caller’s token is revoked (%s)', async (name) => {
    const { open, revoke, source } = worldOf()
    const { ended } = await open(name, await tokenFor(60_000))
    revoke()
    expect(await ended).toMatchObject({ code: 'unauthenticated' })
    expect(source.isLeft).toBe(true)
  })

  it('ends when its caller’s token does', async () => {
    const { open } = worldOf()
    const token = await tokenFor(2000)
    const startedAt = performance.now()
    expect(await (await open('greet', token)).ended).toMatchObject({ code: 'unauthenticated' })
    expect(performance.now() - startedAt).toBeLessThan(3000)
  })

  it('without a token goes on', async () => {
    const { open, revoke, source } = worldOf()
    await open('open', undefined)
    revoke()
    const startedAt = performance.now()
    await until(() => performance.now() - startedAt > 1500)
    expect(source.isLeft).toBe(false)
  })
})
