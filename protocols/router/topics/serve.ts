import type { Network } from '#protocols/network'
import { handleManage } from './handlers/manage.ts'
import { handlePublish } from './handlers/publish.ts'
import { decodeRequest, TOPICS_PROTOCOL } from './messages.ts'
import type { TopicsService } from './service.ts'

/** Opens this router's topics to peers. Returns the way to stop. */
export function serveTopics(network: Pick<Network, 'handle' | 'members'>, topics: TopicsService): () => void {
  return network.handle(TOPICS_PROTOCOL, async (incoming) => {
    const request = decodeRequest(incoming.head)
    return request.type === 'publish' ? handlePublish(topics, network.members, request, incoming) : handleManage(topics, request)
  })
}
