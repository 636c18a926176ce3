/** Calls from peers that were taken in lately, by id, so that one that comes twice (sent again, replayed, taken over by another router) is started once. */
import { OsirisError } from '#protocols/errors'
import { formatRef } from '#protocols/function'
import { failed, type FailedOutcome, type PlacedInvocation } from '#protocols/invocation'

/** Of each of two generations: the last 8,192 are always known, and what is kept stays below 2 MB. */
const IDS_MAX = 8192

export class Begun {
  #young = new Set<string>()
  #old = new Set<string>()

  /** Whether it is the first of this id. */
  add(id: string): boolean {
    if (this.#young.has(id) || this.#old.has(id)) return false
    if (this.#young.size >= IDS_MAX) {
      this.#old = this.#young
      this.#young = new Set()
    }
    this.#young.add(id)
    return true
  }

  /** It was not started: it may come again. */
  forget(id: string): void {
    if (!this.#young.delete(id)) this.#old.delete(id)
  }
}

/** Whoever sent it first is told how it ends. */
export function repeated({ target, version, hops }: PlacedInvocation, node: string): FailedOutcome {
  const text = `Cannot call "${formatRef(target)}": this very call has come before, and is not started again`
  return failed(new OsirisError('outcome_unknown', text), { version, hops, node }, true)
}
