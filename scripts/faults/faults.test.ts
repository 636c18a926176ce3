/** Each fault with a few strikes, on fewer nodes: that it can be played, and that what must hold holds. `npm run test:faults` has the figures. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Cleanup } from '../bench/cleanup.ts'
import type { Acknowledged } from './deployers.ts'
import { FAULTS } from './faults.ts'
import { judgeGray } from './gray.ts'
import { type Held, lossesAmong, twiceSigned } from './invariants.ts'

let cleanup: Cleanup | undefined
afterEach(() => cleanup?.run())

describe.each(FAULTS.filter(({ isQuick }) => isQuick))('$name', (fault) => {
  // Seed 9 begins with the death of all.
  it('holds what it must', async ({ skip }) => {
    const reason = fault.unable?.()
    if (reason !== undefined) skip(reason)
    cleanup = new Cleanup()
    const dir = mkdtempSync(join(tmpdir(), 'osiris-faults-test-'))
    cleanup.add(async () => rmSync(dir, { recursive: true, force: true }))
    // How soon they agree and answer are figures of the long run: here the machine may be busy with other tests.
    const bounds = { lookEvery: 3, settleMs: 60_000, isTimed: false }
    const { problems } = await fault.run({
      seed: 9,
      strikes: fault.quickStrikes ?? 3,
      nodes: 3,
      ...bounds,
      dir,
      cleanup,
      say: () => {},
    })
    expect(problems.join('\n')).toBe('')
  }, 180_000)
})

describe('what must hold', () => {
  const entry = (seq: number, hash: string) => ({ author: 'a'.repeat(64), seq, hash })
  const acknowledged = (seq: number, hash: string, version: string | null): Acknowledged => ({
    ...{ name: 'faults/f', source: '', version, ack: 'accepted', node: 'node-1', strike: 2 },
    entry: entry(seq, hash),
  })
  const held = (node: string, entries: string[], versions: string[]): Held => ({
    node,
    entries: new Set(entries),
    versions: new Set(versions),
  })

  it('a version that one node lacks is lost, and it is told who has what', () => {
    const nodes = [held('node-1', ['h1'], ['faults/f@v']), held('node-2', ['h1'], []), held('node-3', [], [])]
    expect(lossesAmong([acknowledged(1, 'h1', 'v')], nodes)).toEqual([
      'lost: faults/f@v (accepted by node-1 after strike 2, entry aaaaaaaa#1 h1): node-1 entry/version, node-2 entry/-, node-3 -/-',
    ])
    expect(lossesAmong([acknowledged(1, 'h1', 'v')], nodes.slice(0, 1))).toEqual([])
  })

  it('an entry without a known version counts by its hash', () => {
    expect(lossesAmong([acknowledged(1, 'h1', null)], [held('node-1', ['h1'], [])])).toEqual([])
    expect(lossesAmong([acknowledged(1, 'h1', null)], [held('node-1', ['h2'], [])])).toHaveLength(1)
  })

  it('of many losses the first are told', () => {
    const many = Array.from({ length: 13 }, (_, index) => acknowledged(index, `h${index}`, null))
    expect(lossesAmong(many, [held('node-1', [], [])]).at(-1)).toBe('…and 3 more lost')
  })

  it('two entries at one place of a feed are told', () => {
    expect(twiceSigned([acknowledged(1, 'h1', null), acknowledged(2, 'h2', null)])).toEqual([])
    expect(twiceSigned([acknowledged(1, 'h1', null), acknowledged(1, 'h2', null)])).toEqual([
      'signed twice: aaaaaaaaaaaaaaaa#1 is h1 and h2 (faults/f)',
    ])
  })

  it('a slow node that keeps its share, and calls that take longer than twice as long, are told; few calls tell nothing', () => {
    const ms = (each: number) => Array.from({ length: 200 }, () => each)
    const seen = (own: number, lateMs: number[]) => ({ quietMs: ms(10), lateMs, shares: [{ node: 'node-2', own, all: 200 }] })
    expect(judgeGray(seen(20, ms(20)))).toEqual([])
    expect(judgeGray(seen(21, ms(21)))).toEqual([
      'node-2 was slow and ran 21 of 200 calls all the same, ten seconds later',
      'with one slow node p99 is 21 ms (of 200), before it was 10 ms (of 200)',
    ])
    expect(judgeGray({ quietMs: ms(10), lateMs: [50], shares: [{ node: 'node-2', own: 9, all: 10 }] })).toEqual([])
  })
})
