/** Versions that matter: exact pins, security floors over the whole installed tree, and a lock file that any registry can serve. */
import { z } from 'zod'
import { packageOf, type Tree, type Violation } from './tree.ts'

/** Real package name → the first version without a known hole, or the first that works at all, and why. Holds for every copy in the lock file. */
const FLOORS: { [name: string]: { version: string; why: string } } = {
  hono: { version: '4.13.5', why: 'advisories against earlier releases' },
  '@hono/node-server': { version: '1.19.15', why: 'advisories against earlier releases' },
  '@libp2p/gossipsub': { version: '16.0.0', why: 'CVE-2026-46679: decode limits are off before' },
  '@libp2p/kad-dht': { version: '16.4.0', why: 'CVE-2026-45783' },
  '@libp2p/noise': { version: '17.0.0', why: 'the maintained line' },
  '@libp2p/yamux': { version: '8.0.0', why: 'the maintained line' },
  libp2p: { version: '3.0.0', why: 'the maintained line' },
  'isolated-vm': { version: '7.0.0', why: 'the first for Node 24 and 26' },
  jose: { version: '6.0.0', why: 'the maintained line' },
  esbuild: { version: '0.25.0', why: 'its development server answered any website before' },
  yaml: { version: '2.2.2', why: 'CVE-2023-2251' },
  node: { version: '26.0.0', why: 'the active LTS' },
}
/** Names whose last release has a known hole; their code lives on under another name, which an alias may carry. */
const ABANDONED: { [name: string]: string } = {
  '@chainsafe/libp2p-gossipsub': '@libp2p/gossipsub',
  '@chainsafe/libp2p-noise': '@libp2p/noise',
  '@chainsafe/libp2p-yamux': '@libp2p/yamux',
  'prom-client': '@prometheus-io/client',
}
/** isolated-vm 7 and vitest 5 need it. */
const NODE_MIN = '24.0.0'

const PIN = /^(?:npm:(?:@[\w.-]+\/)?[\w.-]+@)?\d+\.\d+\.\d+(?:-[\w.]+)?$/
const lockSchema = z.object({
  packages: z.record(
    z.string(),
    z.looseObject({
      name: z.string().optional(),
      version: z.string().optional(),
      resolved: z.string().optional(),
      integrity: z.string().optional(),
      dependencies: z.record(z.string(), z.string()).optional(),
      devDependencies: z.record(z.string(), z.string()).optional(),
    }),
  ),
})
type Lock = z.infer<typeof lockSchema>['packages']

export function versions(tree: Tree): Violation[] {
  const { packages } = lockSchema.parse(JSON.parse(tree.get('package-lock.json') ?? 'null'))
  return [
    ...pins(tree),
    ...agreement(tree, packages),
    ...Object.entries(packages).flatMap(([place, entry]) => (place === '' ? [] : judge(place, entry))),
  ]
}

function pins(tree: Tree): Violation[] {
  const { dependencies, devDependencies, engines } = packageOf(tree)
  const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(([, wanted]) => !PIN.test(wanted))
  const found = loose.map(([name, wanted]) => ({
    rule: 'pin',
    path: 'package.json',
    text: `${name} is not pinned to one version: ${wanted}`,
  }))
  const node = /^>=(\d+(?:\.\d+)*)$/.exec(engines['node'] ?? '')?.[1]
  if (node !== undefined && !isBelow(node, NODE_MIN)) return found
  return [...found, { rule: 'floor', path: 'package.json', text: `engines.node must be ">=${NODE_MIN.split('.')[0]}" or above` }]
}

/** A lock file that was not written for this package.json installs something else. */
function agreement(tree: Tree, packages: Lock): Violation[] {
  const manifest = packageOf(tree)
  const locked = packages['']
  const wanted = { ...manifest.dependencies, ...manifest.devDependencies }
  const had = { ...locked?.dependencies, ...locked?.devDependencies }
  return [...new Set([...Object.keys(wanted), ...Object.keys(had)])]
    .filter((name) => wanted[name] !== had[name])
    .map((name) => ({
      rule: 'lock',
      path: 'package-lock.json',
      text: `has ${name} ${had[name] ?? '(none)'}, package.json ${wanted[name] ?? '(none)'}`,
    }))
}

function judge(place: string, entry: Lock[string]): Violation[] {
  const path = 'package-lock.json'
  const name = entry.name ?? place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length)
  const floor = FLOORS[name]
  const heir = ABANDONED[name]
  const found: Violation[] = []
  if (floor !== undefined && isBelow(entry.version ?? '0', floor.version))
    found.push({ rule: 'floor', path, text: `${place} is ${entry.version}, below ${floor.version} (${floor.why})` })
  if (heir !== undefined) found.push({ rule: 'floor', path, text: `${place} is ${name}, which nobody maintains: take ${heir}` })
  if (entry.resolved !== undefined)
    found.push({ rule: 'lock', path, text: `${place} names where it came from ("resolved"): any registry must do` })
  if (entry.integrity === undefined) found.push({ rule: 'lock', path, text: `${place} has no integrity` })
  return found
}

/** Release numbers only; a pre-release counts as its release. */
export function isBelow(version: string, floor: string): boolean {
  const [a, b] = [version, floor].map((each) => each.split('-')[0]!.split('.').map(Number))
  for (let i = 0; i < 3; i++) {
    const difference = (a?.[i] ?? 0) - (b?.[i] ?? 0)
    if (difference !== 0) return difference < 0
  }
  return false
}
