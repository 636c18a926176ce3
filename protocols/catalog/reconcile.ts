/**
 * Range-based set reconciliation (Aljoscha Meyer, "Range-Based Set Reconciliation", 2022): one side finds the ids that the other has and it
 * lacks, at a cost near the difference. It sends a fingerprint per range of the sorted ids; the other side says for each range "the same",
 * or how the fingerprints of its parts are, or asks for the few ids the range holds here, and answers those with what is missing.
 *
 * Pure: sets and messages in, messages out. The answering side keeps no state between messages. Both sides are bounded by what a message
 * may weigh (`BYTES_MAX`), the asking side also by `ROUNDS_MAX`, `PENDING_MAX` and `NEED_MAX`: what is not found this time is found next time.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { OsirisError } from '#protocols/errors'
import { FINGERPRINT_BYTES, ID_BYTES, type IdSet } from './id-set.ts'

export const SALT_BYTES = 8
/** Parts of a range that differs. Four cost the least bytes per difference together with lists of 16; a round trip splits twice. */
const PARTS = 4
/** Parts of everything, at first: most of them differ or the digests would not have been worth comparing. */
const PARTS_FIRST = 16
/** A range of so few ids here is listed instead of split… */
const LIST_MAX = 16
/** …and of so few when the other side has few too. */
const LIST_ASKED_MAX = 64
/** Of one message, as counted by `weigh`: two such messages travel while a call waits for one. */
export const BYTES_MAX = 64 * 1024
/** What a message of that weight may have in CBOR, at the most. */
export const MESSAGE_BYTES_MAX = 2 * BYTES_MAX
const RANGES_MAX = 8192
const PENDING_MAX = 16_384
/** Found in one session; the next one goes on. */
export const NEED_MAX = 4096
/** Twice what two sets of 10^12 ids take. */
export const ROUNDS_MAX = 40
/** Of a listed id, salted: see `IdSet.fingerprint`. */
const SHORT_BYTES = 8

/** What is said of a range, as a number: a word would cost as much as a fingerprint. */
const SKIP = 0
const PRINT = 1
const LIST = 2
const FEW = 3
const IDS = 4

const bytesSchema = (fits: (length: number) => boolean) =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && fits(value.length))
const saltSchema = bytesSchema((length) => length === SALT_BYTES)
const boundSchema = bytesSchema((length) => length <= ID_BYTES)
const fingerprintSchema = bytesSchema((length) => length === FINGERPRINT_BYTES)
const shortsSchema = bytesSchema((length) => length % SHORT_BYTES === 0)
const idsSchema = bytesSchema((length) => length % ID_BYTES === 0)

/** Ranges in order; each begins where the one before it ended and ends before its bound (empty: no end). */
export const questionSchema = z.strictObject({
  salt: saltSchema,
  ranges: z
    .array(
      z.union([
        z.tuple([z.literal(SKIP), boundSchema]),
        z.tuple([z.literal(PRINT), boundSchema, fingerprintSchema]),
        z.tuple([z.literal(LIST), boundSchema, shortsSchema]),
      ]),
    )
    .max(RANGES_MAX),
})
/** Covers the question from its beginning up to the last bound; the rest is to be asked again. */
export const answerSchema = z.strictObject({
  ranges: z
    .array(
      z.union([
        z.tuple([z.literal(SKIP), boundSchema]),
        z.tuple([z.literal(PRINT), boundSchema, fingerprintSchema]),
        z.tuple([z.literal(FEW), boundSchema]),
        z.tuple([z.literal(IDS), boundSchema, idsSchema]),
      ]),
    )
    .max(RANGES_MAX),
})
export type Question = z.infer<typeof questionSchema>
export type Answer = z.infer<typeof answerSchema>
type AskedRange = Question['ranges'][number]
type AnsweredRange = Answer['ranges'][number]

const START = new Uint8Array()

/** From `lower` on, before `upper` (`null`: no end). */
interface Span {
  lower: Uint8Array
  upper: Uint8Array | null
}

interface Pending extends Span {
  /** Into how many parts to split it… */
  parts: number
  /** …unless it holds so few ids here. */
  listMax: number
}

/** What this side answers. Throws `invalid_argument` for ranges out of order. */
export function answerTo(set: IdSet, { salt, ranges }: Question): Answer {
  const answers: AnsweredRange[] = []
  let lower: Uint8Array = START
  let left = BYTES_MAX
  for (const asked of ranges) {
    const upper = upperOf(asked[1])
    assertAscending(lower, upper)
    for (const each of answerRange(set, salt, asked, { lower, upper }, left)) {
      left -= weigh(each)
      if (left < 0 && answers.length > 0) return { ranges: answers }
      push(answers, each)
    }
    const covered = answers.at(-1)?.[1]
    if (covered === undefined || Buffer.compare(covered, asked[1]) !== 0 || upper === null) break
    lower = upper
  }
  return { ranges: answers }
}

