/** A node that may go on under its next key: all of it is stopped and started anew, in this process and at the same doors. */
import type { NodeConfig } from '#node/config'
import type { RunningNode } from '#node/universe'
import type { AdmissionSummary } from '#protocols/management'

/** `renew`: may be called at any time, also while it starts. */
export type StartOnce = (config: NodeConfig, signal: AbortSignal, renew: () => void) => Promise<RunningNode>

/** Rejects as `start` does. */
export async function startRenewable(start: StartOnce, config: NodeConfig, signal: AbortSignal): Promise<RunningNode> {
  let isDue = false
  let renew = (): void => {
    isDue = true
  }
  const first = await start(config, signal, () => renew())
  const node = new RenewableNode(first, (at) => start(at, signal, () => renew()), config)
  renew = () => node.renew()
  if (isDue) node.renew()
  return node
}

class RenewableNode implements RunningNode {
  readonly admission: RunningNode['admission']
  readonly #start: (config: NodeConfig) => Promise<RunningNode>
  readonly #config: NodeConfig
  readonly #tokenListeners: (() => void)[] = []
  readonly #admissionListeners = new Set<() => void>()
  #current: RunningNode
  #renewing: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  constructor(first: RunningNode, start: (config: NodeConfig) => Promise<RunningNode>, config: NodeConfig) {
    this.#start = start
    this.#config = config
    this.#current = first
    this.admission = {
      state: (): AdmissionSummary => this.#current.admission.state(),
      onChange: (listener) => {
        this.#admissionListeners.add(listener)
        return () => this.#admissionListeners.delete(listener)
      },
    }
    this.#listen()
  }

  get name(): string {
    return this.#current.name
  }
  get http(): string {
    return this.#current.http
  }
  get p2p(): string[] {
    return this.#current.p2p
  }
  get peer(): string {
    return this.#current.peer
  }
  get joinToken(): string {
    return this.#current.joinToken
  }
  get developerToken(): string {
    return this.#current.developerToken
  }

  onTokens(listener: () => void): void {
    this.#tokenListeners.push(listener)
  }

  /** Whatever keeps it from starting again ends the process: who started it starts it anew, and it goes on with the key that counts. */
  renew(): void {
    if (this.#stopping !== undefined || this.#renewing !== undefined) return
    this.#renewing = this.#again().finally(() => {
      this.#renewing = undefined
    })
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop())
  }

  async #stop(): Promise<void> {
    await this.#renewing
    await this.#current.stop()
  }

  async #again(): Promise<void> {
    const config = atSameDoors(this.#config, this.#current)
    await this.#current.stop()
    this.#current = await this.#start(config)
    this.#listen()
    for (const listener of [...this.#tokenListeners, ...this.#admissionListeners]) listener()
  }

  #listen(): void {
    this.#current.onTokens(() => this.#tokenListeners.forEach((listener) => listener()))
    this.#current.admission.onChange(() => this.#admissionListeners.forEach((listener) => listener()))
  }
}

/** Where a port was left to the host, the one it had. Pure. */
export function atSameDoors(config: NodeConfig, { http, p2p }: Pick<RunningNode, 'http' | 'p2p'>): NodeConfig {
  const port = p2p.map((address) => /\/tcp\/(\d+)/.exec(address)?.[1]).find((each) => each !== undefined)
  const [only, ...others] = config.p2pListen
  const isLeft = only?.endsWith('/tcp/0') === true && others.length === 0 && port !== undefined
  return {
    ...config,
    httpPort: Number(new URL(http).port),
    p2pListen: isLeft ? [only.replace(/\/tcp\/0$/, `/tcp/${port}`)] : config.p2pListen,
  }
}
