import { afterEach, expect, it } from 'vitest'
import { call, caller, env, log, mock, type Mock, publish } from './function.ts'

let mocked: Mock | undefined
afterEach(() => mocked?.restore())

it('call() outside the platform says what to do', async () => {
  await expect(call('demo/greet')).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('mock({ call })') })
})

it('mock() stands in for the platform, and tells what was asked of it', async () => {
  mocked = mock({ env: { GREETING: 'hi' }, call: (ref, ...args) => ({ ref, args }) })
  expect(env['GREETING']).toBe('hi')
  expect(await call('demo/greet', 'Ada')).toEqual({ ref: 'demo/greet', args: ['Ada'] })
  log('called', { times: 1 })
  expect(mocked.calls).toEqual([{ ref: 'demo/greet', args: ['Ada'] }])
  expect(mocked.logs).toEqual([['called', { times: 1 }]])
})

it('caller() is nobody, or whoever mock() says', () => {
  expect(caller()).toBeUndefined()
  mocked = mock({ caller: { name: 'demo/a', path: ['demo/a'] } })
  expect(caller()).toEqual({ name: 'demo/a', path: ['demo/a'] })
})

it('restore() brings back what was before, the mock around it included', async () => {
  mocked = mock({ env: { A: 'outer' }, call: () => 'outer' })
  const inner = mock({ env: { B: 'inner' }, call: () => 'inner' })
  expect([{ ...env }, await call('a/b')]).toEqual([{ B: 'inner' }, 'inner'])
  inner.restore()
  expect([{ ...env }, await call('a/b')]).toEqual([{ A: 'outer' }, 'outer'])
})

it('a stand-in that throws rejects, as the platform would', async () => {
  mocked = mock({
    call() {
      throw new Error('no')
    },
  })
  await expect(call('a/b')).rejects.toThrow('no')
})

it('mock() takes what is published, and gives each message an id', async () => {
  await expect(publish('orders.created')).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('mock()') })
  mocked = mock()
  expect([await publish('orders.created', { n: 1 }), await publish('orders.created', 2, { id: 'mine' })]).toEqual([
    { id: 'message-1' },
    { id: 'mine' },
  ])
  expect(mocked.published).toEqual([
    { topic: 'orders.created', data: { n: 1 }, options: {} },
    { topic: 'orders.created', data: 2, options: { id: 'mine' } },
  ])
  mocked = mock({ publish: () => ({ id: 'theirs' }) })
  expect(await publish('a')).toEqual({ id: 'theirs' })
})