/** The last bound of what comes is the range's own, except when ids were cut off at `bytesMax`. */
function answerRange(set: IdSet, salt: Uint8Array, asked: AskedRange, span: Span, bytesMax: number): AnsweredRange[] {
  const bound = asked[1]
  const from = set.before(span.lower)
  const to = set.before(span.upper)
  if (asked[0] === SKIP || from === to) return [[SKIP, bound]]
  if (asked[0] === LIST) return missingFrom(set, salt, asked, from, to, bytesMax)
  if (set.fingerprint(salt, from, to).equals(asked[2])) return [[SKIP, bound]]
  if (to - from <= LIST_MAX) return [[FEW, bound]]
  return printed(set, salt, span, PARTS)
}

function missingFrom(
  set: IdSet,
  salt: Uint8Array,
  [, bound, shorts]: Extract<AskedRange, [typeof LIST, ...unknown[]]>,
  from: number,
  to: number,
  bytesMax: number,
): AnsweredRange[] {
  const known = new Set<string>()
  for (let at = 0; at < shorts.length; at += SHORT_BYTES) known.add(hexOf(shorts.subarray(at, at + SHORT_BYTES)))
  const missing: Uint8Array[] = []
  const idsMax = Math.max(1, Math.floor(bytesMax / ID_BYTES) - 2)
  for (let at = from; at < to; at += 1) {
    if (missing.length === idsMax) return [[IDS, set.boundAt(at), Buffer.concat(missing)]]
    if (!known.has(hexOf(shortOf(salt, set.idAt(at))))) missing.push(set.idAt(at))
  }
  return [missing.length === 0 ? [SKIP, bound] : [IDS, bound, Buffer.concat(missing)]]
}

/** Finds what the other side has and this one lacks: ask `next()`, `take()` the answer, until there is no next. */
export class Reconciliation {
  /** Ids as hex, in order. */
  readonly need: string[] = []
  rounds = 0
  readonly #set: IdSet
  readonly #salt: Uint8Array
  #pending: Pending[] = [{ lower: START, upper: null, parts: PARTS_FIRST, listMax: LIST_MAX }]
  #asked: Pending[] = []

  /** `salt`: random bytes that the other side could not foresee. */
  constructor(set: IdSet, salt: Uint8Array) {
    this.#set = set
    this.#salt = salt
  }

  /** Whether `need` is all there is; else another session finds more. */
  get complete(): boolean {
    return this.#pending.length === 0 && this.#asked.length === 0
  }

