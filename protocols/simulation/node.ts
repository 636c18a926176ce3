/** One node: what outlives its process (key, disk, the fault of its clock) and the production code of its present life. */
import { Access, type Identity, universeId } from '#protocols/access'
import { type Catalog, CatalogClient, CatalogService, type CatalogServiceInit, followStanding, serveCatalog } from '#protocols/catalog'
import { createEvents, type Events } from '#protocols/events'
import { ExecutorClient, serveExecutor } from '#protocols/executor'
import type { Random, Role } from '#protocols/lifecycle'
import { MeshNetwork } from '#protocols/network'
import { RouterService, serveRouter } from '#protocols/router'
import { VirtualArtifacts } from './artifacts.ts'
import { UNIVERSE } from './cast.ts'
import { type ClockError, NodeClock, wallMsOf } from './clock.ts'
import type { Dice } from './dice.ts'
import { VirtualDisk } from './disk.ts'
import { CountingExecutor } from './executor.ts'
import type { KeyDisk } from './key-disk.ts'
import type { Owner, Scheduler } from './scheduler.ts'
import { addressOf, type HeardRecord, VirtualTransport } from './transport.ts'
import type { Wire } from './wire.ts'

/** So often that runs of seconds have some; ordinary ones come every thousand entries. */
const CHECKPOINTS = { checkpointIntervalMs: 400, checkpointEntries: 4 }

/** From the start of a process to its end. */
export interface Life extends Owner {
  clock: NodeClock
  transport: VirtualTransport
  network: MeshNetwork
  access: Access
  events: Events
  catalog: Catalog
  /** Where the ledger is kept. */
  service: CatalogService | undefined
  router: RouterService
  executor: CountingExecutor | undefined
  /** Its catalog has loaded what the disk holds. */
  ready: boolean
}

export interface NodeInit {
  name: string
  identity: Identity
  roles: Role[]
  scheduler: Scheduler
  wire: Wire
  dice: Dice
  clockError: ClockError
  /** Names and keys of all, to dial at the start. */
  everybody: readonly { name: string; identity: Identity }[]
  /** What the root wrote before. */
  founding: readonly Uint8Array[]
  /** The root may be given on, so that tokens are judged by who holds it. */
  isRuled: boolean
  /** Where the root's keys lie, if any are on this host. */
  keys: KeyDisk | undefined
  limits: Partial<CatalogServiceInit['limits']>
  onStart: (id: string) => void
  /** Hears of every record of the DHT that comes to it. */
  onRecord: (record: HeardRecord) => void
  /** Hears whenever the DHT knew what no catalog could be asked for. */
  onHint: () => void
  /** Hears what the node would log. */
  onLog: (text: string) => void
}

export class Node {
  readonly name: string
  readonly identity: Identity
  readonly roles: readonly Role[]
  readonly disk: VirtualDisk
  readonly files: VirtualArtifacts
  readonly clockError: ClockError
  life: Life | undefined
  /** When its last process ended; nothing while one runs. */
  diedAt: number | undefined
  /** Until then nobody asks it for anything: it meets the others after it lost some of its disk. */
  meetsUntilMs = 0
  /** It is not there at all before. */
  absentUntilMs = 0
  readonly #init: NodeInit
  #lives = 0
  #highMs = 0

  constructor(init: NodeInit) {
    this.#init = init
    this.name = init.name
    this.identity = init.identity
    this.roles = init.roles
    this.clockError = init.clockError
    this.disk = new VirtualDisk(init.scheduler, init.dice.fork(`disk ${init.name}`))
    this.files = new VirtualArtifacts(init.scheduler, init.dice.fork(`files ${init.name}`), this.disk)
  }

  get keys(): KeyDisk | undefined {
    return this.#init.keys
  }

  get keepsLedger(): boolean {
    return this.roles.includes('catalog')
  }

  /** The ledger, where it is kept here and open. */
  get ledger(): CatalogService | undefined {
    return this.life?.ready === true ? this.life.service : undefined
  }

  /** The latest its clock has ever shown. */
  clockHighMs(): number {
    const { scheduler } = this.#init
    this.#highMs = Math.max(this.#highMs, wallMsOf(scheduler.now, this.clockError))
    return this.#highMs
  }

