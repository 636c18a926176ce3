/** Both ends of a pipe against a peer that sends anything: only the pipe may end. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OsirisError } from '#protocols/errors'
import { systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { Callee } from './callee.ts'
import { Caller } from './caller.ts'
import { Deadlines } from './deadlines.ts'
import { BodyMode, creditFrame, dataHeader, errorFrame, Kind, requestFrame, responseFrame, signalFrame } from './frames.ts'
import { INCOMING_BODIES_MAX, WINDOW_BYTES } from './limits.ts'
import type { RequestHandler } from './network.ts'
import { failure } from './suite-tools.fixture.ts'
import type { Pipe, PipeEnd } from './transport.ts'

/** A pipe whose far end is the test. */
class TestPipe implements Pipe {
  sent: Uint8Array[] = []
  full = false
  closedWith: string | undefined
  end!: PipeEnd

  attach(end: PipeEnd): void {
    this.end = end
  }

  send(bytes: Uint8Array): boolean {
    this.sent.push(bytes)
    return !this.full
  }

  close(reason: string): void {
    this.closedWith ??= reason
  }

  get bytes(): number {
    return this.sent.reduce((sum, each) => sum + each.length, 0)
  }
}

const tools = () => ({ clock: systemClock, deadlines: new Deadlines(systemClock), defer: queueMicrotask })
const HEAD = new Uint8Array([1])
const NAME = Buffer.from('echo/1')

function callee(handler: RequestHandler = async ({ head }) => ({ head })) {
  const pipe = new TestPipe()
  const answering = new Callee({ ...tools(), peer: 'p', pipe, handlers: new Map([['echo/1', handler]]), onClosed: () => {} })
  return { pipe, answering }
}

function caller() {
  const pipe = new TestPipe()
  const asking = new Caller({ ...tools(), peer: 'p', pipe, onClosed: () => {} })
  return { pipe, asking }
}

const request = (id: number, mode: 0 | 1 | 2 = BodyMode.none): Buffer => requestFrame(id, 1_000, NAME, HEAD, mode, 0)
const data = (id: number, bytes: number): Buffer => Buffer.concat([dataHeader(id, bytes), Buffer.alloc(bytes)])

const frame = fc
  .tuple(
    fc.integer({ min: 0, max: 6 }),
    fc.constantFrom(
      (id: number) => request(id),
      (id: number) => request(id, BodyMode.stream),
      (id: number) => responseFrame(id, HEAD, BodyMode.none, 0),
      (id: number) => responseFrame(id, HEAD, BodyMode.stream, 0),
      (id: number) => data(id, 100),
      (id: number) => data(id, 100_000),
      (id: number) => creditFrame(id, 1_000),
      (id: number) => signalFrame(Kind.end, id),
      (id: number) => signalFrame(Kind.cancel, id),
      (id: number) => signalFrame(Kind.stop, id),
      (id: number) => errorFrame(Kind.fail, id, new OsirisError('conflict', 'x')),
      (id: number) => errorFrame(Kind.refused, id, new OsirisError('conflict', 'x')),
      (id: number) => Buffer.from([0, 0, 0, 6, 77, 0, 0, 0, id, 1]),
    ),
  )
  .map(([id, make]) => make(id))
const conversation = fc.array(fc.oneof({ weight: 9, arbitrary: frame }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }) }), {
  maxLength: 40,
})

