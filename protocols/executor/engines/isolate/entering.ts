/** Entries that wait for a thread: what they may take is known when their turn comes, and whether anybody still wants them. */
import { ownerOf } from './answer.ts'
import type { OpenCalls } from './open-calls.ts'
import type { Timeouts } from './timeouts.ts'
import type { Aside, Entry } from './turns.ts'

/** An entry of a call with so much time left; `isFirst`: nothing of the call has run before it. */
export interface Entering {
  entry: Entry
  args: unknown[]
  callId: number
  msLeft: number
  isFirst: boolean
  copy?: object
}

export interface Account {
  open: OpenCalls
  timeouts: Timeouts
  /** Its time was over before it began. */
  late: (callId: number) => void
  /** Something is back from a thread. */
  back: () => void
}

/** `ended` and `broke`: exactly one of them is called, unless nobody wanted it any more. */
export function asideOf(entering: Entering, account: Account, ended: (result: unknown) => void, broke: (error: unknown) => void): Aside {
  const { entry, args, callId, msLeft, isFirst, copy } = entering
  const { open, timeouts } = account
  const queuedAt = performance.now()
  if (isFirst) open.queue(callId)
  const left = (owner: number, cpuMs: number) => {
    open.leave(callId)
    open.charge(owner, cpuMs)
    account.back()
  }
  return {
    entry,
    args,
    begin() {
      const now = performance.now()
      if (isFirst && now >= queuedAt + msLeft) account.late(callId)
      // It is over, answered or left, before any of it ran.
      if (isFirst && !open.has(callId)) return undefined
      open.enter(callId)
      return { ...timeouts.for(open.turnMsLeft(callId, Math.max(1, msLeft - (now - queuedAt))), now), ...copy }
    },
    ended(result, cpuMs) {
      left(ownerOf(result, callId), cpuMs)
      ended(result)
    },
    broke(error, cpuMs) {
      left(callId, cpuMs)
      broke(error)
    },
  }
}
