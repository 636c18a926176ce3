/** The node that holds the root key lets the others in: whoever came through the door of the mesh, which takes a join token. */
import type { Grant } from '#protocols/access'
import type { CatalogService } from '#protocols/catalog'
import type { Events } from '#protocols/events'
import type { Clock, Role } from '#protocols/lifecycle'
import { identityOf, type Members, type Peer } from '#protocols/network'

interface Candidate {
  peer: Peer
  name: string
  roles: readonly Role[]
}

export interface AdmittingInit {
  catalog: Pick<CatalogService, 'authority' | 'admit'>
  members: Pick<Members, 'list' | 'onChange'>
  self: Candidate
  clock: Clock
  events: Events
}

/** Admits this node and every member with a role, now and when they come, until the returned function is called. */
export function admitNodes({ catalog, members, self, clock, events }: AdmittingInit): () => void {
  /** Key and roles: who changed its roles is looked at again, who was shut out is not. */
  const seen = new Set<string>()
  const look = (): void => {
    for (const { peer, name, roles } of [self, ...members.list()]) {
      const key = identityOf(peer)
      const mark = `${peer} ${roles.join()}`
      if (key === undefined || roles.length === 0 || seen.has(mark)) continue
      seen.add(mark)
      if (isIn(catalog, key, roles, clock.now())) continue
      catalog.admit(key, name, [...roles], grantsFor(roles)).catch((error: unknown) => {
        seen.delete(mark)
        events.emit('log', { level: 'warn', room: 'node', text: `Cannot admit "${name}": ${(error as Error).message}` })
      })
    }
  }
  const stop = members.onChange(look)
  look()
  return stop
}

/** Who keeps the ledger judges the tokens of all namespaces; the others write nothing. */
function grantsFor(roles: readonly Role[]): Grant[] {
  return roles.includes('catalog') ? [{ can: ['deploy'], namespaces: ['*'] }] : []
}

function isIn(catalog: AdmittingInit['catalog'], key: string, roles: readonly Role[], nowMs: number): boolean {
  const authority = catalog.authority()
  if (!authority.isMember(key, nowMs)) return authority.isBanned(key)
  return !roles.includes('catalog') || authority.standingFor(key, 'deploy', '*', nowMs) !== undefined
}
