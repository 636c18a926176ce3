import fc from 'fast-check'
import { expect, it } from 'vitest'
import { OsirisError } from '#protocols/errors'
import { systemClock } from '#protocols/lifecycle'
import { Access, asTold, type CallingFunction, createIdentity, namesCallee, type VersionSource } from './index.ts'

const KEY = 'e'.repeat(64)
const VERSION = 'a'.repeat(64)

function worldOf(by: Partial<CallingFunction>, calls: string[]) {
  const access = new Access({ root: createIdentity().id, clock: systemClock })
  let asked = 0
  const grants = [{ can: ['invoke' as const], namespaces: ['other'] }]
  access.follow({
    grantsOf: (key) => {
      asked += 1
      return key === KEY ? grants : []
    },
  })
  const versionOf: VersionSource = (namespace, name, version) => {
    if (namespace === 'demo' && name === 'shop' && version === VERSION) return { namespace, name, manifest: { settings: { calls } }, ...by }
    throw new OsirisError('not_found', 'Cannot find it')
  }
  const told = { caller: { subject: 'schedule' }, path: ['x/y', 'demo/shop'], by: VERSION }
  const may = async (callee: string, parts: Partial<typeof told> = {}) => {
    const [namespace = '', name = ''] = callee.split('/')
    return (async () => access.requireCall({ ...told, ...parts }, { namespace, name }, false, versionOf))().then(
      () => 'may',
      (error: OsirisError) => error.code,
    )
  }
  return { may, access, asked: () => asked }
}

it('a function may call what it names in its own namespace, and beyond it what whoever had it published may invoke', async () => {
  const { may } = worldOf({ asker: KEY }, ['demo/*', 'other/bill', 'third/f'])
  expect(await may('demo/greet')).toBe('may')
  expect(await may('other/bill')).toBe('may')
  for (const callee of ['other/greet', 'third/f', 'demos/greet']) expect([callee, await may(callee)]).toEqual([callee, 'forbidden'])
  for (const lie of [{ path: ['demo/other'] }, { path: ['demo'] }, { by: 'b'.repeat(64) }])
    expect(await may('demo/greet', lie)).toBe('forbidden')
  expect(await may('demo/greet', { path: [] })).toBe('unauthenticated')
  const nobodys = worldOf({}, ['demo/*', 'other/bill'])
  expect(await nobodys.may('demo/greet')).toBe('may')
  expect(await nobodys.may('other/bill')).toBe('forbidden')
})

it('what its publisher holds is asked for once, until authority changes', async () => {
  const { may, access, asked } = worldOf({ asker: KEY }, ['other/*'])
  for (let n = 0; n < 5; n += 1) expect(await may('other/bill')).toBe('may')
  expect(asked()).toBe(1)
  access.reconsider()
  expect(await may('other/bill')).toBe('may')
  expect(asked()).toBe(2)
})

it('a catalog that cannot be asked is no refusal', async () => {
  const { access } = worldOf({}, [])
  const told = { caller: { subject: 'a' }, path: ['demo/shop'], by: VERSION }
  const away = () => Promise.reject(new OsirisError('unavailable', 'Cannot ask'))
  await expect(access.requireCall(told, { namespace: 'demo', name: 'greet' }, false, away)).rejects.toMatchObject({ code: 'unavailable' })
  expect(access.requireCall(told, { namespace: 'demo', name: 'greet' }, true, away)).toBeUndefined()
})

it('namesCallee() takes a name as it is, and a star at the end as anything', () => {
  const label = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/)
  fc.assert(
    fc.property(label, label, label, fc.nat(20), (namespace, name, other, cut) => {
      const title = `${namespace}/${name}`
      const names = (...calls: string[]) => namesCallee({ manifest: { settings: { calls } } }, { namespace, name })
      expect(names(title)).toBe(true)
      expect(names(`${title.slice(0, cut)}*`)).toBe(true)
      expect(names()).toBe(false)
      expect(names(`${other}/${name}`)).toBe(other === namespace)
      expect(names(`${title}x*`)).toBe(false)
    }),
  )
})

it('asTold() takes the functions above a call from members that run or place functions, and from nobody else', () => {
  const invocation = { id: '1', path: ['demo/a'], by: VERSION, chain: { id: '1', at: 'x' } }
  for (const roles of [['executor'], ['router'], ['catalog', 'executor']] as const) expect(asTold(invocation, { roles })).toBe(invocation)
  for (const from of [undefined, { roles: [] }, { roles: ['catalog', 'builder'] as const }])
    expect(asTold(invocation, from)).toEqual({ id: '1' })
})
