/** What must hold once every node is there again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { auditFolder, auditNode } from '#node/audit'
import type { Osiris } from '#sdk'
import { type Acknowledged, NAMESPACE } from './deployers.ts'
import type { FaultNode } from './node.ts'

const PAGE = 1000
const LOOK_MS = 50
/** Of what was lost, so many are told in full. */
const TOLD = 10

export interface Agreement {
  /** Until every node had the same view. */
  tookMs: number
  problems: string[]
}

/** Waits until all show the same view of the same entries. */
export async function agree(nodes: readonly FaultNode[], settleMs: number): Promise<Agreement> {
  const startedAt = performance.now()
  for (;;) {
    const seen = await Promise.all(nodes.map(statusOf))
    const tookMs = Math.round(performance.now() - startedAt)
    if (new Set(seen.map(({ state }) => state)).size === 1 && !seen[0]?.state.includes('no answer')) return { tookMs, problems: [] }
    if (tookMs > settleMs) {
      const sights = await Promise.all(nodes.map(sightOf))
      const apart = seen.map(({ name, state }, at) => `${name} ${state}, ${sights[at]}`)
      return { tookMs, problems: [`no agreement after ${tookMs} ms: ${apart.join('; ')}`] }
    }
    await sleep(LOOK_MS)
  }
}

async function statusOf({ name, client }: FaultNode): Promise<{ name: string; state: string }> {
  try {
    if (client === undefined) return { name, state: 'no answer: not ready' }
    const { status } = await client.ledger({ limit: 1 })
    return { name, state: `${status.viewDigest} of ${status.entries} entries` }
  } catch (error) {
    return { name, state: `no answer: ${(error as Error).message}` }
  }
}

/** Whom a node is connected to, and whom it takes for a catalog. */
async function sightOf({ client }: FaultNode): Promise<string> {
  const [network, members] = await Promise.all([client?.network(), client?.nodes()]).catch(() => [])
  const catalogs = members?.filter(({ roles }) => roles.includes('catalog')).map(({ name }) => name) ?? []
  return `${network?.connections.length ?? 'no'} connections, catalogs: ${catalogs.join(' ') || 'none'}`
}

/** What one node shows. */
export interface Held {
  node: string
  /** Hashes of its entries. */
  entries: ReadonlySet<string>
  /** `namespace/name@version` */
  versions: ReadonlySet<string>
}

/** Every acknowledged version on every node, every ledger clean, nobody frozen, nothing without effect. */
export async function examine(nodes: readonly FaultNode[], acknowledged: readonly Acknowledged[]): Promise<string[]> {
  const there = nodes.flatMap(({ name, client }) => (client === undefined ? [] : [{ name, client }]))
  const held = await Promise.all(there.map(async ({ name, client }) => holdingsOf(name, client)))
  const clean = await Promise.all(there.map(async ({ name, client }) => cleanliness(name, client)))
  return [...lossesAmong(acknowledged, held), ...twiceSigned(acknowledged), ...clean.flat()]
}

/** What was acknowledged and is not on every node, with who has it. Pure. */
export function lossesAmong(acknowledged: readonly Acknowledged[], held: readonly Held[]): string[] {
  const has = ({ entries, versions }: Held, each: Acknowledged) =>
    entries.has(each.entry.hash) && (each.version === null || versions.has(`${each.name}@${each.version}`))
  const lost = acknowledged.filter((each) => !held.every((node) => has(node, each)))
  const told = lost.slice(0, TOLD).map((each) => {
    const { name, version, ack, node, strike, entry } = each
    const owners = held.map((one) => `${one.node} ${one.entries.has(entry.hash) ? 'entry' : '-'}/${has(one, each) ? 'version' : '-'}`)
    return `lost: ${name}@${version ?? '?'} (${ack} by ${node} after strike ${strike}, entry ${entry.author.slice(0, 8)}#${entry.seq} ${entry.hash}): ${owners.join(', ')}`
  })
  return lost.length > TOLD ? [...told, `…and ${lost.length - TOLD} more lost`] : told
}

/** Two answers that name one place in one feed, with different entries. Pure. */
export function twiceSigned(acknowledged: readonly Acknowledged[]): string[] {
  const places = new Map<string, string>()
  return acknowledged.flatMap(({ entry, name }) => {
    const place = `${entry.author.slice(0, 16)}#${entry.seq}`
    const before = places.get(place)
    places.set(place, entry.hash)
    return before === undefined || before === entry.hash ? [] : [`signed twice: ${place} is ${before} and ${entry.hash} (${name})`]
  })
}

async function holdingsOf(node: string, client: Osiris): Promise<Held> {
  const entries = new Set<string>()
  for (let after: string | undefined; ;) {
    const { lines } = await client.ledger({ limit: PAGE, ...(after === undefined ? {} : { after }) })
    for (const line of lines) entries.add(line.hash)
    after = lines.at(-1)?.hash
    if (lines.length < PAGE) break
  }
  const versions = new Set<string>()
  for (const { name } of await client.functions.list(NAMESPACE))
    for (const { version } of await client.functions.versions(`${NAMESPACE}/${name}`)) versions.add(`${NAMESPACE}/${name}@${version}`)
  return { node, entries, versions }
}

/** What `osiris ledger verify` and `osiris ledger conflicts` say. */
async function cleanliness(name: string, client: Osiris): Promise<string[]> {
  const { universe } = await client.network()
  const { ok, proofs, counts } = await auditNode(universe.id, (from) => client.ledgerRecords(from))
  const { frozen, voided } = await client.ledgerConflicts()
  return [
    ...(ok ? [] : [`${name}: ledger verify is not clean: ${JSON.stringify(counts)}`]),
    ...(proofs === 0 && frozen.length === 0 ? [] : [`${name}: ${proofs} proofs of forks, frozen: ${JSON.stringify(frozen)}`]),
    ...(voided.length === 0 ? [] : [`${name}: entries without effect: ${JSON.stringify(voided.slice(0, TOLD))}`]),
  ]
}

/** The same for the disk of a node that was stopped. */
export async function diskProblems({ name, dataDir }: FaultNode): Promise<string[]> {
  const { ok, counts } = await auditFolder(dataDir)
  return ok ? [] : [`${name}: ledger verify --data is not clean: ${JSON.stringify(counts)}`]
}
