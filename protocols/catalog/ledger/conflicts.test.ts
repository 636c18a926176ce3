import { expect, it } from 'vitest'
import { Conflicts } from './conflicts.ts'
import type { EntryLine } from './entry-line.ts'

let count = 0
function line(type: string, content: Record<string, unknown>, by = 'ada'): EntryLine {
  count += 1
  const hash = count.toString(16).padStart(64, '0')
  return { author: 'a'.repeat(64), seq: count, hash, atMs: count, counter: 0, type, content, by, asker: null, grant: null }
}
const publish = (code: string, after: string | null, by?: string) =>
  line('publish', { manifest: { namespace: 'demo', name: 'f', code }, after }, by)
const point = (alias: string, version: string, after: string | null) =>
  line('point', { namespace: 'demo', name: 'f', alias, targets: [{ version, weight: 100 }], after })
const retire = (after: string | null) => line('retire', { namespace: 'demo', name: 'f', after })

function lostOf(...lines: EntryLine[]) {
  const conflicts = new Conflicts()
  for (const each of lines) conflicts.take(each)
  return conflicts.list()
}

it('edits that saw each other are none', () => {
  const one = publish('1', null)
  const two = publish('2', one.hash)
  const canary = point('canary', 'x', null)
  const gone = retire(canary.hash)
  expect(lostOf(one, two, canary, gone, publish('3', null))).toEqual([])
})

it('an edit that was overwritten unseen lost, and both are told', () => {
  const one = publish('1', null, 'ada')
  const left = publish('left', one.hash, 'bob')
  const right = publish('right', one.hash, 'eve')
  expect(lostOf(one, left, right)).toEqual([
    {
      namespace: 'demo',
      name: 'f',
      alias: 'live',
      lost: expect.objectContaining({ hash: left.hash, by: 'bob' }),
      won: expect.objectContaining({ hash: right.hash, by: 'eve' }),
    },
  ])
})

it('two who did the same did not lose anything', () => {
  const one = publish('1', null)
  expect(lostOf(one, publish('same', one.hash), publish('same', one.hash))).toEqual([])
})

it('aliases are apart; taking the function out unseen loses what was last', () => {
  const one = publish('1', null)
  const canary = point('canary', 'x', null)
  expect(lostOf(one, canary, point('beta', 'y', null))).toEqual([])
  const lost = lostOf(one, canary, retire(one.hash))
  expect(lost).toMatchObject([{ alias: null, lost: { hash: canary.hash }, won: { type: 'retire' } }])
})

it('entries of other types, and bodies that fit none, are passed by', () => {
  expect(lostOf(line('note', {}), line('publish', { manifest: 1, after: null }), line('point', { namespace: 'demo', name: 'f' }))).toEqual(
    [],
  )
})

it('the latest are kept, whatever number there is', () => {
  const all = Array.from({ length: 1100 }, (_, at) => publish(String(at), null))
  const lost = lostOf(...all)
  expect(lost).toHaveLength(1000)
  expect(lost.at(-1)?.won.hash).toBe(all.at(-1)?.hash)
})
