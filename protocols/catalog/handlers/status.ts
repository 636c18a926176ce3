import { answer, callerOf, EVERYWHERE, type Handler, requireReader } from './handler.ts'

/** How far this node's ledger is. */
export const status: Handler<'status'> = async (context, { caller }, { peer }) => {
  await requireReader(context, peer, caller && callerOf(caller), EVERYWHERE)
  return answer({ ...context.service.status() })
}
