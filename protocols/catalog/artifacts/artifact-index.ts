/** Which artifacts the view speaks of: by whom they are needed, until when, and their chunks. */
import type { ArtifactName } from '#protocols/artifact'
import { type FunctionState, functionKey, type Version } from '../ledger/fold.ts'

interface Use {
  bytes: number
  chunks: ArtifactName['chunks']
  /** Functions with a version made of it: nearly always one, and of one a set would cost six times as much. */
  functions: string | Set<string>
}

export class ArtifactIndex {
  readonly #states = new Map<string, FunctionState>()
  readonly #uses = new Map<string, Use>()

  /** Takes over a function's new state. */
  set(state: FunctionState): void {
    const key = functionKey(state.namespace, state.name)
    const before = this.#states.get(key)?.versions ?? []
    this.#states.set(key, state)
    const added = isGrown(before, state.versions) ? state.versions.slice(before.length) : this.#again(key, before, state.versions)
    for (const { manifest } of added) this.#use(manifest.artifact, key)
  }

  has(digest: string): boolean {
    return this.#uses.has(digest)
  }

  digests(): IterableIterator<string> {
    return this.#uses.keys()
  }

  chunksOf(digest: string): ArtifactName['chunks'] {
    return this.#uses.get(digest)?.chunks
  }

  bytesOf(digest: string): number {
    return this.#uses.get(digest)?.bytes ?? 0
  }

  /**
   * Wall clock until when versions of it must stay here: for ever while its function is there, `retiredMs` longer than its function otherwise;
   * `undefined` where nothing speaks of it.
   */
  neededUntil(digest: string, retiredMs: number): number | undefined {
    const use = this.#uses.get(digest)
    if (use === undefined) return undefined
    let until = Number.NEGATIVE_INFINITY
    for (const key of keysOf(use)) {
      const state = this.#states.get(key)
      if (state?.retired !== true) return Number.POSITIVE_INFINITY
      until = Math.max(until, state.last.wallMs + retiredMs)
    }
    return until
  }

  #use({ digest, bytes, chunks }: ArtifactName, key: string): void {
    const use = this.#uses.get(digest)
    if (use === undefined) this.#uses.set(digest, { bytes, chunks, functions: key })
    else if (typeof use.functions !== 'string') use.functions.add(key)
    else if (use.functions !== key) use.functions = new Set([use.functions, key])
  }

  /** Versions went or changed places: those before are forgotten. Returns all there are now. */
  #again(key: string, before: readonly Version[], now: readonly Version[]): readonly Version[] {
    for (const { manifest } of before) {
      const use = this.#uses.get(manifest.artifact.digest)
      if (use === undefined) continue
      if (typeof use.functions !== 'string') use.functions.delete(key)
      if (use.functions === key || keysOf(use).size === 0) this.#uses.delete(manifest.artifact.digest)
    }
    return now
  }
}

/** Versions are immutable and new ones come last, but for what a fold in another order or a revocation changes. */
function isGrown(before: readonly Version[], now: readonly Version[]): boolean {
  return before.length <= now.length && (before.length === 0 || before.at(-1) === now[before.length - 1])
}

function keysOf({ functions }: Use): ReadonlySet<string> {
  return typeof functions === 'string' ? new Set([functions]) : functions
}
