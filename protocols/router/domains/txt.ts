/** TXT records by the host's name servers: no hosts file, no cache but theirs. */
import { Resolver } from 'node:dns/promises'
import type { ResolveTxt } from './domains.ts'

/** Per try, of which there are two: a request waits for it. */
const TRY_MS = 2_000
/** Of what a name may hold that anybody can write. */
const TEXTS_MAX = 64
const NOBODY: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA'])

/** `servers`: instead of the host's own, as `address:port`. */
export function systemTxt(servers?: readonly string[]): ResolveTxt {
  const resolver = new Resolver({ timeout: TRY_MS, tries: 2 })
  if (servers !== undefined) resolver.setServers(servers)
  return async (name) => {
    try {
      return (await resolver.resolveTxt(name)).slice(0, TEXTS_MAX).map((parts) => parts.join(''))
    } catch (error) {
      if (NOBODY.has((error as NodeJS.ErrnoException).code)) return []
      throw error
    }
  }
}
