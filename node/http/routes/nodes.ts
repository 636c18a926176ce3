/** `/v1/nodes`: this node and everybody it knows. */
import { byName, nodeOf, type NodeSummary } from '#protocols/management'
import type { AppParts } from '../app.ts'
import type { Route } from '../define.ts'
import { mayRead, requireAnywhere } from '../guard.ts'
import { nodesSchema } from '../schemas.ts'

export function listNodes(parts: AppParts): Route {
  return {
    summary: 'All nodes this one knows, itself included',
    answers: { 200: { description: 'By name', schema: nodesSchema } },
    async handle(context) {
      const principal = await requireAnywhere(parts.access, context.env.found, 'read', 'list nodes')
      const { instances, ...self } = selfOf(parts)
      const shown = instances === undefined ? self : { ...self, instances: instances.filter((each) => mayRead(principal, each.namespace)) }
      return context.json({ nodes: byName([shown, ...parts.network.members.list().map(nodeOf)]) })
    },
  }
}

function selfOf({ self, network, url }: AppParts): NodeSummary {
  const { name, roles, traits = {} } = self
  return {
    name,
    peer: network.peer,
    roles: [...roles],
    labels: { ...traits.labels },
    region: traits.region ?? null,
    http: url(),
    addresses: network.addresses(),
    ...self.status(),
    connected: true,
    self: true,
  }
}
