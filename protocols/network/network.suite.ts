/** What every network must do, whatever carries it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createIdentity, createUniverse } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { until } from '#protocols/until'
import type { Message, Network } from './network.ts'
import { requestSuite } from './request.suite.ts'
import { ASK, failure, hangs, HEAD, type SuiteMesh, text } from './suite-tools.fixture.ts'

const judgeTest = (_: string, value: Uint8Array): string => {
  const [word, rank = ''] = new TextDecoder().decode(value).split(' ')
  if (word !== 'good') throw new OsirisError('invalid_argument', 'Cannot use the record: it is bad')
  return rank
}

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

    requestSuite(() => ({ mesh, a, b }))

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

    it('putRecord() lets others find the latest good record of a key, and nobody takes it back', async () => {
      const key = 'ab'.repeat(32)
      for (const node of [a, b]) node.judgeRecords('test', judgeTest)
      a.putRecord('test', key, text('good 1'))
      const found = async (what = key) => new TextDecoder().decode(await b.getRecord('test', what, { timeoutMs: 500 }))
      await until(async () => (await found()) === 'good 1')
      a.putRecord('test', key, text('good 3'))
      await until(async () => (await found()) === 'good 3')
      const hostile = await mesh.add({ name: 'hostile', roles: ['executor'] })
      for (const kind of ['test', 'unknown']) hostile.judgeRecords(kind, () => 'z')
      await until(() => hostile.connections().length === 2)
      for (const poison of ['good 2', 'bad 4']) hostile.putRecord('test', key, text(poison))
      hostile.putRecord('test', 'cd'.repeat(32), text('bad 5'))
      hostile.putRecord('unknown', key, text('good 6'))
      hostile.putRecord('test', 'ef'.repeat(32), text('good 7'))
      await until(async () => (await found('ef'.repeat(32))) === 'good 7')
      expect(await found()).toBe('good 3')
      expect(await found('cd'.repeat(32))).toBe('')
      expect(await b.getRecord('unknown', key, { timeoutMs: 500 })).toBeUndefined()
    })

    it('what is published in a closed universe is told only to peers that may have a role, and passed on to nobody else; beats are', async () => {
      const stranger = await mesh.add({ name: 'stranger', roles: ['executor'] })
      const names = new Map([a, b, stranger].map((node) => [node.peer, node === a ? 'a' : node === b ? 'b' : 'stranger']))
      const heard: string[] = []
      for (const node of [a, b, stranger])
        node.subscribe('news', (_, data) => void heard.push(`${names.get(node.peer)} ${new TextDecoder().decode(data)}`))
      for (const node of [a, b]) node.judgeMembers((peer) => new Set(peer === stranger.peer ? [] : ['executor', 'router']), true)
      await until(() => stranger.members.list().length === 2 && a.connections().length === 2 && b.connections().length === 2, 10_000)
      let said = 0
      await until(async () => {
        await a.publish('news', text(`of a ${(said += 1)}`))
        return heard.some((each) => each.startsWith('b of a'))
      }, 10_000)
      await until(async () => {
        await stranger.publish('news', text(`of stranger ${(said += 1)}`))
        return heard.some((each) => each.startsWith('a of stranger'))
      }, 10_000)
      const before = stranger.members.get(a.peer)?.seenAt ?? 0
      await until(() => (stranger.members.get(a.peer)?.seenAt ?? 0) > before, 10_000)
      expect(heard.filter((each) => each.startsWith('stranger of'))).toEqual([])
      for (const node of [a, b]) node.judgeMembers(() => new Set(['executor', 'router']), true)
      await until(async () => {
        await a.publish('news', text(`of a ${(said += 1)}`))
        return heard.some((each) => each.startsWith('stranger of a'))
      }, 10_000)
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
        details: { refused: true },
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
