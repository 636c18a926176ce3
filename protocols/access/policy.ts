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
  return principal.grants.some(
    (grant) => grant.can.some((each) => IMPLIED[action].includes(each)) && grant.namespaces.some((pattern) => matches(pattern, namespace)),
  )
}

function matches(pattern: string, namespace: string): boolean {
  return pattern.endsWith('*') ? namespace.startsWith(pattern.slice(0, -1)) : pattern === namespace
}
