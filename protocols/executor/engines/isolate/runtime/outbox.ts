/**
 * What the isolate has to say, waiting to be fetched. The host never gets called: it drains this after each turn.
 * Five places per entry: code, id, x, y, z.
 */

let entries: unknown[] = []
let length = 0

export function say(code: number, id: number, x?: unknown, y?: unknown, z?: unknown): void {
  // Plain stores into our own array: no method of it that user code could have replaced.
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
  entries = []
  length = 0
  return taken
}
