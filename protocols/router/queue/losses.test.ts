/** Routers that are lost, cut off and come back: what was added is done, and what may start only once starts once. */
import { describe, expect, it } from 'vitest'
import { Dice } from '#protocols/simulation'
import { QueueWorld, trouble, waitFor } from './queue.world.ts'

const NAMES = ['a', 'b', 'c', 'd', 'e']

async function worldOf(seed: number, count: number): Promise<QueueWorld> {
  const world = new QueueWorld(seed)
  await world.start(...NAMES.slice(0, count))
  return world
}

describe('an item of a router that changed its key', () => {
  it('is handed out by it under the next key where nobody else holds it, and by the others where they do', async () => {
    for (const count of [1, 2]) {
      const world = await worldOf(3, count)
      await world.end(world.node('a').queue.add([world.item('kept', { notBeforeAt: world.now + 3000 })]))
      await world.kill('a')
      world.forgetKey('a')
      await world.start('a')
      await world.until(() => world.attempts.length === 1, 20_000)
      await world.run(30_000)
      expect(world.attempts.map(({ id }) => id)).toEqual(['kept'])
    }
  })
})

describe('an item whose owner is killed', () => {
  it.each([2, 3, 5])('before its time is handed out by another of %i routers, once', async (count) => {
    const world = await worldOf(1, count)
    await world.end(
      world
        .node('a')
        .queue.add([
          world.item('often', { notBeforeAt: world.now + 3000 }),
          world.item('once', { notBeforeAt: world.now + 3000, once: true }),
        ]),
    )
    await world.kill('a')
    await world.until(() => world.attempts.length === 2, 20_000)
    await world.start('a')
    await world.run(60_000)
    expect(world.attempts.map(({ id }) => id).toSorted()).toEqual(['often', 'once'])
    expect(await world.end(world.node('a').queue.look('once'))).toMatchObject({ state: 'done' })
  })

  it('of thousands that wait is gone for them: the other router notes that many at a time', async () => {
    const world = await worldOf(7, 2)
    const at = { notBeforeAt: world.now + 3_600_000, expiresAt: world.now + 7_200_000 }
    const ids = Array.from({ length: 2000 }, (_, index) => `${index}`)
    for (let from = 0; from < ids.length; from += 200)
      await world.end(world.node('a').queue.add(ids.slice(from, from + 200).map((id) => world.item(id, at))))
    let writes = 0
    world.disk('b').onWrite = () => (writes += 1)
    await world.kill('a')
    await world.run(20_000)
    const { queue, network } = world.node('b')
    const heads = await Promise.all(ids.map(async (id) => (await queue.shown(id)).head))
    expect(new Set(heads.map((head) => head?.owner))).toEqual(new Set([network.peer]))
    expect(writes).toBeLessThan(50)
  })

  it('in an attempt is handed out again, unless it may start only once: then its end is unknown', async () => {
    const world = new QueueWorld()
    world.options = { ended: (_item, error) => ({ kind: 'done', answer: Buffer.from(error.code) }) }
    await world.start('a', 'b', 'c')
    world.answer = ({ node }, signal) => (node === 'a' ? waitFor(signal) : { kind: 'done' })
    await world.end(world.node('a').queue.add([world.item('often'), world.item('once', { once: true })]))
    await world.until(() => world.attempts.length === 2)
    await world.kill('a')
    await world.until(() => world.attempts.length === 3, 20_000)
    await world.run(20_000)
    expect(world.attempts.map(({ id, node }) => `${id} ${node === 'a' ? 'first' : 'second'}`).toSorted()).toEqual([
      'often first',
      'often second',
      'once first',
    ])
    const seen = await world.end(world.node('c').queue.look('once'))
    expect([seen?.state, Buffer.from(seen?.answer ?? []).toString()]).toEqual(['done', 'outcome_unknown'])
  })

  it('not its owner, but the other of two, may start once when that one is back, and ends where it never is', async () => {
    const world = await worldOf(2, 2)
    const at = (id: string) => world.item(id, { once: true, notBeforeAt: world.now + 3000, expiresAt: world.now + 90_000 })
    await world.end(world.node('a').queue.add([at('back')]))
    await world.kill('b')
    await world.run(60_000)
    expect(world.attempts).toEqual([])
    await world.start('b')
    await world.until(() => world.attemptsOf('back').length === 1)
    await world.end(world.node('a').queue.add([at('never')]))
    const { network } = world.node('b')
    await world.kill('b')
    // Until then it might be asked for a copy, and nobody could know whether it has it.
    await world.until(() => !world.node('a').network.connections().includes(network.peer))
    await world.end(world.node('a').queue.add([at('alone')]))
    await world.run(120_000)
    expect(world.attempts.map(({ id }) => id)).toEqual(['back', 'alone'])
    expect(await world.end(world.node('a').queue.look('never'))).toMatchObject({ state: 'dead', error: { code: 'deadline_exceeded' } })
  })

  it('and comes back at once knows what it held, and that an attempt may have begun', async () => {
    const world = await worldOf(3, 3)
    world.answer = (_attempt, signal) => (world.attempts.length < 2 ? waitFor(signal) : { kind: 'done' })
    await world.end(world.node('a').queue.add([world.item('once', { once: true }), world.item('later', { notBeforeAt: world.now + 5000 })]))
    await world.until(() => world.attempts.length === 1)
    await world.kill('a')
    await world.start('a')
    await world.run(30_000)
    expect(world.attempts.map(({ id }) => id)).toEqual(['once', 'later'])
    expect(await world.end(world.node('b').queue.look('once'))).toMatchObject({ state: 'dead', error: { code: 'outcome_unknown' } })
  })
})

