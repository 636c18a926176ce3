/** Makes the compiled code of large artifacts, once they run, in isolates that run nothing: whoever is called meanwhile does not wait for it. */
import ivm from 'isolated-vm'
import { CODE_CACHE_BYTES_MAX } from '../../bounds.ts'
import { asScript, PLACE } from './as-script.ts'
import { withoutMap } from './stacks.ts'

/** After a load, so that its first calls come first. */
const LATER_MS = 200
/** Artifacts that may wait; others are cached after another load. */
const WAITING_MAX = 8
const MEMORY_MB = 128

export interface CacheWanted {
  instanceId: number
  artifact: string
  /** What V8 says of the module: it imports `osiris/function`. */
  importsFunction: boolean
}

export class CacheMaker {
  readonly #snapshot: ivm.ExternalCopy<ArrayBuffer>
  readonly #made: (instanceId: number, bytes: Uint8Array) => void
  #waiting = 0
  #last: Promise<void> = Promise.resolve()

  constructor(init: { snapshot: ivm.ExternalCopy<ArrayBuffer>; made: (instanceId: number, bytes: Uint8Array) => void }) {
    this.#snapshot = init.snapshot
    this.#made = init.made
  }

  later(wanted: CacheWanted): void {
    if (this.#waiting >= WAITING_MAX) return
    this.#waiting++
    setTimeout(() => {
      this.#last = this.#last.then(() => this.#make(wanted)).finally(() => this.#waiting--)
    }, LATER_MS)
  }

  async #make({ instanceId, artifact, importsFunction }: CacheWanted): Promise<void> {
    const form = asScript(withoutMap(artifact))
    if (form === undefined || form.imports.length > 0 !== importsFunction) return
    const isolate = new ivm.Isolate({ memoryLimit: MEMORY_MB, snapshot: this.#snapshot })
    try {
      await isolate.compileScript(form.check)
      const { cachedData } = (await isolate.compileScript(form.script, { ...PLACE, produceCachedData: true })) as ivm.CachedDataResult
      const bytes = cachedData === undefined ? undefined : new Uint8Array(cachedData.copy())
      if (bytes !== undefined && bytes.length <= Math.min(CODE_CACHE_BYTES_MAX, 4 * artifact.length)) this.#made(instanceId, bytes)
    } catch {
      // Not a script: it goes on being a module.
    } finally {
      isolate.dispose()
    }
  }
}
