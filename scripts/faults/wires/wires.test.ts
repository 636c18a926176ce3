import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CLEAR, Link, QUEUE_MS_MAX } from './link.ts'
import { hostTo, sumUp } from './packet.ts'
import { alone, between, bridge, halves, oneWay, ring, shuffled } from './shapes.ts'

const counts = fc.integer({ min: 3, max: 9 })
const ints = fc.infiniteStream(fc.nat()).map((draws) => (count: number) => (draws.next().value as number) % count)
const shown = (cut: readonly (readonly [number, number])[]) => cut.map((each) => each.join()).toSorted()

describe('a link', () => {
  it('hands on at once what is not held back', () => {
    expect(new Link().arrival(1500, 7, () => 0)).toBe(7)
  })

  it('hands on nothing when it is cut, and its share when it is lossy', () => {
    const link = new Link()
    link.weather = { ...CLEAR, isCut: true }
    expect(link.arrival(100, 0, () => 1)).toBeUndefined()
    link.weather = { ...CLEAR, loss: 0.3 }
    expect([0.29, 0.31].map((draw) => link.arrival(100, 0, () => draw))).toEqual([undefined, 0])
  })

  it('never lets a frame overtake another, nor arrive before its time', () => {
    const frames = fc.array(
      fc.record({ afterMs: fc.nat(200), bytes: fc.integer({ min: 60, max: 1500 }), draw: fc.double({ min: 0, max: 0.99, noNaN: true }) }),
    )
    fc.assert(
      fc.property(frames, fc.nat(100), fc.nat(400), fc.constantFrom(0, 64_000, 10_000_000), (sent, min, more, bitsPerSecond) => {
        const link = new Link()
        link.weather = { ...CLEAR, delayMs: [min, min + more], bitsPerSecond }
        let now = 0
        let last = 0
        for (const { afterMs, bytes, draw } of sent) {
          now += afterMs
          const at = link.arrival(bytes, now, () => draw)
          if (at === undefined) continue
          expect(at).toBeGreaterThanOrEqual(Math.max(last, now + (min + more === 0 ? 0 : min)))
          last = at
        }
      }),
    )
  })

  it('passes as many bits as it is wide, and loses what would wait too long', () => {
    const link = new Link()
    link.weather = { ...CLEAR, bitsPerSecond: 8000 }
    const arrivals = Array.from({ length: 4 }, () => link.arrival(600, 0, () => 0))
    expect(arrivals).toEqual([600, 1200, undefined, undefined])
    expect(arrivals[1]).toBeGreaterThan(QUEUE_MS_MAX)
    expect(link.arrival(600, 1200, () => 0)).toBe(1800)
  })
})

describe('a partition', () => {
  it('into a majority and the others cuts every link between them, both ways, and no other', () => {
    fc.assert(
      fc.property(counts, ints, (count, int) => {
        const { cut, majority, minority } = halves(count, int)
        expect([...majority, ...minority].toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index))
        expect(majority.length).toBe(Math.floor(count / 2) + 1)
        expect(cut.every(([from, to]) => majority.includes(from) !== majority.includes(to))).toBe(true)
        expect(new Set(shown(cut)).size).toBe(2 * majority.length * minority.length)
      }),
    )
  })

  it('of one leaves it nobody', () => {
    fc.assert(
      fc.property(counts, ints, (count, int) => {
        const { cut, minority } = alone(count, int)
        expect(cut.length).toBe(2 * (count - 1))
        expect(cut.every(([from, to]) => [from, to].includes(minority[0] as number))).toBe(true)
      }),
    )
  })

  it('of one direction is one', () => {
    fc.assert(
      fc.property(counts, ints, (count, int) => {
        const [[from, to]] = oneWay(count, int).cut as [[number, number]]
        expect(from).not.toBe(to)
      }),
    )
  })

  it('with a bridge, or in a ring, leaves a way from everybody to everybody', () => {
    fc.assert(
      fc.property(counts, ints, fc.constantFrom(bridge, ring), (count, int, shape) => {
        const gone = new Set(shown(shape(count, int).cut))
        const reached = new Set([0])
        for (const from of reached) for (let to = 0; to < count; to += 1) if (!gone.has([from, to].join())) reached.add(to)
        expect(reached.size).toBe(count)
      }),
    )
  })

  it('in a ring of five leaves everybody two', () => {
    fc.assert(
      fc.property(ints, (int) => {
        const { cut } = ring(5, int)
        for (let node = 0; node < 5; node += 1) expect(cut.filter(([from]) => from === node)).toHaveLength(2)
        expect(shown(cut)).toEqual(shown(cut.map(([from, to]) => [to, from])))
      }),
    )
  })

  it('names nobody twice', () => {
    fc.assert(fc.property(counts, ints, (count, int) => new Set(shuffled(count, int)).size === count))
    expect(shown(between([[0], [1, 2]]))).toEqual(['0,1', '0,2', '1,0', '2,0'])
  })
})

describe('a frame', () => {
  /** SYN from 10.72.0.1 to 10.72.0.2 as the kernel hands it over, without a checksum. */
  const headers = '08000000000007000200000000020200000000010800'
  const ip = '4500002800004000400600000a4800010a480002'
  const tcp = '1f90138800000001000000005002ffff00000000'
  const frame = () => Buffer.from(headers + ip + tcp, 'hex')

  it('says whom it is for, when it carries IPv4', () => {
    expect(hostTo(frame())).toBe(2)
    expect(hostTo(Buffer.alloc(30))).toBeUndefined()
    const other = frame()
    other.writeUInt16BE(0x86dd, 20)
    expect(hostTo(other)).toBeUndefined()
  })

  it('gets a checksum that sums up to nothing with all it is over', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1400 }), fc.nat(0xffff), (payload, before) => {
        const whole = Buffer.concat([frame(), payload])
        whole.writeUInt16BE(40 + payload.length, 24)
        whole.writeUInt16BE(before, 58)
        sumUp(whole)
        const pseudo = Buffer.alloc(12)
        whole.copy(pseudo, 0, 34, 42)
        pseudo.writeUInt16BE(6, 8)
        pseudo.writeUInt16BE(20 + payload.length, 10)
        const over = Buffer.concat([pseudo, whole.subarray(42), Buffer.alloc(payload.length % 2)])
        let sum = 0
        for (let at = 0; at < over.length; at += 2) sum += over.readUInt16BE(at)
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
        expect(sum).toBe(0xffff)
      }),
    )
  })

  it('that says it is longer than it is stays as it is', () => {
    const lying = frame()
    lying.writeUInt16BE(0xfff0, 24)
    const before = Buffer.from(lying)
    sumUp(lying)
    expect(lying).toEqual(before)
  })
})
