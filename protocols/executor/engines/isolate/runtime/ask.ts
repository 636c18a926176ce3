/** What the function asks of its node while it runs: for now, calls of other functions. One request, one promise. */
import { ARGUMENTS_MAX, ASK_BYTES_MAX } from '../../../bounds.ts'
import { apply, mapDelete, mapForEach, mapGet, mapSet, parse, SafeMap, slice, stringify } from './primordials.ts'
import { OUT } from './codes.ts'
import { osirisError } from './errors.ts'
import { say } from './outbox.ts'
import { enter, onCallEnd, owner } from './state.ts'
import { isLongerThan } from './text.ts'

const OPEN_MAX = 256

interface Waiting {
  owner: number
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
}

const waiting = new SafeMap<number, Waiting>()
let open = 0
let lastId = 0
const NativePromise = Promise

export function ask(ref: unknown, args: unknown[]): Promise<unknown> {
  return new NativePromise((resolve, reject) => {
    if (typeof ref !== 'string') throw new TypeError('call() needs a reference such as "namespace/name"')
    if (open >= OPEN_MAX) throw new RangeError(`More than ${OPEN_MAX} calls are waiting for an answer`)
    const text = stringify(args)
    const act = `Cannot call ${stringify(slice(ref, 0, 200))}`
    if (args.length > ARGUMENTS_MAX)
      throw osirisError({ code: 'invalid_argument', message: `${act}: ${args.length} arguments are too many (at most ${ARGUMENTS_MAX})` })
    if (isLongerThan(text, ASK_BYTES_MAX))
      throw osirisError({ code: 'payload_too_large', message: `${act}: its arguments are longer than ${ASK_BYTES_MAX} bytes` })
    const id = ++lastId
    open++
    const asker = owner()
    mapSet(waiting, id, { resolve, reject, owner: asker })
    say(OUT.ask, id, stringify({ __proto__: null, kind: 'call', ref, args: text }), asker)
  })
}

/** The call on whose account the answer goes on, or 0. */
export function answerAsk(id: number, text: string, failed: boolean): number {
  const entry = mapGet(waiting, id) as Waiting | undefined
  if (entry === undefined) return 0
  mapDelete(waiting, id)
  open--
  enter(entry.owner)
  const value = parse(text) as unknown
  apply(failed ? entry.reject : entry.resolve, undefined, [failed ? osirisError(value as Parameters<typeof osirisError>[0]) : value])
  return entry.owner
}

onCallEnd((_, nobodyLeft) => {
  if (!nobodyLeft || open === 0) return
  open = 0
  // Nobody is left to hear: the promises stay pending and are collected with their call.
  mapForEach(waiting, (_: unknown, id: unknown) => mapDelete(waiting, id))
})
