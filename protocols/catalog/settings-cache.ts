/** What was decided for namespaces, as members that hold the ledger last said: asked for again in the background, and waited for only once. */
import { decodeAs } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Caller } from '#protocols/invocation'
import type { Clock, MaybePromise } from '#protocols/lifecycle'
import { type CatalogMembers, isTrouble } from './catalog-members.ts'
import type { Setting } from './catalog.ts'
import { routesAnswerSchema, settingsSchema } from './messages.ts'

export interface SettingsCacheInit {
  members: Pick<CatalogMembers, 'read'>
  clock: Clock
  caller: { caller?: Caller }
  freshMs: number
}

export class SettingsCache {
  readonly #init: SettingsCacheInit
  #known: { settings: readonly Setting[]; digest: string; at: number } | undefined
  #asking: Promise<readonly Setting[]> | undefined

  constructor(init: SettingsCacheInit) {
    this.#init = init
  }

  /** Rejects with `unavailable` where nobody could ever be asked. */
  get(): MaybePromise<readonly Setting[]> {
    const known = this.#known
    if (known === undefined) return this.#ask()
    const { clock, freshMs } = this.#init
    const age = clock.monotonic() - known.at
    if (age > 2 * freshMs) return this.#ask().catch((error: unknown) => unlessNobody(error, known.settings))
    if (age > freshMs) this.#ask().catch(() => {})
    return known.settings
  }

  #ask(): Promise<readonly Setting[]> {
    this.#asking ??= this.#fetch().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #fetch(): Promise<readonly Setting[]> {
    const { members, clock, caller } = this.#init
    const known = this.#known
    const { head, body } = await members.read({ type: 'settings', ...(known === undefined ? {} : { known: known.digest }), ...caller })
    const { digest, same } = decodeAs(routesAnswerSchema, head, 'the answer to settings')
    const settings = same && known !== undefined ? known.settings : decodeAs(settingsSchema, body, 'the settings')
    this.#known = { settings, digest, at: clock.monotonic() }
    return settings
  }
}

/** What is known, when no catalog could be asked. */
function unlessNobody<T>(error: unknown, known: T): T {
  if (error instanceof OsirisError && isTrouble(error)) return known
  throw error
}
