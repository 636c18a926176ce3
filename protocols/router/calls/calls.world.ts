/** Routers that take asynchronous calls, in virtual time: what they started, and what URLs were told. */
import { OsirisError } from '#protocols/errors'
import { createEvents } from '#protocols/events'
import { failed, type Caller, type Invocation, NO_TIMING, type Outcome } from '#protocols/invocation'
import { Dice } from '#protocols/simulation'
import { type Node, QueueWorld } from '../queue/queue.world.ts'
import { accessOf, callerWith, callOf, demoCatalog } from '../router.world.ts'
import { RouterService } from '../service.ts'
import type { CallStatus, NewCall } from './calls.ts'
import { serveCalls } from './serve.ts'
import { CallsService } from './service.ts'

export interface Told {
  url: string
  headers: Record<string, string>
  body: Buffer
}

export class CallsWorld extends QueueWorld {
  readonly calls = new Map<string, CallsService>()
  readonly started: { node: string; id: string; name: string }[] = []
  readonly told: Told[] = []
  /** What URLs answer. */
  status: () => number = () => 204
  /** Instead of echoing the arguments. */
  behave: (invocation: Invocation, node: string) => Promise<Outcome> = async ({ payload }) =>
    valueOf(payload.kind === 'call' ? payload.args : new Uint8Array())
  readonly #dice = new Dice(99)

  constructor() {
    super()
    this.onStart = (node) => this.#build(node)
  }

  #build(node: Node) {
    const { name, network, queue, clock } = node
    const access = accessOf()
    const executor = undefined
    const catalog = demoCatalog()
    const remote = { at: () => ({ invoke: async () => failed(new OsirisError('internal', 'nobody')) }) }
    const { random } = this.#dice.fork(name)
    const init = {
      executor,
      remote,
      catalog,
      access,
      clock,
      random,
      members: network.members,
      peer: network.peer,
      events: { emit() {}, has: () => false, on: () => () => {} },
    }
    const real = new RouterService(init)
    const invoke = async (invocation: Invocation): Promise<Outcome> => {
      const target = invocation.target as { name: string }
      this.started.push({ node: name, id: invocation.id, name: target.name })
      return this.behave(invocation, name)
    }
    const outside = {
      judge: (url: string) => {
        if (!URL.canParse(url)) throw new OsirisError('invalid_argument', 'Cannot post: it is not a URL')
        if (url.includes('127.0.0.1')) throw new OsirisError('egress_denied', 'Cannot post: a private address')
      },
      post: async (url: string, headers: [string, string][], body: Uint8Array) => {
        this.told.push({ url, headers: Object.fromEntries(headers), body: Buffer.from(body) })
        return this.status()
      },
    }
    const randomBytes = (length: number) => this.#dice.bytes(length)
    const router = { invoke, admit: (invocation: Invocation) => real.admit(invocation) }
    const events = createEvents()
    events.on('log', ({ text }) => this.logs.push(text))
    const calls = new CallsService({ queue, router, access, outside, clock, random, randomBytes, events })
    this.calls.set(name, calls)
    serveCalls(network, calls)
    return calls
  }

  at(name: string): CallsService {
    return this.calls.get(name) as CallsService
  }
}

export function valueOf(value: Uint8Array): Outcome {
  return { kind: 'value', value, meta: { version: 'v'.repeat(64), node: 'n', hops: 0, timing: NO_TIMING } }
}

export async function worldOf(...names: string[]): Promise<CallsWorld> {
  const world = new CallsWorld()
  await world.start(...names)
  return world
}

export const ADA = await callerWith('demo')
export const STRANGER: Caller = { subject: 'anonymous' }
export const call = (name: string, { callback, ...parts }: Partial<Invocation> & { callback?: string } = {}): NewCall => ({
  invocation: callOf(name, { payload: { kind: 'call', args: Buffer.from('["Ada", 12345678901234567890]') }, caller: ADA, ...parts }),
  ...(callback === undefined ? {} : { callback }),
})
export const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'ok',
    (error: OsirisError) => error.code,
  )
const isOver = ({ state }: CallStatus) => state === 'done' || state === 'cancelled'

export async function settled(world: CallsWorld, at: string, id: string, caller = ADA): Promise<CallStatus> {
  for (let round = 0; round < 100; round += 1) {
    const status = await world.end(world.at(at).get(id, caller))
    if (isOver(status)) return status
    await world.run(500)
  }
  throw new Error('never over')
}
