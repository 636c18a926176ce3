/**
 * Every setting of a node, once: `--help`, the README's table and the loader are made from this list.
 * No dependencies, so that `--help` costs nothing.
 */
import { availableParallelism, hostname } from 'node:os'
import { join } from 'node:path'
import { configHome, dataHome, type Env, stateHome } from './paths.ts'

export interface ConfigKey {
  /** Name in `node.yaml` and in NodeConfig's raw form. */
  key: string
  /** Environment variable. */
  env: string
  /** Commander's flag text; absent for secrets, which never stand in an argument list others can read. */
  flag?: string
  about: string
  /** Value when nobody says anything; text as a person would write it, or absent for "not set". */
  default?: (host: HostFacts) => string
  /** The default in the documentation, where it depends on the host. */
  defaultShown?: string
  /** Why the default is what it is, or what turning it costs. */
  reason: string
}

/** What defaults depend on; injected so that tests decide. */
export interface HostFacts {
  cores: number
  hostname: string
  env: Env
}

export function hostFacts(env: Env): HostFacts {
  return { cores: availableParallelism(), hostname: hostname(), env }
}

export const configKeys: readonly ConfigKey[] = [
  {
    key: 'name',
    env: 'OSIRIS_NAME',
    flag: '--name <name>',
    about: 'name of the node, for people',
    default: (host) => nameFrom(host.hostname),
    defaultShown: "the host's name",
    reason: 'tables and logs say which machine; trust goes by key, never by name',
  },
  {
    key: 'roles',
    env: 'OSIRIS_ROLES',
    flag: '--roles <list>',
    about: 'comma-separated roles: router, catalog, builder, executor (codegen is taken, and does nothing yet)',
    default: () => 'router,catalog,builder,executor',
    reason: 'a lone node can do everything but generate, which needs a model server',
  },
  {
    key: 'data',
    env: 'OSIRIS_DATA',
    flag: '--data <dir>',
    about: 'data directory: key, ledger, artifacts; one process at a time',
    default: (host) => join(dataHome(host.env), 'osiris', 'node'),
    defaultShown: '`$XDG_DATA_HOME/osiris/node`',
    reason: 'what must survive; give each node of one host its own',
  },
  {
    key: 'state',
    env: 'OSIRIS_STATE',
    flag: '--state <dir>',
    about: 'run-time state: addresses, pids, developer token',
    default: (host) => join(stateHome(host.env), 'osiris'),
    defaultShown: '`$XDG_STATE_HOME/osiris`',
    reason: 'how the command line finds running nodes; may be deleted while nothing runs',
  },
  {
    key: 'httpHost',
    env: 'OSIRIS_HTTP_HOST',
    flag: '--http-host <host>',
    about: 'address the HTTP door listens on',
    default: () => '127.0.0.1',
    reason: 'closed to other machines until you say otherwise; 0.0.0.0 opens it',
  },
  {
    key: 'httpPort',
    env: 'OSIRIS_HTTP_PORT',
    flag: '--http-port <port>',
    about: 'port of the HTTP door; 0 takes any free one',
    default: () => '4747',
    reason: 'the address every client tries when told nothing',
  },
  {
    key: 'p2pListen',
    env: 'OSIRIS_P2P_LISTEN',
    flag: '--p2p-listen <list>',
    about: 'comma-separated multiaddrs for other nodes',
    default: () => '/ip4/0.0.0.0/tcp/4748',
    reason: 'other machines must reach it, at a port a firewall can name; the key of the universe guards it. Port 0 takes any free one',
  },
  {
    key: 'join',
    env: 'OSIRIS_JOIN',
    flag: '--join <token>',
    about: 'join token, or comma-separated multiaddrs; "-" reads them from standard input',
    reason:
      'not set: the universe in the data directory, or else a new one. A token holds the key of the universe: prefer OSIRIS_JOIN or --join-file on shared hosts',
  },
  {
    key: 'universeKey',
    env: 'OSIRIS_UNIVERSE',
    about: 'join token that brings the key of the universe when --join holds only addresses',
    reason: 'not set: the key is in the join token or already in the data directory. Secret, so not a flag',
  },
  {
    key: 'universeName',
    env: 'OSIRIS_UNIVERSE_NAME',
    flag: '--universe-name <name>',
    about: 'name of the universe this node founds when there is none to join',
    default: () => 'default',
    reason: 'only a label: universes are told apart by their root key',
  },
  {
    key: 'recovery',
    env: 'OSIRIS_RECOVERY',
    flag: '--recovery <key>',
    about: 'public half of the key that can replace the root key of the universe this node founds',
    reason:
      'not set: a root key that is lost or stolen is so for ever. Make it with `osiris key new recovery`, and keep it away from all nodes; it cannot be named later',
  },
  {
    key: 'developer',
    env: 'OSIRIS_DEVELOPER',
    flag: '--developer',
    about: 'requests from this machine act as the developer, without a token',
    default: () => 'false',
    reason: 'convenient on a laptop, wrong on a server; `osiris universe start` sets it',
  },
  {
    key: 'developerToken',
    env: 'OSIRIS_DEVELOPER_TOKEN',
    about: "the developer's token, for a node that does not hold the root key",
    reason: 'not set: issued by the root key in the data directory. Secret, so not a flag',
  },
  {
    key: 'capacity',
    env: 'OSIRIS_CAPACITY',
    flag: '--capacity <calls>',
    about: 'calls that may run at once, over all functions',
    default: (host) => String(host.cores * 100),
    defaultShown: '100 per core',
    reason: 'most calls wait more than they compute; beyond it calls are refused at once instead of queueing without bound',
  },
  {
    key: 'labels',
    env: 'OSIRIS_LABELS',
    flag: '--label <pairs...>',
    about: 'what sets this node apart, such as gpu=true: functions ask for it by `place: { labels: … }`; a mapping, or `gpu=true,disk=ssd`',
    reason:
      'not set: only functions that ask for nothing run here. At most 16, of at most 64 characters; members believe it as they believe the node',
  },
  {
    key: 'region',
    env: 'OSIRIS_REGION',
    flag: '--region <region>',
    about: 'where this node is, such as eu-west-1: functions ask for it by `place: { regions: … }`',
    reason: 'not set: functions that name regions do not run here',
  },
  {
    key: 'spares',
    env: 'OSIRIS_SPARES',
    flag: '--spares <workers>',
    about: 'worker processes kept ready for namespaces not seen yet',
    default: () => '1',
    reason: 'hides the 70 ms a worker takes to start; each costs the memory of one idle process',
  },
  {
    key: 'limits',
    env: 'OSIRIS_LIMITS',
    flag: '--limits <list>',
    about:
      'the most functions get here, as a mapping or `cpu=5s,memory=256MB`: timeout, cpu, memory, payload, result, logs, requests, timers, concurrency (of one function, by the names of `execution:`), queue (calls), totalMemory, namespaceCpu (processors), egressPerMinute (bytes that functions of one namespace fetch and send)',
    reason: 'not set: what a function asks for, half of the host’s memory, and any processor that nobody else wants',
  },
  {
    key: 'walls',
    env: 'OSIRIS_WALLS',
    flag: '--walls <mode>',
    about: 'what the kernel must put around workers: required, auto (what the host offers) or off',
    default: () => 'auto',
    reason:
      'a laptop without bubblewrap still runs functions, and says what is missing; a host that runs strangers\' code should ask for "required"',
  },
  {
    key: 'egressPrivate',
    env: 'OSIRIS_EGRESS_PRIVATE',
    flag: '--egress-private',
    about: 'functions may fetch from private addresses that their `egress` names literally, such as http://127.0.0.1:9000',
    default: () => 'false',
    reason: 'what listens on this machine and its networks trusts them; `osiris universe start` sets it',
  },
  {
    key: 'artifactCache',
    env: 'OSIRIS_ARTIFACT_CACHE',
    flag: '--artifact-cache <size>',
    about: 'disk for built code that other nodes keep as well',
    default: () => '1GB',
    reason: 'copies fetched for calls; the longest unused go first. What this node itself is to keep comes on top',
  },
  {
    key: 'bodyTimeout',
    env: 'OSIRIS_BODY_TIMEOUT',
    flag: '--body-timeout <duration>',
    about: 'how long a client of the HTTP door may take to send arguments, a management body, or a body of up to 64 KiB; then 408',
    default: () => '30s',
    reason:
      'each of them is held in memory until it is whole; raise it for clients on slow lines. Larger bodies stream, and may take their time',
  },
  {
    key: 'connectionsPerAddress',
    env: 'OSIRIS_CONNECTIONS_PER_ADDRESS',
    flag: '--connections-per-address <connections>',
    about: 'connections to the HTTP door from one address; further ones are refused (503)',
    default: () => '4000',
    reason: 'one address may not have all 10,000; behind a proxy, which is one address for all clients, set 10000',
  },
  {
    key: 'domain',
    env: 'OSIRIS_DOMAIN',
    flag: '--domain <domain>',
    about: 'functions answer at NAME.NAMESPACE.DOMAIN',
    default: () => 'localhost',
    reason: 'names under localhost need no DNS and no hosts file',
  },
  {
    key: 'tlsCert',
    env: 'OSIRIS_TLS_CERT',
    flag: '--tls-cert <file>',
    about: 'certificate and those up to its root, PEM: the node serves HTTPS and HTTP/2 besides HTTP',
    reason: 'not set: no HTTPS. Read again when it changes, and what cannot be used changes nothing',
  },
  {
    key: 'tlsKey',
    env: 'OSIRIS_TLS_KEY',
    flag: '--tls-key <file>',
    about: 'its key, PEM, not encrypted',
    reason: 'goes with --tls-cert; a path, so that the key is in no argument list',
  },
  {
    key: 'httpsPort',
    env: 'OSIRIS_HTTPS_PORT',
    flag: '--https-port <port>',
    about: 'port of the HTTPS door; 0 takes any free one',
    default: () => '4749',
    reason: 'next to the other two; 443 takes a right that nodes should not have, or a redirect of the firewall',
  },
  {
    key: 'acme',
    env: 'OSIRIS_ACME',
    flag: '--acme <directory>',
    about: 'authority that signs certificates for the domains that count (osiris domain add): URL of its ACME directory, or letsencrypt',
    reason:
      'not set: none is asked. It asks back at port 80 of the domain, which has to lead to the HTTP doors of this universe; setting it accepts its terms',
  },
  {
    key: 'acmeEmail',
    env: 'OSIRIS_ACME_EMAIL',
    flag: '--acme-email <address>',
    about: 'whom the authority may write to',
    reason: 'not set: nobody; authorities warn of what has failed',
  },
  {
    key: 'logLevel',
    env: 'OSIRIS_LOG_LEVEL',
    flag: '--log-level <level>',
    about: 'debug, info, warn or error',
    default: () => 'info',
    reason: 'info is silent while nothing changes; debug says something per call',
  },
  {
    key: 'dht',
    env: 'OSIRIS_DHT',
    flag: '--no-dht',
    about: 'take no part in the DHT',
    default: () => 'true',
    reason: 'nodes without the catalog role find functions and artifacts through it; off saves some traffic on tiny meshes',
  },
  {
    key: 'drainTimeout',
    env: 'OSIRIS_DRAIN_TIMEOUT',
    flag: '--drain-timeout <duration>',
    about: 'how long running calls may finish when the node stops',
    default: () => '10s',
    reason: 'as long as the default time limit of a call',
  },
]

/** The file that is read when nobody names one. */
export function defaultConfigFile(env: Env): string {
  return join(configHome(env), 'osiris', 'node.yaml')
}

/** A valid node name as near to the host's name as can be. */
export function nameFrom(text: string): string {
  const name = text
    .toLowerCase()
    .replace(/\..*$/, '')
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 63)
  return name === '' ? 'node' : name
}

/** The table of README.md. */
export function keysTable(): string {
  const rows = configKeys.map((each) => {
    const shown = each.defaultShown ?? (each.default === undefined ? 'not set' : `\`${each.default({ cores: 1, hostname: '', env: {} })}\``)
    return `| \`${each.key}\` | \`${each.env}\` | ${each.flag === undefined ? '–' : `\`${each.flag}\``} | ${shown} | ${each.about} | ${each.reason} |`
  })
  return ['| key | environment | flag | default | what | why |', '|---|---|---|---|---|---|', ...rows].join('\n')
}
