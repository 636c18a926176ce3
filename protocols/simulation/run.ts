/** One run: a universe, people at work in it, everything going wrong for a while, and then the question whether it comes right by itself. */
import { type People, peopleOf } from './cast.ts'
import { judgeCalls } from './checks/calls.ts'
import { DiskCheck } from './checks/disks.ts'
import { allTogether, MemberCheck } from './checks/members.ts'
import { judgePromisesKept } from './checks/promises.ts'
import { ViewCheck } from './checks/views.ts'
import { Crown } from './crown.ts'
import { Guests } from './guests.ts'
import { Hostile } from './hostile.ts'
import { Nemesis } from './nemesis.ts'
import { Office } from './office.ts'
import { Trace } from './trace.ts'
import { Workload } from './workload.ts'
import { type Violation, World } from './world.ts'

export interface Report {
  seed: number
  /** The same for the same seed and code. */
  hash: string
  steps: number
  violation: Violation | undefined
  /** The last lines of what happened. */
  last: string[]
  counts: World['history']['counts']
}

export interface RunOptions {
  /** Prints each line of the trace. */
  print?: (line: string) => void
}

const BOOT_MS = 700
const EVIL_MS = { min: 1_000, max: 4_500 }
/** All honest nodes must agree within so long (THREATS 3, B4). */
const SETTLE_MS = 10_000
const LOOK_MS = 250
/** A deploy after all that is on every node within so long. */
const LAST_MS = 5_000

export async function simulate(seed: number, options: RunOptions = {}): Promise<Report> {
  const trace = new Trace(options.print)
  const world = new World(seed, trace)
  const people = await peopleOf(world.isRuled)
  const unhandled = (error: unknown) => world.fail('no unhandled rejection', String((error as Error).stack ?? error))
  process.on('unhandledRejection', unhandled)
  await live(world, people)
  await turn()
  process.off('unhandledRejection', unhandled)
  const { violation, history } = world
  return { seed, violation, hash: trace.hash(), steps: trace.steps, last: trace.last(), counts: history.counts }
}

/** Node tells of unhandled rejections when its queue of ticks is empty, which is not before a run's end. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

async function live(world: World, people: People): Promise<void> {
  const workload = new Workload(world, people)
  const nemesis = new Nemesis(world)
  const until = (endMs: number, enough: () => boolean = () => false) =>
    world.scheduler.runUntil(endMs, () => world.violation !== undefined || enough())
  const disks = new DiskCheck(world)
  disks.start()
  new ViewCheck(world).start()
  new MemberCheck(world).start()
  world.bootAll()
  const hostile = world.hasHostile ? new Hostile(world) : undefined
  hostile?.start()
  const office = new Office(world)
  if (world.hasHostile) office.start()
  await until(BOOT_MS)
  workload.start()
  const guests = new Guests(world)
  guests.start()
  const crown = world.isRuled ? new Crown(world, people) : undefined
  crown?.start()
  const evilMs = nemesis.start(world.dice.fork('length').between(EVIL_MS.min, EVIL_MS.max))
  await until(BOOT_MS + evilMs)
  workload.stop()
  guests.stop()
  crown?.stop()
  nemesis.heal()
  hostile?.stop()
  await settle(world, disks, until)
  await lastDeploy(world, disks, workload, until)
  await crown?.last(until)
  await until(Math.max(...[...world.history.calls.values()].map((call) => call.dueMs), world.now))
  // The last answer may be a millisecond old.
  await settle(world, disks, until)
  judgePromisesKept(world)
  office.judge()
  guests.judge()
  judgeCalls(world)
}

type Until = (endMs: number, enough?: () => boolean) => Promise<void>

async function settle(world: World, disks: DiskCheck, until: Until): Promise<void> {
  const endMs = world.now + SETTLE_MS
  const fromMs = world.now
  while (world.violation === undefined && !isSettled(world, disks)) {
    if (world.now >= endMs) {
      world.fail('all agree within 10 s', describe(world, disks))
      return
    }
    await until(Math.min(endMs, world.now + LOOK_MS))
  }
  world.note('world', `all agree after ${Math.round(world.now - fromMs)} ms`)
}

async function lastDeploy(world: World, disks: DiskCheck, workload: Workload, until: Until): Promise<void> {
  const node = world.dice.fork('last').pick(world.keepers)
  let ended = false
  let state: string | undefined
  void workload.deployAt(node).then((reached) => {
    ended = true
    state = reached
  })
  await until(world.now + LAST_MS, () => ended)
  if (state !== 'committed') world.fail('all works again', `${node.name} cannot deploy after everything has healed (${state ?? 'refused'})`)
  await until(world.now + SETTLE_MS, () => isSettled(world, disks))
  if (!isSettled(world, disks)) world.fail('all agree within 10 s', describe(world, disks))
}

function isSettled(world: World, disks: DiskCheck): boolean {
  if (world.living.length < world.nodes.length || !allTogether(world)) return false
  const states = world.keepers.map((node) => stateOf(world, node))
  return states.every((each) => each === states[0]) && disks.unprovenForks().length === 0
}

/** Everything a node knows: of honest and hostile authors. */
function stateOf(world: World, node: World['nodes'][number]): string {
  const status = node.ledger?.status()
  if (status === undefined) return `${node.name} is not ready`
  if (status.unproven > 0) return `${node.name} has not verified ${status.unproven} entries of its checkpoint`
  const heads = status.heads.map((head) => `${head.author.slice(0, 6)}/${head.seq}`)
  return [status.viewDigest.slice(0, 8), ...heads].join(' ')
}

function describe(world: World, disks: DiskCheck): string {
  const members = world.nodes.map(
    (node) =>
      `${node.name} sees ${
        node.life?.network.members
          .list()
          .map((each) => each.name)
          .join(' ') ?? 'nobody'
      }`,
  )
  return [...world.keepers.map((node) => `${node.name}: ${stateOf(world, node)}`), ...disks.unprovenForks(), ...members].join('; ')
}
