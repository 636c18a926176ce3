import { encode } from '#protocols/codec'
import { answer, type Handler } from './handler.ts'

/** The keys above all others, for anybody who has to sign a rotation: public halves, and entries that prove themselves. */
export const succession: Handler<'succession'> = async ({ service }, _message, { peer }) => {
  return answer({}, encode(await service.succession.tell(peer)))
}
