/** Managing functions over a builder and a catalog, wherever the two live. What HTTP and a P2P client have in common; access is judged by them and by whoever stores. */
import type { Builder, Source } from '#protocols/builder'
import type { AliasTargets, Catalog, FunctionRecord, Receipt, WriteOptions } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import type { FunctionRef } from '#protocols/function'
import type { Caller } from '#protocols/invocation'
import type { Clock, Random } from '#protocols/lifecycle'
import { abortCanary, promotionOf, startCanary } from './canaries.ts'
import type {
  CanaryPlan,
  CanaryWritten,
  Deploy,
  Deployed,
  FunctionDetail,
  FunctionSummary,
  LostRouteSummary,
  Pointed,
  SelectorTargets,
  VersionSummary,
  WriteChoice,
} from './management.ts'
import { lostRoutesOf } from './lost-routes.ts'
import { detailOf, summaryOf } from './summaries.ts'

export interface FunctionsInit {
  catalog: Catalog
  builder: Builder
  buildTimeoutMs: number
  /** A write to the catalog, the wait for its receipts included, where the caller says nothing else. */
  writeTimeoutMs: number
  clock: Pick<Clock, 'now'>
  random: Random
}

export class Functions {
  readonly #init: FunctionsInit

  constructor(init: FunctionsInit) {
    this.#init = init
  }

  async list(filter: { namespace?: string }): Promise<FunctionSummary[]> {
    return (await this.#init.catalog.list(filter)).map(summaryOf)
  }

  /** Throws `not_found`. */
  async get(ref: FunctionRef): Promise<FunctionDetail> {
    return this.#detailOf(await this.#init.catalog.get(ref))
  }

  /** Oldest first. Throws `not_found`. */
  async versions(namespace: string, name: string): Promise<VersionSummary[]> {
    return this.#init.catalog.versions(namespace, name)
  }

  /** Builds, then publishes: nothing is written unless the build succeeds. Throws what `Builder.build` and `Catalog.publish` throw. */
  async deploy(deploy: Deploy, caller: Caller): Promise<Deployed> {
    const { builder, catalog, buildTimeoutMs } = this.#init
    const built = await builder.build(sourceOf(deploy), { caller, timeoutMs: buildTimeoutMs })
    const { record, receipt, changed } = await catalog.publish(built.manifest, built.artifact, this.#write(caller, deploy))
    const { namespace, name, version, ordinal } = record
    const { routes } = record.manifest.settings
    const lostRoutes = await this.#lostBy(record)
    return { namespace, name, version, ordinal, changed, routes, lostRoutes, warnings: built.warnings, receipt }
  }

  /** Points an alias at what the selectors mean now. Throws `not_found`, `invalid_argument`, and what `Catalog.point` throws. */
  async point(ref: FunctionRef, alias: string, targets: SelectorTargets, caller: Caller, choice?: WriteChoice): Promise<Pointed> {
    const { namespace, name } = ref
    const resolved: AliasTargets = []
    for (const { version: selector, weight } of targets) {
      const { version } = await this.#init.catalog.get({ namespace, name, selector })
      resolved.push({ version, weight })
    }
    const { record, receipt, changed } = await this.#init.catalog.point(namespace, name, alias, resolved, this.#write(caller, choice))
    return { record: await this.#detailOf(record), receipt, changed }
  }

  /** As `startCanary`. `by`: who asks, as others see it. */
  startCanary(ref: FunctionRef, plan: CanaryPlan, by: string, caller: Caller, choice?: WriteChoice): Promise<CanaryWritten> {
    return startCanary(this.#init, { ...plan, namespace: ref.namespace, name: ref.name }, by, this.#write(caller, choice))
  }

  /** As `abortCanary`. */
  abortCanary(ref: FunctionRef, caller: Caller, choice?: WriteChoice): Promise<CanaryWritten> {
    return abortCanary(this.#init, ref.namespace, ref.name, this.#write(caller, choice))
  }

  /** Throws `not_found`, and what `Catalog.retire` throws. */
  async remove(ref: FunctionRef, caller: Caller, choice?: WriteChoice): Promise<Receipt> {
    return this.#init.catalog.retire(ref.namespace, ref.name, this.#write(caller, choice))
  }

  async #detailOf(record: FunctionRecord): Promise<FunctionDetail> {
    const [lostRoutes, promotion] = await Promise.all([this.#lostBy(record), promotionOf(this.#init, record)])
    return detailOf(record, lostRoutes, promotion)
  }

  async #lostBy(record: FunctionRecord): Promise<LostRouteSummary[]> {
    return record.manifest.settings.routes.length === 0 ? [] : lostRoutesOf(record, await this.#init.catalog.routes())
  }

  #write(caller: Caller, { ack = 'committed', timeoutMs = this.#init.writeTimeoutMs }: WriteChoice = {}): WriteOptions {
    return { caller, ack, timeoutMs }
  }
}

/** One text or several files → what the builder takes. Throws `invalid_argument` unless it is exactly one of the two. */
export function sourceOf(deploy: Deploy): Source {
  const { namespace, name, source, language, files, entry, config } = deploy
  const rest = config === undefined ? {} : { config }
  if (source !== undefined && files === undefined && entry === undefined) {
    const only = `${name}.${language === 'javascript' ? 'js' : 'ts'}`
    return { namespace, name, files: { [only]: source }, entry: only, ...rest }
  }
  if (source === undefined && language === undefined && files !== undefined && entry !== undefined)
    return { namespace, name, files, entry, ...rest }
  throw new OsirisError(
    'invalid_argument',
    `Cannot deploy "${namespace}/${name}": expected either "source" (with "language", when it is not TypeScript), or "files" with "entry"`,
  )
}