  /** Somebody sets its clock. */
  setClock(offsetMs: number): void {
    this.clockHighMs()
    this.clockError.offsetMs = offsetMs
  }

  /** A new process on what the disk holds. Rejects as the catalog's start does. */
  async start(): Promise<void> {
    const life = this.#born()
    this.life = life
    this.diedAt = undefined
    await life.network.start()
    if (life.service === undefined) await (life.catalog as CatalogClient).start()
    else {
      serveCatalog(life.network, life.service, life.access)
      await life.service.start()
    }
    life.ready = true
  }

  /** The process ends as by `kill -9`, or with the power: then nobody is told. */
  kill(silently: boolean): void {
    if (this.life === undefined) return
    this.life.alive = false
    this.life.transport.die(silently)
    this.disk.crash()
    this.life = undefined
    this.diedAt = this.#init.scheduler.now
  }

  #born(): Life {
    const { name, identity, scheduler, wire, everybody } = this.#init
    this.#lives += 1
    const owner: Owner = { name, alive: true, waiting: 0 }
    const { random } = this.#init.dice.fork(`life ${name} ${this.#lives}`)
    const clock = new NodeClock(scheduler, owner, this.clockError)
    const transport = new VirtualTransport({ name, identity, universe: UNIVERSE, wire, owner })
    Object.assign(transport, { onRecord: this.#init.onRecord, onFound: this.#init.onHint })
    const events = createEvents((error) => this.#init.onLog(`a listener failed: ${String(error)}`))
    events.on('log', ({ text }) => this.#init.onLog(text))
    const network = new MeshNetwork({
      ...{ transport, identity, clock, random, events },
      universe: universeId(UNIVERSE),
      beat: { name, roles: [...this.roles], capacity: 8 },
      bootstrap: everybody.filter((each) => each.name !== name).map((each) => addressOf(each.name, each.identity)),
      defer: queueMicrotask,
    })
    const access = new Access({ root: UNIVERSE.root, clock })
    const parts = this.#catalogOf({ owner, clock, network, access, events, random })
    if (this.#init.isRuled) access.follow(parts.catalog)
    const { standing } = parts.service ?? parts.catalog
    if (standing !== undefined) followStanding(network, standing, true)
    const executor = this.#executorOf(parts.catalog, clock, network, access)
    const router = new RouterService({
      ...{ access, clock, random, events, executor },
      catalog: parts.catalog,
      network,
      peer: network.peer,
      members: network.members,
      remote: new ExecutorClient({ network, clock }),
    })
    serveRouter(network, router)
    return Object.assign(owner, { clock, transport, network, access, events, ...parts, router, executor, ready: false })
  }

  #catalogOf(init: { owner: Owner; clock: NodeClock; network: MeshNetwork; access: Access; events: Events; random: Random }) {
    const { owner, clock, network, access, events, random } = init
    const artifacts = this.files.open(owner, () => clock.now())
    if (!this.keepsLedger)
      return { catalog: new CatalogClient({ network, clock, random, events, artifacts, universe: UNIVERSE }), service: undefined }
    const service = new CatalogService({
      ...{ clock, network, access, events, random, artifacts, identity: this.identity },
      universe: UNIVERSE,
      storage: this.disk.open(owner),
      nodeName: this.name,
      founding: this.#init.founding,
      verifyOn: 'here',
      limits: { ...CHECKPOINTS, ...this.#init.limits },
      rootKeys: this.#init.keys?.open(owner),
    })
    return { catalog: service, service }
  }

  #executorOf(catalog: Catalog, clock: NodeClock, network: MeshNetwork, access: Access): CountingExecutor | undefined {
    if (!this.roles.includes('executor')) return undefined
    const executor = new CountingExecutor({
      name: this.name,
      clock,
      dice: this.#init.dice.fork(`executor ${this.name} ${this.#lives}`),
      record: ({ target, version }) => catalog.get({ namespace: target.namespace, name: target.name, selector: version }),
      onStart: this.#init.onStart,
    })
    serveExecutor(network, { executor, access, mayOrder: () => false })
    return executor
  }
}
