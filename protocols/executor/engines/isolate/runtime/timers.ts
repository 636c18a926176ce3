/** setTimeout and friends. The host is told when to come back, and wakes one timer per turn, so that promises settle in between. */
import { apply, mapDelete, mapForEach, mapSet, max, min, now, SafeMap } from './primordials.ts'
import { enter, isOver, onCallEnd, owner } from './state.ts'
import { limits, met } from './limits.ts'
import { osirisError } from './errors.ts'
import { report } from './report.ts'

const DELAY_MAX_MS = 2 ** 31 - 1

interface Timer {
  id: number
  at: number
  everyMs: number | undefined
  run: (...args: unknown[]) => unknown
  args: unknown[]
  owner: number
}

const timers = new SafeMap<number, Timer>()
let live = 0
let lastId = 0
let changed = false

export function setTimer(run: unknown, delay: unknown, args: unknown[], repeats: boolean): number {
  if (typeof run !== 'function') throw new TypeError('A timer needs a function')
  // Nobody would be left to cancel it.
  if (isOver()) return ++lastId
  if (live >= limits.timersMax) throw tooMany()
  const wanted = Number(delay)
  const delayMs = wanted > 0 ? min(wanted, DELAY_MAX_MS) : 0
  const everyMs = repeats ? max(1, delayMs) : undefined
  const id = ++lastId
  mapSet(timers, id, { id, at: now() + delayMs, everyMs, run: run as Timer['run'], args, owner: owner() })
  live++
  changed = true
  return id
}

function tooMany(): Error {
  met(owner(), 'timers')
  const message = `Cannot set a timer: ${limits.timersMax} are alive already (execution.timers)`
  return osirisError({ code: 'quota_exceeded', message, limit: 'timers' })
}

export function clearTimer(id: unknown): void {
  if (live === 0 || !mapDelete(timers, Number(id))) return
  live--
  changed = true
}

/** Runs the timer that is due first; the host kept the time. The call on whose account that was, or 0. */
export function tick(): number {
  changed = true
  const timer = earliest()
  if (timer === undefined) return 0
  if (timer.everyMs === undefined) clearTimer(timer.id)
  else timer.at = now() + timer.everyMs
  enter(timer.owner)
  try {
    apply(timer.run, undefined, timer.args)
  } catch (error) {
    report('a timer', error)
  }
  return timer.owner
}

/** Milliseconds until the host should come back, -1 for never, undefined when that did not change. */
export function nextWake(): number | undefined {
  if (!changed) return undefined
  changed = false
  const timer = earliest()
  return timer === undefined ? -1 : max(0, timer.at - now())
}

function earliest(): Timer | undefined {
  if (live === 0) return undefined
  let first: Timer | undefined
  mapForEach(timers, (value: unknown) => {
    const timer = value as Timer
    if (first === undefined || timer.at < first.at || (timer.at === first.at && timer.id < first.id)) first = timer
  })
  return first
}

onCallEnd((id, nobodyLeft) => {
  if (live === 0) return
  mapForEach(timers, (value: unknown) => {
    const timer = value as Timer
    if (nobodyLeft || timer.owner === id) clearTimer(timer.id)
  })
})

export function installTimers(global: Record<string, unknown>): void {
  global['setTimeout'] = function setTimeout(run: unknown, delay?: unknown, ...args: unknown[]) {
    return setTimer(run, delay, args, false)
  }
  global['setInterval'] = function setInterval(run: unknown, delay?: unknown, ...args: unknown[]) {
    return setTimer(run, delay, args, true)
  }
  global['clearTimeout'] = function clearTimeout(id?: unknown) {
    clearTimer(id)
  }
  global['clearInterval'] = function clearInterval(id?: unknown) {
    clearTimer(id)
  }
  global['queueMicrotask'] = makeQueueMicrotask()
}

function makeQueueMicrotask() {
  const settled = Promise.resolve()
  const then = Promise.prototype.then
  return function queueMicrotask(run: unknown) {
    if (typeof run !== 'function') throw new TypeError('queueMicrotask needs a function')
    void apply(then, settled, [
      () => {
        try {
          apply(run, undefined, [])
        } catch (error) {
          report('a microtask', error)
        }
      },
    ])
  }
}
