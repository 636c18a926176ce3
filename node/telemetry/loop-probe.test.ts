import { expect, it } from 'vitest'
import type { Clock } from '#protocols/lifecycle'
import { LoopProbe } from './loop-probe.ts'

/** Time that passes when told to; a timer fires at the end of the step in which it is due. */
function stepped() {
  let now = 0
  let due: { at: number; run: () => void } | undefined
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    after: (delayMs, run) => {
      due = { at: now + delayMs, run }
      return () => (due = undefined)
    },
  }
  const pass = (ms: number) => {
    now += ms
    if (due !== undefined && due.at <= now) due.run()
  }
  return { clock, pass, isWaiting: () => due !== undefined }
}

/** Processors as the test says. */
function schedstatOf() {
  const state = { ranMs: 0, waitedMs: { main: 0, helper: 0 } }
  return { ...state, read: schedstatAt, close: () => {} }
}

function schedstatAt(this: { ranMs: number; waitedMs: { [thread: string]: number } }) {
  return { ranMs: this.ranMs, waitedMs: new Map(Object.entries(this.waitedMs)) }
}

it('tells the longest delay once, and begins anew', () => {
  const { clock, pass } = stepped()
  const probe = new LoopProbe({ clock, schedstat: schedstatOf() })
  pass(20)
  pass(150)
  pass(60)
  expect(probe.take()).toBe(130)
  pass(25)
  expect(probe.take()).toBe(5)
})

it('does not wait for its timer to see that it is late', () => {
  const { clock, pass } = stepped()
  const probe = new LoopProbe({ clock: { ...clock, after: () => () => {} }, schedstat: schedstatOf() })
  pass(90)
  expect(probe.take()).toBe(70)
})

it('leaves out the time in which the machine gave this process no processor', () => {
  const { clock, pass } = stepped()
  const schedstat = schedstatOf()
  const probe = new LoopProbe({ clock, schedstat })
  schedstat.waitedMs.main = 200
  pass(230)
  expect(probe.take()).toBe(10)
})

it('leaves out the time in which it waited for a thread that got no processor: a helper of a collection', () => {
  const { clock, pass } = stepped()
  const schedstat = schedstatOf()
  const probe = new LoopProbe({ clock, schedstat })
  schedstat.waitedMs.helper = 90
  schedstat.ranMs = 5
  pass(120)
  expect(probe.take()).toBe(10)
})

it('counts what it computed, whoever waited meanwhile', () => {
  const { clock, pass } = stepped()
  const schedstat = schedstatOf()
  const probe = new LoopProbe({ clock, schedstat })
  schedstat.waitedMs.helper = 150
  schedstat.ranMs = 140
  pass(170)
  expect(probe.take()).toBe(140)
})

it('sees this very process held up', () => {
  const probe = new LoopProbe({ clock: { now: Date.now, monotonic: () => performance.now(), after: () => () => {} } })
  const startedAt = performance.now()
  // Time on a processor: a busy machine makes this last longer, and that part is not counted.
  const before = process.threadCpuUsage()
  const computedMs = ({ user, system } = process.threadCpuUsage(before)) => (user + system) / 1000
  while (computedMs() < 60);
  const held = probe.take()
  expect(held).toBeGreaterThan(0)
  expect(held).toBeLessThan(performance.now() - startedAt)
})

it('stop() leaves no timer', () => {
  const { clock, isWaiting } = stepped()
  const probe = new LoopProbe({ clock, schedstat: schedstatOf() })
  probe.stop()
  expect(isWaiting()).toBe(false)
})
