/** What calls under quotas came to, by namespace, for who runs the node: bounded, and never less than before. */
import type { LimitName } from '#protocols/invocation'

/** Since the node's start. */
export interface Figures {
  admitted: number
  refused: number
  cpuMs: number
}

/** The same as it is told; `used` from 0 to 1 of what this node gives out, by limit: nothing where no quota holds, or for several namespaces together. */
export interface QuotaFigures extends Readonly<Figures> {
  namespace: string
  used: Partial<Record<LimitName, number>>
}

/** Namespaces with figures of their own. Those that come later are counted together. */
const NAMESPACES_MAX = 100
const OTHERS = '(others)'

export class FigureBook {
  readonly #pages = new Map<string, Figures>()

  of(namespace: string): Figures {
    const name = this.#pages.has(namespace) || this.#pages.size < NAMESPACES_MAX ? namespace : OTHERS
    const known = this.#pages.get(name)
    if (known !== undefined) return known
    const page = { admitted: 0, refused: 0, cpuMs: 0 }
    this.#pages.set(name, page)
    return page
  }

  list(): [namespace: string, figures: Figures][] {
    return [...this.#pages]
  }
}