  /** `undefined`: done, or enough for this session. */
  next(): Question | undefined {
    if (this.#pending.length === 0 || this.rounds === ROUNDS_MAX || this.need.length >= NEED_MAX) return undefined
    this.rounds += 1
    const ranges: AskedRange[] = []
    let left = BYTES_MAX
    let lower: Uint8Array = START
    let count = 0
    for (const pending of this.#pending) {
      const asked: AskedRange[] = [
        ...(Buffer.compare(lower, pending.lower) < 0 ? [[SKIP, pending.lower] satisfies AskedRange] : []),
        ...this.#ask(pending),
      ]
      for (const each of asked) left -= weigh(each)
      if (left < 0 && count > 0) break
      ranges.push(...asked)
      count += 1
      if (pending.upper === null) break
      lower = pending.upper
    }
    this.#asked = this.#pending.splice(0, count)
    return { salt: this.#salt, ranges }
  }

  /** Throws `invalid_argument` for an answer to something else. */
  take({ ranges }: Answer): void {
    const asked = this.#asked
    const differ: Pending[] = []
    let lower: Uint8Array | null = START
    let at = 0
    for (const answered of ranges) {
      if (lower === null) throw malformed('it goes on after its end')
      const span: Span = { lower, upper: upperOf(answered[1]) }
      assertAscending(lower, span.upper)
      while (answered[0] !== SKIP && isBefore(asked[at], lower)) at += 1
      if (answered[0] !== SKIP && !contains(asked[at], span)) throw malformed('nobody asked for that range')
      const left = this.#judge(answered, span)
      if (left !== undefined) differ.push(left)
      lower = span.upper
    }
    const rest = restOf(asked, lower)
    if (asked.length > 0 && rest.length === asked.length && rest[0]?.lower === asked[0]?.lower) throw malformed('it says nothing')
    this.#asked = []
    this.#pending = [...differ, ...rest, ...this.#pending].slice(0, PENDING_MAX)
  }

  #ask(pending: Pending): AskedRange[] {
    const from = this.#set.before(pending.lower)
    const to = this.#set.before(pending.upper)
    if (to - from > pending.listMax) return printed(this.#set, this.#salt, pending, pending.parts)
    const shorts = Array.from({ length: to - from }, (_, at) => shortOf(this.#salt, this.#set.idAt(from + at)))
    return [[LIST, boundOf(pending.upper), Buffer.concat(shorts)]]
  }

  /** What of the range is still open. */
  #judge(answered: AnsweredRange, span: Span): Pending | undefined {
    if (answered[0] === FEW) return { ...span, parts: PARTS, listMax: LIST_ASKED_MAX }
    if (answered[0] === IDS) this.#collect(answered[2], span)
    if (answered[0] !== PRINT) return undefined
    const same = this.#set.fingerprint(this.#salt, this.#set.before(span.lower), this.#set.before(span.upper)).equals(answered[2])
    return same ? undefined : { ...span, parts: PARTS, listMax: LIST_MAX }
  }

  #collect(ids: Uint8Array, { lower, upper }: Span): void {
    let last: Uint8Array | undefined
    for (let at = 0; at < ids.length; at += ID_BYTES) {
      const id = ids.subarray(at, at + ID_BYTES)
      const isOutside = Buffer.compare(id, lower) < 0 || (upper !== null && Buffer.compare(id, upper) >= 0)
      if (isOutside || (last !== undefined && Buffer.compare(last, id) >= 0)) throw malformed('its ids are not in their range, in order')
      if (!this.#set.has(id)) this.need.push(hexOf(id))
      last = id
    }
  }
}

/** The fingerprints of a range in parts of about as many ids each. */
function printed(set: IdSet, salt: Uint8Array, { lower, upper }: Span, parts: number): [typeof PRINT, Uint8Array, Uint8Array][] {
  const from = set.before(lower)
  const to = set.before(upper)
  return Array.from({ length: parts }, (_, part) => {
    const start = from + Math.floor(((to - from) * part) / parts)
    const end = from + Math.floor(((to - from) * (part + 1)) / parts)
    return [PRINT, part === parts - 1 ? boundOf(upper) : set.boundAt(end), set.fingerprint(salt, start, end)]
  })
}

/** What of the asked ranges lies behind `covered`. */
function restOf(asked: readonly Pending[], covered: Uint8Array | null): Pending[] {
  if (covered === null) return []
  const rest = asked.filter(({ upper }) => upper === null || Buffer.compare(upper, covered) > 0)
  return rest.map((each) => (Buffer.compare(each.lower, covered) < 0 ? { ...each, lower: covered } : each))
}

/** Neighbouring ranges of which there is nothing to say are one. */
function push(answers: AnsweredRange[], next: AnsweredRange): void {
  if (next[0] === SKIP && answers.at(-1)?.[0] === SKIP) answers.pop()
  answers.push(next)
}

function shortOf(salt: Uint8Array, id: Uint8Array): Buffer {
  return createHash('sha256').update(salt).update(id).digest().subarray(0, SHORT_BYTES)
}

function upperOf(bound: Uint8Array): Uint8Array | null {
  return bound.length === 0 ? null : bound
}

function boundOf(upper: Uint8Array | null): Uint8Array {
  return upper ?? START
}

function isBefore(span: Span | undefined, bound: Uint8Array): boolean {
  return span !== undefined && span.upper !== null && Buffer.compare(span.upper, bound) <= 0
}

function contains(outer: Span | undefined, inner: Span): boolean {
  if (outer === undefined || Buffer.compare(inner.lower, outer.lower) < 0) return false
  return outer.upper === null || (inner.upper !== null && Buffer.compare(inner.upper, outer.upper) <= 0)
}

function assertAscending(lower: Uint8Array, upper: Uint8Array | null): void {
  if (upper !== null && Buffer.compare(lower, upper) >= 0) throw malformed('its ranges are not in order')
}

/** Bytes in CBOR, at the most. */
function weigh(range: AskedRange | AnsweredRange): number {
  return 6 + range[1].length + (range[2]?.length ?? 0)
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

function malformed(state: string): OsirisError {
  return new OsirisError('invalid_argument', `Cannot compare sets with this message: ${state}`)
}
