/** The floor plan as data (DESIGN 2): which rooms there are, which may know which, and where each outside thing has its one address. */

/** `protocols/<x>`, `node/<x>`, or a top-level folder; `words` for the files of protocols/ itself, `node` for the composition, `root` for the rest. */
export type Room = string

const NESTED = ['protocols', 'node']
const TOP = ['sdk', 'console', 'fixtures', 'scripts']
const ROLES = ['catalog', 'executor', 'router', 'builder', 'codegen']

export function roomOf(path: string): Room {
  const [top = '', second, third] = path.split('/')
  if (NESTED.includes(top)) return third === undefined ? (top === 'protocols' ? 'words' : 'node') : `${top}/${second}`
  return TOP.includes(top) && second !== undefined ? top : 'root'
}

/** The folder a room fills; nothing for the rooms that are loose files. */
export function folderOf(room: Room): string | undefined {
  return room === 'words' || room === 'node' || room === 'root' ? undefined : room
}

/** Tests, the suites of contracts, the simulator, and what only they use. */
export function isTest(path: string): boolean {
  return /\.(?:test|suite|fixture|world)\.ts$|\/testing\/|^protocols\/simulation\//.test(path)
}

/** Users' programs that are deployed, never loaded by ours. */
export function isUserFunction(path: string): boolean {
  return path.startsWith('fixtures/functions/')
}

/** Wrong on purpose, to show and to test what a deploy says of it. */
export function isBroken(path: string): boolean {
  return path.startsWith('fixtures/functions/broken/')
}

/** What an installed package loads. The isolate's runtime is bundled before, with what it uses. */
export function isShipped(path: string): boolean {
  const kept = ['scripts', 'fixtures', 'root'].includes(roomOf(path)) || path.startsWith('protocols/executor/engines/isolate/runtime/')
  return !kept && !isTest(path)
}

/** What each room inside protocols/ may know, besides itself and the words. */
const KNOWS: { [room: Room]: string[] } = {
  words: [],
  'protocols/access': [],
  'protocols/network': ['protocols/access'],
  'protocols/catalog': ['protocols/access', 'protocols/network'],
  'protocols/executor': ['protocols/access', 'protocols/network', 'protocols/catalog'],
  'protocols/router': ['protocols/access', 'protocols/network', 'protocols/catalog', 'protocols/executor'],
  'protocols/builder': ['protocols/access', 'protocols/network', 'protocols/catalog', 'protocols/executor'],
  'protocols/codegen': ['protocols/access', 'protocols/network', 'protocols/builder'],
  'protocols/management': ['protocols/access', 'protocols/network', 'protocols/catalog', 'protocols/builder', 'protocols/executor'],
}

/** What the command line may know besides the node it starts: it talks to a running one through sdk, never to its database. A deploy's files are read here, by the builder's own reader. */
const CLI_KNOWS = ['words', 'sdk', 'protocols/access', 'protocols/management', 'protocols/builder']

/** Why `from` may not import `to`; nothing when it may. Tests may use more: they put together what they test. */
export function refusal(
  from: { room: Room; test: boolean },
  to: { room: Room; test: boolean },
  kind: 'value' | 'type',
): string | undefined {
  if (to.test && !from.test) return 'only tests import suites'
  if (from.room === to.room || from.room === 'scripts' || from.room === 'root') return undefined
  if (to.room === 'scripts' || to.room === 'root') return `nothing knows ${to.room}`
  if (to.room === 'fixtures') return from.test ? undefined : 'only tests and scripts import fixtures'
  if (from.room.startsWith('protocols/') || from.room === 'words') return refusalInProtocols(from, to.room, kind)
  return refusalOutside(from, to.room)
}

