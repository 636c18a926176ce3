/** Osiris as a program sees it, whichever way it is reached. */
import type {
  CanaryPlan,
  CanaryStatus,
  CanaryWritten,
  Deploy,
  Deployed,
  FunctionDetail,
  FunctionSummary,
  GrantSummary,
  InstanceSummary,
  LedgerConflicts,
  LedgerPage,
  LedgerRecords,
  NamespaceSummary,
  NetworkSummary,
  NewGrant,
  NodeSummary,
  Pointed,
  Promotion,
  Quota,
  QuotaSummary,
  ScaleSummary,
  SelectorTargets,
  GivingText,
  SuccessionText,
  VersionChange,
  VersionDiff,
  VersionSummary,
  WriteChoice,
} from '#protocols/management'
import type { DomainSummary } from '#protocols/domain'
import type { Schedule } from '#protocols/router'
import type { ScaleConfig } from '#protocols/scale'
import type { Commitment, HandedIn, HolderReceipt, NodeRotated, Receipt, Rotated } from '#protocols/catalog'
import type { CallStatus as RoutersStatus, DeadCallback, DeadLetter, PublishedMessage, SubscriptionSummary } from '#protocols/router'

export type {
  CanaryPlan,
  CanaryStatus,
  CanaryWritten,
  Commitment,
  DeadCallback,
  DeadLetter,
  PublishedMessage,
  SubscriptionSummary,
  Deploy,
  Deployed,
  DomainSummary,
  FunctionDetail,
  FunctionSummary,
  HolderReceipt,
  InstanceSummary,
  GrantSummary,
  LedgerConflicts,
  LedgerPage,
  LedgerRecords,
  NamespaceSummary,
  NetworkSummary,
  NewGrant,
  NodeSummary,
  Pointed,
  Promotion,
  Quota,
  QuotaSummary,
  ScaleSummary,
  Receipt,
  Schedule,
  ScaleConfig,
  SelectorTargets,
  VersionChange,
  VersionDiff,
  VersionSummary,
  WriteChoice,
}

