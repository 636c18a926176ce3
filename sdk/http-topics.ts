/** Topics over HTTP. */
import type { TopicRef } from '#protocols/topic'
import type { Send } from './http-calls.ts'
import type { DeadLetter, DeadLetterContent, MessageOptions, PublishedMessage, SubscriptionSummary } from './osiris.ts'
import type { Transport } from './transport.ts'

export function topicsOver(send: Send): Pick<Transport, 'publish' | 'topics'> {
  const at = (namespace: string) => `/v1/topics/${encodeURIComponent(namespace)}`
  const letter = (namespace: string, id: string) => `${at(namespace)}/dead/${encodeURIComponent(id)}`
  return {
    publish({ namespace, topic }: TopicRef, data: string, { id, key }: MessageOptions) {
      const query = new URLSearchParams({ ...(id === undefined ? {} : { id }), ...(key === undefined ? {} : { key }) }).toString()
      const path = `${at(namespace)}/${encodeURIComponent(topic)}${query === '' ? '' : `?${query}`}`
      return send<PublishedMessage>(`publish to "${namespace}/${topic}"`, 'POST', path, data)
    },
    topics: {
      async subscriptions(namespace) {
        const act = `list subscriptions of "${namespace}"`
        return (await send<{ subscriptions: SubscriptionSummary[] }>(act, 'GET', at(namespace))).subscriptions
      },
      async deadLetters(namespace, limit = 100) {
        const act = `list dead letters of "${namespace}"`
        return (await send<{ letters: DeadLetter[] }>(act, 'GET', `${at(namespace)}/dead?limit=${limit}`)).letters
      },
      deadLetter: (namespace, id) => send<DeadLetterContent>('show a dead letter', 'GET', letter(namespace, id)),
      async replay(namespace, id) {
        await send('replay a dead letter', 'POST', `${letter(namespace, id)}/replay`)
      },
      async remove(namespace, id) {
        await send('remove a dead letter', 'DELETE', letter(namespace, id))
      },
    },
  }
}
