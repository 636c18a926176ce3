/** `import { connect } from 'osiris/sdk'` */
import { createClient } from './client.ts'
import { type HttpOptions, httpTransport } from './http.ts'
import type { Osiris } from './osiris.ts'

export { OsirisError, type ErrorCode } from '#protocols/errors'
export type { HttpOptions } from './http.ts'
export type * from './osiris.ts'

/** As a peer of the mesh, without a role. */
export interface JoinOptions {
  /** A join token (`osiris1.…`). */
  join: string
  /** Proves who calls; default: the one inside the join token. */
  token?: string
  /** Longest wait for the first members, and then for each call. Default 10 s to join, and as long as the function takes. */
  timeoutMs?: number
}

/**
 * Over HTTP to one node (`connect('http://127.0.0.1:4747')`: nothing is sent before the first call), or as a peer (`connect({ join })`: ends when a router is known).
 * Rejects with `invalid_argument` for a malformed URL or token, `unavailable` when nobody of the universe answers.
 */
export async function connect(to: string | URL | HttpOptions | JoinOptions): Promise<Osiris> {
  if (typeof to === 'string' || to instanceof URL) return createClient(httpTransport({ url: to }))
  if (!('join' in to)) return createClient(httpTransport(to))
  // Libp2p is for those who ask for it: browsers and HTTP clients never load it.
  const { joinTransport } = await import('./p2p.ts')
  return createClient(await joinTransport(to))
}
