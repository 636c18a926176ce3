import fc from 'fast-check'
import { expect, it } from 'vitest'
import { outcomeOf, POINTS } from './kill-router.ts'

const head = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nx: y\r\n\r\n'

it('an answer is one when all of it is there', () => {
  const whole = `${head}"ab"`
  fc.assert(fc.property(fc.nat(whole.length - 1), (length) => outcomeOf(whole.slice(0, length)) === undefined))
  expect(outcomeOf(whole)).toBe('ab')
})

it('an answer that is an error is its code', () => {
  const body = '{"code":"unavailable"}'
  expect(outcomeOf(`HTTP/1.1 503 \r\ncontent-length: ${body.length}\r\n\r\n${body}`)).toBe('unavailable')
})

it('there are twelve points, each once', () => {
  expect(new Set(POINTS.map(({ name }) => name)).size).toBe(12)
})