function refusalInProtocols(from: { room: Room; test: boolean }, to: Room, kind: 'value' | 'type'): string | undefined {
  if (to === 'words') return undefined
  if (!to.startsWith('protocols/')) return 'protocols know neither the node nor the sdk'
  if (from.test) return undefined
  const known = KNOWS[from.room]
  if (known === undefined) return `${from.room} is not in the floor plan of scripts/check/rooms.ts`
  if (!known.includes(to)) return `${from.room} knows ${known.length === 0 ? 'only the words' : known.join(', ')}`
  const role = ROLES.some((each) => to === `protocols/${each}`)
  return role && kind === 'value' ? 'a role takes another role by its contract (import type) and is handed the thing itself' : undefined
}

function refusalOutside(from: { room: Room; test: boolean }, to: Room): string | undefined {
  const inProtocols = to === 'words' || to.startsWith('protocols/')
  const inNode = to === 'node' || to.startsWith('node/')
  if (from.room === 'console') return to === 'sdk' ? undefined : 'the console reaches a node only through sdk'
  if (from.test) return undefined
  if (from.room === 'sdk' || from.room === 'fixtures') return inNode ? `${from.room} does not know the node` : undefined
  if (from.room === 'node/cli') {
    return inNode || CLI_KNOWS.includes(to) ? undefined : 'the command line talks to a running node, through sdk'
  }
  if (to === 'node/cli') return 'nothing of the node knows the command line'
  return inProtocols || inNode ? undefined : `${from.room} does not know ${to}`
}

const NETWORK = ['protocols/network/']
const TESTS = ['*.test.ts', '*.suite.ts', '*.fixture.ts', '*.world.ts', '*/testing/*']
const BENCH = 'scripts/bench/'
/** Users' apps that show what runs unmodified. */
const APPS = 'fixtures/functions/apps/'

/** Outside package (a trailing `*` for a whole scope) → the paths below which it may be imported. The bench may meet them bare: it measures against them. */
const ADDRESSES: { [name: string]: string[] } = {
  libp2p: [...NETWORK, BENCH],
  '@libp2p/*': [...NETWORK, BENCH],
  '@chainsafe/*': [...NETWORK, BENCH],
  '@multiformats/*': [...NETWORK, BENCH],
  multiformats: NETWORK,
  'isolated-vm': ['protocols/executor/engines/isolate/'],
  esbuild: ['protocols/builder/', 'scripts/runtime.ts'],
  typescript: ['protocols/builder/'],
  ollama: ['protocols/codegen/'],
  hono: ['node/http/', BENCH, APPS],
  'itty-router': [APPS],
  'acme-client': ['node/http/tls/acme/', ...TESTS],
  ws: ['node/http/', ...TESTS],
  '@hono/*': ['node/http/', BENCH],
  pino: ['node/telemetry/'],
  '@prometheus-io/client': ['node/telemetry/'],
  jose: ['protocols/access/'],
  commander: ['node/cli/'],
  croner: ['protocols/schedule.ts'],
  yaml: ['node/config/'],
  level: ['node/store.ts', ...TESTS, BENCH],
  '@ipld/dag-cbor': ['protocols/codec.ts'],
  zod: ['protocols/', 'node/', 'scripts/'],
  'core-js': ['scripts/runtime.ts', 'protocols/executor/engines/isolate/'],
  'web-streams-polyfill': ['scripts/runtime.ts', 'protocols/executor/engines/isolate/'],
  'urlpattern-polyfill': ['protocols/executor/engines/isolate/'],
  fflate: ['protocols/executor/engines/isolate/'],
  workerd: [BENCH],
  autocannon: [BENCH],
  vitest: [...TESTS, 'vitest.config.ts'],
  'fast-check': TESTS,
  'memory-level': TESTS,
}

/** The addresses of a package; nothing when it has none. */
export function addressesOf(name: string): string[] | undefined {
  return ADDRESSES[name] ?? ADDRESSES[`${name.split('/')[0]}/*`]
}

/** `*.test.ts` is any file that ends so, `*\/a/*` any with that folder, `a/` everything below, anything else one file. */
export function isAt(path: string, address: string): boolean {
  if (address.startsWith('*') && address.endsWith('*')) return path.includes(address.slice(1, -1))
  if (address.startsWith('*')) return path.endsWith(address.slice(1))
  return address.endsWith('/') ? path.startsWith(address) : path === address
}
