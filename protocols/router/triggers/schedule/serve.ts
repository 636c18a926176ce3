/** Opens this router's schedules to peers: claims of ticks, rows for other routers, the list for people. */
import { type Access, allows } from '#protocols/access'
import { decodeAs, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Message, Network, Peer } from '#protocols/network'
import { callerOf } from '../../wire-caller.ts'
import { type Claim, PAGE_ROWS, requestSchema, SCHEDULE_PROTOCOL, type ScheduleRequest } from './messages.ts'
import { type Grant, keyOf } from './row.ts'
import type { Schedules } from './schedules.ts'

/** Returns the way to stop. */
export function serveSchedules(
  network: Pick<Network, 'handle'>,
  schedules: Pick<Schedules, 'routers' | 'book' | 'list'>,
  access: Pick<Access, 'principalOf'>,
): () => void {
  return network.handle(SCHEDULE_PROTOCOL, async ({ peer, head }) => {
    const request = decodeAs(requestSchema, head, 'a request about schedules')
    if (request.type === 'list') return listed(schedules, access, request)
    // Who is no router could claim ticks that it never fires.
    if (!schedules.routers.isRouter(peer))
      throw new OsirisError('forbidden', `Cannot take the ${request.type} of a schedule: ${peer} is no router of this universe`)
    return answered(schedules.book, peer, request)
  })
}

async function answered(book: Schedules['book'], peer: Peer, request: Exclude<ScheduleRequest, { type: 'list' }>): Promise<Message> {
  if (request.type === 'rows') return { head: encode({}), body: encode({ rows: book.rowsAfter(request.after, PAGE_ROWS) }) }
  const key = keyOf(request)
  if (request.type === 'release') {
    book.release(key, request.line, grantOf(request, peer))
    return { head: encode({}) }
  }
  const granted = await book.grant(key, request.line, grantOf(request, peer))
  const row = granted ? null : (book.row(key) ?? null)
  return { head: encode({ granted, row: row?.line === request.line ? row : null }) }
}

function grantOf({ tickAt, round }: Claim, to: Peer): Grant {
  return { tickAt, round, to }
}

/** Of the namespaces the caller may read. */
async function listed(
  schedules: Pick<Schedules, 'list'>,
  access: Pick<Access, 'principalOf'>,
  { namespace, after, caller }: Extract<ScheduleRequest, { type: 'list' }>,
): Promise<Message> {
  const principal = await access.principalOf(callerOf(caller))
  const readable = schedules.list(namespace).filter((each) => allows(principal, 'read', each.namespace))
  const asked = readable.filter((each) => keyOf(each) > after)
  return { head: encode({}), body: encode({ schedules: asked.slice(0, PAGE_ROWS) }) }
}