describe('Callee', () => {
  it('lives through any conversation', async () => {
    await fc.assert(
      fc.asyncProperty(conversation, async (frames) => {
        const { pipe, answering } = callee(async ({ head, body }) => (body === undefined ? { head } : { head, body }))
        for (const each of frames) pipe.end.received(each)
        await Promise.resolve()
        answering.close('over')
      }),
      { numRuns: 1_000 },
    )
  })

  it('never runs a request twice, and ends the pipe of whoever tries', async () => {
    let ran = 0
    const { pipe } = callee(async ({ head }) => {
      ran++
      return { head }
    })
    pipe.end.received(request(1))
    pipe.end.received(request(1))
    expect(ran).toBe(1)
    expect(pipe.closedWith).toContain('twice')
  })

  it('ends the pipe of a sender that exceeds its credit, in few large pieces or many small ones', () => {
    for (const size of [60_000, 1]) {
      const { pipe } = callee(() => new Promise(() => {}))
      pipe.end.received(request(1, BodyMode.stream))
      let sent = 0
      for (; pipe.closedWith === undefined; sent += size) pipe.end.received(data(1, size))
      expect(sent - size).toBeLessThanOrEqual(WINDOW_BYTES)
      expect(pipe.closedWith).toContain('credit')
    }
  })

  it('bounds the bodies one peer may have open', async () => {
    const { pipe } = callee(() => new Promise(() => {}))
    for (let id = 1; id <= INCOMING_BODIES_MAX + 1; id++) pipe.end.received(request(id, BodyMode.stream))
    await until(() => pipe.sent.length === 1)
    expect(Buffer.from(pipe.sent[0] as Uint8Array)[4]).toBe(Kind.refused)
    expect(pipe.closedWith).toBeUndefined()
  })

  it('keeps answers back from a peer that does not read, and gives it up in the end', async () => {
    const { pipe, answering } = callee(async ({ head }) => ({ head, body: new Uint8Array(200_000) }))
    pipe.full = true
    for (let id = 1; id <= 100; id++) pipe.end.received(request(id))
    await until(() => pipe.sent.length > 0)
    pipe.end.received(request(101))
    await new Promise((resolve) => setImmediate(resolve))
    expect(pipe.bytes).toBeLessThan(2_000_000)
    answering.close('over')
  })
})

describe('Caller', () => {
  it('lives through any conversation, and every request ends', async () => {
    await fc.assert(
      fc.asyncProperty(conversation, async (frames) => {
        const { pipe, asking } = caller()
        const all = [1, 2, 3].map(() => asking.request('echo/1', { head: HEAD }, { timeoutMs: 1_000 }))
        await Promise.resolve()
        for (const each of frames) pipe.end.received(each)
        asking.close('over')
        const results = await Promise.allSettled(all)
        expect(results.every((each) => each.status === 'fulfilled' || each.reason instanceof OsirisError)).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })

  it('knows what left and what did not when the pipe breaks', async () => {
    const { pipe, asking } = caller()
    const left = failure(asking.request('echo/1', { head: HEAD }, { timeoutMs: 1_000 }))
    await until(() => pipe.sent.length === 1)
    const kept = failure(asking.request('echo/1', { head: HEAD }, { timeoutMs: 1_000 }))
    pipe.end.closed('gone')
    expect(await left).toMatchObject({ code: 'outcome_unknown', details: { sent: true } })
    expect(await kept).toMatchObject({ code: 'unavailable', details: { sent: false } })
    expect(await failure(asking.request('echo/1', { head: HEAD }, { timeoutMs: 1_000 }))).toMatchObject({ details: { sent: false } })
  })

  it('sends all frames of a tick in one write', async () => {
    const { pipe, asking } = caller()
    const all = Array.from({ length: 50 }, () => failure(asking.request('echo/1', { head: HEAD }, { timeoutMs: 1_000 })))
    await until(() => pipe.sent.length > 0)
    expect(pipe.sent.length).toBe(1)
    asking.close('over')
    await Promise.all(all)
  })

  it('sends nothing into a full pipe until it drained', async () => {
    const { pipe, asking } = caller()
    pipe.full = true
    const all = [failure(asking.request('echo/1', { head: HEAD }, { timeoutMs: 1_000 }))]
    await until(() => pipe.sent.length === 1)
    all.push(failure(asking.request('echo/1', { head: HEAD }, { timeoutMs: 1_000 })))
    await new Promise((resolve) => setImmediate(resolve))
    expect(pipe.sent.length).toBe(1)
    pipe.end.drained()
    expect(pipe.sent.length).toBe(2)
    asking.close('over')
    await Promise.all(all)
  })
})
