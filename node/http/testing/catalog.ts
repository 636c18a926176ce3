/** A catalog of one process: enough of the contract to manage functions over HTTP, without ledger and replicas. */
import type { Grant } from '#protocols/access'
import { digestOf } from '#protocols/codec'
import type {
  AliasTargets,
  AuthorityChange,
  Catalog,
  Commitment,
  ConflictReport,
  FunctionRecord,
  LedgerLine,
  Powers,
  Published,
  Receipt,
  RecordsPage,
  Setting,
  SuccessionDoor,
  VersionRecord,
  WriteOptions,
} from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import { type FunctionRef, formatRef, LIVE } from '#protocols/function'
import { type Manifest, versionOf } from '#protocols/manifest'
import { assertQuota } from '#protocols/quota'

interface Row {
  versions: Omit<VersionRecord, 'aliases'>[]
  aliases: Record<string, AliasTargets>
}

export class FakeCatalog implements Catalog {
  readonly succession: SuccessionDoor = {
    tell: () => ({ genesis: null, keys: [] }),
    handIn: async () => {
      throw new OsirisError('forbidden', 'Cannot take in the rotation: there is no recovery key')
    },
    give: async ({ from, to }, _sender, options) => {
      return { from, to, changed: true, receipt: this.#write('rotate', { from, to }, { ...options, caller: { subject: 'key' } }) }
    },
    rotate: async ({ from = '', ...options }) => {
      const to = 'b'.repeat(64)
      return { from, to, changed: true, receipt: this.#write('rotate', { from, to }, options) }
    },
  }
  readonly #rows = new Map<string, Row>()
  readonly #artifacts = new Map<string, Uint8Array>()
  readonly #lines: LedgerLine[] = []
  #settings: Setting[] = []

  grantsOf(): readonly Grant[] {
    return []
  }

  get(ref: FunctionRef): FunctionRecord {
    const row = this.#row(ref)
    const found = this.#select(row, ref.selector ?? LIVE)
    if (found === undefined) throw new OsirisError('not_found', `Cannot find "${formatRef(ref)}": there is no such version`)
    return this.#record(ref.namespace, ref.name, row, found.version)
  }

  all(): FunctionRecord[] {
    return this.list({})
  }

  list(filter: { namespace?: string }): FunctionRecord[] {
    const keys = [...this.#rows.keys()].toSorted().map((key) => key.split('/') as [string, string])
    return keys
      .filter(([namespace]) => filter.namespace === undefined || namespace === filter.namespace)
      .map(([namespace, name]) => this.get({ namespace, name }))
  }

  versions(namespace: string, name: string): VersionRecord[] {
    const row = this.#row({ namespace, name })
    const aliasesOf = (version: string) =>
      Object.keys(row.aliases).filter((alias) => row.aliases[alias]?.some((each) => each.version === version))
    return row.versions.map((each) => ({ ...each, aliases: aliasesOf(each.version) }))
  }

  routes() {
    return this.list({}).flatMap(({ namespace, name, manifest }) => manifest.settings.routes.map((route) => ({ route, namespace, name })))
  }

  async publish(manifest: Manifest, artifact: Uint8Array, options: WriteOptions): Promise<Published> {
    const { namespace, name } = manifest
    const version = versionOf(manifest)
    const row: Row = this.#rows.get(`${namespace}/${name}`) ?? { versions: [], aliases: {} }
    const changed = row.aliases[LIVE]?.[0]?.version !== version
    if (!row.versions.some((each) => each.version === version)) {
      const about = { publishedAt: 1_700_000_000_000, publishedBy: options.caller.subject, author: 'fake' }
      row.versions.push({ version, ordinal: row.versions.length + 1, manifest, ...about })
    }
    row.aliases[LIVE] = [{ version, weight: 100 }]
    this.#rows.set(`${namespace}/${name}`, row)
    this.#artifacts.set(manifest.artifact.digest, artifact)
    return { record: this.get({ namespace, name }), receipt: this.#write('publish', { namespace, name }, options), changed }
  }

  async point(namespace: string, name: string, alias: string, targets: AliasTargets, options: WriteOptions): Promise<Published> {
    this.#row({ namespace, name }).aliases[alias] = targets
    return { record: this.get({ namespace, name }), receipt: this.#write('point', { namespace, name, alias }, options), changed: true }
  }

  async amend(change: AuthorityChange, options: WriteOptions): Promise<Receipt> {
    if (change.type === 'set') {
      const { namespace, key, value } = change
      if (key === 'quota' && value !== null) assertQuota(value)
      const others = this.#settings.filter((each) => each.namespace !== namespace || each.key !== key)
      this.#settings = value === null ? others : [...others, { namespace, key, value }]
    }
    return this.#write(change.type, { ...change }, options)
  }

  settings(): readonly Setting[] {
    return this.#settings
  }

  powers(): Powers {
    return { namespaces: [], grants: [] }
  }

  async retire(namespace: string, name: string, options: WriteOptions): Promise<Receipt> {
    this.#row({ namespace, name })
    this.#rows.delete(`${namespace}/${name}`)
    return this.#write('retire', { namespace, name }, options)
  }

  async artifact(digest: string): Promise<Uint8Array> {
    const bytes = this.#artifacts.get(digest)
    if (bytes === undefined) throw new OsirisError('not_found', `Cannot find the artifact ${digest}`)
    return bytes
  }

  status() {
    const last = this.#lines.at(-1)
    const heads = last === undefined ? [] : [{ author: last.author, seq: last.seq, hash: last.hash }]
    const viewDigest = digestOf(Buffer.from(String(this.#lines.length)))
    return { viewDigest, functions: this.#rows.size, entries: this.#lines.length, heads, frozen: [], unproven: 0, refusedCheckpoints: [] }
  }

  conflicts(): ConflictReport {
    return { lost: [], voided: [], routes: [], frozen: [] }
  }

  records(): RecordsPage {
    const bytes = Buffer.from('an entry')
    const receipts = [{ holder: 'f'.repeat(64), bytes: Buffer.from('a receipt') }]
    const entries = this.#lines.map(({ author, seq }) => ({ author, seq, bytes, receipts }))
    return { entries, heads: [], proofs: [], next: null }
  }

  log(options: { after?: string; limit: number }): LedgerLine[] {
    const from = options.after === undefined ? 0 : this.#lines.findIndex((each) => each.hash === options.after) + 1
    return this.#lines.slice(from, from + options.limit)
  }

  #row(ref: FunctionRef): Row {
    const row = this.#rows.get(`${ref.namespace}/${ref.name}`)
    if (row === undefined) throw new OsirisError('not_found', `Cannot find "${formatRef(ref)}": there is no such function`)
    return row
  }

  #select(row: Row, selector: string): Row['versions'][number] | undefined {
    const wanted = row.aliases[selector]?.[0]?.version ?? selector
    return row.versions.find((each) => `v${each.ordinal}` === wanted || (wanted.length >= 8 && each.version.startsWith(wanted)))
  }

  #record(namespace: string, name: string, row: Row, version: string): FunctionRecord {
    const found = row.versions.find((each) => each.version === version) as Row['versions'][number]
    return { namespace, name, aliases: row.aliases, versions: row.versions.length, ...found }
  }

  #write(type: string, content: Record<string, unknown>, options: WriteOptions): Receipt {
    const seq = this.#lines.length + 1
    const hash = digestOf(Buffer.from(`entry ${seq}`))
    const signed = { holder: 'f'.repeat(64), node: 'node-1', atMs: 1_700_000_000_000 + seq, signature: 'e'.repeat(128) }
    const commitment: Commitment = { state: options.ack, needed: 1, members: 1, receipts: [signed] }
    this.#lines.push({
      author: 'fake',
      seq,
      hash,
      atMs: 1_700_000_000_000 + seq,
      type,
      content,
      by: options.caller.subject,
      asker: null,
      grant: null,
      commitment,
    })
    return { author: 'fake', seq, hash, holders: ['node-1'], ...commitment }
  }
}
