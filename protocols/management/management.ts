/** What people and scripts manage, as plain JSON: the same shapes over HTTP, through the SDK and on the command line. Types only; the browser SDK uses this file too. */
import type { Quota } from '#protocols/quota'
import type { ScaleConfig, ScaleSettings } from '#protocols/scale'
import type { AliasTargets, ConflictReport, GrantRecord, LedgerLine, LedgerStatus, Receipt, VersionRecord } from '#protocols/catalog'
import type { Capability } from '#protocols/access'
import type { SourceFiles } from '#protocols/builder'
import type { InstanceCount } from '#protocols/executor'
import type { Role } from '#protocols/lifecycle'
import type { FunctionConfig, Manifest } from '#protocols/manifest'

export type { Quota }

export type Ack = 'accepted' | 'committed'

/** How far a write must have come before it ends, and how long that may take. */
export interface WriteChoice {
  /** Default `committed`. */
  ack?: Ack
  /** Default 10,000, at most 900,000. When it has passed, `committed` rejects with `not_committed`: the write stands, and `details.receipt` has the receipts there are. */
  timeoutMs?: number
}

/** A function as lists show it: the version that was asked for (`live` without a selector). */
export interface FunctionSummary {
  namespace: string
  name: string
  version: string
  ordinal: number
  /** How many there are. */
  versions: number
  access: 'public' | 'token'
  routes: string[]
  /** Milliseconds since the epoch, by the publisher's clock. */
  publishedAt: number
  publishedBy: string
}

/** A route that another function holds: it asked first, on the other side of a partition. */
export interface LostRouteSummary {
  route: string
  holder: { route: string; namespace: string; name: string }
}

export interface FunctionDetail extends FunctionSummary {
  /** Routes of a live version that it does not hold; it gets them when their holders let go. */
  lostRoutes: LostRouteSummary[]
  manifest: Manifest
  aliases: Record<string, AliasTargets>
  /** What has become of its last canary; `null`: it never had one. */
  promotion: CanaryStatus | null
}

export type VersionSummary = VersionRecord

/** One key of a manifest that differs; `null` where it is not there. `env.NAME`, `execution.timeoutMs`, `routes`, `secrets.NAME` (a version or `newest`)… */
export interface VersionChange {
  key: string
  from: string | number | boolean | readonly string[] | null
  to: string | number | boolean | readonly string[] | null
}

export interface VersionDiff {
  from: { version: string; ordinal: number }
  to: { version: string; ordinal: number }
  /** By key; empty where the two run the same. */
  changes: VersionChange[]
}

/** Which share of an alias's calls a version gets. */
export interface Promotion {
  /** Percent, default 100; the versions that have the rest keep it in proportion. */
  weight?: number
  /** Default `live`. */
  alias?: string
}

/** What to begin a canary with. */
export interface CanaryPlan {
  /** What may stand after an `@`. */
  version: string
  /** Percent to begin with, default 10; then 25, 50 and 100. */
  weight?: number | undefined
  /** How long each step is watched, default 5 minutes. */
  watchMs?: number | undefined
  /** Default `live`. */
  alias?: string | undefined
}

/** What has become of the last canary of a function. */
export interface CanaryStatus {
  alias: string
  version: string
  /** Percent of the alias's calls now. */
  weight: number
  /** All the shares it passes. */
  steps: number[]
  watchMs: number
  /** Milliseconds since the epoch: when it began; when it came to this step, or ended. */
  startedAt: number
  since: number
  state: 'running' | 'done' | 'turned back' | 'aborted'
  /** Why it ended, as a sentence; empty while it runs. */
  why: string
  by: string
}

export interface CanaryWritten {
  promotion: CanaryStatus
  receipt: Receipt
}

/** What to deploy: one source text, or files with an entry. */
export interface Deploy extends WriteChoice {
  namespace: string
  name: string
  /** The whole function in one file… */
  source?: string
  /** …in this language (default `typescript`)… */
  language?: 'typescript' | 'javascript'
  /** …or several files by relative path… */
  files?: SourceFiles
  /** …and the one with the default export. */
  entry?: string
  config?: FunctionConfig
}

export interface Deployed {
  namespace: string
  name: string
  version: string
  ordinal: number
  /** `false`: this very version was live already, nothing was written. */
  changed: boolean
  routes: string[]
  lostRoutes: LostRouteSummary[]
  warnings: string[]
  receipt: Receipt
}

/** An alias after a write. */
export interface Pointed {
  record: FunctionDetail
  receipt: Receipt
  changed: boolean
}

