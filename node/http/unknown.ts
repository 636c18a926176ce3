/** Paths that are not there, and methods a path does not have. */
import { OsirisError } from '#protocols/errors'
import { problemResponse, type ManagementContext } from './define.ts'
import { unknownPath } from './target.ts'

/** Told apart by the routes themselves: hono says "not found" for both. */
export function createUnknown(routes: readonly { method: string; path: string }[]): (context: ManagementContext) => Response {
  const known = routes.map(({ method, path }) => ({
    method,
    pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`),
  }))
  return ({ req }) => {
    const allow = new Set(known.filter(({ pattern }) => pattern.test(req.path)).map(({ method }) => method))
    if (allow.size === 0) return problemResponse(unknownPath(req.path))
    if (allow.has('GET')) allow.add('HEAD')
    const methods = [...allow].toSorted()
    const text = `Cannot ${req.method} ${req.path.slice(0, 200)}: it takes ${methods.join(', ')}`
    return problemResponse(new OsirisError('method_not_allowed', text, { details: { allow: methods } }))
  }
}
