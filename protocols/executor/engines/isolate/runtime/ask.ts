/** What the function asks of its node while it runs: calls of other functions, messages to topics. One request, one promise. */
import { ARGUMENTS_MAX, ASK_BYTES_MAX } from '../../../bounds.ts'
import { apply, mapDelete, mapForEach, mapGet, mapSet, parse, SafeMap, slice, stringify } from './primordials.ts'
import { OUT } from './codes.ts'
import { osirisError } from './errors.ts'
import { say } from './outbox.ts'
import { enter, onCallEnd, owner } from './state.ts'
import { isLongerThan } from './text.ts'

const OPEN_MAX = 256
/** More than any name may have: what is cut is refused as the whole would be, and no frame is too long for what stands beside it. */
const NAMES_MAX = 1024

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
  return request(() => {
    if (typeof ref !== 'string') throw new TypeError('call() needs a reference such as "namespace/name"')
    const text = stringify(args)
    const act = `Cannot call ${stringify(slice(ref, 0, 200))}`
    if (args.length > ARGUMENTS_MAX)
      throw osirisError({ code: 'invalid_argument', message: `${act}: ${args.length} arguments are too many (at most ${ARGUMENTS_MAX})` })
    if (isLongerThan(text, ASK_BYTES_MAX))
      throw osirisError({ code: 'payload_too_large', message: `${act}: its arguments are longer than ${ASK_BYTES_MAX} bytes` })
    return { __proto__: null, kind: 'call', ref: slice(ref, 0, NAMES_MAX), args: text }
  })
}

/** `undefined` travels as `null`, as results do. */
export function publish(topic: unknown, data: unknown, options: unknown): Promise<unknown> {
  return request(() => {
    if (typeof topic !== 'string') throw new TypeError('publish() needs a topic such as "orders.created"')
    const act = `Cannot publish to ${stringify(slice(topic, 0, 200))}`
    const text = data === undefined ? 'null' : (stringify(data) as unknown)
    if (typeof text !== 'string') throw osirisError({ code: 'invalid_argument', message: `${act}: the data is a ${typeof data}` })
    if (isLongerThan(text, ASK_BYTES_MAX))
      throw osirisError({ code: 'payload_too_large', message: `${act}: the data is longer than ${ASK_BYTES_MAX} bytes` })
    const { id, key } = (options ?? {}) as { id?: unknown; key?: unknown }
    if ((id !== undefined && typeof id !== 'string') || (key !== undefined && typeof key !== 'string'))
      throw osirisError({ code: 'invalid_argument', message: `${act}: id and key are texts` })
    const chosen = {
      id: id === undefined ? undefined : slice(id, 0, NAMES_MAX),
      key: key === undefined ? undefined : slice(key, 0, NAMES_MAX),
    }
    return { __proto__: null, kind: 'publish', topic: slice(topic, 0, NAMES_MAX), data: text, ...chosen }
  })
}

/** `make` reads what the function gave: what it throws rejects the promise. */
function request(make: () => object): Promise<unknown> {
  return new NativePromise((resolve, reject) => {
    if (open >= OPEN_MAX) throw new RangeError(`More than ${OPEN_MAX} calls and messages are waiting for an answer`)
    const text = stringify(make())
    const id = ++lastId
    open++
    const asker = owner()
    mapSet(waiting, id, { resolve, reject, owner: asker })
    say(OUT.ask, id, text, asker)
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
