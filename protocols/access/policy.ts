/** Who may do what: pure, and the same at every door (HTTP, peers, ledger). Deny by default. */
export const CAPABILITIES = ['invoke', 'read', 'deploy', 'admin'] as const
/** `admin` includes the others; `deploy` includes `read` and `invoke`; `read` is lists, versions and logs. */
export type Capability = (typeof CAPABILITIES)[number]

export interface Grant {
  can: Capability[]
  /** Namespaces by name; `*` stands for all, a trailing `*` for a prefix. */
  namespaces: string[]
}

export interface Principal {
  subject: string
  /** The key that signed the token; absent: there was none. */
  issuer?: string
  grants: readonly Grant[]
}

export const ANONYMOUS: Principal = Object.freeze({ subject: 'anonymous', grants: Object.freeze([]) })

const IMPLIED: Record<Capability, readonly Capability[]> = {
  invoke: ['invoke', 'deploy', 'admin'],
  read: ['read', 'deploy', 'admin'],
  deploy: ['deploy', 'admin'],
  admin: ['admin'],
}

/** Whether the principal may do `action` in `namespace`. */
export function allows(principal: Principal, action: Capability, namespace: string): boolean {
  return principal.grants.some((grant) => includes(grant.can, action) && grant.namespaces.some((pattern) => matches(pattern, namespace)))
}

/** What both allow, and nothing else: a token gives no more than whoever signed it holds. */
export function narrowed(grants: readonly Grant[], within: readonly Grant[]): Grant[] {
  return grants.flatMap((grant) =>
    within.flatMap((bound) => {
      const can = CAPABILITIES.filter((each) => includes(grant.can, each) && includes(bound.can, each))
      const namespaces = grant.namespaces.flatMap((a) => bound.namespaces.flatMap((b) => common(a, b)))
      return can.length === 0 || namespaces.length === 0 ? [] : [{ can, namespaces }]
    }),
  )
}

function includes(held: readonly Capability[], action: Capability): boolean {
  return held.some((each) => IMPLIED[action].includes(each))
}

/** The pattern for the namespaces that both patterns match: one of the two, if any. */
function common(a: string, b: string): string[] {
  // A pattern reads as a name that begins with what stands before its own "*".
  return matches(a, b) ? [b] : matches(b, a) ? [a] : []
}

function matches(pattern: string, namespace: string): boolean {
  return pattern.endsWith('*') ? namespace.startsWith(pattern.slice(0, -1)) : pattern === namespace
}
