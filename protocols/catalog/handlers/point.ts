import { answer, callerOf, type Handler } from './handler.ts'

/** An alias to versions. The caller's token is judged by the service. */
export const point: Handler<'point'> = async ({ service }, { namespace, name, alias, targets, caller, ack, timeoutMs }) => {
  return answer({ ...(await service.point(namespace, name, alias, targets, { caller: callerOf(caller), ack, timeoutMs })) })
}
