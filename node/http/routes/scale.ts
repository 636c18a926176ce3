/** `/v1/functions/{namespace}/{name}/scale`: how many instances there may be, and are. */
import { OsirisError } from '#protocols/errors'
import { scaleSummary } from '#protocols/management'
import { scaleConfigSchema } from '#protocols/manifest'
import { scaledBy, scaleKey } from '#protocols/scale'
import type { AppParts } from '../app.ts'
import { bodyAs, type ManagementContext, type Route } from '../define.ts'
import { requireIn } from '../guard.ts'
import { plainRefOf, writeOptionsOf } from '../input.ts'
import { scaleSchema, writeQuerySchema, writtenSchema } from '../schemas.ts'

const PARAMS = ['namespace', 'name']
/** Four numbers. */
const BODY_BYTES_MAX = 4096

export function getScale({ access, catalog, scaling, network, self }: AppParts): Route {
  const nameOf = (peer: string) => (peer === network.peer ? self.name : (network.members.get(peer)?.name ?? peer))
  return {
    summary: 'How a function is scaled, and the instances there are now',
    params: PARAMS,
    answers: { 200: { description: 'In force, as published, and as set since', schema: scaleSchema } },
    async handle(context) {
      const ref = plainRefOf(context)
      await requireIn(access, context.env.found, 'read', ref.namespace)
      const record = await catalog.get(ref)
      const { decider, versions } = await scaling.stateOf(ref.namespace, ref.name)
      const shown = versions.map(({ nodes, ...each }) => ({
        ...each,
        nodes: nodes.map(({ peer, ready }) => ({ node: nameOf(peer), ready })),
      }))
      const state = { decider: decider === null ? null : nameOf(decider), versions: shown }
      return context.json(scaleSummary(record, await catalog.settings(), state))
    },
  }
}

export function putScale({ access, catalog, limits }: AppParts): Route {
  return {
    summary: 'Sets how a function is scaled, without a new version: what is not named is as it was published, {} is all of it',
    params: PARAMS,
    query: writeQuerySchema,
    body: scaleConfigSchema,
    answers: { 200: { description: 'Set; in force on every node within seconds', schema: writtenSchema } },
    async handle(context) {
      const { namespace, name } = plainRefOf(context)
      const { found } = context.env
      await requireIn(access, found, 'deploy', namespace)
      const set = await bodyAs(context, scaleConfigSchema, BODY_BYTES_MAX, 'the scale')
      await assertPossible(context, catalog, set)
      const value = Object.keys(set).length === 0 ? null : JSON.stringify(set)
      const change = { type: 'set' as const, namespace, key: scaleKey(name), value }
      return context.json({ receipt: await catalog.amend(change, writeOptionsOf(context, found.caller, limits)) })
    },
  }
}

/** Throws `not_found`, and `invalid_argument` where `min` would be above `max`. */
async function assertPossible(
  context: ManagementContext,
  catalog: AppParts['catalog'],
  set: Parameters<typeof scaledBy>[1],
): Promise<void> {
  const { namespace, name } = plainRefOf(context)
  const { manifest } = await catalog.get({ namespace, name })
  const { min, max } = scaledBy(manifest.settings.scale, set)
  if (min > max) throw new OsirisError('invalid_argument', `Cannot scale "${namespace}/${name}": min ${min} is more than max ${max}`)
}
