/**
 * Which version a call gets where its alias means several: by weight, the same one for the same key, or the one its caller names.
 * Keys: the header `Osiris-Sticky`, else the cookie `osiris-sticky`; without either each call is drawn anew. The header `Osiris-Version` names a version.
 */
import { hash } from 'node:crypto'
import { OsirisError } from './errors.ts'
import { assertSelector } from './function.ts'
import type { Payload } from './invocation.ts'
import type { Random } from './lifecycle.ts'

export const STICKY_HEADER = 'osiris-sticky'
export const VERSION_HEADER = 'osiris-version'
/** As long as a session id, or an e-mail address. */
const STICKY_CHARS_MAX = 256

/** What a caller says about the version it wants; parts of an `Invocation`. */
export interface Steering {
  sticky?: string
  override?: string
}

/** From two headers' values. Throws `invalid_argument`. */
export function steer(into: Steering, sticky: unknown, override: unknown): void {
  if (typeof sticky === 'string' && sticky !== '') {
    if (sticky.length > STICKY_CHARS_MAX)
      throw new OsirisError('invalid_argument', `Cannot take the request: its Osiris-Sticky is longer than ${STICKY_CHARS_MAX} characters`)
    into.sticky = sticky
  }
  if (typeof override === 'string') {
    assertSelector(override)
    into.override = override
  }
}

/** The key of a call: what it says itself, else the cookie of a web request. */
export function stickyKeyOf({ sticky, payload }: { sticky?: string; payload: Payload }): string | undefined {
  if (sticky !== undefined || payload.kind !== 'fetch') return sticky
  for (const [name, value] of payload.headers) {
    const found = name === 'cookie' ? COOKIE.exec(value)?.[1] : undefined
    if (found !== undefined && found.length <= STICKY_CHARS_MAX) return found
  }
  return undefined
}
const COOKIE = /(?:^|;\s*)osiris-sticky=([^;\s]+)/

/**
 * One version of an alias, by weight; the same key gets the same one as long as the weights stand. Weighted rendezvous hashing (Schindelhauer and
 * Schomaker, "Weighted distributed hash tables", 2005): each version's score depends on key, version and its own weight alone, so a weight that rises
 * draws keys to its version and moves no other. '' when there are no targets.
 */
export function pickTarget(targets: readonly { version: string; weight: number }[], random: Random, key?: string): string {
  const [first] = targets
  if (first === undefined) return ''
  if (targets.length === 1) return first.version
  return key === undefined ? drawn(targets, random) : highest(targets, key)
}

function drawn(targets: readonly { version: string; weight: number }[], random: Random): string {
  let left = random() * targets.reduce((sum, each) => sum + each.weight, 0)
  return targets.find((each) => (left -= each.weight) < 0)?.version ?? ''
}

function highest(targets: readonly { version: string; weight: number }[], key: string): string {
  let best = ''
  let bestScore = Number.NEGATIVE_INFINITY
  for (const { version, weight } of targets) {
    // 48 bits, within (0, 1): its logarithm is negative and finite.
    const share = (hash('sha256', `${version}/${key}`, 'buffer').readUIntBE(0, 6) + 1) / (2 ** 48 + 2)
    const score = weight / -Math.log(share)
    if (weight > 0 && score > bestScore) {
      best = version
      bestScore = score
    }
  }
  return best
}