/** Targets as people write them: selectors (`v2`, a version, a prefix of one, an alias) instead of versions. Weights add up to 100. */
export type SelectorTargets = { version: string; weight: number }[]

export interface NamespaceSummary {
  name: string
  functions: number
  /** The key that holds `admin` on it; `null`: nobody created it. */
  owner: string | null
}

/** What a namespace may use (`*`: every one without a quota of its own); what is absent has no bound. */
export interface QuotaSummary extends Quota {
  namespace: string
  /** What the asked node gives out of it, and how many calls of it are under way there; `null` where it places none, and for `*`. */
  here: { share: number; inFlight: number } | null
}

/** How a function is scaled, and what of it is there. */
export interface ScaleSummary extends ScaleSettings {
  namespace: string
  name: string
  /** As the live version was published. */
  published: ScaleSettings
  /** What was set since; `idle` in milliseconds. */
  set: ScaleConfig
  /** The node that decides how many there are; `null` where no router is seen. */
  decider: string | null
  /** As the decider sees them; of one that does not answer none. `instances`: how many it wants. */
  versions: { version: string; instances: number; ready: number; isPanic: boolean; nodes: { node: string; ready: number }[] }[]
}

export type GrantSummary = GrantRecord

/** What to give a key. */
export interface NewGrant {
  key: string
  can: Capability[]
  /** Names; a trailing `*` stands for a prefix, `*` for all. */
  namespaces: string[]
  /** Milliseconds since the epoch; default: no end. */
  expiresAtMs?: number | null
}

export interface NodeSummary {
  name: string
  peer: string
  roles: Role[]
  /** Base URL of its HTTP door; `null` when it tells none. */
  http: string | null
  /** Multiaddrs. */
  addresses: string[]
  /** What its operator says of it, and where it is. */
  labels: Record<string, string>
  region: string | null
  /** Calls it may run at once. */
  capacity: number
  inFlight: number
  /** Rows in its view. */
  functions: number
  /** First 16 hex characters of the versions that are warm there. */
  warm: string[]
  /** Whether the asked node has a connection to it; `true` for itself. */
  connected: boolean
  /** Whether it is the node that was asked. */
  self: boolean
  /** What stands around its workers; only the node that was asked tells, and only where it runs functions. */
  walls?: WallSummary[]
  /** Instances of functions the caller may read; only the node that was asked tells, and only where it runs functions. */
  instances?: InstanceSummary[]
  /** Whether the universe has let it in; only the node that was asked tells. */
  admission?: AdmissionSummary
}

/** What one node has of a version. */
export type InstanceSummary = Pick<InstanceCount, 'namespace' | 'name' | 'version' | 'ready' | 'starting' | 'running' | 'waiting'>

/** `waiting`: nobody who may let the node in could be reached yet. `refused`: somebody who may said no. */
export interface AdmissionSummary {
  state: 'admitted' | 'waiting' | 'refused'
  /** For people; absent for one that is in. */
  reason?: string
}

/** One of the kernel's walls around worker processes; `weaker`: something lesser stands in its place. `by`: what it is made of, or why it is not there. */
export interface WallSummary {
  wall: string
  state: 'stands' | 'weaker' | 'missing'
  by: string
  /** What to do about it. */
  fix?: string
}

export interface NetworkSummary {
  universe: { name: string; id: string }
  /** The asked node. */
  peer: string
  addresses: string[]
  /** Peers it has a connection to. */
  connections: string[]
  /** Everybody else it knows of. */
  members: { name: string; peer: string; connected: boolean }[]
}

export interface LedgerPage {
  status: LedgerStatus
  /** In view order, oldest first. */
  lines: LedgerLine[]
}

/** What did not come to stand: lost edits, entries without effect, frozen authors. */
export type LedgerConflicts = ConflictReport

/** The keys above all others (`Succession`), entries in base64. */
export interface SuccessionText {
  genesis: string | null
  keys: { key: string; of: 'root' | 'recovery'; last: string | null }[]
}

/** A person's key is given on (`Giving`), signatures in base64. */
export interface GivingText {
  from: string
  to: string
  proof: string
  given: string
}

/** Part of a node's ledger as bytes that prove themselves (`RecordsPage`), in base64. */
export interface LedgerRecords {
  entries: { author: string; seq: number; bytes: string; receipts: { holder: string; bytes: string }[] }[]
  heads: { author: string; seq: number }[]
  proofs: string[]
  next: { author: string; seq: number } | null
}
