import { collect } from '#protocols/body'
import { ENTRY_BYTES_MAX } from '../ledger/entry.ts'
import { answer, type Handler } from './handler.ts'

/** A rotation that the recovery key signed; whoever brings it, its own signature is what counts. */
export const handIn: Handler<'hand-in'> = async ({ service }, _message, { peer, body }) => {
  return answer({ ...(await service.succession.handIn(await collect(body, ENTRY_BYTES_MAX, 'the entry'), peer)) })
}
