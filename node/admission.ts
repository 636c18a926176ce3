/** Whether the universe has let this node in, and asking until it has. */
import type { JoinAnswer } from '#protocols/catalog'
import type { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'
import type { Clock } from '#protocols/lifecycle'
import type { AdmissionSummary } from '#protocols/management'

export interface AdmissionInit {
  /** Asks the members; never rejects. */
  ask(signal: AbortSignal): Promise<JoinAnswer>
  /** By this node's own ledger; `undefined` where it keeps none. */
  isIn(): boolean | undefined
  /** Who is here, or what the ledger says, has changed. Returns the way to stop. */
  onChange(listener: () => void): () => void
  nodeName: string
  clock: Clock
  events: Pick<Events, 'emit'>
}

/** While it waits it asks when members come, and this often; in the midst of its start more often, since others start at the same time. */
const AGAIN_MS = 2000
const STARTING_MS = 100
/** Who was told no, or yes by others, asks less: a new token may have come, or a revocation. */
const SETTLED_MS = 30_000

function stateOf(answer: JoinAnswer): AdmissionSummary {
  if (answer.state === 'refused') return { state: 'refused', reason: answer.error.message }
  return answer.state === 'waiting' ? answer : { state: 'admitted' }
}

export class Admission {
  readonly #init: AdmissionInit
  readonly #controller = new AbortController()
  readonly #listeners = new Set<() => void>()
  #state: AdmissionSummary = { state: 'waiting', reason: 'it has not asked yet' }
  #refusal: OsirisError | undefined
  #asking: Promise<void> | undefined
  #unlisten = () => {}
  #cancel = () => {}

  constructor(init: AdmissionInit) {
    this.#init = init
  }

  state(): AdmissionSummary {
    return this.#state
  }

  /** Called when the state changed. Returns the way to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Begins to ask; resolves when this node is in, or when the time is up: it goes on asking then. With `mustBeWelcome`, throws the refusal of whoever
   * may let it in (`forbidden`).
   */
  async start(options: { timeoutMs: number; mustBeWelcome: boolean; signal: AbortSignal }): Promise<void> {
    const { clock } = this.#init
    const deadline = clock.monotonic() + options.timeoutMs
    this.#unlisten = this.#init.onChange(() => {
      const { state } = this.#state
      if (state === 'waiting' || (state === 'admitted' && this.#init.isIn() === false)) void this.#look()
    })
    void this.#look()
    while (this.#state.state === 'waiting' && clock.monotonic() < deadline && !options.signal.aborted) {
      await this.#changed(Math.min(STARTING_MS, deadline - clock.monotonic()), options.signal)
      if (this.#state.state === 'waiting') void this.#look()
    }
    if (options.mustBeWelcome && this.#refusal !== undefined) throw this.#refusal
  }

  stop(): void {
    this.#controller.abort()
    this.#unlisten()
    this.#cancel()
    this.#listeners.clear()
  }

  /** Resolves when the state changes, or after the time. */
  #changed(timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel()
        stop()
        signal.removeEventListener('abort', end)
        resolve()
      }
      const cancel = this.#init.clock.after(timeoutMs, end)
      const stop = this.onChange(end)
      signal.addEventListener('abort', end, { once: true })
    })
  }

  /** One question at a time. */
  #look(): Promise<void> {
    this.#asking ??= this.#once().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #once(): Promise<void> {
    const { signal } = this.#controller
    const answer: JoinAnswer = this.#init.isIn() === true ? { state: 'admitted' } : await this.#init.ask(signal)
    if (signal.aborted) return
    this.#set(answer)
    this.#cancel()
    const isSettled = this.#state.state !== 'waiting'
    this.#cancel = this.#init.clock.after(isSettled ? SETTLED_MS : AGAIN_MS, () => void this.#look())
  }

  #set(answer: JoinAnswer): void {
    const { events, nodeName } = this.#init
    const state: AdmissionSummary = stateOf(answer)
    this.#refusal = answer.state === 'refused' ? answer.error : undefined
    if (state.state === this.#state.state && state.reason === this.#state.reason) return
    this.#state = state
    if (state.state !== 'admitted')
      events.emit('log', { level: 'warn', room: 'node', text: `Node "${nodeName}" is not let in: ${state.reason ?? ''}` })
    else events.emit('log', { level: 'info', room: 'node', text: `Node "${nodeName}" is let in` })
    for (const listener of [...this.#listeners]) listener()
  }
}
