/** `/v1/network`: the mesh as this node sees it, and the way into it. */
import { networkOf } from '#protocols/management'
import type { AppParts } from '../app.ts'
import type { Route } from '../define.ts'
import { requireAnywhere, requireIn } from '../guard.ts'
import { joinSchema, networkSchema } from '../schemas.ts'

export function getNetwork({ access, network, universe }: AppParts): Route {
  return {
    summary: 'The mesh as this node sees it',
    answers: { 200: { description: 'Universe, addresses, connections, members', schema: networkSchema } },
    async handle(context) {
      await requireAnywhere(access, context.env.found, 'read', 'read the network')
      return context.json(networkOf({ name: universe.name, id: universe.id }, network))
    },
  }
}

export function getJoinToken({ access, joinToken }: AppParts): Route {
  return {
    summary: 'The token that lets another node join; for administrators of all namespaces',
    answers: { 200: { description: 'A secret', schema: joinSchema } },
    async handle(context) {
      await requireIn(access, context.env.found, 'admin', '*')
      context.header('cache-control', 'no-store')
      return context.json({ join: joinToken() })
    },
  }
}
