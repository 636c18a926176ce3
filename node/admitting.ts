/** How this node gets in: by the root key where it is here, else by asking those who keep the ledger. */
import { askToJoin, type CatalogClient, type CatalogService, type JoinAnswer } from '#protocols/catalog'
import type { Events } from '#protocols/events'
import { systemClock } from '#protocols/lifecycle'
import { identityOf, type Network } from '#protocols/network'
import type { NodeConfig } from '#node/config'
import { Admission } from './admission.ts'
import type { Host } from './host.ts'

interface AdmissionParts {
  config: NodeConfig
  host: Host
  network: Network
  catalog: CatalogService | CatalogClient
  catalogService: CatalogService | undefined
  events: Events
}

/** Whoever holds the root key lets itself in; a key that another took over from is nothing special any more. */
export function admissionOf({ config, host, network, catalog, catalogService, events }: AdmissionParts): Admission {
  const { name, roles } = config
  const member = identityOf(network.peer) ?? ''
  const isRoot = () => host.rootKeys.held.some(({ id }) => catalogService?.authority().isTop(id) === true)
  const letSelfIn = async (service: CatalogService): Promise<JoinAnswer> => {
    try {
      await service.admitter.admitSelf(name, roles)
      return { state: 'admitted' }
    } catch (error) {
      return { state: 'waiting', reason: (error as Error).message }
    }
  }
  const askOthers = async (signal: AbortSignal): Promise<JoinAnswer> => {
    const answer = await askToJoin(network, {
      name,
      roles,
      invited: host.invited,
      rotation: host.nodeKey.rotation,
      root: host.universe.root,
      signal,
    })
    // Twice: one that was on its way before may have been refused.
    for (let times = 0; times < 2 && answer.state === 'admitted' && !isIn(); times += 1) await catalog.standing?.catchUp(answer.by ?? '')
    return answer
  }
  const isIn = () => roles.every((role) => catalog.standing?.rolesOf(network.peer).has(role))
  return new Admission({
    ask: (signal) => (catalogService !== undefined && isRoot() ? letSelfIn(catalogService) : askOthers(signal)),
    isIn: () => (roles.length === 0 ? true : catalogService?.admitter.hasLetIn(member, roles)),
    onChange: (listener) => {
      const stops = [network.members.onChange(listener), catalogService?.authority().onChange(listener)]
      return () => stops.forEach((stop) => stop?.())
    },
    ...{ nodeName: name, clock: systemClock, events },
  })
}
