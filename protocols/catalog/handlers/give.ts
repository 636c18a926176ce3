import { answer, type Handler } from './handler.ts'

/** A person's key is given on; whoever brings it, the signatures of both keys are what counts. */
export const give: Handler<'give'> = async ({ service }, { type: _type, ack, timeoutMs, passedOn, ...giving }, { peer }) => {
  return answer({ ...(await service.succession.give(giving, peer, { ack, timeoutMs }, passedOn === true)) })
}
