/** A connection between two lives of nodes: reliable and in order as TCP is, until it breaks. */
import type { Pipe, PipeEnd } from '#protocols/network'
import type { VirtualTransport } from './transport.ts'
import type { Wire } from './wire.ts'

/** Bytes on their way in one direction of a pipe before `send` says full. */
const PIPE_BYTES_HIGH = 256 * 1024

/** One direction: what enters first leaves first, each after its delay. Where the far side is deaf, it waits, as TCP's bytes do. */
class Lane {
  readonly #wire: Wire
  readonly #from: VirtualTransport
  readonly #to: VirtualTransport
  readonly #onStalled: () => void
  #queue: { at: number; run: () => void }[] = []
  #cancel: (() => void) | undefined
  #stalled: (() => void) | undefined

  constructor(wire: Wire, from: VirtualTransport, to: VirtualTransport, onStalled: () => void) {
    this.#wire = wire
    this.#from = from
    this.#to = to
    this.#onStalled = onStalled
  }

  push(run: () => void): void {
    const last = this.#queue.at(-1)?.at ?? 0
    this.#queue.push({ at: Math.max(last, this.#wire.scheduler.now + this.#wire.delayMs()), run })
    this.schedule()
  }

  schedule(): void {
    const first = this.#queue[0]
    if (this.#cancel !== undefined || first === undefined) return
    if (!this.#wire.hears(this.#from, this.#to)) {
      this.#stalled ??= this.#wire.later(this.#wire.stalledMs, this.#onStalled)
      return
    }
    this.#stalled?.()
    this.#stalled = undefined
    this.#cancel = this.#wire.later(first.at - this.#wire.scheduler.now, () => this.#run())
  }

  end(): void {
    this.#stalled?.()
    this.#cancel?.()
    this.#queue = []
  }

  #run(): void {
    this.#cancel = undefined
    const first = this.#queue[0]
    if (first === undefined) return
    if (this.#wire.hears(this.#from, this.#to)) {
      this.#queue.shift()
      first.run()
    }
    this.schedule()
  }
}

export class VirtualConnection {
  readonly #wire: Wire
  readonly #ends: readonly [VirtualTransport, VirtualTransport]
  readonly #lanes: readonly [Lane, Lane]
  readonly #pipes = new Set<VirtualPipe>()
  #broken = false

  constructor(wire: Wire, dialer: VirtualTransport, listener: VirtualTransport) {
    const stalled = () => this.#end('the network was cut')
    this.#wire = wire
    this.#ends = [dialer, listener]
    this.#lanes = [new Lane(wire, dialer, listener, stalled), new Lane(wire, listener, dialer, stalled)]
    wire.join(this)
  }

  get alive(): boolean {
    return !this.#broken
  }

  other(than: VirtualTransport): VirtualTransport {
    return this.#ends[0] === than ? this.#ends[1] : this.#ends[0]
  }

  /** Looks again whether what waits may go on its way. */
  resume(): void {
    for (const lane of this.#lanes) lane.schedule()
  }

  open(from: VirtualTransport): Pipe {
    const to = this.other(from)
    const near = new VirtualPipe(this, from)
    const far = new VirtualPipe(this, to)
    near.far = far
    far.far = near
    this.#pipes.add(near).add(far)
    this.carry(from, () => to.accept(from.peer, far))
    return near
  }

  /** Takes something from one end to the other. */
  carry(from: VirtualTransport, run: () => void): void {
    if (!this.#broken) this.#lanes[this.#ends[0] === from ? 0 : 1].push(run)
  }

  /** A write that may break the connection. */
  write(from: VirtualTransport, run: () => void): void {
    if (this.#wire.dice.chance(this.#wire.faults.breaks)) this.break('the network lost a packet for good')
    else this.carry(from, run)
  }

  forget(pipe: VirtualPipe): void {
    this.#pipes.delete(pipe)
  }

  /** Ends it for both; `by` knows at once, the other side when the news arrives behind what was sent before, or is given up. */
  break(reason: string, by?: VirtualTransport): void {
    if (this.#broken) return
    if (by === undefined) {
      this.#end(reason)
      return
    }
    this.#broken = true
    this.#close(by, reason)
    const other = this.other(by)
    this.#lanes[this.#ends[0] === by ? 0 : 1].push(() => this.#part(other, reason))
  }

  #end(reason: string): void {
    const already = this.#broken
    this.#broken = true
    for (const end of this.#ends) this.#close(end, reason)
    if (!already || this.#pipes.size === 0) this.#release()
  }

  #part(end: VirtualTransport, reason: string): void {
    this.#close(end, reason)
    this.#release()
  }

  #release(): void {
    for (const lane of this.#lanes) lane.end()
    this.#wire.part(this)
  }

  #close(end: VirtualTransport, reason: string): void {
    for (const pipe of [...this.#pipes]) if (pipe.owner === end) pipe.end(reason)
    end.lost(this)
  }
}

class VirtualPipe implements Pipe {
  readonly owner: VirtualTransport
  far!: VirtualPipe
  readonly #connection: VirtualConnection
  #end: PipeEnd | undefined
  #open = true
  #bytes = 0
  #full = false

  constructor(connection: VirtualConnection, owner: VirtualTransport) {
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

  /** This side ends. A dead node hears nothing. */
  end(reason: string): void {
    if (!this.#open) return
    this.#open = false
    this.#connection.forget(this)
    if (this.owner.running) this.#end?.closed(reason)
  }

  #receive(bytes: Uint8Array): void {
    if (this.#open && this.owner.running) this.#end?.received(bytes)
  }

  #arrived(bytes: number): void {
    this.#bytes -= bytes
    if (!this.#full || this.#bytes > PIPE_BYTES_HIGH / 2) return
    this.#full = false
    if (this.#open && this.owner.running) this.#end?.drained()
  }
}
