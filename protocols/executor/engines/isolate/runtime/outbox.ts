/**
 * What the isolate has to say, waiting to be fetched. The host never gets called: it drains this after each turn.
 * Five places per entry: code, id, x, y, z.
 */

const { setPrototypeOf } = Object

let entries = emptyList()
let length = 0

export function say(code: number, id: number, x?: unknown, y?: unknown, z?: unknown): void {
  entries[length] = code
  entries[length + 1] = id
  entries[length + 2] = x
  entries[length + 3] = y
  entries[length + 4] = z
  length += 5
}

export function hasMail(): boolean {
  return length > 0
}

export function takeMail(): unknown[] {
  const taken = entries
  entries = emptyList()
  length = 0
  return taken
}

/** Without a prototype: a setter that user code puts on `Array.prototype[0]` would be handed what is stored here, and this array with it. */
function emptyList(): unknown[] {
  return setPrototypeOf([], null) as unknown[]
}