/** The functions of a namespace as methods: `typeof import('./demo')` → the same names, every result awaited. */
export type NamespaceFunctions<T> = {
  [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never
}
export type AnyFunctions = Record<string, (...args: unknown[]) => unknown>

/**
 * A function is written `namespace/name`, `namespace/name@canary`, `namespace/name@v3` or `namespace/name@1f2e3d4c`.
 * Every method rejects with an `OsirisError` that carries a code of the one list (DESIGN 4.5): the node's own, or
 * `unavailable` (nothing left this process), `outcome_unknown` (the connection ended before the answer), `deadline_exceeded`, `invalid_argument`.
 */
export interface Osiris {
  /** Calls a value function. Arguments and result are JSON: `undefined` travels as `null`. */
  call<T = unknown>(ref: string, ...args: unknown[]): Promise<T>
  /**
   * Calls under a key of the caller's own (1 to 256 printable ASCII characters): `osiris.once('order-17').call('demo/pay', 17)`. The same key again, through any node and
   * within ten minutes, is the same call: it is told what the first was answered, `conflict` where its arguments are others, `outcome_unknown` where nobody can know.
   * `fetch` takes the key as its `Idempotency-Key` header.
   */
  once(idempotencyKey: string): Pick<Osiris, 'call'>
  /**
   * Calls a value function without waiting for it: resolves when the call is on the disks of three routers (of all, where there are fewer), and then outlives the
   * node that took it. A function that is not `idempotent: true` is started once at most. Rejects with what stands in the way of calling it, `payload_too_large`
   * beyond 4 MiB, `invalid_argument` for a callback that nodes may not reach, `unauthenticated` for one without a token; `outcome_unknown`: it may have been accepted.
   */
  start<T = unknown>(ref: string, args?: unknown[], options?: StartOptions): Promise<StartedCall<T>>
  /**
   * Reaches a web function. It sees path and query of the request's URL; over HTTP the host is the node's own. The answer is the function's, whatever its status;
   * only an error of the platform rejects. Redirects are not followed.
   */
  fetch(ref: string, input: Request | string | URL, init?: RequestInit): Promise<Response>
  /** `osiris.namespace('demo').greet('Ada')`; `sendMail` stands for `send-mail`. Never thenable: it may be awaited and returned from async functions. */
  namespace<T = AnyFunctions>(namespace: string): NamespaceFunctions<T>
  /** Builds and publishes a version, and points `live` at it. Every write waits for `committed` unless told otherwise (`WriteChoice`); the answer carries the receipts. */
  deploy(deploy: Deploy): Promise<Deployed>
  /** Publishes to a topic (`namespace/topic`): resolves when it is on several disks, before anybody got it. `undefined` travels as `null`. */
  publish(topic: string, data?: unknown, options?: MessageOptions): Promise<PublishedMessage>
  readonly functions: FunctionsOfOsiris
  readonly topics: TopicsOfOsiris
  readonly calls: CallsOfOsiris
  readonly namespaces: NamespacesOfOsiris
  readonly grants: GrantsOfOsiris
  readonly quotas: QuotasOfOsiris
  readonly domains: DomainsOfOsiris
  readonly tokens: TokensOfOsiris
  /** Functions that run by the clock (of a namespace, or wherever the caller may read): when next, who fires them, what became of the last time. */
  schedules(namespace?: string): Promise<Schedule[]>
  nodes(): Promise<NodeSummary[]>
  /** Over HTTP: has the asked node take no more work until it is started anew, and waits for its calls under way (default 30 s); for administrators of everything. Resolves to how many were left then. */
  drain(options?: { timeoutMs?: number }): Promise<{ calls: number }>
  /** Replaces the key of the node that is asked (over HTTP); it goes on at the same address with the next one (`to`), in a second or two. For administrators of everything. */
  rotateNode(choice?: WriteChoice): Promise<NodeRotated>
  network(): Promise<NetworkSummary>
  /** What opens the mesh's door, a secret; for administrators of everything. It lets clients in, and nodes with roles only where the universe lets in everybody. */
  joinToken(): Promise<string>
  /** Entries in view order, oldest first, after the one with the hash `after`; at most `limit` (default 100, at most 1,000). */
  ledger(options?: LedgerOptions): Promise<LedgerPage>
  /** The same as the bytes that were signed (base64), with their receipts, by author and seq from a place on: what a verifier needs. Page after page until `next` is null. */
  ledgerRecords(from?: { author: string; seq: number }): Promise<LedgerRecords>
  /** What stands in the ledger without effect, and why. */
  ledgerConflicts(): Promise<LedgerConflicts>
  /** The keys above all others, with the entries (base64) that prove them: what signing a rotation takes. Takes no token. */
  succession(): Promise<SuccessionText>
  /** Hands in a rotation that the recovery key signed (base64). Takes no token; the same one again changes nothing. */
  handIn(entry: string): Promise<HandedIn>
  /** Replaces the root key `from`, on the node that holds it (over HTTP, asked of that node), by one that it makes; takes a token that `from` signed, which ends with it. The same again changes nothing. */
  rotateRoot(from: string, choice?: WriteChoice): Promise<Rotated>
  /**
   * Gives a person's key on to another one: what `from` holds (grants, namespaces) is `to`'s from now on, tokens of `from` end. Takes no token: both keys signed
   * (`given` by `from`, `proof` by `to`, 64 bytes each in base64: `osiris key rotate --key`). The same again changes nothing.
   */
  rotateKey(giving: GivingText, choice?: WriteChoice): Promise<Rotated>
  /** Ends what `connect` opened. Idempotent. */
  close(): Promise<void>
}

export interface StartOptions {
  /** Told when the call is done: a signed POST of its status to this URL (`Osiris-Callback` of protocols/router/calls). Takes a token with a grant to invoke. */
  callback?: string
}

/** What came of it is kept for an hour after its end, at most. Methods reject with `not_found` (forgotten, or never there), `forbidden`, `unauthenticated`, and as any other. */
export interface StartedCall<T = unknown> {
  /** 32 hex characters, good on every node. Of a public function that a stranger called, whoever has it may read and cancel the call. */
  readonly id: string
  status(options?: LookOptions): Promise<CallStatus<T>>
  /**
   * Waits for the end, by questions that nodes answer when the call is over and after 10 s at the latest, at most an hour and a quarter, by when every call is over; resolves to
   * the value, or rejects with the error of the call: `outcome_unknown` where it may have run when its router was lost, `conflict` where it was cancelled. `not_found`
   * also where the result is no longer kept. When an answer about it cannot be had, that error; it may be asked again.
   */
  result(options?: WaitOptions): Promise<T>
  /** One that is queued never begins, one that runs is aborted, of one that is over nothing changes. */
  cancel(): Promise<CallStatus<T>>
}

export interface LookOptions {
  /** Waits so long for the end, at most 30,000: with a status of one that is not over the time may not be up. Default: 0. */
  waitMs?: number
}

export interface WaitOptions {
  /** No look begins later: then `deadline_exceeded`, and the call goes on. */
  timeoutMs?: number
}

/** Times in milliseconds since 1970. `error`: of a call that failed; of one that waits, what came of its last attempt. */
export interface CallStatus<T = unknown> extends Omit<RoutersStatus, 'value'> {
  /** Of a value function that is done. */
  value?: T
}
/** Without what came of it but the error. */
export type CallSummary = Omit<RoutersStatus, 'value' | 'response' | 'version' | 'node'>

export interface CallsOfOsiris {
  /** Newest first; at most `limit` (default 100, at most 1,000). Takes a grant to invoke in the namespace. */
  list(namespace: string, limit?: number): Promise<CallSummary[]>
  /** Callbacks that were given up: 410, or 16 attempts within a day; newest first, kept for 30 days. Takes a grant to invoke in the namespace. */
  deadCallbacks(namespace: string, limit?: number): Promise<DeadCallback[]>
  /** Makes one again, with all its attempts; by the id of its call. Takes a grant to deploy. Rejects with `not_found`. */
  replayCallback(id: string): Promise<void>
  /** Forgets one. Takes a grant to deploy. Rejects with `not_found`. */
  removeCallback(id: string): Promise<void>
  /** A call that was started elsewhere, by its id; asks nobody yet. Throws `invalid_argument`. */
  at<T = unknown>(id: string): StartedCall<T>
}

export interface MessageOptions {
  /** 1 to 128 of `A-Z a-z 0-9 . _ ~ : @ -`. The same id again, within an hour, is the same message. */
  id?: string
  /** Messages with one key go to the same function of a group, and to the same version, while these stand. */
  key?: string
}

/** With what was published. */
export interface DeadLetterContent extends DeadLetter {
  key: string | null
  data: unknown
}

/** Deliveries that were given up are in their subscribers' namespaces. */
export interface TopicsOfOsiris {
  /** Who gets messages of the namespace's topics, by function. */
  subscriptions(namespace: string): Promise<SubscriptionSummary[]>
  /** Newest first; at most `limit` (default 100, at most 1,000). */
  deadLetters(namespace: string, limit?: number): Promise<DeadLetter[]>
  deadLetter(namespace: string, id: string): Promise<DeadLetterContent>
  /** Delivers it again, with all its attempts. */
  replay(namespace: string, id: string): Promise<void>
  /** Forgets it. */
  remove(namespace: string, id: string): Promise<void>
}

export interface LedgerOptions {
  after?: string
  limit?: number
}

export interface FunctionsOfOsiris {
  list(namespace?: string): Promise<FunctionSummary[]>
  /** Of the version the reference means. */
  get(ref: string): Promise<FunctionDetail>
  /** Oldest first. */
  versions(ref: string): Promise<VersionSummary[]>
  /** Points an alias at what a selector means now (`v2`, a version, an alias), or at several with weights that add up to 100. */
  point(ref: string, alias: string, target: string | SelectorTargets, choice?: WriteChoice): Promise<Pointed>
  /** What changes from one version to another (`v1`, an alias, a version); without `to` the live one, without `from` the one published before `to`. */
  diff(ref: string, from?: string, to?: string): Promise<VersionDiff>
  /** Gives a version a share of an alias's calls, all of them unless told otherwise: a canary that grows. Rejects with `conflict` where no other version has the rest. */
  promote(ref: string, version: string, promotion?: Promotion, choice?: WriteChoice): Promise<Pointed>
  /**
   * Gives a version a first share of an alias's calls, then more, as long as it does no worse than the others: the universe moves it, and turns it back by
   * itself. `get(ref)` tells how it is (`promotion`). Rejects with `conflict` where one runs already.
   */
  canary(ref: string, plan: CanaryPlan, choice?: WriteChoice): Promise<CanaryWritten>
  /** Ends the canary that runs: its alias means what it meant before. Rejects with `not_found` where none runs. */
  abort(ref: string, choice?: WriteChoice): Promise<CanaryWritten>
  /** Points `live` at `to`; without it at the version published before the live one (of several the newest, so that a canary goes). Rejects with `conflict` when there is none. */
  rollback(ref: string, to?: string, choice?: WriteChoice): Promise<Pointed>
  remove(ref: string, choice?: WriteChoice): Promise<Receipt>
  /** How many instances it may have, and has; over P2P without those that are there. */
  scale(ref: string): Promise<ScaleSummary>
  /** In force within seconds, without a new version, until it is set again: what is not named is as the version was published, `{}` is all of it. For who may deploy. */
  setScale(ref: string, scale: ScaleConfig, choice?: WriteChoice): Promise<Receipt>
}

/** Keys are 64 hex characters, as `osiris key show` prints them. */
export interface NamespacesOfOsiris {
  /** Those the caller may read. */
  list(): Promise<NamespaceSummary[]>
  /** Takes `admin` on the namespace. Rejects with `conflict` where it has an owner. */
  create(name: string, owner: string, choice?: WriteChoice): Promise<Receipt>
  /** For the owner, and for who holds `admin` on all namespaces. What the former owner gave ends. */
  transfer(name: string, owner: string, choice?: WriteChoice): Promise<Receipt>
}

export interface GrantFilter {
  key?: string
  namespace?: string
}

export interface TokensOfOsiris {
  /** Ends a token or a join token that this key (64 hex characters) signed. For that key, and for who holds `admin` on all namespaces. */
  revoke(issuer: string, id: string, choice?: WriteChoice): Promise<Receipt>
}

/** Hosts that are somebody's own: all of one is a function's, or decided by the routes of one namespace. */
export interface DomainsOfOsiris {
  /** What the caller may read, and whether the asked node counts it. */
  list(): Promise<DomainSummary[]>
  /** Asks DNS now; every claim of the host that the caller may read. Throws `not_found`. */
  verify(host: string): Promise<DomainSummary[]>
  /** For who may deploy in the namespace; counts while DNS says the same (`record` of the summary). `granted`: without DNS, for who holds `admin` on all namespaces. */
  add(domain: NewDomain, choice?: WriteChoice): Promise<Receipt>
  /** `namespace` `*`: what was granted. */
  remove(host: string, namespace: string, choice?: WriteChoice): Promise<Receipt>
}
export interface NewDomain {
  host: string
  namespace: string
  /** The function that gets all of it; absent: the routes of the namespace decide. */
  name?: string | null
  granted?: boolean
}

/** What namespaces may use, on all nodes together. `*`: of every namespace without a quota of its own. */
export interface QuotasOfOsiris {
  /** Of namespaces the caller may read. */
  list(): Promise<QuotaSummary[]>
  /** For who holds `admin` on all namespaces. What the quota does not name has no bound; every node keeps it within seconds. */
  set(namespace: string, quota: Quota, choice?: WriteChoice): Promise<Receipt>
  clear(namespace: string, choice?: WriteChoice): Promise<Receipt>
}

export interface GrantsOfOsiris {
  /** In force, oldest first: of namespaces the caller may read, and what the key of its token holds. */
  list(filter?: GrantFilter): Promise<GrantSummary[]>
  /** Takes `admin` on every namespace named, for as long. The receipt's `hash` names the grant. */
  add(grant: NewGrant, choice?: WriteChoice): Promise<Receipt>
  /** Rejects with `not_found` where no such grant is in force. */
  revoke(hash: string, choice?: WriteChoice): Promise<Receipt>
}
