import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createIdentity } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import { isSignedBy, packBeat, readBeat, signBeat, unpackBeat } from './beats.ts'
import { decodeDigest, encodeDigest, lacks } from './digest.ts'
import { BEAT_BYTES_MAX, MEMBER_EXPIRY_MS, MEMBERS_MAX, STRANGERS_MAX } from './limits.ts'
import { type LeaveReason, MemberTable } from './members.ts'
import type { Beat } from './network.ts'
import { identityOf, peerInAddress, peerOf } from './peer.ts'

const BEAT: Beat = {
  name: 'a',
  roles: ['executor'],
  addresses: ['/ip4/127.0.0.1/tcp/1'],
  capacity: 4,
  inFlight: 0,
  warm: [],
  functions: 0,
  protocol: { min: 1, max: 1 },
}
const ENVELOPE = { body: new Uint8Array(), signature: new Uint8Array() }
const heard = (at: number, part: Partial<Beat> = {}, left = false) => ({ beat: { ...BEAT, ...part }, at, left, envelope: ENVELOPE })

function table() {
  let time = 0
  const clock: Clock = { now: () => time, monotonic: () => time, after: () => () => {} }
  const left: [string, LeaveReason][] = []
  const members = new MemberTable({ self: 'self', clock, onLeave: (member, reason) => left.push([member.peer, reason]) })
  return { members, left, pass: (ms: number) => void (time += ms) }
}

describe('MemberTable', () => {
  it('never holds this node itself', () => {
    const { members } = table()
    expect(members.hear('self', heard(1))).toBe(false)
    expect(members.list()).toEqual([])
  })

  it('forgets a member after its expiry and not before', () => {
    const { members, left, pass } = table()
    members.hear('a', heard(1))
    pass(MEMBER_EXPIRY_MS - 1)
    members.expire()
    expect(members.list().length).toBe(1)
    pass(1)
    members.expire()
    expect(members.list()).toEqual([])
    expect(left).toEqual([['a', 'expired']])
    expect(MEMBER_EXPIRY_MS).toBeLessThanOrEqual(5_000)
  })

  it('tells of a change of labels or region, and forgets what is no longer said', () => {
    const { members } = table()
    let changes = 0
    members.onChange(() => changes++)
    members.hear('a', heard(1, { labels: { gpu: 'true' }, region: 'eu' }))
    members.hear('a', heard(2, { labels: { gpu: 'true' }, region: 'eu', inFlight: 3 }))
    expect(changes).toBe(1)
    members.hear('a', heard(3, { region: 'eu' }))
    members.hear('a', heard(4))
    expect(changes).toBe(3)
    expect(members.get('a')).not.toHaveProperty('labels')
    expect(members.get('a')).not.toHaveProperty('region')
  })

  it('is not brought back to life by an old beat that is handed on', () => {
    const { members, left } = table()
    members.hear('a', heard(5))
    members.hear('a', heard(6, {}, true))
    expect(left).toEqual([['a', 'left']])
    expect(members.hear('a', heard(5))).toBe(false)
    expect(members.hear('a', heard(6))).toBe(false)
    expect(members.hear('a', heard(7))).toBe(true)
    members.bury('a')
    expect(members.hear('a', heard(7))).toBe(false)
    expect(members.hear('a', heard(8))).toBe(true)
  })

  it('counts hearsay by its age', () => {
    const { members, pass } = table()
    expect(members.hear('old', heard(1), MEMBER_EXPIRY_MS)).toBe(false)
    members.hear('a', heard(1), MEMBER_EXPIRY_MS - 10)
    pass(10)
    members.expire()
    expect(members.list()).toEqual([])
  })

  it('is patient for as long as this node itself heard nothing', () => {
    const { members, pass } = table()
    members.hear('a', heard(1))
    pass(60_000)
    members.expire(59_500)
    expect(members.list().length).toBe(1)
    pass(500)
    members.expire()
    expect(members.list()).toEqual([])
  })

  it('hands out what somebody lacks, and says of whom they know that they are dead', () => {
    const { members, pass } = table()
    const [a, b, c] = [peerOf(createIdentity().id), peerOf(createIdentity().id), peerOf(createIdentity().id)]
    for (const peer of [a, b, c]) members.hear(peer, heard(5))
    pass(700)
    const known = (rows: [string, number][]) => decodeDigest(encodeDigest(rows))
    expect(members.handOut(decodeDigest(members.digest()))).toEqual([])
    expect(
      members
        .handOut(
          known([
            [a, 5],
            [b, 4],
          ]),
        )
        .map(({ peer, ageMs }) => [peer, ageMs]),
    ).toEqual([
      [b, 700],
      [c, 700],
    ])
    members.bury(a)
    expect(
      members.dead(
        known([
          [a, 5],
          [b, 5],
        ]),
        4,
      ),
    ).toEqual([a])
    expect(members.dead(known([[a, 6]]), 4)).toEqual([])
    // What it said before it was found dead is no sign of life.
    expect(members.hear(a, heard(6), 1)).toBe(false)
    expect(members.dead(known([[b, 5]]), 4)).toEqual([])
    pass(MEMBER_EXPIRY_MS)
    expect(members.dead(known([[a, 5]]), 4)).toEqual([])
  })

  it('keeps its arrays until membership changes, and its members up to date within them', () => {
    const { members } = table()
    let changes = 0
    const stop = members.onChange(() => changes++)
    members.hear('a', heard(1, { http: 'http://x' }))
    const [all, executors] = [members.list(), members.withRole('executor')]
    members.hear('a', heard(2, { inFlight: 3 }))
    expect(members.list()).toBe(all)
    expect(members.withRole('executor')).toBe(executors)
    expect(executors[0]).toMatchObject({ inFlight: 3 })
    expect(executors[0]).not.toHaveProperty('http')
    expect(changes).toBe(1)
    members.hear('a', heard(3, { roles: ['router'] }))
    expect(members.withRole('executor')).toEqual([])
    expect(changes).toBe(2)
    stop()
    members.bury('a')
    expect(changes).toBe(2)
  })

  it('is bounded', () => {
    const { members } = table()
    for (let index = 0; index < MEMBERS_MAX + 10; index++) members.hear(`p${index}`, heard(1))
    expect(members.list().length).toBe(MEMBERS_MAX)
  })

  it('ends with the newest beat of each, in whatever order beats come', () => {
    const beat = fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 20 }))
    fc.assert(
      fc.property(fc.array(beat), (beats) => {
        const { members } = table()
        for (const [peer, at] of beats) members.hear(peer, heard(at, { inFlight: at }))
        for (const { peer, inFlight } of members.list()) {
          expect(inFlight).toBe(Math.max(...beats.filter((each) => each[0] === peer).map((each) => each[1])))
        }
        expect(new Set(members.list().map((member) => member.peer))).toEqual(new Set(beats.map((each) => each[0])))
      }),
    )
  })
})

