import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Access, createIdentity, type Grant, issueToken } from '#protocols/access'
import { createEvents } from '#protocols/events'
import type { Caller } from '#protocols/invocation'
import { systemClock } from '#protocols/lifecycle'
import { MemoryMesh, type MemoryMeshInit } from '#protocols/network'
import { until } from '#protocols/until'
import type { Builder, Source } from './builder.ts'
import { builderSuite } from './builder.suite.ts'
import { BuilderClient } from './client.ts'
import { serveBuilder } from './serve.ts'
import { type BuilderLimits, BuilderService } from './service.ts'

const ROOT = createIdentity()
const events = createEvents()
const ANYONE: Caller = { subject: 'anonymous' }

async function callerWith(grant: Grant): Promise<Caller> {
  return { subject: 'ada', token: await issueToken(ROOT, 'ada', [grant], Date.now() + 600_000) }
}

async function createService(limits: Partial<BuilderLimits> = {}) {
  const workDir = await mkdtemp(join(tmpdir(), 'osiris-builder-'))
  const service = new BuilderService({ clock: systemClock, events, workDir, nodeName: 'node-1', limits })
  await service.start()
  const stop = async () => {
    await service.stop()
    await rm(workDir, { recursive: true, force: true })
  }
  return { service, workDir, stop }
}

/** `builder-1…` on a mesh, and a client; `builders` may replace what answers there. */
async function createMesh(init: MemoryMeshInit, builders: Builder[]) {
  const mesh = new MemoryMesh(init)
  const access = new Access({ root: ROOT.id, clock: systemClock })
  for (const [index, builder] of builders.entries()) {
    const network = mesh.network({ name: `builder-${index + 1}`, roles: ['builder'] })
    serveBuilder(network, builder, access)
    await network.start()
  }
  const network = mesh.network({ name: 'client' })
  await network.start()
  await until(() => network.members.withRole('builder').length === builders.length)
  return { mesh, network, client: new BuilderClient({ network, clock: systemClock, random: Math.random }) }
}

async function meshFixture(init: MemoryMeshInit) {
  const { service, stop } = await createService()
  const { mesh, client } = await createMesh(init, [service])
  const stopAll = async () => {
    await mesh.stop()
    await stop()
  }
  return { builder: client, caller: await callerWith({ can: ['deploy'], namespaces: ['demo'] }), stop: stopAll }
}

builderSuite('BuilderService', async () => {
  const { service, stop } = await createService()
  return { builder: service, caller: ANYONE, stop }
})
builderSuite('BuilderClient', () => meshFixture({}))
builderSuite('BuilderClient over a slow network', () => meshFixture({ faults: { delayMs: [1, 10] } }))

const SOURCE: Source = { namespace: 'demo', name: 'greet', files: { 'greet.ts': 'export default () => 1' }, entry: 'greet.ts' }
const slow = (): Source => ({ ...SOURCE, files: { 'greet.ts': `export default () => {\n${'x(y => y + 1);\n'.repeat(200_000)}}` } })

