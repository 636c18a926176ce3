/** What a running function publishes: to topics of its own namespace, under its own name, on its caller's account. */
import { OsirisError } from '#protocols/errors'
import type { LimitName } from '#protocols/invocation'
import { parseTopicRef } from '#protocols/topic'
import type { PublishOut } from '../executor.ts'
import type { WirePublish } from '../frames.ts'
import type { InstanceSlot } from '../function-state.ts'
import { askerOf, countRequest } from '../limits/requests.ts'

export interface PublishInit {
  publishOut?: PublishOut
  met: (limit: LimitName) => void
}

/** The answer's JSON text. A message that left is not taken back when its call ends. */
export async function publishFor(
  slot: InstanceSlot,
  { topic: text, data, id, key }: WirePublish,
  callId: number,
  { publishOut, met }: PublishInit,
): Promise<Uint8Array> {
  const { namespace, topic } = parseTopicRef(text, slot.fn.record.namespace)
  const act = `Cannot publish to "${namespace}/${topic}"`
  if (namespace !== slot.fn.record.namespace)
    throw new OsirisError('forbidden', `${act}: "${slot.fn.title}" may publish to topics of its own namespace`)
  if (publishOut === undefined) throw new OsirisError('unavailable', `${act}: this node cannot`)
  const asker = askerOf(slot, callId)
  if (asker === undefined) throw new OsirisError('deadline_exceeded', `${act}: the call that asked for it is over`)
  countRequest(asker, act, met)
  const { caller, depth, traceparent, trigger } = asker.invocation
  const chosen = { ...(id === undefined ? {} : { id }), ...(key === undefined ? {} : { key }) }
  const message = { namespace, topic, data: Buffer.from(data), ...chosen, ...(traceparent === undefined ? {} : { traceparent }) }
  const published = await publishOut(message, {
    name: slot.fn.title,
    subject: trigger === undefined ? caller.subject : `a ${trigger.kind}`,
    depth,
  })
  return Buffer.from(JSON.stringify({ id: published.id }))
}
