import type { Access } from '#protocols/access'
import type { Network } from '#protocols/network'
import type { Builder } from './builder.ts'
import { handleBuild } from './handlers/build.ts'
import { BUILDER_PROTOCOL } from './messages.ts'

/** Opens this builder to peers. Returns the way to stop. */
export function serveBuilder(network: Network, builder: Builder, access: Access): () => void {
  return network.handle(BUILDER_PROTOCOL, handleBuild(builder, access))
}
