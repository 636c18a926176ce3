/** One node that moves canaries, by what stands in the ledger. */
import { beforeEach, expect, it } from 'vitest'
import { type Canary, canaryKey, stepsFrom } from '#protocols/canary'
import type { AliasTargets, FunctionRecord, Setting } from '#protocols/catalog'
import { createEvents } from '#protocols/events'
import { NO_TIMING } from '#protocols/invocation'
import { SETTLE_MS } from '../triggers/owner.ts'
import { Promoter, type PromoterInit } from './promoter.ts'

const [OLD, NEW] = ['a'.repeat(64), 'b'.repeat(64)]
const settingOf = (namespace: string, parts: Partial<Canary> = {}): Setting => {
  const canary: Canary = {
    ...{ id: '1'.repeat(32), alias: 'live', version: NEW, base: [{ version: OLD, weight: 100 }], steps: stepsFrom(10), step: 0 },
    ...{ watchMs: 1000, startedAt: 0, since: 0, state: 'running', settled: false, why: '', by: 'ada' },
    ...parts,
  }
  return { namespace, key: canaryKey('f'), value: JSON.stringify(canary) }
}

let settings: Setting[]
let publish: () => Promise<void>
let pointed: [namespace: string, targets: AliasTargets][]
beforeEach(() => {
  settings = []
  pointed = []
  publish = async () => {}
})

async function roundOf(calls = 0): Promise<void> {
  let nowMs = 0
  const clock = { now: () => nowMs, monotonic: () => nowMs, after: () => () => {} }
  const events = createEvents()
  const record = { aliases: { live: [{ version: OLD, weight: 100 }] } } as unknown as FunctionRecord
  const network = { peer: 'me', publish: () => publish(), subscribe: () => () => {}, members: { withRole: () => [], get: () => undefined } }
  const promoter = new Promoter({
    ...{ clock, events, network: network as unknown as PromoterInit['network'] },
    catalog: { settings: () => settings, get: () => record },
    writes: {
      point: async (namespace, _name, _alias, targets) => pointed.push([namespace, targets]),
      set: async () => {},
    },
  })
  await promoter.start()
  await promoter.round()
  nowMs = SETTLE_MS
  const meta = { version: NEW, node: '', hops: 0, timing: NO_TIMING }
  for (let each = 0; each < calls; each++)
    events.emit('call.finished', { id: '', namespace: 'demo', name: 'f', meta, code: null, wallMs: 1 })
  await promoter.round()
  await promoter.stop()
}

it('a canary that somebody wrote wrongly keeps no other from being moved', async () => {
  settings = [settingOf('aaa', { base: [{ version: NEW, weight: 100 }] }), settingOf('demo')]
  await roundOf()
  expect(pointed).toEqual([
    [
      'demo',
      [
        { version: OLD, weight: 90 },
        { version: NEW, weight: 10 },
      ],
    ],
  ])
})

it('canaries are moved while nobody can be told of them', async () => {
  settings = [settingOf('demo')]
  publish = () => Promise.reject(new Error('nobody hears it'))
  await roundOf(1)
  expect(pointed.map(([namespace]) => namespace)).toEqual(['demo'])
})
