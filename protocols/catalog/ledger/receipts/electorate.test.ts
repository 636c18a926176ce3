import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createIdentity } from '#protocols/access'
import { Electorate } from './electorate.ts'
import { type Entry, type Place, signEntry } from '../entry.ts'

const root = createIdentity()
const [a, b, c] = ['a', 'b', 'c'].map((letter) => letter.repeat(64)) as [string, string, string]
let seq = 0

/** An entry of the root at a time; only its place and body matter here. */
function at(wallMs: number, type: string, body: Record<string, unknown>): Entry {
  seq += 1
  const place = { format: 1 as const, universe: '0'.repeat(16), author: root.id, seq, prev: null, hlc: { wallMs, counter: 0 } }
  return signEntry(root, { ...place, type, body, by: 'root', grant: null })
}
const admit = (wallMs: number, member: string, roles: string[] = ['catalog'], expiresAtMs: number | null = null) =>
  at(wallMs, 'admit', { member, name: member.slice(0, 3), roles, grants: [], expiresAtMs })
const ban = (wallMs: number, member: string) => at(wallMs, 'ban', { member, seq: 0 })
const revoke = (wallMs: number, grant: string) => at(wallMs, 'revoke', { grant, pins: [] })
const rotate = (wallMs: number, from: string, to: string) => at(wallMs, 'rotate', { from, to, seq: 1, proof: null })
const placeAt = (wallMs: number): Place => ({ wallMs, counter: 0, author: root.id, seq: 1, hash: '' })

function electorateOf(...entries: Entry[]): Electorate {
  const electorate = new Electorate()
  for (const entry of entries) electorate.insert(entry)
  return electorate
}

it('the catalogs admitted before an entry are asked, by the last word on each', () => {
  const electorate = electorateOf(admit(10, a), admit(20, b), admit(20, c, ['executor']), admit(30, a, ['router']))
  expect(electorate.at(placeAt(5))).toEqual([])
  expect(electorate.at(placeAt(15))).toEqual([a])
  expect(electorate.at(placeAt(25))).toEqual([a, b])
  expect(electorate.at(placeAt(35))).toEqual([b])
  expect(electorate.nameOf(b)).toBe('bbb')
})

it('an admission ends when it expires, when it is revoked, and with a ban', () => {
  const revoked = admit(10, b)
  const electorate = electorateOf(admit(10, a, ['catalog'], 30), revoked, admit(10, c), revoke(40, revoked.hash), ban(50, c))
  expect([20, 30, 45, 60].map((ms) => electorate.at(placeAt(ms)))).toEqual([[a, b, c], [b, c], [c], []])
  expect([20, 30].map((ms) => electorate.counts(a, placeAt(ms)))).toEqual([true, false])
  expect([35, 45].map((ms) => electorate.counts(b, placeAt(ms)))).toEqual([true, false])
})

it('receipts of a member that came later count too; of a banned key none, not even of before; of a stranger none', () => {
  const electorate = electorateOf(admit(10, a), admit(20, b), ban(50, b))
  expect(electorate.counts(a, placeAt(5))).toBe(true)
  expect(electorate.counts(b, placeAt(30))).toBe(false)
  expect(electorate.counts(c, placeAt(30))).toBe(false)
  expect([electorate.isAdmitted(b), electorate.isAdmitted(c)]).toEqual([true, false])
})

it('the receipt of a member that keeps no ledger does not count, and that of one that kept it once does', () => {
  const electorate = electorateOf(admit(10, a, ['executor', 'router']), admit(10, b), admit(20, b, ['router']))
  expect([a, b].map((key) => electorate.counts(key, placeAt(30)))).toEqual([false, true])
})

it('a node that changed its key is one catalog: by the old key up to then, by the new one from then on, never by both', () => {
  const d = 'd'.repeat(64)
  const electorate = electorateOf(admit(10, a), admit(10, b), rotate(30, a, c), rotate(50, c, d))
  expect([20, 40, 60].map((ms) => electorate.at(placeAt(ms)))).toEqual([
    [a, b],
    [c, b],
    [d, b],
  ])
  for (const ms of [20, 40, 60]) expect([a, c, d].filter((key) => electorate.counts(key, placeAt(ms)))).toHaveLength(1)
  expect([electorate.nameOf(d), electorate.isAdmitted(d), electorate.isAdmitted('e'.repeat(64))]).toEqual(['aaa', true, false])
  const banned = electorateOf(admit(10, a), rotate(30, a, c), ban(40, c))
  expect([banned.at(placeAt(35)), banned.at(placeAt(45)), banned.counts(c, placeAt(35))]).toEqual([[c], [], false])
  const tooLate = electorateOf(admit(10, a), ban(20, a), rotate(30, a, c))
  expect([tooLate.at(placeAt(40)), tooLate.counts(c, placeAt(40))]).toEqual([[], false])
})

it('property: the order of arrival does not matter', () => {
  const revoked = admit(15, b)
  const entries = [
    admit(10, a),
    revoked,
    admit(20, c),
    revoke(30, revoked.hash),
    ban(40, c),
    ban(35, c),
    admit(50, b),
    rotate(20, b, a),
    rotate(26, b, c),
  ]
  const answers = (electorate: Electorate) =>
    [5, 12, 18, 25, 32, 37, 45, 60].map((ms) => electorate.at(placeAt(ms)).toSorted((x, y) => (x < y ? -1 : 1)))
  const expected = answers(electorateOf(...entries))
  fc.assert(
    fc.property(fc.shuffledSubarray(entries, { minLength: entries.length }), (shuffled) => {
      expect(answers(electorateOf(...shuffled))).toEqual(expected)
    }),
  )
})
