/** The schedules as a node sees them that is no router: by asking one. */
import { collect } from '#protocols/body'
import { decodeAs, encode } from '#protocols/codec'
import type { Caller } from '#protocols/invocation'
import { askRouter, type Asker } from '../../ask.ts'
import { wireCaller } from '../../wire-caller.ts'
import {
  PAGE_BYTES_MAX,
  PAGE_ROWS,
  PAGES_MAX,
  type Schedule,
  SCHEDULE_PROTOCOL,
  type ScheduleRequest,
  schedulesSchema,
} from './messages.ts'
import { keyOf } from './row.ts'

const TIMEOUT_MS = 5000

/** Of the namespaces the caller may read, by namespace and name. Throws `unavailable`, `unauthenticated`. */
export async function askForSchedules(asker: Asker, caller: Caller, namespace?: string): Promise<Schedule[]> {
  const all: Schedule[] = []
  for (let page = 0; page < PAGES_MAX; page++) {
    const after = all.length === 0 ? '' : keyOf(all.at(-1) as Schedule)
    const request: ScheduleRequest = { type: 'list', after, caller: wireCaller(caller), ...(namespace === undefined ? {} : { namespace }) }
    const question = { protocol: SCHEDULE_PROTOCOL, message: { head: encode(request) }, timeoutMs: TIMEOUT_MS }
    const { body } = await askRouter(asker, { ...question, act: 'Cannot list the schedules' })
    const { schedules } = decodeAs(schedulesSchema, await collect(body, PAGE_BYTES_MAX, 'the schedules'), 'the schedules')
    all.push(...schedules)
    const end = schedules.at(-1)
    if (end === undefined || schedules.length < PAGE_ROWS || keyOf(end) <= after) break
  }
  return all
}