/** The bundler's process, child of this one. */
async function bundlerPid(): Promise<number> {
  const children = (await readFile(`/proc/self/task/${process.pid}/children`, 'utf8')).trim().split(' ')
  for (const pid of children) if ((await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes('esbuild')) return Number(pid)
  throw new Error('the bundler has no process')
}

describe('BuilderService', () => {
  test('a bundler that was killed between two builds costs nobody a build', async () => {
    const { service, stop } = await createService()
    const options = { caller: ANYONE, timeoutMs: 10_000 }
    await service.build(SOURCE, options)
    process.kill(await bundlerPid(), 'SIGKILL')
    expect((await service.build(SOURCE, options)).manifest.name).toBe('greet')
    await stop()
  })

  test('leaves nothing behind, whether a build succeeds, fails or is too late; and clears what a crash left', async () => {
    const { service, workDir, stop } = await createService()
    const options = { caller: ANYONE, timeoutMs: 10_000 }
    await service.build(SOURCE, options)
    await service.build({ ...SOURCE, files: { 'greet.ts': 'export default (' } }, options).catch(() => {})
    await expect(service.build(slow(), { caller: ANYONE, timeoutMs: 20 })).rejects.toMatchObject({ code: 'deadline_exceeded' })
    await expect.poll(() => readdir(workDir), { timeout: 5000 }).toEqual([])
    await writeFile(join(workDir, 'left'), '')
    await service.start()
    expect(await readdir(workDir)).toEqual([])
    await stop()
  })
  test('takes turns, refuses beyond its queue at once, and goes on afterwards', async () => {
    const { service, stop } = await createService({ concurrentMax: 1, queueMax: 1 })
    const options = { caller: ANYONE, timeoutMs: 10_000 }
    const [first, second, third] = [service.build(SOURCE, options), service.build(SOURCE, options), service.build(SOURCE, options)]
    await expect(third).rejects.toMatchObject({ code: 'overloaded' })
    await expect(Promise.all([first, second])).resolves.toHaveLength(2)
    await expect(service.build(SOURCE, options)).resolves.toBeDefined()
    await stop()
  })
  test('stop() ends builds under way and the bundler, and a start after it builds again', async () => {
    const { service, stop } = await createService()
    const running = service.build(slow(), { caller: ANYONE, timeoutMs: 10_000 })
    const ended = running.then(
      () => 'built',
      (error: { code: string }) => error.code,
    )
    await new Promise((resolve) => setTimeout(resolve, 50))
    await service.stop()
    expect(await ended).toBe('unavailable')
    await expect(service.build(SOURCE, { caller: ANYONE, timeoutMs: 1000 })).rejects.toMatchObject({ code: 'unavailable' })
    await service.start()
    await expect(service.build(SOURCE, { caller: ANYONE, timeoutMs: 10_000 })).resolves.toBeDefined()
    await stop()
  })
  test('one of two services in a process stops without ending the other’s builds', async () => {
    const [one, two] = [await createService(), await createService()]
    const options = { caller: ANYONE, timeoutMs: 10_000 }
    await one.service.build(SOURCE, options)
    const running = two.service.build(slow(), options)
    await one.stop()
    await expect(running).resolves.toBeDefined()
    await two.stop()
  })
})

describe('BuilderClient', () => {
  let world: Awaited<ReturnType<typeof createService>>
  beforeAll(async () => {
    world = await createService()
  })
  afterAll(() => world.stop())
  const options = async (grant: Grant) => ({ caller: await callerWith(grant), timeoutMs: 5000 })
  const allowed = () => options({ can: ['deploy'], namespaces: ['demo'] })

  test('builds for nobody without the right to deploy there', async () => {
    const { mesh, client } = await createMesh({}, [world.service])
    await expect(client.build(SOURCE, { caller: ANYONE, timeoutMs: 5000 })).rejects.toMatchObject({ code: 'unauthenticated' })
    await expect(client.build(SOURCE, await options({ can: ['invoke'], namespaces: ['demo'] }))).rejects.toMatchObject({
      code: 'forbidden',
    })
    await expect(client.build(SOURCE, await options({ can: ['deploy'], namespaces: ['other'] }))).rejects.toMatchObject({
      code: 'forbidden',
    })
    await mesh.stop()
  })
  test('goes on to another builder when one cannot', async () => {
    const dead = new BuilderService({ clock: systemClock, events, workDir: join(world.workDir, 'dead'), nodeName: 'node-1' })
    await dead.stop()
    const { mesh, client } = await createMesh({}, [dead, world.service])
    for (let attempt = 0; attempt < 5; attempt++) await expect(client.build(SOURCE, await allowed())).resolves.toBeDefined()
    await mesh.kill('builder-1')
    await expect(client.build(SOURCE, await allowed())).resolves.toBeDefined()
    await mesh.stop()
  })
  test('says that nobody builds', async () => {
    const { mesh, client } = await createMesh({}, [])
    await expect(client.build(SOURCE, await allowed())).rejects.toMatchObject({
      code: 'unavailable',
      message: 'Cannot build "demo/greet": no member runs builder (members: 0)',
    })
    await mesh.stop()
  })
  test('takes no answer that is another function’s, or whose bytes are not the manifest’s', async () => {
    const forged = (change: (built: Awaited<ReturnType<Builder['build']>>) => void): Builder => ({
      async build(source, given) {
        const built = await world.service.build(source, given)
        change(built)
        return built
      },
    })
    const lies = [
      forged((built) => void (built.artifact = Buffer.from('export default "evil"'))),
      forged((built) => void (built.manifest = { ...built.manifest, name: 'other' })),
      forged((built) => void (built.manifest = { ...built.manifest, settings: { ...built.manifest.settings, access: 'public' } })),
    ]
    for (const lie of lies) {
      const { mesh, client } = await createMesh({}, [lie])
      await expect(client.build(SOURCE, await allowed())).rejects.toMatchObject({ code: 'internal' })
      await mesh.stop()
    }
  })
})
