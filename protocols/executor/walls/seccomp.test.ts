import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seccompProgram } from './seccomp.ts'
import { type Architecture, AUDIT_ARCH, JUDGED, NEWEST, REFUSED } from './syscalls.ts'

const ALLOW = 0x7fff0000
const KILL = 0x80000000
const EPERM = 0x00050001
const ENOSYS = 0x00050026
const CLONE_THREAD = 0x10000
const KINDS: Architecture[] = ['x64', 'arm64']

/** What the kernel does with such a program: `struct sock_filter` over `struct seccomp_data`. */
function judge(program: Buffer, data: { arch: number; number: number; args?: number[] }): number {
  const words = new Map([
    [0, data.number],
    [4, data.arch],
    ...(data.args ?? []).map((value, index) => [16 + 8 * index, value] as [number, number]),
  ])
  let loaded = 0
  for (let at = 0; at < program.length; at += 8) {
    const [code, whenTrue, whenFalse, k] = [
      program.readUInt16LE(at),
      program.readUInt8(at + 2),
      program.readUInt8(at + 3),
      program.readUInt32LE(at + 4),
    ]
    if (code === 0x06) return k
    if (code === 0x20) loaded = (words.get(k) ?? 0) >>> 0
    else {
      const holds = code === 0x15 ? loaded === k : code === 0x25 ? loaded > k : (loaded & k) !== 0
      at += 8 * (holds ? whenTrue : whenFalse)
    }
  }
  throw new Error('the program has no end')
}

describe.each(KINDS)('the filter for %s', (kind) => {
  const program = seccompProgram(kind)
  const at = kind === 'x64' ? 0 : 1
  const arch = AUDIT_ARCH[kind]
  const refused = new Set(Object.values(REFUSED).map((pair) => pair[at]))
  const judged = new Set<number>(Object.values(JUDGED).map((pair) => pair[at]))

  test('refuses what is in the table, allows the rest, and knows nothing newer than it', () => {
    for (let number = 0; number <= NEWEST + 200; number++) {
      if (judged.has(number)) continue
      const expected = refused.has(number) ? EPERM : number > NEWEST ? ENOSYS : ALLOW
      expect([number, judge(program, { arch, number })]).toEqual([number, expected])
    }
  })
  test('ends a process that calls by the numbers of another architecture, and refuses the numbers of x32', () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.nat(1000), (other, number) => {
        expect(other === arch || judge(program, { arch: other, number }) === KILL).toBe(true)
        expect([EPERM, KILL]).toContain(judge(program, { arch, number: number + 0x40000000 }))
      }),
    )
  })
  test('allows threads and refuses processes', () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), (flags) => {
        const verdict = judge(program, { arch, number: JUDGED.clone[at], args: [flags] })
        expect(verdict).toBe((flags & CLONE_THREAD) === 0 ? EPERM : ALLOW)
      }),
    )
    expect(judge(program, { arch, number: JUDGED.clone3[at], args: [0] })).toBe(ENOSYS)
  })
  test('allows a signal to itself only, and keeps the tie to the life of the node', () => {
    const verdict = (name: keyof typeof JUDGED, args: number[]) => judge(program, { arch, number: JUDGED[name][at], args })
    expect(verdict('tgkill', [1, 7])).toBe(ALLOW)
    expect(verdict('tgkill', [2, 7])).toBe(EPERM)
    expect(verdict('prctl', [1, 0])).toBe(EPERM)
    expect(verdict('prctl', [15, 0])).toBe(ALLOW)
    expect(verdict('ioctl', [0, 0x5412])).toBe(EPERM)
    expect(verdict('ioctl', [0x5412, 0x5421])).toBe(ALLOW)
  })
  test('refuses what its threats name', () => {
    const names = [
      'socket',
      'connect',
      'ptrace',
      'mount',
      'io_uring_setup',
      'bpf',
      'unshare',
      'setns',
      'keyctl',
      'memfd_create',
      'execveat',
      'kill',
    ] as const
    for (const name of names) expect([name, judge(program, { arch, number: REFUSED[name]?.[at] ?? 0 })]).toEqual([name, EPERM])
  })
})
