/**
 * The filter of system calls as the program the kernel takes: classic BPF over `struct seccomp_data` (seccomp(2), linux/bpf_common.h), 8 bytes an
 * instruction. Pure.
 *
 * A list of what is refused, not of what is allowed: which calls Node, V8 and the C library make changes with every version of each, and a call that
 * is missing from such a list ends a worker on a rare path, long after the probe. What the list cannot know, calls newer than itself, is answered as
 * an older kernel would answer it (ENOSYS), for which every program has a way out.
 */
import { endianness } from 'node:os'
import { type Architecture, AUDIT_ARCH, JUDGED, NEWEST, REFUSED } from './syscalls.ts'

const ALLOW = 0x7fff_0000
const KILL = 0x8000_0000
const ERRNO = 0x0005_0000
const EPERM = 1
const ENOSYS = 38

/** Offsets into `struct seccomp_data`; arguments are 64 bits, of which the lower half decides here. */
const NUMBER = 0
const ARCH = 4
const argument = (index: number) => 16 + index * 8

const LOAD = 0x20 // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_GREATER = 0x25 // BPF_JMP | BPF_JGT | BPF_K
const JUMP_SET = 0x45 // BPF_JMP | BPF_JSET | BPF_K
const RETURN = 0x06 // BPF_RET | BPF_K

/** Calls of the x32 ABI carry this bit: another numbering of the same kernel, for programs we do not have. */
const X32_BIT = 0x4000_0000
const CLONE_THREAD = 0x0001_0000
/** The worker must not outlive its node: what the sandbox set stays set. Also no change of what may look into it, or of its memory map. */
const PRCTL_REFUSED = { PR_SET_PDEATHSIG: 1, PR_SET_MM: 35, PR_SET_PTRACER: 0x5961_6d61 }
/** Typing into a terminal. */
const IOCTL_REFUSED = { TIOCSTI: 0x5412, TIOCLINUX: 0x541c }
/** The worker is process 1 of its namespace; abort(3) signals itself. */
const OWN_PID = 1

type Instruction = readonly [code: number, k: number, whenTrue?: number, whenFalse?: number]

const refuse = (errno: number): Instruction => [RETURN, ERRNO | errno]

/** The program, for bubblewrap's `--seccomp`. */
export function seccompProgram(architecture: Architecture): Buffer {
  const at = architecture === 'x64' ? 0 : 1
  const numbers = Object.values(REFUSED).flatMap((pair) => pair[at] ?? [])
  return encode([
    [LOAD, ARCH],
    [JUMP_EQUAL, AUDIT_ARCH[architecture], 1, 0],
    [RETURN, KILL],
    [LOAD, NUMBER],
    ...when(JUMP_SET, X32_BIT, refuse(EPERM)),
    ...when(JUMP_GREATER, NEWEST, refuse(ENOSYS)),
    ...numbers.flatMap((number) => when(JUMP_EQUAL, number, refuse(EPERM))),
    // Its flags lie in memory, where no filter sees them; the C library then takes clone.
    ...when(JUMP_EQUAL, JUDGED.clone3[at], refuse(ENOSYS)),
    ...judged(JUDGED.clone[at], 0, [[JUMP_SET, CLONE_THREAD, 1, 0], refuse(EPERM)]),
    ...judged(JUDGED.tgkill[at], 0, [[JUMP_EQUAL, OWN_PID, 1, 0], refuse(EPERM)]),
    ...judged(
      JUDGED.prctl[at],
      0,
      Object.values(PRCTL_REFUSED).flatMap((option) => when(JUMP_EQUAL, option, refuse(EPERM))),
    ),
    ...judged(
      JUDGED.ioctl[at],
      1,
      Object.values(IOCTL_REFUSED).flatMap((request) => when(JUMP_EQUAL, request, refuse(EPERM))),
    ),
    [RETURN, ALLOW],
  ])
}

/** One instruction that happens only when the loaded word compares so. */
function when(jump: number, k: number, then: Instruction): Instruction[] {
  return [[jump, k, 0, 1], then]
}

/** For one call: its argument is judged by `rules`, whatever they leave is allowed. */
function judged(number: number, index: number, rules: Instruction[]): Instruction[] {
  return [[JUMP_EQUAL, number, 0, rules.length + 2], [LOAD, argument(index)], ...rules, [RETURN, ALLOW]]
}

/** `struct sock_filter`: u16 code, u8 jt, u8 jf, u32 k, in the byte order of the machine. */
function encode(program: Instruction[]): Buffer {
  if (endianness() !== 'LE') throw new Error('no filter for this byte order')
  const bytes = Buffer.alloc(program.length * 8)
  program.forEach(([code, k, whenTrue = 0, whenFalse = 0], index) => {
    bytes.writeUInt16LE(code, index * 8)
    bytes.writeUInt8(whenTrue, index * 8 + 2)
    bytes.writeUInt8(whenFalse, index * 8 + 3)
    bytes.writeUInt32LE(k >>> 0, index * 8 + 4)
  })
  return bytes
}
