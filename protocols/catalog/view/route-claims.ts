/** Whether routes are free to take. */
import { OsirisError } from '#protocols/errors'
import { routesConflict } from '#protocols/route'
import type { RouteRecord } from '../catalog.ts'

/** Throws `conflict`, naming the holder, when one of the routes is taken by another function. */
export function assertRoutesFree(
  routes: readonly string[],
  owner: { namespace: string; name: string },
  taken: readonly RouteRecord[],
): void {
  for (const route of routes) {
    const holder = taken.find((each) => !isOwn(each, owner) && routesConflict(each.route, route))
    if (holder === undefined) continue
    throw new OsirisError(
      'conflict',
      `Cannot give route "${route}" to "${owner.namespace}/${owner.name}": "${holder.namespace}/${holder.name}" holds "${holder.route}"`,
      { details: { route, holder: { ...holder } } },
    )
  }
}

function isOwn(record: RouteRecord, owner: { namespace: string; name: string }): boolean {
  return record.name === owner.name && record.namespace === owner.namespace
}
