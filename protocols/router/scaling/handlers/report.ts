import { OsirisError } from '#protocols/errors'
import type { Members, Peer, RequestHandler } from '#protocols/network'
import { collectReport, encodeOrders, type Order, type Row } from '../messages.ts'

export interface ReportParts {
  members: Pick<Members, 'get'>
  hear: (peer: Peer, rows: readonly Row[]) => Order[]
}

/** Only executors have anything to report. */
export function handleReport({ members, hear }: ReportParts): RequestHandler {
  return async (request) => {
    if (members.get(request.peer)?.roles.includes('executor') !== true)
      throw new OsirisError('forbidden', 'Cannot take a report of instances: the peer is no executor')
    return encodeOrders(hear(request.peer, await collectReport(request)))
  }
}
