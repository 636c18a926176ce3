/** What a `Host` header says about a request, found once per distinct host. */
import { hostnameOf } from '#node/access'
import { type FunctionRef, isName } from '#protocols/function'

export interface HostKind {
  /** Lower case, without port; empty when the header is not a host. */
  name: string
  /** The function that has this host for its own: `{name}.{ns}.localhost`, `{name}.{ns}.{domain}`. */
  ref?: FunctionRef
}

/** Distinct hosts remembered; beyond it the memory starts anew, which bounds what invented hosts can cost. */
const REMEMBERED_MAX = 512

export function createHosts(domain: string | undefined): (host: string) => HostKind {
  const suffixes = domain === undefined ? ['.localhost'] : ['.localhost', `.${domain.toLowerCase()}`]
  const known = new Map<string, HostKind>()
  return (host) => {
    const found = known.get(host)
    if (found !== undefined) return found
    if (known.size >= REMEMBERED_MAX) known.clear()
    const kind = kindOf(host, suffixes)
    known.set(host, kind)
    return kind
  }
}

function kindOf(host: string, suffixes: readonly string[]): HostKind {
  const name = hostnameOf(host) ?? ''
  for (const suffix of suffixes) {
    if (!name.endsWith(suffix)) continue
    const [first, second, ...more] = name.slice(0, -suffix.length).split('.')
    if (first === undefined || second === undefined || more.length > 0) continue
    if (isName(first) && isName(second)) return { name, ref: { namespace: second, name: first } }
  }
  return { name }
}
