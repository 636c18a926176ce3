/**
 * The composition of one node, top to bottom in order of need: the only file that knows all rooms, and the first to read.
 *
 * Each role is had as a service (it lives here) or as a client (it lives on a peer), with the same face. That is decided here, once;
 * nobody else knows. `start()` runs down this page, `stop()` runs up.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Access, formatJoinToken, universeId } from '#protocols/access'
import { BuilderClient, BuilderService, serveBuilder } from '#protocols/builder'
import { CatalogClient, CatalogService, DirectoryArtifacts, followStanding, serveArtifacts, serveCatalog } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import { createEvents } from '#protocols/events'
import { ExecutorClient, ExecutorService, Poster, serveExecutor } from '#protocols/executor'
import { every, type Role, type Startable, systemClock } from '#protocols/lifecycle'
import { createLibp2pNetwork, loadLibp2p } from '#protocols/network'
import {
  askForSchedules,
  PlatformEvents,
  Promoter,
  type Calls,
  CallsClient,
  CallsService,
  QueueService,
  Quotas,
  Routers,
  type Router,
  RouterClient,
  RouterService,
  Scaling,
  Schedules,
  serveCalls,
  serveRouter,
  serveSchedules,
  serveTopics,
  type Topics,
  TopicsClient,
  TopicsService,
  Domains,
  systemTxt,
} from '#protocols/router'
import type { NodeConfig, TlsConfig } from '#node/config'
import { Challenges, createAcme, HttpServer } from '#node/http'
import { createLogger, logEvents, Metrics } from '#node/telemetry'
import { listNodes, type RunningNode } from '#node/universe'
import { admissionOf } from './admitting.ts'
import { doorsOf } from './doors.ts'
import { writesOf } from './canaries.ts'
import { Draining } from './draining.ts'
import { tendHeap } from './heap.ts'
import { type Host, openHost } from './host.ts'
import { insideOf, loadOf } from './own-load.ts'
import { joinMesh } from './joining.ts'
import { KeyTurn } from './key-turn.ts'
import { OwnToken } from './own-token.ts'
import { startRenewable } from './renewing.ts'

/** How often the beat learns what this node holds and runs; beats go out once a second. */
const ADVERTISE_MS = 500
/** A joining node tries its addresses this long; in a universe that starts, the first node may come up last. */
const JOIN_MS = 8000
/** One that was here before waits less: it can serve what it has. */
const REJOIN_MS = 2000
/** A node that is new to its universe waits so long to be let in before it goes on without; one that was here before does not wait. */
const ADMISSION_MS = 3000

const NO_RECOVERY =
  'This universe is founded without a recovery key: if root.key is lost or stolen, nobody can replace it. To have one, found it anew, on an empty data directory: osiris key new recovery; osiris node start --recovery KEY'

/** Loads what a start loads later, so that a node that still waits for its join token uses the time. */
export function preload(): Promise<void> {
  return loadLibp2p()
}

/**
 * Starts a node; ready when it resolves. Rejects with one OsirisError for whatever is in the way (`signal` gives the start up:
 * `unavailable`), everything already started being stopped again.
 */
export function startNode(config: NodeConfig, signal: AbortSignal = new AbortController().signal): Promise<RunningNode> {
  return startRenewable(startOnce, config, signal)
}

async function startOnce(config: NodeConfig, signal: AbortSignal, renew: () => void): Promise<RunningNode> {
  const host = await openHost({ dataDir: config.dataDir, universeName: config.universeName, recovery: config.recovery, join: config.join })
  const untended = tendHeap(systemClock)
  const started: Startable[] = [
    { start: async () => {}, stop: () => host.close() },
    { start: async () => {}, stop: async () => untended() },
  ]
  try {
    const { parts, node } = await compose(config, host, signal, renew)
    for (const part of parts) {
      if (signal.aborted) throw new OsirisError('unavailable', `Cannot start node "${config.name}": it was interrupted`)
      started.push(part)
      await part.start()
    }
    let stopping: Promise<void> | undefined
    return node(() => (stopping ??= stopAll(started)))
  } catch (error) {
    // What was in the way is told, not what came of it.
    await stopAll(started).catch(() => {})
    throw error
  }
}

