/** Moving canaries: the one thing this node writes to the ledger by itself, for whoever once asked for it. */
import type { CatalogService } from '#protocols/catalog'
import type { PromoterWrites } from '#protocols/router'

/** How long an entry about a canary is told to others in the background. */
const CANARY_MS = 2000

/** What moving a canary takes: entries of this node's own, for whoever started it. */
export function writesOf(catalog: CatalogService): PromoterWrites {
  const options = (by: string) => ({ by, ack: 'accepted' as const, timeoutMs: CANARY_MS })
  return {
    point: (namespace, name, alias, targets, by) => catalog.record('point', { namespace, name, alias, targets, after: null }, options(by)),
    set: (namespace, key, value, by) => catalog.record('setting', { namespace, key, value }, options(by)),
  }
}
