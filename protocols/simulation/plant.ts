/**
 * Puts one bug into production code as it is loaded, by Node's module hooks (https://nodejs.org/api/module.html#customization-hooks): one snippet
 * of one file becomes another. The files stay as they are, and know nothing of it.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { Bug } from './bugs.ts'

const PROTOCOLS = new URL('../', import.meta.url)

/** From now on this process loads the bug. Throws when its snippet is not there exactly once: the code has moved on, and the bug must follow. */
export function plant(bug: Bug): void {
  const planted = replaced(bug)
  const target = new URL(bug.file, PROTOCOLS).href
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      return url === target ? { ...loaded, source: planted } : loaded
    },
  })
}

/** The file with the bug in it. */
export function replaced({ name, file, find, put }: Bug): string {
  const text = readFileSync(fileURLToPath(new URL(file, PROTOCOLS)), 'utf8')
  const parts = text.split(find)
  if (parts.length !== 2) throw new Error(`Cannot plant "${name}": protocols/${file} has its snippet ${parts.length - 1} times`)
  return parts.join(put)
}
