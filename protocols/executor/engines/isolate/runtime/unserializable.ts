/** Where in a result the value is that JSON refuses: found by a second, watched pass, made only after the first one failed. */
import { isArray, slice, stringify } from './primordials.ts'

const PATH_MAX = 200
const KEY_MAX = 60

/** `result.items[3].total is a BigInt`; nothing when the second pass meets no such value (a getter may give another one each time). */
export function refusedIn(result: unknown): string | undefined {
  // What is being gone through, outermost first, and under which name each lies in the one before it.
  const holders: unknown[] = []
  const keys: string[] = []
  let depth = 0
  let found: string | undefined
  const look = (holder: unknown, key: string, value: unknown) => {
    while (depth > 0 && holders[depth - 1] !== holder) depth--
    keys[depth] = key
    if (typeof value === 'bigint') found = `${pathOf(holders, keys, depth)} is a BigInt`
    if (typeof value !== 'object' || value === null) return
    for (let index = 1; index < depth; index++)
      if (holders[index] === value) found = `${pathOf(holders, keys, depth)} leads back to ${pathOf(holders, keys, index)}`
    holders[depth++] = value
  }
  try {
    stringify(result, function (this: unknown, key: string, value: unknown) {
      if (depth === 0) holders[depth++] = this
      look(this, key, value)
      if (found !== undefined) throw new Error('found')
      return value
    })
  } catch {
    // Found, or whatever the function throws itself.
  }
  return found
}

/** The place of what lies `depth` below the wrapper that JSON begins with. */
function pathOf(holders: unknown[], keys: string[], depth: number): string {
  let path = 'result'
  for (let index = 2; index <= depth && path.length < PATH_MAX; index++) path += stepOf(holders[index - 1], keys[index] as string)
  return path
}

function stepOf(holder: unknown, key: string): string {
  if (isArray(holder)) return `[${key}]`
  return isPlainName(key) ? `.${key}` : `[${stringify(slice(key, 0, KEY_MAX))}]`
}

function isPlainName(key: string): boolean {
  if (key === '' || key.length > KEY_MAX) return false
  for (let index = 0; index < key.length; index++) {
    const character = key[index] as string
    const isLetter =
      (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') || character === '_' || character === '$'
    if (!isLetter && (index === 0 || character < '0' || character > '9')) return false
  }
  return true
}