async function compose(config: NodeConfig, host: Host, signal: AbortSignal, renew: () => void) {
  const has = (role: Role) => config.roles.includes(role)
  const { identity, universe } = host
  const clock = systemClock
  const random = Math.random
  const logger = createLogger({ level: config.logLevel, name: config.name })
  const events = createEvents((error) => logger.error(`A listener failed: ${String(error)}`))
  logEvents(events, logger, clock)
  if (host.store.mended !== undefined)
    logger.warn(`The store of the ledger was damaged and is ${host.store.mended}: fetching what it lost from peers`)
  const access = new Access({ root: universe.root, clock })
  const own = await OwnToken.of(config, host)
  /** Whoever asks from this machine, in a universe for development. */
  const developer = config.developer && own.token !== undefined ? (own as { readonly token: string }) : undefined

  const traits = { labels: config.labels, ...(config.region === undefined ? {} : { region: config.region }) }
  const network = await createLibp2pNetwork({
    seed: identity.seed,
    universe,
    listen: config.p2pListen,
    bootstrap: host.bootstrap,
    // Nobody's calls are taken before the doors are open.
    beat: { name: config.name, roles: config.roles, capacity: 0, ...traits },
    dht: config.dht,
    storage: host.knownPeers,
    clock,
    random,
    events,
  })
  const joinToken = () => formatJoinToken({ universe, bootstrap: network.addresses(), ...(developer && { token: developer.token }) })

  const artifacts = new DirectoryArtifacts({ directory: host.artifactsDir, clock })
  // Whoever holds the root key keeps the ledger too, whatever its roles: it is what lets the others in.
  const catalogService =
    has('catalog') || host.rootKeys.held.length > 0
      ? new CatalogService({
          ...{ identity, universe, artifacts, network, access, clock, random, events },
          storage: host.store.storage,
          nodeName: config.name,
          isNew: host.isNew,
          rootKeys: own.following(host.rootKeys),
          founding: host.founding,
          isOpen: config.developer,
          limits: { cacheBytesMax: config.artifactCacheBytes },
        })
      : undefined
  const catalog =
    catalogService ??
    new CatalogClient({ network, clock, random, events, universe, artifacts, artifactCacheBytes: config.artifactCacheBytes })
  access.follow(catalog)
  if (catalog.standing !== undefined) followStanding(network, catalog.standing, !config.developer)
  const keyTurn = new KeyTurn({
    ...{ host, network, clock, random, renew, service: catalogService },
    client: catalog instanceof CatalogClient ? catalog : undefined,
  })
  const admission = admissionOf({ config, host, network, catalog, catalogService, events })

  const builderService = has('builder')
    ? new BuilderService({ clock, events, workDir: join(config.dataDir, 'builds'), nodeName: config.name })
    : undefined
  const builder = builderService ?? new BuilderClient({ network, clock, random })

  let ready = false
  const executorService: ExecutorService | undefined = has('executor')
    ? new ExecutorService({
        code: {
          record: (namespace, name, version) => catalog.get({ namespace, name, selector: version }),
          artifact: (digest, options) => catalog.artifact(digest, options),
        },
        callOut: (invocation) => (routing ?? router).invoke(invocation),
        publishOut: (message, from) => topics.publishFrom(message, from),
        ...{ network, clock, random, events, nodeName: config.name, capacity: config.capacity, spares: config.spares },
        ...{ limits: config.limits, walls: config.walls, traits },
        egressPrivate: config.egressPrivate,
        codeStore: host.codeStore,
        shareOf: (record) => scaling.parts.shareOf(record),
        doors: () => nodeDoors(),
      })
    : undefined

  const domains = new Domains({ catalog, resolveTxt: systemTxt(), universe: universeId(universe), clock })
  const quotas = has('router') || has('executor') ? new Quotas({ catalog, network, clock, events }) : undefined
  const draining: Draining = new Draining({
    ...{ roles: config.roles, network, executor: executorService, clock },
    onBegin: () => {
      ready = false
      scaling.rolesChanged()
    },
  })
  /** Of other nodes. */
  const executors = new ExecutorClient({ network, clock })
  const scaling: Scaling = new Scaling({
    ...{ network, catalog, clock, events, traits, capacity: config.capacity },
    has: (role) => draining.has(role),
    executor: executorService,
    remote: executors,
  })

  // Functions call each other through it on any node that runs them, so that one that is here is called here.
  const routing: RouterService | undefined =
    has('router') || has('executor')
      ? new RouterService({
          ...{ catalog, access, clock, random, events, network, traits },
          ...{ peer: network.peer, members: network.members },
          ...(quotas === undefined ? {} : { quotas }),
          domains,
          scaleOf: (of, published) => scaling.scaleOf(of, published),
          executor: executorService,
          remote: executors,
        })
      : undefined
  const promoter =
    has('executor') || catalogService !== undefined
      ? new Promoter({ ...{ catalog, network, clock, events }, writes: catalogService && writesOf(catalogService) })
      : undefined
  const routerService = has('router') ? routing : undefined
  const routers = has('router') ? new Routers({ network, storage: host.store.storage, clock, events }) : undefined
  const queue = routers && new QueueService({ network, routers, storage: host.store.storage, clock, random, events })
  const router: Router = routerService ?? new RouterClient({ network, clock, random })
  const topicsService =
    routerService && queue && new TopicsService({ ...{ catalog, network, access, clock, random, events }, queue, router: routerService })
  const topics: Topics = topicsService ?? new TopicsClient({ network, random })
  const nodeDoors = () => doorsOf({ http: http.url, p2p: network.addresses() }, network.members.list())
  const outside = new Poster({ clock, allowPrivate: config.egressPrivate, doors: nodeDoors })
  const callsService =
    routerService && queue && new CallsService({ ...{ queue, access, outside, clock, random, randomBytes, events }, router: routerService })
  const calls: Calls = callsService ?? new CallsClient({ network, random })
  const schedules =
    routerService &&
    routers &&
    new Schedules({
      ...{ network, routers, catalog, clock, events, nodeName: config.name, storage: host.store.storage },
      invoke: (invocation) => routerService.trigger(invocation),
    })
  const platformEvents = queue && routers && new PlatformEvents({ network, catalog, clock, events, queue, routers })

  const load = () => loadOf(executorService)
  const metrics = new Metrics({
    events,
    node: config.name,
    probes: {
      inFlight: () => load().inFlight,
      members: () => network.members.list().length,
      ledgerEntries: () => catalogService?.status().entries ?? 0,
      ledgerRefusals: () => ({ ...catalogService?.refusals() }),
      joinRefusals: () => ({ ...catalogService?.admitter.refused() }),
      instances: () => insideOf(executorService).instances?.reduce((sum, { ready: each }) => sum + each, 0) ?? 0,
      scaling: () => scaling.figures(),
      quotas: () => quotas?.figures() ?? [],
    },
  })
  const challenges = new Challenges({ network, clock })
  const acmeOf = ({ acme }: TlsConfig) => {
    // Those that lead here by their owners' own word; a claim alone would have the authority asked for anybody's name.
    const hosts = async () => [...new Set((await domains.list()).flatMap(({ counts, host: name }) => (counts ? [name] : [])))]
    return acme && createAcme({ ...acme, folder: join(config.dataDir, 'certificates'), hosts, challenges, clock, events })
  }
  const http = new HttpServer({
    host: config.httpHost,
    port: config.httpPort,
    domain: config.domain,
    ...(developer === undefined ? {} : { developer }),
    universe: { name: universe.name, id: universeId(universe) },
    self: {
      name: config.name,
      traits,
      roles: config.roles,
      ready: () => ready,
      status: () => ({
        ...load(),
        capacity: config.capacity,
        functions: catalogService?.status().functions ?? 0,
        admission: admission.state(),
        ...insideOf(executorService),
      }),
    },
    quotas,
    domains,
    challenges,
    scaling,
    drain: (timeoutMs) => draining.drain(timeoutMs),
    rotateNode: (options) => keyTurn.rotate(options),
    ...{ router, topics, calls, catalog, builder, network, access, joinToken, metrics, clock, random, events },
    schedules: (caller, namespace) => schedules?.list(namespace) ?? askForSchedules({ network, random }, caller, namespace),
    limits: {
      drainMs: config.drainTimeoutMs,
      bodyTimeoutMs: config.bodyTimeoutMs,
      connectionsPerAddressMax: config.connectionsPerAddress,
    },
    ...(config.tls === undefined ? {} : { tls: { ...config.tls, acme: acmeOf(config.tls) } }),
  })

  const closers: (() => void)[] = []
  const doors: Startable = {
    start: async () => {
      const { bootstrap, isNew } = host
      const timeoutMs = isNew ? JOIN_MS : REJOIN_MS
      const ending = await joinMesh({ network, clock, universeName: universe.name, bootstrap, mayBeAlone: !isNew, timeoutMs, signal })
      if (ending === 'alone')
        logger.warn(`No member of universe "${universe.name}" answered at ${bootstrap.join(', ')}: serving what is here, and trying on`)
      closers.push(() => admission.stop(), keyTurn.watch())
      if (developer !== undefined)
        closers.push(
          own.followNeighbours({
            isGood: (token) => countsAt(access, token),
            tokens: () => listNodes(config.stateDir).flatMap((each) => each.developerToken ?? []),
            onStanding: (listener) => catalog.standing?.onStanding(listener) ?? (() => {}),
            clock,
          }),
        )
      await admission.start({ timeoutMs: isNew && ending === 'joined' ? ADMISSION_MS : 0, mustBeWelcome: isNew, signal })
      await host.keep()
      if (isNew && host.founding.length > 0 && config.recovery === undefined && !config.developer) logger.warn(NO_RECOVERY)
      closers.push(
        challenges.serve(),
        ...(catalogService === undefined ? [] : [catalogService.authority().onChange(() => access.reconsider())]),
        catalog instanceof CatalogClient ? serveArtifacts(network, catalog, access) : serveCatalog(network, catalog, access),
        ...(builderService === undefined ? [] : [serveBuilder(network, builderService, access)]),
        ...(executorService === undefined
          ? []
          : [
              serveExecutor(network, {
                executor: executorService,
                access,
                door: quotas?.door,
                mayOrder: (peer, order) => scaling.mayOrder(peer, order),
              }),
            ]),
        ...(routerService === undefined ? [] : [serveRouter(network, routerService)]),
        ...(topicsService === undefined ? [] : [serveTopics(network, topicsService)]),
        ...(callsService === undefined ? [] : [serveCalls(network, callsService)]),
        ...(schedules === undefined ? [] : [serveSchedules(network, schedules, access)]),
        every(
          clock,
          ADVERTISE_MS,
          () => network.advertise(load()),
          () => {},
        ),
      )
      await scaling.start()
      closers.push(() => void scaling.stop())
      network.advertise({ ...load(), http: http.url, capacity: config.capacity })
      ready = true
    },
    stop: async () => {
      ready = false
      await draining.drain(config.drainTimeoutMs)
      for (const close of closers.splice(0)) close()
    },
  }

  const roles = [catalog, builderService, executorService, quotas, promoter].filter((each) => each !== undefined)
  return {
    // Last: they hand out as soon as they run, and other routers answer members only.
    parts: [
      network,
      ...roles,
      http,
      doors,
      ...[routers, topicsService, callsService, queue, schedules, platformEvents].filter((each) => each !== undefined),
    ] satisfies Startable[],
    node: (stop: () => Promise<void>): RunningNode => ({
      name: config.name,
      peer: network.peer,
      http: http.url,
      p2p: network.addresses(),
      get joinToken() {
        return joinToken()
      },
      get developerToken() {
        return own.token ?? ''
      },
      onTokens: (listener) => own.onChange(listener),
      admission,
      stop,
    }),
  }
}

/** Where nobody can be asked, a token is as good as before. */
async function countsAt(access: Access, token: string): Promise<boolean> {
  try {
    await access.principalOf({ subject: '', token })
    return true
  } catch (error) {
    return (error as OsirisError).code !== 'unauthenticated'
  }
}

/** In reverse; one part's trouble does not keep the others from stopping. */
async function stopAll(parts: Startable[]): Promise<void> {
  const failures: unknown[] = []
  for (const part of parts.toReversed()) await part.stop().catch((error: unknown) => failures.push(error))
  if (failures.length > 0) throw new AggregateError(failures, 'Cannot stop every part of the node')
}
