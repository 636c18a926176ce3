/** Records of the catalog and the mesh → what people see of them. Pure. */
import type { FunctionRecord, Powers, Setting } from '#protocols/catalog'
import type { Member, Network } from '#protocols/network'
import { EVERY_NAMESPACE, quotaOf } from '#protocols/quota'
import { scaleConfigOf, scaledBy, scaleKey } from '#protocols/scale'
import type {
  CanaryStatus,
  FunctionDetail,
  FunctionSummary,
  LostRouteSummary,
  NamespaceSummary,
  NetworkSummary,
  NodeSummary,
  QuotaSummary,
  ScaleSummary,
} from './management.ts'

export function summaryOf(record: FunctionRecord): FunctionSummary {
  const { namespace, name, version, ordinal, versions, publishedAt, publishedBy } = record
  const { access, routes } = record.manifest.settings
  return { namespace, name, version, ordinal, versions, access, routes, publishedAt, publishedBy }
}

export function detailOf(record: FunctionRecord, lostRoutes: LostRouteSummary[], promotion: CanaryStatus | null): FunctionDetail {
  return { ...summaryOf(record), lostRoutes, manifest: record.manifest, aliases: record.aliases, promotion }
}

/** Namespaces with their owners and how many functions each has, by name. */
export function namespacesOf(records: readonly FunctionRecord[], owned: Powers['namespaces']): NamespaceSummary[] {
  const found = new Map<string, NamespaceSummary>()
  for (const { namespace: name, owner } of owned) found.set(name, { name, functions: 0, owner })
  for (const { namespace: name } of records) {
    const known = found.get(name) ?? { name, functions: 0, owner: null }
    found.set(name, { ...known, functions: known.functions + 1 })
  }
  return [...found.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

export function nodeOf(member: Member): NodeSummary {
  const { name, peer, roles, addresses, labels = {}, capacity, inFlight, functions, warm, connected } = member
  const said = { http: member.http ?? null, region: member.region ?? null, labels }
  return { name, peer, roles, ...said, addresses, capacity, inFlight, functions, warm, connected, self: false }
}

/** All nodes by name; peers decide between equal names. */
export function byName(nodes: readonly NodeSummary[]): NodeSummary[] {
  return nodes.toSorted((a, b) => (a.name === b.name ? (a.peer < b.peer ? -1 : 1) : a.name < b.name ? -1 : 1))
}

export function networkOf(
  universe: NetworkSummary['universe'],
  network: Pick<Network, 'peer' | 'members' | 'addresses' | 'connections'>,
): NetworkSummary {
  return {
    universe,
    peer: network.peer,
    addresses: network.addresses(),
    connections: network.connections(),
    members: network.members.list().map(({ name, peer, connected }) => ({ name, peer, connected })),
  }
}

/** By namespace; `use` tells what the node that answers gives out. */
export function quotaSummaries(
  settings: readonly Setting[],
  use: (namespace: string) => { share: number; inFlight: number } | undefined = () => undefined,
): QuotaSummary[] {
  return settings.flatMap(({ namespace, key, value }) => {
    const quota = key === 'quota' ? quotaOf(value) : undefined
    if (quota === undefined) return []
    const here = namespace === EVERY_NAMESPACE ? undefined : use(namespace)
    return [{ namespace, ...quota, here: here === undefined ? null : { share: here.share, inFlight: here.inFlight } }]
  })
}

/** `versions`: as the decider sees them. */
export function scaleSummary(
  { namespace, name, manifest }: FunctionRecord,
  settings: readonly Setting[],
  state: Pick<ScaleSummary, 'decider' | 'versions'> = { decider: null, versions: [] },
): ScaleSummary {
  const published = manifest.settings.scale
  const text = settings.find((each) => each.namespace === namespace && each.key === scaleKey(name))?.value
  const set = text === undefined ? {} : scaleConfigOf(text)
  return { namespace, name, ...scaledBy(published, set), published, set, ...state }
}
