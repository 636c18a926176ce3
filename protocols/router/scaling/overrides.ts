/** What people set of functions' scale, by function; read in each round, never on the path of a call. */
import type { Catalog, FunctionRecord, Setting } from '#protocols/catalog'
import { scaleConfigOf, scaledBy, scaledName, type ScaleSettings } from '#protocols/scale'

export interface OverridesInit {
  catalog: Pick<Catalog, 'settings'>
  /** Hears of each function whose scale is set otherwise than before. */
  changed: (of: { namespace: string; name: string }) => void
}

interface Override {
  namespace: string
  name: string
  text: string
  set: ReturnType<typeof scaleConfigOf>
}

export class Overrides {
  readonly #init: OverridesInit
  #settings: readonly Setting[] | undefined
  #byFunction: ReadonlyMap<string, Override> = new Map()
  #isAsking = false

  constructor(init: OverridesInit) {
    this.#init = init
  }

  /** As its function was set, else as it was published. */
  scaleOf(record: FunctionRecord): ScaleSettings {
    return this.of(record, record.manifest.settings.scale)
  }

  of({ namespace, name }: { namespace: string; name: string }, published: ScaleSettings): ScaleSettings {
    const override = this.#byFunction.size === 0 ? undefined : this.#byFunction.get(`${namespace}/${name}`)
    return override === undefined ? published : scaledBy(published, override.set)
  }

  /** Looks for what was set. Where a catalog on a peer has to be asked, its answer is not waited for. */
  round(): void {
    if (this.#isAsking) return
    const settings = this.#init.catalog.settings()
    if (!(settings instanceof Promise)) return this.#adopt(settings)
    void this.#adoptLater(settings)
  }

  async #adoptLater(settings: Promise<readonly Setting[]>): Promise<void> {
    this.#isAsking = true
    try {
      this.#adopt(await settings)
    } catch {
      // No catalog can be asked now: what is known stands.
      return
    } finally {
      this.#isAsking = false
    }
  }

  #adopt(settings: readonly Setting[]): void {
    if (settings === this.#settings) return
    this.#settings = settings
    const before = this.#byFunction
    const after = new Map(settings.flatMap(({ namespace, key, value }) => overrideOf(namespace, key, value)))
    this.#byFunction = after
    for (const [key, each] of after) if (before.get(key)?.text !== each.text) this.#init.changed(each)
    for (const [key, each] of before) if (!after.has(key)) this.#init.changed(each)
  }
}

function overrideOf(namespace: string, key: string, text: string): [string, Override][] {
  const name = scaledName(key)
  return name === undefined ? [] : [[`${namespace}/${name}`, { namespace, name, text, set: scaleConfigOf(text) }]]
}
