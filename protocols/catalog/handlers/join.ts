import { OsirisError } from '#protocols/errors'
import { identityOf } from '#protocols/network'
import { answer, type Handler } from './handler.ts'

/** A node asks to be let in. Its connection proves its key. */
export const join: Handler<'join'> = async ({ service }, { name, roles, invitation, rotation }, { peer }) => {
  const member = identityOf(peer)
  if (member === undefined) throw new OsirisError('forbidden', `Cannot let in "${name}": its peer id is not made of an Ed25519 key`)
  if (rotation !== undefined && !service.authority().isMember(member, service.clock.now()))
    await service.succession.takeOver(rotation, member, peer)
  await service.admitter.admit({ member, name, roles, invitation })
  return answer({})
}
