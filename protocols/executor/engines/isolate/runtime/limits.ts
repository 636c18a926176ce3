/** Limits the runtime itself watches over, and telling the host, once per call, that one was met. */
import { mapDelete, mapGet, mapSet, SafeMap } from './primordials.ts'
import { OUT } from './codes.ts'
import { say } from './outbox.ts'
import { onCallEnd } from './state.ts'

export const limits = { logBytesMax: 0, timersMax: 0 }

/** Calls (0: nobody's) by what they met already. */
const told = { timers: new SafeMap<number, boolean>(), logs: new SafeMap<number, boolean>() }

export function met(id: number, limit: keyof typeof told): void {
  if (mapGet(told[limit], id) !== undefined) return
  mapSet(told[limit], id, true)
  say(OUT.limit, id, limit)
}

onCallEnd((id, nobodyLeft) => {
  forget(id)
  if (nobodyLeft) forget(0)
})

function forget(id: number): void {
  mapDelete(told.timers, id)
  mapDelete(told.logs, id)
}
