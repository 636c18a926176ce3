/** One asking pipe per peer, opened when first needed and again after it broke; and the answering pipes that peers opened here. */
import { OsirisError } from '#protocols/errors'
import { Callee } from './callee.ts'
import { Caller } from './caller.ts'
import type { ChannelTools } from './channel.ts'
import type { Message, Members, Peer, RequestHandler, RequestOptions } from './network.ts'
import type { Pipe, Transport } from './transport.ts'
import { unsent } from './unsent.ts'
import { within } from './within.ts'

/** How long opening may take for whoever waits longest. */
const OPEN_TIMEOUT_MS = 5_000

export interface LinksInit extends ChannelTools {
  transport: Transport
  members: Members
}

export class Links {
  readonly handlers = new Map<string, RequestHandler>()
  readonly #init: LinksInit
  readonly #callers = new Map<Peer, Caller>()
  readonly #opening = new Map<Peer, Promise<Caller>>()
  readonly #callees = new Set<Callee>()

  constructor(init: LinksInit) {
    this.#init = init
  }

  request(peer: Peer, protocol: string, message: Message, options: RequestOptions): Promise<Message> {
    const caller = this.#callers.get(peer)
    if (caller !== undefined && caller.open) return caller.request(protocol, message, options)
    return this.#openThenRequest(peer, protocol, message, options)
  }

  /** A peer asks through this pipe from now on. */
  accept(peer: Peer, pipe: Pipe): void {
    const callee: Callee = new Callee({
      ...this.#init,
      peer,
      pipe,
      handlers: this.handlers,
      onClosed: () => this.#callees.delete(callee),
    })
    this.#callees.add(callee)
  }

  close(reason: string): void {
    for (const each of [...this.#callers.values(), ...this.#callees]) each.close(reason)
  }

  async #openThenRequest(peer: Peer, protocol: string, message: Message, options: RequestOptions): Promise<Message> {
    const { clock, deadlines } = this.#init
    const { timeoutMs, openTimeoutMs = timeoutMs, signal } = options
    const deadlineAt = clock.monotonic() + timeoutMs
    const isHasty = openTimeoutMs < timeoutMs
    const patience = {
      deadlines,
      deadlineAt: isHasty ? deadlineAt - timeoutMs + openTimeoutMs : deadlineAt,
      signal,
      act: `Cannot ask ${peer}`,
    }
    const caller = await within(this.#open(peer), isHasty ? { ...patience, late: 'unavailable' } : patience)
    return caller.request(protocol, message, { ...options, timeoutMs: deadlineAt - clock.monotonic() })
  }

  #open(peer: Peer): Promise<Caller> {
    let opening = this.#opening.get(peer)
    if (opening === undefined) {
      opening = this.#openNow(peer).finally(() => this.#opening.delete(peer))
      this.#opening.set(peer, opening)
    }
    return opening
  }

  async #openNow(peer: Peer): Promise<Caller> {
    const { transport, members } = this.#init
    if (peer === transport.peer) throw unsent('unavailable', `Cannot ask ${peer}: it is this node itself`)
    try {
      await transport.connect(peer, members.get(peer)?.addresses ?? [], { timeoutMs: OPEN_TIMEOUT_MS })
      const pipe = await transport.open(peer, { timeoutMs: OPEN_TIMEOUT_MS })
      const caller: Caller = new Caller({
        ...this.#init,
        peer,
        pipe,
        onClosed: () => {
          if (this.#callers.get(peer) === caller) this.#callers.delete(peer)
        },
      })
      this.#callers.set(peer, caller)
      return caller
    } catch (error) {
      throw unsent('unavailable', `Cannot ask ${peer}: ${OsirisError.from(error, 'it cannot be reached').message}`, error)
    }
  }
}
