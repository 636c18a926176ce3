import { expect, test } from 'vitest'
import type { Clock } from '#protocols/lifecycle'
import { Monitor, type Watched } from './libp2p-monitor.ts'

const EVERY_MS = 10_000

/** A clock whose rounds are let run by hand, and two connections: one that answers, and one as it is told. */
function world() {
  let [now, next] = [0, (): void => {}]
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    after: (_, run) => {
      next = run
      return () => (next = () => {})
    },
  }
  const pings: string[] = []
  const ended: string[] = []
  let open: Watched[] = []
  const connection = (id: string, ping: () => Promise<unknown>): Watched => ({
    id,
    ping: () => (pings.push(id), ping()),
    abort: () => {
      ended.push(id)
      open = open.filter((each) => each.id !== id)
    },
  })
  const monitor = new Monitor({ connections: () => open, clock, everyMs: EVERY_MS })
  monitor.start()
  return {
    pings,
    ended,
    stop: () => monitor.stop(),
    open: (id: string, ping: () => Promise<unknown>) => void open.push(connection(id, ping)),
    /** What is due after so long, and what comes of it at once. */
    pass: async (ms: number) => {
      await new Promise((resolve) => setImmediate(resolve))
      now += ms
      next()
      await new Promise((resolve) => setImmediate(resolve))
    },
  }
}
const answers = async (): Promise<unknown> => 1
const never = (): Promise<unknown> => new Promise(() => {})

test('a connection that answers no ping ends within one and a half rounds, and no other', async () => {
  const { open, pass, pings, ended } = world()
  open('good', answers)
  open('silent', never)
  open('closing', () => Promise.reject(new Error('closed')))
  await pass(EVERY_MS / 2)
  expect(pings).toEqual(['good', 'silent', 'closing'])
  open('new', never)
  await pass(EVERY_MS / 2)
  expect(ended).toEqual(['silent'])
  await pass(EVERY_MS / 2)
  expect(pings.slice(3)).toEqual(['good', 'closing', 'new'])
})

test('who had no processor judges nobody before the answers were read', async () => {
  const { open, pass, ended } = world()
  let answer = (): void => {}
  open('slow', () => new Promise<void>((resolve) => (answer = resolve)))
  open('silent', never)
  await pass(EVERY_MS / 2)
  await pass(EVERY_MS * 3)
  expect(ended).toEqual([])
  answer()
  await pass(EVERY_MS / 2)
  expect(ended).toEqual(['silent'])
})

test('after stop() nobody is pinged', async () => {
  const { open, pass, pings, stop } = world()
  open('good', answers)
  stop()
  await pass(EVERY_MS)
  expect(pings).toEqual([])
})
