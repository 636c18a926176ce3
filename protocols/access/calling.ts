/**
 * What a function may call on its own account, besides what its caller may: judged at every door from what its version says in the ledger. So ticks and
 * messages, behind which there is nobody's token, reach functions that take one, and so do callers who may call the first function and not the second.
 *
 * - The version names the callee under `calls`, and was published by somebody who may deploy where it stands.
 * - A callee of its own namespace it may call. One of another it may call while the key whose token asked for the version holds `invoke` there.
 *
 * That this function calls is the word of a member that was let in to run functions or to place them, and of nobody else: a worker names none.
 */
import type { Role } from '#protocols/lifecycle'

/** A function's version, as the ledger has it. */
export interface CallingFunction {
  namespace: string
  name: string
  manifest: { settings: { calls: readonly string[] } }
  /** The key whose token asked for the version. */
  asker?: string | undefined
}

export interface Callee {
  namespace: string
  name: string
}

/** Whether it names the callee under `calls`. */
export function namesCallee({ manifest }: Pick<CallingFunction, 'manifest'>, { namespace, name }: Callee): boolean {
  const title = `${namespace}/${name}`
  return manifest.settings.calls.some((pattern) => (pattern.endsWith('*') ? title.startsWith(pattern.slice(0, -1)) : pattern === title))
}

/** Whether a member with these roles is believed when it says which function calls or publishes: it runs them, or passes on what others run. */
export function speaksForFunctions(member: { roles: readonly Role[] } | undefined): boolean {
  return member !== undefined && (member.roles.includes('executor') || member.roles.includes('router'))
}

/** What a peer may say of the functions above a call: whoever runs none has none above. */
export function asTold<T extends { path?: string[]; by?: string; chain?: unknown }>(
  invocation: T,
  from: { roles: readonly Role[] } | undefined,
): T {
  const { path, by, chain } = invocation
  if ((path === undefined && by === undefined && chain === undefined) || speaksForFunctions(from)) return invocation
  const own = { ...invocation }
  for (const key of ['path', 'by', 'chain'] as const) Reflect.deleteProperty(own, key)
  return own
}
