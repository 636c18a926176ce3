/** Which functions stand above a call, and what is said of chains that go too far. Pure. */
import type { OsirisError } from '#protocols/errors'
import type { Invocation } from '#protocols/invocation'
import { limitMet } from '../limits/function-limits.ts'

/** The functions above a call that the function `title` makes while it runs `invocation`. */
export function pathBelow({ path }: Pick<Invocation, 'path'>, title: string): string[] {
  return path === undefined ? [title] : [...path, title]
}

/** `path`: the functions above; the last of them called `name`. */
export function tooDeep(name: string, path: readonly string[], depth: number, depthMax: number): OsirisError {
  return limitMet('depth_exceeded', 'depth', `Cannot call "${name}": ${depth} calls deep (at most ${depthMax}): ${chainText(path, name)}`)
}

export function tooMany(name: string, path: readonly string[], callsMax: number): OsirisError {
  return limitMet(
    'depth_exceeded',
    'chain',
    `Cannot call "${name}": its chain has made its ${callsMax} calls (chainCalls of the node where it began): ${chainText(path, name)}`,
  )
}

/** `demo/a → demo/b → demo/a → …`: a cycle once round; what is none, whole. */
export function chainText(path: readonly string[], name: string): string {
  const whole = [...path, name]
  for (let at = 0; at < whole.length; at++) {
    const again = whole.indexOf(whole[at] as string, at + 1)
    if (again > 0) return [...whole.slice(0, again + 1), '…'].join(' → ')
  }
  return whole.join(' → ')
}
