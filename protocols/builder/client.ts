/** Builds on a member with the builder role. */
import { digestOf, encode } from '#protocols/codec'
import { OsirisError } from '#protocols/errors'
import type { Caller } from '#protocols/invocation'
import type { Clock, Random } from '#protocols/lifecycle'
import type { FunctionSettings, Manifest } from '#protocols/manifest'
import type { Member, Network } from '#protocols/network'
import type { Builder, Built, Source } from './builder.ts'
import { checkSource } from './checks.ts'
import { BUILDER_PROTOCOL, decodeBuilt, encodeBuildRequest } from './messages.ts'
import { testsOf } from './told.ts'

/** A build has no effect but its answer, so it may begin again elsewhere; the bound keeps one bad source from touring the mesh. */
const ATTEMPTS_MAX = 3
const ELSEWHERE = new Set(['unavailable', 'overloaded', 'outcome_unknown', 'storage_full'])

export interface BuilderClientInit {
  network: Pick<Network, 'members' | 'request'>
  clock: Clock
  random: Random
}

export class BuilderClient implements Builder {
  readonly #network: BuilderClientInit['network']
  readonly #clock: Clock
  readonly #random: Random

  constructor(init: BuilderClientInit) {
    this.#network = init.network
    this.#clock = init.clock
    this.#random = init.random
  }

  async build(source: Source, options: { caller: Caller; timeoutMs: number }): Promise<Built> {
    const settings = checkSource(source)
    const message = encodeBuildRequest(source, options.caller)
    const deadlineAt = this.#clock.monotonic() + options.timeoutMs
    let last = this.#nobody(source)
    for (const { peer } of this.#candidates()) {
      const timeoutMs = deadlineAt - this.#clock.monotonic()
      if (timeoutMs <= 0) break
      try {
        const built = await decodeBuilt(await this.#network.request(peer, BUILDER_PROTOCOL, message, { timeoutMs }))
        assertAnswers(built, source, settings)
        return built
      } catch (error) {
        last = OsirisError.from(error, `Cannot build "${source.namespace}/${source.name}"`)
        if (!ELSEWHERE.has(last.code)) throw last
      }
    }
    throw last
  }

  #candidates(): Member[] {
    const keyed = this.#network.members.withRole('builder').map((member) => ({ member, key: this.#random() }))
    return keyed
      .toSorted((a, b) => a.key - b.key)
      .slice(0, ATTEMPTS_MAX)
      .map(({ member }) => member)
  }

  #nobody(source: Source): OsirisError {
    const members = this.#network.members.list().length
    return new OsirisError('unavailable', `Cannot build "${source.namespace}/${source.name}": no member runs builder (members: ${members})`)
  }
}

/** A member that answers with another function's build, or with bytes that are not the manifest's, is caught before anything is published. */
function assertAnswers(built: Built, source: Source, settings: FunctionSettings): void {
  const { manifest } = built
  const expected: Partial<Manifest> = { namespace: source.namespace, name: source.name, settings, tests: testsOf(source.files) }
  const same = Object.entries(expected).every(
    ([key, value]) => digestOf(encode(value)) === digestOf(encode(manifest[key as keyof Manifest])),
  )
  if (same && manifest.source.digest === digestOf(encode(source.files)) && manifest.artifact.digest === digestOf(built.artifact)) return
  throw new OsirisError('internal', `Cannot build "${source.namespace}/${source.name}": the builder answered with another build`)
}
