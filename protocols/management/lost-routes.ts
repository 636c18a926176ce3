/** Which routes a version asks for in vain, from the routes that are held. Pure. */
import type { FunctionRecord, RouteRecord } from '#protocols/catalog'
import { LIVE } from '#protocols/function'
import { routesConflict } from '#protocols/route'
import type { LostRouteSummary } from './management.ts'

/** Of a version that gets traffic; others ask for nothing. */
export function lostRoutesOf(record: FunctionRecord, held: readonly RouteRecord[]): LostRouteSummary[] {
  if (record.aliases[LIVE]?.some((each) => each.version === record.version) !== true) return []
  const isOwn = ({ namespace, name }: RouteRecord) => name === record.name && namespace === record.namespace
  const own = new Set(held.filter(isOwn).map((each) => each.route))
  return record.manifest.settings.routes
    .filter((route) => !own.has(route))
    .flatMap((route) => {
      const holder = held.find((each) => !isOwn(each) && routesConflict(each.route, route))
      return holder === undefined ? [] : [{ route, holder }]
    })
}
