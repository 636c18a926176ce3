/**
 * The collector of this process. Large texts on their way to the node are garbage as soon as they are written, and V8 lets more of it pile up
 * than the kernel's wall around a worker leaves room for: the worker would be ended for what its functions do not hold.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const LARGE_CHARACTERS = 64 * 1024
/** Large texts between two collections, each of 2 to 5 ms. */
const BETWEEN_CHARACTERS = 16 * 1024 * 1024

// Before there is an isolate for functions: what is made while the flag is set has `gc` among its globals.
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
setFlagsFromString('--no-expose-gc')

let written = 0

/** After a text was written. */
export function countText(characters: number): void {
  if (characters >= LARGE_CHARACTERS) written += characters
}

/** When it is said what there was to say. */
export function collectTexts(): void {
  if (written < BETWEEN_CHARACTERS) return
  written = 0
  collect()
}