describe('beats', () => {
  const identity = createIdentity()
  const peer = peerOf(identity.id)

  it('are read back as signed, by anybody, in their universe only', () => {
    const packed = packBeat(signBeat(identity, 'u', BEAT, 5, false))
    const read = unpackBeat(packed, 'u')
    expect(read).toMatchObject({ beat: BEAT, at: 5, left: false })
    expect(isSignedBy(peer, read.envelope)).toBe(true)
    expect(isSignedBy(peerOf(createIdentity().id), read.envelope)).toBe(false)
    expect(() => unpackBeat(packed, 'other')).toThrow(OsirisError)
  })

  it('do not survive a changed byte', () => {
    const { envelope } = signBeat(identity, 'u', BEAT, 5, false)
    fc.assert(
      fc.property(fc.nat({ max: envelope.body.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const body = Uint8Array.from(envelope.body)
        body[at] = (body[at] as number) ^ change
        expect(isSignedBy(peer, { ...envelope, body })).toBe(false)
      }),
    )
  })

  it('are refused when too long, on both sides', () => {
    const long = { ...BEAT, addresses: Array.from({ length: 40 }, () => 'x'.repeat(256)) }
    expect(() => signBeat(identity, 'u', long, 1, false)).toThrow('bytes long')
    expect(() => readBeat({ body: new Uint8Array(BEAT_BYTES_MAX + 1), signature: new Uint8Array() }, 'u')).toThrow('too long')
  })

  it('throw and nothing else for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => unpackBeat(bytes, 'u')).toThrow(OsirisError)
      }),
    )
  })

  it('carry labels and a region, few and short ones', () => {
    const said = { labels: { gpu: 'true' }, region: 'eu-west-1' }
    const read = (part: Partial<Beat>) => unpackBeat(packBeat(signBeat(identity, 'u', { ...BEAT, ...part }, 1, false)), 'u').beat
    expect(read(said)).toMatchObject(said)
    expect(read({})).not.toHaveProperty('labels')
    const many = Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`l${index}`, '1']))
    expect(() => read({ labels: many })).toThrow(OsirisError)
    expect(() => read({ labels: { gpu: 'x'.repeat(65) } })).toThrow(OsirisError)
    expect(() => read({ region: 'x'.repeat(65) })).toThrow(OsirisError)
  })

  it('keep the roles this version knows', () => {
    const newer = { ...BEAT, roles: ['executor', 'oracle'] } as unknown as Beat
    expect(unpackBeat(packBeat(signBeat(identity, 'u', newer, 1, false)), 'u').beat.roles).toEqual(['executor'])
  })
})

