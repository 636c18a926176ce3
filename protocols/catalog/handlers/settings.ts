import { digestOf, encode } from '#protocols/codec'
import { answer, callerOf, type Handler, readable } from './handler.ts'

/** What was decided for namespaces, as far as the sender may read them; nothing when the sender has it already. */
export const settings: Handler<'settings'> = async (context, { known, caller }, { peer }) => {
  const mayRead = await readable(context, peer, caller && callerOf(caller))
  const body = encode(context.service.settings().filter(({ namespace }) => namespace === '*' || mayRead(namespace)))
  const digest = digestOf(body)
  return digest === known ? answer({ digest, same: true }) : answer({ digest, same: false }, body)
}
