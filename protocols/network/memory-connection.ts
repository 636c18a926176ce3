/** A connection between two nodes of a memory mesh: reliable and in order as TCP is, until it breaks. */
import type { MemoryLinks } from './memory-links.ts'
import type { MemoryTransport } from './memory-transport.ts'
import type { Peer } from './network.ts'
import type { Pipe, PipeEnd } from './transport.ts'

/** Bytes on their way in one direction of a pipe before `send` says full. */
const PIPE_BYTES_HIGH = 256 * 1024

/** One direction: what enters first leaves first, each after its delay. */
class Lane {
  readonly #links: MemoryLinks
  #queue: { at: number; run: () => void }[] = []
  #scheduled = false

  constructor(links: MemoryLinks) {
    this.#links = links
  }

  push(run: () => void): void {
    const last = this.#queue.at(-1)?.at ?? 0
    this.#queue.push({ at: Math.max(last, this.#links.clock.monotonic() + this.#links.delayMs()), run })
    this.#schedule()
  }

  #schedule(): void {
    const first = this.#queue[0]
    if (this.#scheduled || first === undefined) return
    this.#scheduled = true
    this.#links.later(first.at - this.#links.clock.monotonic(), () => this.#run())
  }

  #run(): void {
    this.#scheduled = false
    const now = this.#links.clock.monotonic()
    const after = this.#queue.findIndex((each) => each.at > now)
    const due = this.#queue.splice(0, after === -1 ? this.#queue.length : after)
    for (const each of due) each.run()
    this.#schedule()
  }
}

export class MemoryConnection {
  /** Nothing passes any more and nobody knows it yet. */
  severed = false
  readonly #links: MemoryLinks
  readonly #ends: readonly [MemoryTransport, MemoryTransport]
  readonly #lanes: readonly [Lane, Lane]
  readonly #pipes = new Set<MemoryPipe>()
  #broken = false

  constructor(links: MemoryLinks, dialer: MemoryTransport, listener: MemoryTransport) {
    this.#links = links
    this.#ends = [dialer, listener]
    this.#lanes = [new Lane(links), new Lane(links)]
    links.join(this)
  }

  get peers(): [Peer, Peer] {
    return [this.#ends[0].peer, this.#ends[1].peer]
  }

  get alive(): boolean {
    return !this.#broken && !this.severed
  }

  other(than: MemoryTransport): MemoryTransport {
    return this.#ends[0] === than ? this.#ends[1] : this.#ends[0]
  }

  open(from: MemoryTransport): Pipe {
    const to = this.other(from)
    const near = new MemoryPipe(this, from)
    const far = new MemoryPipe(this, to)
    near.far = far
    far.far = near
    this.#pipes.add(near).add(far)
    this.carry(from, () => to.accept(from.peer, far))
    return near
  }

  /** Takes something from one end to the other. */
  carry(from: MemoryTransport, run: () => void): void {
    const lane = this.#lanes[this.#ends[0] === from ? 0 : 1]
    if (!this.#broken) lane.push(() => (this.severed ? undefined : run()))
  }

  /** A write that may break the connection. */
  write(from: MemoryTransport, run: () => void): void {
    if (this.#links.happens(this.#links.faults.drop)) this.break('the network lost a packet for good')
    else this.carry(from, run)
  }

  forget(pipe: MemoryPipe): void {
    this.#pipes.delete(pipe)
  }

  /** Ends it for both; `by` knows at once, the other side when the news arrives behind what was sent before. */
  break(reason: string, by?: MemoryTransport): void {
    if (this.#broken) return
    this.#ends.forEach((end, index) => {
      if (end === by || this.severed) this.#close(end, reason)
      else this.#lanes[index === 0 ? 1 : 0].push(() => this.#close(end, reason))
    })
    this.#broken = true
    this.#links.part(this)
  }

  #close(end: MemoryTransport, reason: string): void {
    for (const pipe of [...this.#pipes]) if (pipe.owner === end) pipe.end(reason)
    end.lost(this)
  }
}

export class MemoryPipe implements Pipe {
  readonly owner: MemoryTransport
  far!: MemoryPipe
  readonly #connection: MemoryConnection
  #end: PipeEnd | undefined
  #open = true
  #bytes = 0
  #full = false

  constructor(connection: MemoryConnection, owner: MemoryTransport) {
    this.#connection = connection
    this.owner = owner
  }

  attach(end: PipeEnd): void {
    this.#end = end
  }

  send(bytes: Uint8Array): boolean {
    if (!this.#open) return false
    this.#bytes += bytes.length
    this.#full ||= this.#bytes > PIPE_BYTES_HIGH
    this.#connection.write(this.owner, () => {
      this.far.#receive(bytes)
      this.#arrived(bytes.length)
    })
    return !this.#full
  }

  close(reason: string): void {
    if (!this.#open) return
    this.#connection.carry(this.owner, () => this.far.end(reason))
    this.end(reason)
  }

  /** This side ends. */
  end(reason: string): void {
    if (!this.#open) return
    this.#open = false
    this.#connection.forget(this)
    this.#end?.closed(reason)
  }

  #receive(bytes: Uint8Array): void {
    if (this.#open) this.#end?.received(bytes)
  }

  #arrived(bytes: number): void {
    this.#bytes -= bytes
    if (!this.#full || this.#bytes > PIPE_BYTES_HIGH / 2) return
    this.#full = false
    if (this.#open) this.#end?.drained()
  }
}
