import { expect, test } from 'vitest'
import type { Outcome } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { RemoteCandidate } from './candidates.ts'
import { FakeMembers, versionFor } from './router.world.ts'

const VERSION = versionFor('busy')
const ENDED = { kind: 'value', meta: { timing: { run: 1, cold: 0, queue: 0 } } } as unknown as Outcome

function handing() {
  const members = new FakeMembers()
  members.set({ peer: 'one', name: 'one' })
  const [member] = members.list()
  const candidate = new RemoteCandidate(member!, systemClock, () => 1000)
  const beats = (inFlight: number) => Object.assign(member!, { inFlight, seenAt: member!.seenAt + 1 })
  return { candidate, beats }
}

test('calls that a beat counted, and that were handed over from here, are not counted any more when they have ended', () => {
  const { candidate, beats } = handing()
  const own = Array.from({ length: 12 }, () => candidate.began(VERSION))
  beats(12)
  expect(candidate.inFlight).toBe(12)
  for (const each of own) candidate.ended(each, ENDED)
  expect(candidate.inFlight).toBe(0)
})

test('calls that others handed over count until the next beat; those from here count whatever the member says', () => {
  const { candidate, beats } = handing()
  const own = Array.from({ length: 12 }, () => candidate.began(VERSION))
  beats(20)
  expect(candidate.inFlight).toBe(20)
  for (const each of own.splice(0, 10)) candidate.ended(each, ENDED)
  expect(candidate.inFlight).toBe(10)
  beats(0)
  expect(candidate.inFlight).toBe(2)
})
