/** Records of the catalog and the mesh → what people see of them. Pure. */
import type { FunctionRecord } from '#protocols/catalog'
import type { Member, Network } from '#protocols/network'
import type { FunctionDetail, FunctionSummary, LostRouteSummary, NamespaceSummary, NetworkSummary, NodeSummary } from './management.ts'

export function summaryOf(record: FunctionRecord): FunctionSummary {
  const { namespace, name, version, ordinal, versions, publishedAt, publishedBy } = record
  const { access, routes } = record.manifest.settings
  return { namespace, name, version, ordinal, versions, access, routes, publishedAt, publishedBy }
}

export function detailOf(record: FunctionRecord, lostRoutes: LostRouteSummary[]): FunctionDetail {
  return { ...summaryOf(record), lostRoutes, manifest: record.manifest, aliases: record.aliases }
}

/** Namespaces with how many functions each has, by name. */
export function namespacesOf(records: readonly FunctionRecord[]): NamespaceSummary[] {
  const counts = new Map<string, number>()
  for (const { namespace } of records) counts.set(namespace, (counts.get(namespace) ?? 0) + 1)
  return [...counts].map(([name, functions]) => ({ name, functions })).toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

export function nodeOf(member: Member): NodeSummary {
  const { name, peer, roles, addresses, capacity, inFlight, functions, warm, connected } = member
  return { name, peer, roles, http: member.http ?? null, addresses, capacity, inFlight, functions, warm, connected, self: false }
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
