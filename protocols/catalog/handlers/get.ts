import { answer, callerOf, type Handler, requireReader } from './handler.ts'

/** One record by reference. */
export const get: Handler<'get'> = async (context, { ref, caller }, { peer }) => {
  await requireReader(context, peer, caller && callerOf(caller), ref.namespace)
  const { namespace, name, selector } = ref
  const record = await context.service.get(selector === undefined ? { namespace, name } : { namespace, name, selector })
  return answer({ ...record })
}
