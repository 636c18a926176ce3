import fc from 'fast-check'
import { expect, it } from 'vitest'
import { errorStatus, type ErrorCode, OsirisError } from '#protocols/errors'
import { failed, NO_TIMING, type Outcome } from '#protocols/invocation'
import { courseOf, pauseMs } from './verdict.ts'

const codes = fc.constantFrom(...(Object.keys(errorStatus) as ErrorCode[]))
const flags = fc.record({ idempotent: fc.boolean(), cancelled: fc.boolean(), aborted: fc.boolean() })

it('a function that may have started is started again only where it is idempotent', () => {
  fc.assert(
    fc.property(codes, fc.boolean(), flags, (code, started, circumstances) => {
      const course = courseOf(failed(new OsirisError(code, 'x'), {}, started), circumstances)
      expect(course === 'later' && started && !circumstances.idempotent).toBe(false)
      expect(course === 'later' && circumstances.cancelled).toBe(false)
      expect(course === 'unknown' && (!started || !circumstances.aborted)).toBe(false)
    }),
  )
})

it('a value is the end of it, whatever happened besides', () => {
  fc.assert(
    fc.property(flags, (circumstances) => {
      const outcome: Outcome = { kind: 'value', value: new Uint8Array(), meta: { version: '', node: '', hops: 0, timing: NO_TIMING } }
      expect(courseOf(outcome, circumstances)).toBe('over')
    }),
  )
})

it.each([
  ['overloaded', false, 'later'],
  ['rate_limited', false, 'later'],
  ['forbidden', false, 'over'],
  ['not_found', false, 'over'],
  ['function_failed', true, 'over'],
  ['outcome_unknown', true, 'over'],
] as const)('%s (started: %s) is %s', (code, started, course) => {
  expect(courseOf(failed(new OsirisError(code, 'x'), {}, started), { idempotent: false, cancelled: false, aborted: false })).toBe(course)
})

it('pauses grow with the age of the call, from half a second to half a minute', () => {
  expect([0, 1000, 10_000, 100_000, 3_600_000].map((age) => pauseMs(age, 0.5))).toEqual([500, 500, 2500, 25_000, 30_000])
  expect([pauseMs(8000, 0), pauseMs(8000, 1)]).toEqual([1500, 2500])
})
