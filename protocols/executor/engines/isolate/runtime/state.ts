/** Which calls are alive, and on whose account code runs. One isolate serves one version; several of its calls may overlap. */
import { mapDelete, mapForEach, mapGet, mapSet, max, SafeMap } from './primordials.ts'

export interface Active {
  id: number
  /** Called once when the call ends early: deadline, disconnect. */
  cancel?: (reason: string) => void
  /** Web calls: the request's body and the response's, as the host feeds them. */
  onChunk?: (bytes: Uint8Array<ArrayBuffer>) => void
  onEnd?: () => void
  onBroken?: (reason: string) => void
  onCredit?: (bytes: number) => void
}

const active = new SafeMap<number, Active>()
let count = 0
/** Code runs that a call left behind when it ended, in the turn it ended in. */
const OVER = -1
let current = 0
const endings: ((id: number, nobodyLeft: boolean) => void)[] = []

/** Runs when a call ends: cancels what it left behind. */
export function onCallEnd(ending: (id: number, nobodyLeft: boolean) => void): void {
  endings[endings.length] = ending
}

/** Until the next way in: promises that settle at the end of this turn are on the same account. */
export function enter(id: number): void {
  current = id
}

/** Whatever runs now is what an ended call left behind. */
export function isOver(): boolean {
  return current === OVER
}

export function register(call: Active): void {
  mapSet(active, call.id, call)
  count++
}

export function activeCall(id: number): Active | undefined {
  return mapGet(active, id) as Active | undefined
}

/** The call on whose account code runs now; 0 when nobody can tell, or when it is over. */
export function owner(): number {
  if (current !== 0) return max(0, current)
  if (count !== 1) return 0
  let sole = 0
  mapForEach(active, (_: unknown, id: unknown) => {
    sole = id as number
  })
  return sole
}

/** Whether the call was still alive. */
export function end(id: number): boolean {
  const known = mapDelete(active, id)
  if (known) count--
  if (current === id) current = OVER
  for (let index = 0; index < endings.length; index++) (endings[index] as (typeof endings)[number])(id, count === 0)
  return known
}
