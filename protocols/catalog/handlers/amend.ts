import { answer, callerOf, type Handler } from './handler.ts'

/** Changes who may do what. The caller's token is judged by the service. */
export const amend: Handler<'amend'> = async ({ service }, { change, caller, ack, timeoutMs, passedOn }) => {
  return answer({ ...(await service.amend(change, { caller: callerOf(caller), ack, timeoutMs }, passedOn !== true)) })
}
