/** What a worker says about compiled code, which is not asked for twice and never believed to be what it says. */
import { CACHED_ARTIFACT_BYTES_MAX, CACHED_ARTIFACT_BYTES_MIN, CODE_CACHE_BYTES_MAX } from '../bounds.ts'

/**
 * `given`: a load has compiled code with it. `wanted`: the worker may send what it compiled, once. `never`: neither.
 */
export type CodeState = 'never' | 'given' | 'wanted'

/** Of a slot that begins to load. */
export function codeStateOf(artifactBytes: number, isShared: boolean, isGiven: boolean): CodeState {
  if (isShared || artifactBytes <= CACHED_ARTIFACT_BYTES_MIN || artifactBytes > CACHED_ARTIFACT_BYTES_MAX) return 'never'
  return isGiven ? 'given' : 'wanted'
}

/** After `loaded`, whose `a` says whether the code was used. Throws when it says so of code that it was not given. */
export function afterLoaded(state: CodeState, a: number): CodeState {
  if (a !== 0 && state !== 'given') throw new Error('a use of code that it was not given')
  if (state === 'given') return a === 0 ? 'wanted' : 'never'
  return state
}

/** A copy of what it sent. Throws when nobody wanted it, or not so much. */
export function takeCode(state: CodeState, isLoading: boolean, artifactBytes: number, payload: Buffer): Uint8Array {
  if (state !== 'wanted' || isLoading) throw new Error('code that nobody asked for')
  if (payload.length === 0 || payload.length > Math.min(CODE_CACHE_BYTES_MAX, 4 * artifactBytes)) throw new Error('code of a wrong length')
  return new Uint8Array(payload)
}
