/** What `request` must do, whatever carries it. Part of `networkSuite`. */
import { collect } from '#protocols/body'
import { beforeEach, describe, expect, it } from 'vitest'
import { createIdentity } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { until } from '#protocols/until'
import { CALLS_MAX, MESSAGE_BYTES_MAX, OUTBOX_BYTES_HIGH, WINDOW_BYTES } from './limits.ts'
import type { Network } from './network.ts'
import { ASK, endless, failure, hangs, HEAD, sha, staysBelow, type SuiteMesh, text } from './suite-tools.fixture.ts'

export function requestSuite(given: () => { mesh: SuiteMesh; a: Network; b: Network }): void {
  describe('request()', () => {
    let mesh: SuiteMesh
    let a: Network
    let b: Network
    beforeEach(() => void ({ mesh, a, b } = given()))

    it('carries head and inline body both ways and tells the handler who asks', async () => {
      b.handle('echo/1', async ({ head, body, peer, timeoutMs }) => ({
        head: text(`${peer} ${timeoutMs}`),
        body: await collect(body, 64, String(head)),
      }))
      const answer = await a.request(b.peer, 'echo/1', { head: HEAD, body: text('body') }, ASK)
      const [who, timeoutMs] = new TextDecoder().decode(answer.head).split(' ')
      expect(who).toBe(a.peer)
      // Less what opening the pipe took.
      expect(Number(timeoutMs)).toBeGreaterThan(ASK.timeoutMs - 4_000)
      expect(Number(timeoutMs)).toBeLessThanOrEqual(ASK.timeoutMs)
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
}
