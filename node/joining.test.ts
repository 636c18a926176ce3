import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock } from '#protocols/lifecycle'
import { MemoryMesh } from '#protocols/network'
import { joinMesh } from './joining.ts'

let mesh: MemoryMesh
beforeEach(() => {
  mesh = new MemoryMesh()
})
afterEach(() => mesh.stop())

async function started(name: string, bootstrap?: string[]) {
  const network = mesh.network({ name, roles: ['router'], ...(bootstrap === undefined ? {} : { bootstrap }) })
  await network.start()
  return network
}

const options = { clock: systemClock, universeName: 'test', timeoutMs: 300, mayBeAlone: false, signal: new AbortController().signal }

it('joinMesh() ends as soon as a member is known', async () => {
  const first = await started('one')
  const second = await started('two')
  await joinMesh({ ...options, network: second, bootstrap: first.addresses(), timeoutMs: 5000 })
  expect(second.members.list().map((each) => each.name)).toEqual(['one'])
})

it('joinMesh() says what the address answered when nobody is there', async () => {
  const first = await started('one')
  const gone = first.addresses()
  await mesh.kill(first)
  const second = await started('two', gone)
  await expect(joinMesh({ ...options, network: second, bootstrap: gone })).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/^Cannot join universe "test": /),
  })
})

it('joinMesh() lets a node that was here before start alone, and a founder start at once', async () => {
  const only = await started('one', [])
  expect(await joinMesh({ ...options, network: only, bootstrap: ['nowhere'], mayBeAlone: true })).toBe('alone')
  expect(await joinMesh({ ...options, network: only, bootstrap: [], timeoutMs: 60_000 })).toBe('joined')
})

it('joinMesh() ends at once when it is interrupted, even where being alone is allowed', async () => {
  const only = await started('one', [])
  const interrupt = new AbortController()
  const joining = joinMesh({
    ...options,
    network: only,
    bootstrap: ['nowhere'],
    mayBeAlone: true,
    timeoutMs: 60_000,
    signal: interrupt.signal,
  })
  interrupt.abort()
  await expect(joining).rejects.toMatchObject({ code: 'unavailable', message: 'Cannot join universe "test": it was interrupted' })
})