describe('a partition', () => {
  it('the part with most holders hands out what may start only once; the other waits, and hears of it', async () => {
    const world = await worldOf(4, 3)
    await world.end(world.node('a').queue.add([world.item('once', { once: true, notBeforeAt: world.now + 4000 })]))
    world.mesh.partition(['a'], ['b', 'c'])
    await world.until(() => world.attempts.length > 0, 20_000)
    expect(world.attempts[0]?.node).not.toBe('a')
    await world.run(20_000)
    expect(world.attempts).toHaveLength(1)
    world.mesh.heal()
    await world.run(20_000)
    expect(world.attempts).toHaveLength(1)
    expect(await world.end(world.node('a').queue.look('once'))).toMatchObject({ state: 'done' })
  })

  it('one that is cut off takes nothing of the others over, and goes on with its own', async () => {
    const world = await worldOf(6, 3)
    const at = (id: string) => world.item(id, { notBeforeAt: world.now + 20_000 })
    await world.end(world.node('a').queue.add([at('own')]))
    await world.end(world.node('b').queue.add([at('others')]))
    world.mesh.partition(['a'], ['b', 'c'])
    await world.run(60_000)
    expect(world.attemptsOf('others').map(({ node }) => node)).toEqual(['b'])
    expect(world.attempts.some(({ id, node }) => id === 'own' && node === 'a')).toBe(true)
    world.mesh.heal()
    await world.run(20_000)
    expect(world.attemptsOf('others')).toHaveLength(1)
  })

  it('a minority does not say that it cancelled what others may begin', async () => {
    const world = await worldOf(5, 3)
    await world.end(world.node('a').queue.add([world.item('once', { once: true, notBeforeAt: world.now + 60_000 })]))
    world.mesh.partition(['a'], ['b', 'c'])
    await world.run(6000)
    const cancelled = world
      .node('a')
      .queue.cancel('once')
      .catch((error: { code: string }) => error.code)
    expect(await world.end(cancelled)).toBe('unavailable')
  })
})

describe.each([11, 12, 13, 14, 15, 16, 17, 18])('seed %i of kills, restarts and partitions', (seed) => {
  it('loses nothing that was added, and begins nothing twice that may start only once', async () => {
    const dice = new Dice(seed)
    const world = await worldOf(seed, 5)
    /** Attempts that said that nothing had begun. */
    const disproved = new Map<string, number>()
    world.answer = async ({ id }) => {
      await new Promise<void>((resolve) => world.scheduler.after({ name: 'work', alive: true, waiting: 0 }, dice.between(1, 800), resolve))
      if (dice.chance(0.7)) return { kind: 'done' }
      disproved.set(id, (disproved.get(id) ?? 0) + 1)
      return { kind: 'again', error: trouble() }
    }
    const added: string[] = []
    for (let round = 0; round < 12; round += 1) {
      const up = world.nodes()
      const { queue } = dice.pick(up)
      const items = [1, 2, 3].map((each) => world.item(`${round}-${each}`, { once: each === 1, notBeforeAt: world.now + dice.int(3000) }))
      await world.end(queue.add(items)).then(
        () => added.push(...items.map(({ id }) => id)),
        () => {},
      )
      await world.run(dice.int(1500))
      const chance = dice.int(4)
      if (chance === 0 && up.length > 3) await world.kill(dice.pick(up).name)
      if (chance === 1) await world.start(...NAMES.filter((name) => !up.some((each) => each.name === name)))
      if (chance === 2) world.mesh.partition(NAMES.slice(0, 2), NAMES.slice(2))
      if (chance === 3) world.mesh.heal()
    }
    world.mesh.heal()
    await world.start(...NAMES.filter((name) => !world.nodes().some((each) => each.name === name)))
    await world.run(240_000)
    expect(added.length).toBeGreaterThan(10)
    const wrong: string[] = []
    for (const id of added) {
      const isOnce = id.endsWith('-1')
      const seen = await world.end(world.node(dice.pick(NAMES)).queue.look(id))
      const isUnknown = isOnce && seen?.state === 'dead' && seen.error?.code === 'outcome_unknown'
      if (seen?.state !== 'done' && !isUnknown) wrong.push(`${id} is ${seen?.state}`)
      const begun = world.attemptsOf(id).length - (disproved.get(id) ?? 0)
      if (isOnce && begun > 1) wrong.push(`${id} began ${begun} times`)
    }
    expect(wrong).toEqual([])
  })
})
