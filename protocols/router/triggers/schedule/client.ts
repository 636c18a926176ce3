/** The schedules as a node sees them that is no router: by asking one. */
import { collect } from '#protocols/body'
import { decodeAs, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Caller } from '#protocols/invocation'
import type { Network } from '#protocols/network'
import { PAGE_BYTES_MAX, PAGE_ROWS, PAGES_MAX, type Schedule, SCHEDULE_PROTOCOL, schedulesSchema } from './messages.ts'
import { keyOf } from './row.ts'

const ASK_MS = 5000

/** Of the namespaces the caller may read, by namespace and name. Throws `unavailable`, `unauthenticated`. */
export async function askForSchedules(
  network: Pick<Network, 'members' | 'request'>,
  caller: Caller,
  namespace?: string,
): Promise<Schedule[]> {
  const routers = network.members.withRole('router')
  let failure: unknown = new OsirisError('unavailable', 'Cannot list the schedules: no member runs router')
  for (const { peer } of routers) {
    try {
      return await allFrom(network, peer, caller, namespace)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

async function allFrom(
  network: Pick<Network, 'request'>,
  peer: string,
  caller: Caller,
  namespace: string | undefined,
): Promise<Schedule[]> {
  const all: Schedule[] = []
  for (let page = 0; page < PAGES_MAX; page++) {
    const last = all.at(-1)
    const filter = namespace === undefined ? {} : { namespace }
    const head = encode({ type: 'list', after: last === undefined ? '' : keyOf(last), caller, ...filter })
    const { body } = await network.request(peer, SCHEDULE_PROTOCOL, { head }, { timeoutMs: ASK_MS })
    const { schedules } = decodeAs(schedulesSchema, await collect(body, PAGE_BYTES_MAX, 'the schedules'), 'the schedules')
    all.push(...schedules)
    const end = schedules.at(-1)
    if (end === undefined || schedules.length < PAGE_ROWS || (last !== undefined && keyOf(end) <= keyOf(last))) break
  }
  return all
}
