/** What every network must do, whatever carries it. */
import { collect } from '#protocols/body'
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createIdentity, createUniverse, type Universe } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import type { Role } from '#protocols/lifecycle'
import { CALLS_MAX, MESSAGE_BYTES_MAX, OUTBOX_BYTES_HIGH, WINDOW_BYTES } from './limits.ts'
import type { Message, Network } from './network.ts'
import { failure, until } from './suite-tools.ts'

export interface SuiteNode {
  name: string
  roles?: Role[]
  seed?: Uint8Array
  universe?: Universe
}

/** A mesh that nodes are added to; each begins with the addresses of those before it. */
export interface SuiteMesh {
  /** Made, started, and introduced to the others. */
  add(node: SuiteNode): Promise<Network>
  /** Ends a node without a goodbye. */
  kill(node: Network): Promise<void>
  stop(): Promise<void>
}

const text = (message: string): Uint8Array => new TextEncoder().encode(message)
const HEAD = text('head')
const ASK = { timeoutMs: 5_000 }

export function networkSuite(what: string, createMesh: () => SuiteMesh): void {
  describe(`network: ${what}`, () => {
    let mesh: SuiteMesh
    let a: Network
    let b: Network

    beforeEach(async () => {
      mesh = createMesh()
      a = await mesh.add({ name: 'a', roles: ['executor'] })
      b = await mesh.add({ name: 'b', roles: ['router', 'catalog'] })
      await until(() => a.members.get(b.peer)?.connected === true && b.members.get(a.peer)?.connected === true)
    })
    afterEach(() => mesh.stop())

    describe('request()', () => {
      it('carries head and inline body both ways and tells the handler who asks', async () => {
        b.handle('echo/1', async ({ head, body, peer, timeoutMs }) => ({
          head: text(`${peer} ${timeoutMs}`),
          body: await collect(body, 64, String(head)),
        }))
        const answer = await a.request(b.peer, 'echo/1', { head: HEAD, body: text('body') }, ASK)
        expect(new TextDecoder().decode(answer.head)).toBe(`${a.peer} 5000`)
        expect(answer.body).toEqual(text('body'))
      })

      it('leaves out a body that is not there', async () => {
        b.handle('bare/1', async (request) => ({ head: text(String('body' in request)) }))
        expect(await a.request(b.peer, 'bare/1', { head: HEAD }, ASK)).toEqual({ head: text('false') })
      })

      it('streams bodies that do not fit a frame, whole and in order, both ways', async () => {
        const bytes = Uint8Array.from({ length: 3_000_000 }, (_, index) => index * 7)
        b.handle('digest/1', async ({ body }) => {
          const all = await collect(body, 4_000_000, 'it')
          return { head: text(sha(all)), body: all }
        })
        const { head, body } = await a.request(b.peer, 'digest/1', { head: HEAD, body: bytes }, ASK)
        expect(new TextDecoder().decode(head)).toBe(sha(bytes))
        expect(body).not.toBeInstanceOf(Uint8Array)
        expect(sha(await collect(body, 4_000_000, 'it'))).toBe(sha(bytes))
      })

      it('lets a slow reader of a request hold back its sender', async () => {
        const source = endless(16 * 1024)
        let read = (): void => {}
        const mayRead = new Promise<void>((resolve) => (read = resolve))
        b.handle('slow/1', async ({ body }) => {
          await mayRead
          for await (const chunk of body as AsyncIterable<Uint8Array>) return { head: text(String(chunk.length)) }
          return { head: HEAD }
        })
        const answer = a.request(b.peer, 'slow/1', { head: HEAD, body: source.body }, ASK)
        await staysBelow(() => source.sent, WINDOW_BYTES + 64 * 1024)
        read()
        expect((await answer).head).toEqual(text('16384'))
        await until(() => source.ended)
      })

      it('lets a slow reader of an answer hold back its sender, and leaving early cancels it', async () => {
        const source = endless(100_000)
        b.handle('flood/1', async () => ({ head: HEAD, body: source.body }))
        const { body } = await a.request(b.peer, 'flood/1', { head: HEAD }, ASK)
        await staysBelow(() => source.sent, WINDOW_BYTES + 200_000)
        for await (const chunk of body as AsyncIterable<Uint8Array>) if (chunk.length > 0) break
        await until(() => source.ended)
        expect(source.ended).toBe(true)
      })

      it('throws what the sender of a body threw where the body is read', async () => {
        async function* broken(): AsyncGenerator<Uint8Array> {
          yield text('first')
          throw new OsirisError('storage_full', 'Cannot read on: the disk is gone')
        }
        b.handle('broken/1', async () => ({ head: HEAD, body: broken() }))
        const { body } = await a.request(b.peer, 'broken/1', { head: HEAD }, ASK)
        expect(await failure(collect(body, 64, 'it'))).toMatchObject({ code: 'storage_full', message: 'Cannot read on: the disk is gone' })
        b.handle('reader/1', async (request) => ({ head: HEAD, body: await collect(request.body, 64, 'it') }))
        expect(await failure(a.request(b.peer, 'reader/1', { head: HEAD, body: broken() }, ASK))).toMatchObject({ code: 'storage_full' })
      })

      it('tells the handler within 100 ms that the caller has cancelled', async () => {
        const handler = hangs()
        b.handle('hang/1', handler.handle)
        const abort = new AbortController()
        const answer = failure(a.request(b.peer, 'hang/1', { head: HEAD }, { ...ASK, signal: abort.signal }))
        await until(() => handler.started === 1)
        abort.abort()
        await until(() => handler.aborted === 1, 100)
        expect(await answer).toMatchObject({ code: 'outcome_unknown', details: { sent: true } })
      })

      it('ends at its deadline on both sides', async () => {
        const handler = hangs()
        b.handle('hang/1', handler.handle)
        const before = performance.now()
        expect(await failure(a.request(b.peer, 'hang/1', { head: HEAD }, { timeoutMs: 60 }))).toMatchObject({ code: 'deadline_exceeded' })
        expect(performance.now() - before).toBeLessThan(400)
        await until(() => handler.aborted === 1, 200)
      })

      it('bounds the body by the deadline as well', async () => {
        const source = endless(1_000, 20)
        b.handle('drip/1', async () => ({ head: HEAD, body: source.body }))
        const { body } = await a.request(b.peer, 'drip/1', { head: HEAD }, { timeoutMs: 150 })
        expect(await failure(collect(body, 10_000_000, 'it'))).toMatchObject({ code: 'deadline_exceeded' })
        await until(() => source.ended)
      })

      it('carries a handler’s error with its code and details, and no other error’s insides', async () => {
        b.handle('typed/1', async () => {
          throw new OsirisError('conflict', 'Cannot take it: it is taken', { details: { by: ['x', 1] }, functionStack: 'at greet.ts:1' })
        })
        expect(await failure(a.request(b.peer, 'typed/1', { head: HEAD }, ASK))).toMatchObject({
          code: 'conflict',
          message: 'Cannot take it: it is taken',
          details: { by: ['x', 1] },
          functionStack: 'at greet.ts:1',
        })
        b.handle('bug/1', async () => {
          throw new TypeError('oops')
        })
        const error = await failure(a.request(b.peer, 'bug/1', { head: HEAD }, ASK))
        expect(error).toMatchObject({ code: 'internal', message: 'Cannot answer: oops' })
        expect(error.functionStack).toBeUndefined()
      })

      it('takes no handler’s word for a request not sent', async () => {
        b.handle('relay/1', async () => {
          throw new OsirisError('unavailable', 'Cannot ask another: it is gone', { details: { sent: false, other: 1 } })
        })
        expect((await failure(a.request(b.peer, 'relay/1', { head: HEAD }, ASK))).details).toEqual({ other: 1 })
      })

      it('fails with proof when the peer has no handler, and after a handler was taken back', async () => {
        const unhandled = { code: 'unavailable', details: { sent: false } }
        expect(await failure(a.request(b.peer, 'none/1', { head: HEAD }, ASK))).toMatchObject(unhandled)
        const stop = b.handle('some/1', async () => ({ head: HEAD }))
        await a.request(b.peer, 'some/1', { head: HEAD }, ASK)
        stop()
        expect(await failure(a.request(b.peer, 'some/1', { head: HEAD }, ASK))).toMatchObject(unhandled)
      })

      it('refuses a head over the limit on either side', async () => {
        const head = new Uint8Array(MESSAGE_BYTES_MAX + 1)
        b.handle('large/1', async () => ({ head }))
        expect(await failure(a.request(b.peer, 'large/1', { head }, ASK))).toMatchObject({
          code: 'payload_too_large',
          details: { sent: false },
        })
        expect(await failure(a.request(b.peer, 'large/1', { head: HEAD }, ASK))).toMatchObject({ code: 'internal' })
      })

      it('takes heads and bodies of every size around its limits', async () => {
        b.handle('echo/1', async ({ head, body }) => ({ head, ...(body === undefined ? {} : { body }) }))
        for (const bytes of [0, 1, MESSAGE_BYTES_MAX - HEAD.length, MESSAGE_BYTES_MAX - HEAD.length + 1, OUTBOX_BYTES_HIGH + 1]) {
          const { body } = await a.request(b.peer, 'echo/1', { head: HEAD, body: new Uint8Array(bytes) }, ASK)
          expect((await collect(body, 2 * OUTBOX_BYTES_HIGH, 'it')).length).toBe(bytes)
        }
        const { head } = await a.request(b.peer, 'echo/1', { head: new Uint8Array(MESSAGE_BYTES_MAX) }, ASK)
        expect(head.length).toBe(MESSAGE_BYTES_MAX)
      })

      it('runs a thousand at once, each with its own answer', async () => {
        b.handle('echo/1', async ({ head }) => ({ head }))
        const heads = Array.from({ length: 1_000 }, (_, index) => text(`request ${index}`))
        const answers = await Promise.all(heads.map((head) => a.request(b.peer, 'echo/1', { head }, ASK)))
        expect(answers.map((answer) => answer.head)).toEqual(heads)
      })

      it('refuses more than it may have in flight, with proof', async () => {
        const handler = hangs()
        b.handle('hang/1', handler.handle)
        const abort = new AbortController()
        const all = Array.from({ length: CALLS_MAX + 1 }, () =>
          failure(a.request(b.peer, 'hang/1', { head: HEAD }, { ...ASK, signal: abort.signal })),
        )
        expect(await all.at(-1)).toMatchObject({ code: 'overloaded', details: { sent: false } })
        // The mesh's own requests take a place of the 1,024 now and then.
        await until(() => handler.started > CALLS_MAX - 4)
        abort.abort()
        await Promise.all(all)
        await until(() => handler.aborted === handler.started)
      })

      it('fails with proof for strangers and for itself', async () => {
        const stranger = (await mesh.add({ name: 'z' })).peer
        await mesh.stop()
        expect(await failure(a.request(stranger, 'echo/1', { head: HEAD }, ASK))).toMatchObject({
          code: 'unavailable',
          details: { sent: false },
        })
        expect(await failure(a.request(a.peer, 'echo/1', { head: HEAD }, ASK))).toMatchObject({
          code: 'unavailable',
          details: { sent: false },
        })
      })

      it('says outcome_unknown when the peer is killed while it works, and reaches it again when it is back', async () => {
        const seed = createIdentity().seed
        const c = await mesh.add({ name: 'c', roles: ['executor'], seed })
        const handler = hangs()
        c.handle('hang/1', handler.handle)
        await until(() => a.members.get(c.peer) !== undefined)
        const answer = failure(a.request(c.peer, 'hang/1', { head: HEAD }, ASK))
        await until(() => handler.started === 1)
        await mesh.kill(c)
        expect(await answer).toMatchObject({ code: 'outcome_unknown', details: { sent: true } })
        expect(handler.aborted).toBe(1)
        expect(await failure(a.request(c.peer, 'hang/1', { head: HEAD }, ASK))).toMatchObject({
          code: 'unavailable',
          details: { sent: false },
        })
        const again = await mesh.add({ name: 'c', roles: ['executor'], seed })
        again.handle('echo/1', async ({ head }) => ({ head }))
        await until(() => a.members.get(c.peer)?.connected === true)
        expect((await a.request(c.peer, 'echo/1', { head: HEAD }, ASK)).head).toEqual(HEAD)
      })
    })

    describe('publish()', () => {
      it('reaches everybody who listens, once, with its sender', async () => {
        const c = await mesh.add({ name: 'c' })
        const heard: string[] = []
        for (const [name, node] of Object.entries({ b, c })) {
          node.subscribe('news', (from, data) => void heard.push(`${name} ${from === a.peer} ${new TextDecoder().decode(data)}`))
        }
        a.subscribe('news', () => void heard.push('itself'))
        let round = 0
        const both = () => heard.includes(`b true ${round}`) && heard.includes(`c true ${round}`)
        await until(
          async () => {
            if (!both()) await a.publish('news', text(String(++round)))
            return both()
          },
          5_000,
          100,
        )
        expect(new Set(heard).size).toBe(heard.length)
        expect(heard).not.toContain('itself')
      })

      it('serves several handlers of a topic until each is stopped', async () => {
        const heard: string[] = []
        const stops = ['first', 'second'].map((name) => b.subscribe('news', () => void heard.push(name)))
        await until(
          async () => {
            if (heard.length === 0) await a.publish('news', text('hi'))
            return heard.length > 0
          },
          5_000,
          100,
        )
        expect(heard).toEqual(['first', 'second'])
        stops[0]?.()
        await a.publish('news', text('again'))
        await until(() => heard.length === 3)
        expect(heard.at(-1)).toBe('second')
      })

      it('refuses what is too long and needs no listeners', async () => {
        await a.publish('nobody', text('hi'))
        expect(await failure(a.publish('news', new Uint8Array(65 * 1024)))).toMatchObject({ code: 'payload_too_large' })
      })
    })

    describe('members', () => {
      it('know each other, never themselves, by role', () => {
        expect(a.members.list().map((member) => member.name)).toEqual(['b'])
        expect(a.members.get(b.peer)).toMatchObject({ roles: ['router', 'catalog'], addresses: b.addresses(), connected: true })
        expect(a.members.get(a.peer)).toBeUndefined()
        expect(a.members.withRole('router').map((member) => member.name)).toEqual(['b'])
        expect(a.members.withRole('executor')).toEqual([])
        expect(a.members.withRole('router')).toBe(a.members.withRole('router'))
      })

      it('are all known to a client within a round trip, and do not know it', async () => {
        const client = await mesh.add({ name: 'client' })
        await until(() => client.members.list().length === 2, 900)
        expect(a.members.list().map((member) => member.name)).toEqual(['b'])
      })

      it('hear of changes at once, and of load without being called', async () => {
        let changes = 0
        a.members.onChange(() => changes++)
        b.advertise({ inFlight: 7, functions: 3 })
        await until(() => a.members.get(b.peer)?.inFlight === 7)
        expect(changes).toBe(0)
        b.advertise({ roles: ['builder'] })
        await until(() => a.members.withRole('builder').length === 1, 500)
        expect(changes).toBe(1)
        expect(a.members.withRole('router')).toEqual([])
      })

      it('that say goodbye are gone at once', async () => {
        await b.stop()
        await until(() => a.members.list().length === 0, 500)
        expect(a.members.get(b.peer)).toBeUndefined()
      })

      it('that are killed are gone within the expiry', async () => {
        await mesh.add({ name: 'c', roles: ['executor'] })
        await until(() => a.members.list().length === 2)
        await mesh.kill(b)
        await until(() => a.members.list().length === 1)
        expect(a.connections()).not.toContain(b.peer)
      })
    })

    it('provide() lets others find who holds a key', async () => {
      const key = 'ab'.repeat(32)
      b.provide(key)
      const found: string[] = []
      await until(async () => {
        for await (const peer of a.providers(key, { timeoutMs: 500 })) found.push(peer)
        return found.length > 0
      })
      expect(found[0]).toBe(b.peer)
      for await (const peer of a.providers('cd'.repeat(32), { timeoutMs: 500 })) expect.fail(`nobody said so, but ${peer}`)
    })

    it('dial() refuses another universe in both directions, and nothing crosses', async () => {
      const other = await mesh.add({ name: 'other', roles: ['executor'], universe: createUniverse('other', createIdentity().id) })
      const heard: Message[] = []
      for (const node of [a, b, other]) {
        node.handle('cross/1', async (request) => {
          heard.push(request)
          return { head: HEAD }
        })
      }
      for (const [from, to] of [
        [a, other],
        [other, b],
      ] as const) {
        const error = await failure(from.dial(String(to.addresses()[0]), { timeoutMs: 400 }))
        expect(error.code).toBe('unavailable')
        expect(error.message).toContain('wrong universe key')
        expect(await failure(from.request(to.peer, 'cross/1', { head: HEAD }, ASK))).toMatchObject({ code: 'unavailable' })
      }
      expect(heard).toEqual([])
      expect(other.members.list()).toEqual([])
      expect(other.connections()).toEqual([])
      expect(a.connections()).toEqual([b.peer])
    })

    it('dial() says why it failed', async () => {
      const c = await mesh.add({ name: 'c', roles: ['executor'] })
      const address = String(c.addresses()[0])
      await c.stop()
      expect(await failure(a.dial(address, { timeoutMs: 1_000 }))).toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('refused'),
      })
    })

    it('stop() ends everything in under a second, and may be called twice', async () => {
      const handler = hangs()
      b.handle('hang/1', handler.handle)
      const answer = failure(a.request(b.peer, 'hang/1', { head: HEAD }, ASK))
      await until(() => handler.started === 1)
      const before = performance.now()
      await Promise.all([b.stop(), b.stop()])
      await b.stop()
      expect(performance.now() - before).toBeLessThan(1_000)
      expect(await answer).toMatchObject({ code: 'outcome_unknown' })
      expect(b.connections()).toEqual([])
      expect(await failure(b.request(a.peer, 'echo/1', { head: HEAD }, { timeoutMs: 500 }))).toBeInstanceOf(OsirisError)
    })
  })
}

function sha(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** A handler that never answers, and counts who began and who was told to stop. */
function hangs() {
  const counts = {
    started: 0,
    aborted: 0,
    handle: ({ signal }: { signal: AbortSignal }): Promise<Message> => {
      counts.started++
      signal.addEventListener('abort', () => counts.aborted++)
      return new Promise(() => {})
    },
  }
  return counts
}

/** A body without end, and what it has given so far. */
function endless(bytes: number, pauseMs = 0) {
  const source = { sent: 0, ended: false, body: chunks() }
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
        source.sent += bytes
        yield new Uint8Array(bytes)
      }
    } finally {
      source.ended = true
    }
  }
  return source
}

/** The sender gets to its bound, and for a tenth of a second not beyond it. */
async function staysBelow(count: () => number, max: number): Promise<void> {
  await until(() => count() > max / 3)
  const end = performance.now() + 100
  while (performance.now() < end) {
    expect(count()).toBeLessThanOrEqual(max)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
