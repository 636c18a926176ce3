import { digestOf, encode } from '#protocols/codec'
import type { RouteRecord } from '../catalog.ts'
import { answer, callerOf, type Handler, readable } from './handler.ts'

/** All routes as far as the sender may read them; nothing when the sender has them already. */
export const routes: Handler<'routes'> = async (context, { known, caller }, { peer }) => {
  const mayRead = await readable(context, peer, caller && callerOf(caller))
  const body = encode(context.service.routes().filter((route: RouteRecord) => mayRead(route.namespace)))
  const digest = digestOf(body)
  return digest === known ? answer({ digest, same: true }) : answer({ digest, same: false }, body)
}
