/** Which function calls: what the host said of a call when it came. Nothing is kept of calls from outside. */
import { mapDelete, mapGet, mapSet, parse, SafeMap } from './primordials.ts'
import { onCallEnd, owner } from './state.ts'

const { freeze } = Object
const paths = new SafeMap<number, string[]>()
let count = 0

/** `from`: JSON of the functions above, the outermost first. */
export function calledBy(id: number, from: string): void {
  mapSet(paths, id, parse(from) as string[])
  count++
}

/** The function that called the call on whose account code runs now; undefined where it came from outside. */
export function caller(): { name: string; path: readonly string[] } | undefined {
  const path = count === 0 ? undefined : (mapGet(paths, owner()) as string[] | undefined)
  if (path === undefined) return undefined
  return freeze({ name: path[path.length - 1] as string, path: freeze(path) })
}

export function forgetCaller(id: number): void {
  if (count > 0 && mapDelete(paths, id)) count--
}

onCallEnd(forgetCaller)
