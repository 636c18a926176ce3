import { answer, callerOf, type Handler } from './handler.ts'

/** Takes a function out of the view. The caller's token is judged by the service. */
export const retire: Handler<'retire'> = async ({ service }, { namespace, name, caller, ack, timeoutMs }) => {
  return answer({ ...(await service.retire(namespace, name, { caller: callerOf(caller), ack, timeoutMs })) })
}
