import { answer, callerOf, type Handler, requireReaderOfAll } from './handler.ts'

/** How far this node's ledger is. */
export const status: Handler<'status'> = async (context, { caller }, { peer }) => {
  await requireReaderOfAll(context, peer, caller && callerOf(caller))
  return answer({ ...context.service.status() })
}
