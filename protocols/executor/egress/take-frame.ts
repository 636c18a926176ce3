/** What a worker says about fetches, judged as if an attacker had written it. */
import { INLINE_BYTES_MAX } from '../bounds.ts'
import { SAY } from '../frames.ts'
import type { InstanceSlot } from '../function-state.ts'
import { decodeFetch } from '../hostile.ts'
import type { Egress } from './service.ts'

/** Throws at what is malformed or out of order: its worker is killed. Words about a fetch that is over are ignored: they may have crossed its end. */
export function takeFrame(egress: Egress, slot: InstanceSlot, kind: number, id: number, b: number, payload: Buffer): void {
  if (kind === SAY.fetch) return begin(egress, slot, id, b, payload)
  const exchange = egress.at(slot, id)
  if (kind === SAY.fetchChunk) exchange?.onChunk(payload)
  else if (kind === SAY.fetchEnd) exchange?.onEnd()
  else if (kind === SAY.fetchCancel) exchange?.cancel()
  else exchange?.onCredit(b)
}

function begin(egress: Egress, slot: InstanceSlot, id: number, headBytes: number, payload: Buffer): void {
  if (headBytes > payload.length) throw new Error('a head longer than its frame')
  const head = decodeFetch(payload.toString('utf8', 0, headBytes))
  const body = payload.length === headBytes ? undefined : payload.subarray(headBytes)
  if (body !== undefined && (head.streams || body.length > INLINE_BYTES_MAX)) throw new Error('a body out of place')
  egress.begin(slot, id, head, body)
}