function failing(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  return undefined
}

describe('digests', () => {
  const peers = Array.from({ length: 6 }, () => peerOf(createIdentity().id))

  it('say who is known and how lately', () => {
    const ats = fc.array(fc.option(fc.nat({ max: Number.MAX_SAFE_INTEGER }), { nil: undefined }), { minLength: 6, maxLength: 6 })
    fc.assert(
      fc.property(ats, fc.nat({ max: 5 }), fc.nat({ max: Number.MAX_SAFE_INTEGER }), (all, one, at) => {
        const rows = all.flatMap((each, index) => (each === undefined ? [] : [[peers[index] as string, each] as const]))
        const known = all[one]
        expect(lacks(decodeDigest(encodeDigest(rows)), peers[one] as string, at)).toBe(known === undefined || known < at)
      }),
    )
  })

  it('are refused or read, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const read = () => lacks(decodeDigest(bytes), peers[0] as string, 1)
        const isRefused = failing(read) instanceof OsirisError
        expect(isRefused).toBe(bytes.length % 20 !== 0)
      }),
    )
  })
})

describe('peers', () => {
  it('and identities are two forms of one key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const id = Buffer.from(bytes).toString('hex')
        expect(peerOf(id)).toMatch(/^12D3KooW/)
        expect(identityOf(peerOf(id))).toBe(id)
      }),
    )
  })

  it('that are none have no identity', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(identityOf(text)).toBeUndefined()
      }),
    )
  })

  it('stand at the end of an address', () => {
    expect(peerInAddress('/ip4/1.2.3.4/tcp/5/p2p/12D3KooWabc')).toBe('12D3KooWabc')
    expect(peerInAddress('/ip4/1.2.3.4/tcp/5')).toBeUndefined()
  })
})

describe('MemberTable with a judge', () => {
  it('members have the roles that they name and may have, and are told about when that changes', () => {
    const { members } = table()
    const allowed = new Map([['a', new Set(['executor'])]])
    members.hear('a', heard(1, { roles: ['executor', 'catalog'] }))
    members.hear('b', heard(1))
    members.judgeBy((peer) => allowed.get(peer) ?? new Set())
    let changes = 0
    members.onChange(() => (changes += 1))
    const executors = members.withRole('executor')
    expect(executors.map(({ peer }) => peer)).toEqual(['a'])
    expect(members.withRole('catalog')).toEqual([])
    expect(members.naming('catalog').map(({ peer }) => peer)).toEqual(['a'])
    expect(members.get('b')?.roles).toEqual([])
    members.hear('a', heard(2, { roles: ['executor', 'catalog'], inFlight: 3 }))
    members.judge()
    expect(members.withRole('executor')).toBe(executors)
    expect(changes).toBe(0)
    allowed.set('b', new Set(['executor'])).delete('a')
    members.judge()
    expect(changes).toBe(1)
    expect(members.withRole('executor').map(({ peer }) => peer)).toEqual(['b'])
  })

  it('strangers fill a part of the table only, and leave for whoever is let in', () => {
    const { members } = table()
    const isIn = (peer: string) => peer.startsWith('in ')
    members.judgeBy((peer) => new Set(isIn(peer) ? ['executor'] : []))
    const strangers = Array.from({ length: MEMBERS_MAX }, (_, at) => members.hear(`stranger ${at}`, heard(1)))
    expect(strangers.filter(Boolean).length).toBe(STRANGERS_MAX)
    for (let at = 0; at < MEMBERS_MAX; at += 1) expect(members.hear(`in ${at}`, heard(1))).toBe(true)
    expect(members.list().length).toBe(MEMBERS_MAX)
    expect(members.withRole('executor').length).toBe(MEMBERS_MAX)
    expect(members.hear('in one too many', heard(1))).toBe(false)
  })
})
