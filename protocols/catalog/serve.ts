/** The catalog's door for peers. */
import type { Access } from '#protocols/access'
import { decodeAs } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { IncomingRequest, Message, Network } from '#protocols/network'
import { amend } from './handlers/amend.ts'
import { artifact, type ArtifactKeeper } from './handlers/artifact.ts'
import { authority } from './handlers/authority.ts'
import { checkpoint } from './handlers/checkpoint.ts'
import { compare } from './handlers/compare.ts'
import { conflicts } from './handlers/conflicts.ts'
import { entries } from './handlers/entries.ts'
import { get } from './handlers/get.ts'
import { give } from './handlers/give.ts'
import { grants } from './handlers/grants.ts'
import { handIn } from './handlers/hand-in.ts'
import { heads } from './handlers/heads.ts'
import { holds } from './handlers/holds.ts'
import { join } from './handlers/join.ts'
import { list } from './handlers/list.ts'
import { log } from './handlers/log.ts'
import { objects } from './handlers/objects.ts'
import { point } from './handlers/point.ts'
import { powers } from './handlers/powers.ts'
import { proofs } from './handlers/proofs.ts'
import { publish } from './handlers/publish.ts'
import { push } from './handlers/push.ts'
import { receipts } from './handlers/receipts.ts'
import { records } from './handlers/records.ts'
import { retire } from './handlers/retire.ts'
import { routes } from './handlers/routes.ts'
import { settings } from './handlers/settings.ts'
import { standing } from './handlers/standing.ts'
import { status } from './handlers/status.ts'
import { succession } from './handlers/succession.ts'
import { versions } from './handlers/versions.ts'
import { witness } from './handlers/witness.ts'
import type { Context, Handler } from './handlers/handler.ts'
import { PROTOCOL, requestSchema, type RequestType } from './messages.ts'
import type { CatalogService } from './service.ts'

const handlers: { [T in RequestType]: Handler<T> } = {
  get,
  grants,
  list,
  versions,
  routes,
  artifact,
  holds,
  status,
  log,
  amend,
  standing,
  join,
  powers,
  settings,
  publish,
  point,
  retire,
  heads,
  entries,
  proofs,
  checkpoint,
  authority,
  compare,
  objects,
  witness,
  push,
  receipts,
  records,
  conflicts,
  succession,
  give,
  'hand-in': handIn,
}

/** Answers peers until the returned function is called. */
export function serveCatalog(network: Network, service: CatalogService, access: Access): () => void {
  const context: Context = { service, network, access }
  return network.handle(PROTOCOL, (request) => handle(context, request))
}

/** For a node without the ledger: answers peers that look for artifacts it fetched before, until the returned function is called. */
export function serveArtifacts(network: Network, service: ArtifactKeeper, access: Access): () => void {
  return network.handle(PROTOCOL, async (request) => {
    const message = decodeAs(requestSchema, request.head, 'the request to the catalog')
    if (message.type === 'artifact') return artifact({ service, network, access }, message, request)
    throw new OsirisError('unavailable', 'Cannot answer for the catalog: this node does not run it')
  })
}

function handle(context: Context, request: IncomingRequest): Promise<Message> {
  const message = decodeAs(requestSchema, request.head, 'the request to the catalog')
  const handler = handlers[message.type] as Handler<RequestType>
  return handler(context, message, request)
}
