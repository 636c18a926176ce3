/** How to reach what was deployed: lines to paste. Pure. */
import type { Deployed } from '#sdk'
import { printableLine } from './printable.ts'
import { renderTable } from './table.ts'

type Reached = Pick<Deployed, 'namespace' | 'name' | 'routes'>

/** `url`: the node that took it in. Whether a function answers with a value or a Response is seen only when it runs: both ways are told. */
export function waysToReach(deployed: readonly Reached[], url: string): string {
  return renderTable(
    ['REACH', 'A VALUE FUNCTION', 'A WEB FUNCTION'],
    deployed.map((each) => {
      const ref = `${each.namespace}/${each.name}`
      return [ref, `npx osiris call ${ref}`, [addressOf(each, url), ...each.routes.map((route) => routeAt(route, url))].join('  ')]
    }),
  )
}

/** The host name where it resolves by itself (RFC 6761, section 6.3), the path that works everywhere elsewhere. */
function addressOf({ namespace, name }: Reached, url: string): string {
  const at = new URL(url)
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(at.hostname)
  return local
    ? `${at.protocol}//${name}.${namespace}.localhost${at.port === '' ? '' : `:${at.port}`}/`
    : `${at.origin}/v1/fetch/${namespace}/${name}/`
}

/** A route of a host of its own stays as it is written. */
function routeAt(route: string, url: string): string {
  const [path = '', methods] = route.split(' ').toReversed()
  const place = path.startsWith('/') ? new URL(url).origin + path : path
  return printableLine(methods === undefined ? place : `${methods} ${place}`)
}
