/**
 * What exists: the function index (signed, replicated ledger → view) and the artifacts by digest.
 * Had as a service (this node holds the ledger) or as a client (a member with the catalog role does); one suite runs against both.
 */
import type { Capability, Grant } from '#protocols/access'
import type { FunctionRef } from '#protocols/function'
import type { Caller } from '#protocols/invocation'
import type { MaybePromise } from '#protocols/lifecycle'
import type { Manifest } from '#protocols/manifest'

/** An alias points at one version, or at several with weights (whole numbers that add up to 100). */
export type AliasTargets = { version: string; weight: number }[]

/** A row of the view: one function and the version a reference to it means. Immutable; the same object until the row changes. */
export interface FunctionRecord {
  namespace: string
  name: string
  /** The version the reference asked for. */
  version: string
  /** 1, 2, 3… in order of publication; for people (`v3`). */
  ordinal: number
  manifest: Manifest
  aliases: Record<string, AliasTargets>
  /** How many versions there are. */
  versions: number
  /** Wall clock of the publisher, milliseconds since the epoch. */
  publishedAt: number
  /** Who asked for it (a caller's subject) and which node's feed says so. */
  publishedBy: string
  /** The key whose token asked for this version; absent where no token was shown. */
  asker?: string | undefined
  author: string
}

export interface VersionRecord {
  version: string
  ordinal: number
  publishedAt: number
  publishedBy: string
  author: string
  /** Names of the aliases that point here. */
  aliases: string[]
  manifest: Manifest
}

/** A route as published, with the function that holds it. */
export interface RouteRecord {
  /** `[METHOD[,METHOD]] [host]/path` */
  route: string
  namespace: string
  name: string
}

/** A route that a function asks for and another one holds: it has asked for longer. */
export interface LostRoute extends RouteRecord {
  holder: RouteRecord
}

/** What one catalog signed: that it has the entry, and the artifact it publishes (if it does), on its disk, synced. Provable offline (`ledger/receipts.ts`). */
export interface HolderReceipt {
  /** Public key of the catalog. */
  holder: string
  /** Its name, as far as the node that answers knows it; for people. */
  node: string | null
  /** By the holder's clock, milliseconds since the epoch. */
  atMs: number
  /** 128 hex characters. */
  signature: string
}

/** How far an entry has come. */
export interface Commitment {
  /** `accepted`: on disk on the node that wrote it, synced. `committed`: receipts of a majority of the catalog members are here (`needed`). */
  state: 'accepted' | 'committed'
  /** Receipts that make it committed: of a majority of the catalog members, of three at most. */
  needed: number
  /** The catalog members it is a majority of: those the ledger had let in when the entry was written. */
  members: number
  /** The receipts that count, the writer's own among them, oldest first. */
  receipts: HolderReceipt[]
}

/** How far a write has come. */
export interface Receipt extends Commitment {
  /** The entry: whose feed, which place in it, and its hash. */
  author: string
  seq: number
  hash: string
  /** Names of the nodes that have the entry on disk, the writing one included; more than gave receipts where only some keep the artifact. */
  holders: string[]
}

export interface Published {
  record: FunctionRecord
  receipt: Receipt
  /** `false` when this very version was already live: nothing was written. */
  changed: boolean
}

/** How long a write waits for which state. On time-out the write stands and the receipt says `accepted`, unless `committed` was asked for: then it throws `not_committed` (and still stands: `details.receipt`). */
export interface WriteOptions {
  caller: Caller
  ack: 'accepted' | 'committed'
  timeoutMs: number
}

export interface LedgerStatus {
  /** Equal on two nodes exactly when their views are equal. 64 hex characters. */
  viewDigest: string
  functions: number
  entries: number
  /** Last entry known of each author; of a frozen one, the last before the fork. */
  heads: { author: string; seq: number; hash: string }[]
  /** Authors that wrote two entries with one seq: from that seq on nothing of theirs has an effect. */
  frozen: { author: string; seq: number }[]
  /** Entries that came by a checkpoint of other catalogs, whose signatures this node has not verified one by one yet. */
  unproven: number
  /** Checkpoints that did not hold, for good: their digest, who signed them, and what was wrong. */
  refusedCheckpoints: { checkpoint: string; signers: string[]; sentence: string }[]
}

/** One entry as people read it. */
export interface LedgerLine {
  author: string
  seq: number
  hash: string
  atMs: number
  type: string
  /** The entry's own content as plain JSON. */
  content: Record<string, unknown>
  /** Who asked for it: what they call themselves, and in brackets the first 16 hex characters of their key, `root`, or `node` where no token was shown. */
  by: string
  /** The key whose token asked for it, and the entry that gave it the right (`null`: the root's). `stands`: that right had not ended by then. `null`: the node by itself. */
  asker: { key: string; grant: string | null; stands: boolean } | null
  /** Hash of the entry that gave the author the authority this one stands on; `null`: the root's own. */
  grant: string | null
  commitment: Commitment
}

/** An entry, to be told from others. */
export interface MarkedEntry {
  author: string
  seq: number
  hash: string
  atMs: number
  type: string
  by: string
}

/** An edit that a later one overwrote without having seen it. */
export interface LostEdit {
  namespace: string
  name: string
  /** `null`: the function as a whole. */
  alias: string | null
  lost: MarkedEntry
  won: MarkedEntry
}

/** What stands in the ledger without standing in the view. */
export interface ConflictReport {
  /** Losers of concurrent edits, oldest first; the latest 1,000. */
  lost: LostEdit[]
  /** Entries without effect, and why: what they stood on was revoked, their author banned… The latest 1,000. */
  voided: (MarkedEntry & { reason: string })[]
  /** Functions that ask for a route another one holds, by route; they get it when it is let go. */
  routes: LostRoute[]
  /** Authors that wrote two entries `seq`: from there on nothing of theirs has an effect. `hashes`: the two, proven by their own signatures. */
  frozen: { author: string; seq: number; hashes: string[] }[]
}

/** Part of a node's ledger as bytes that prove themselves: what a verifier needs, and nothing that it would have to believe. */
export interface RecordsPage {
  /** In order of authors and seqs, without gaps unless this node's disk is damaged; `receipts` are those it has, of the key `holder` by its word. */
  entries: { author: string; seq: number; bytes: Uint8Array; receipts: { holder: string; bytes: Uint8Array }[] }[]
  /** With the first page: how far each feed goes at least. */
  heads: { author: string; seq: number }[]
  /** With the last page: proofs of equivocation. */
  proofs: Uint8Array[]
  /** Where the next page begins; `null` after the last. */
  next: { author: string; seq: number } | null
}

/** Something a key holds that is in force: an admission, a grant, or the ownership of a namespace. */
export interface GrantRecord {
  /** Of the entry; names it for `revoke`. */
  hash: string
  type: 'admit' | 'grant' | 'namespace'
  key: string
  grants: Grant[]
  /** Milliseconds since the epoch; `null`: no end. */
  expiresAtMs: number | null
  /** Wall clock of the entry. */
  since: number
  /** Whose feed the entry is in. */
  author: string
  /** The grant of whoever gave it through that node, which it ends with; `null`: the root gave it, or the node by itself. */
  under: string | null
}

/** Who holds what. */
export interface Powers {
  /** By name. */
  namespaces: { namespace: string; owner: string; since: number }[]
  /** Oldest first. */
  grants: GrantRecord[]
}

/** What somebody decided for a namespace (`*`: for all), in force on every node: `quota`, `promotion/NAME`, `domain/HOST`. */
export interface Setting {
  namespace: string
  key: string
  /** JSON text; who reads it judges it. */
  value: string
}

/** What people change about that. `subject` and `owner` are keys; `namespaces` may hold patterns (`team-*`, `*`); `grant` is a hash; `token` is the id of a token or an invitation that `issuer` signed. */
export type AuthorityChange =
  | { type: 'create' | 'transfer'; namespace: string; owner: string }
  | { type: 'grant'; subject: string; can: Capability[]; namespaces: string[]; expiresAtMs: number | null }
  | { type: 'revoke'; grant: string }
  | { type: 'cancel'; issuer: string; token: string }
  | { type: 'set'; namespace: string; key: string; value: string | null }

/**
 * The keys above all others, as bytes that prove themselves: what somebody needs to sign a rotation away from any node. The first that `of: 'root'` names
 * founded the universe, the last of them holds the root now; likewise of recovery.
 */
export interface Succession {
  /** The first entry of the universe; `null` where it is not here. */
  genesis: Uint8Array | null
  /** `last`: the last entry of the key that is here and in force. */
  keys: { key: string; of: 'root' | 'recovery'; last: Uint8Array | null }[]
}

/** What has become of a rotation. */
export interface HandedIn {
  author: string
  seq: number
  hash: string
  /** `false`: it was here already. */
  changed: boolean
  /** Nodes that have it on disk, of `catalogs` that keep the ledger and are known here. */
  holders: number
  catalogs: number
}

/** A node's key (`author`) was replaced; `to` has to be what it goes on with. `holders`: nodes whose receipt is here, or that have it on disk. */
export interface NodeRotated extends HandedIn {
  to: string
}

/** A key was replaced: from now on `to` holds what `from` held. */
export interface Rotated {
  from: string
  to: string
  /** `false`: it had been before. */
  changed: boolean
  /** Of the entry that says so; of a key with a feed its last one. */
  receipt: Receipt
}

/** Somebody gives their key on to another one, for one universe. Each 64 bytes: `proof` the signature of `to`, `given` that of `from` (`signGiving`). */
export interface Giving {
  from: string
  to: string
  proof: Uint8Array
  given: Uint8Array
}

/** What anybody may ask, whatever they may do (`sender` tells whose allowance it is), and what only the root may. */
export interface SuccessionDoor {
  /** Throws `rate_limited`. */
  tell(sender: string): MaybePromise<Succession>
  /**
   * Takes in a rotation of a key of the root's that the recovery key signed. Idempotent. Throws `invalid_argument` (malformed, wrongly signed, without the
   * proof of the key that takes over), `forbidden` (no rotation, not the recovery key's), `conflict` (its pin lies beyond the end of the feed, or the
   * recovery key wrote another entry in its place), `rate_limited`, `storage_full`, `unavailable`.
   */
  handIn(bytes: Uint8Array, sender: string): Promise<HandedIn>
  /**
   * Replaces the key that holds the root, on the node that holds it, by one that this node makes and keeps; for a token that the root signed. `from`: the key that
   * shall end; the same again changes nothing. Whatever the old key signed beyond this (tokens, invitations) has no effect any more; what is in the ledger stands.
   * Throws `unauthenticated`, `forbidden` (not the root's token, or not the node that holds the key), `conflict` (`from` holds the root no more, or another
   * rotation is under way), `unavailable` (the other catalogs do not say that nobody else writes with it), `storage_full`, `not_committed`.
   */
  rotate(options: WriteOptions & { from?: string | undefined }): Promise<Rotated>
  /**
   * A person's key is given on: `to` holds what `from` held (grants, namespaces), and whatever `from` signed (tokens, invitations) has no effect any more. Written by
   * a member with the root key, whoever is asked. Takes no token: both keys have signed; the same again changes nothing. Throws `invalid_argument` (a signature is wrong,
   * a node's or the root's key, or `to` holds something already), `not_found` (`from` holds nothing), `conflict` (it was given on to another), `forbidden` (it has ended),
   * `rate_limited`, `unavailable` (nobody who could write it is there), `storage_full`, `not_committed`.
   */
  give(giving: Giving, sender: string, options: Pick<WriteOptions, 'ack' | 'timeoutMs'>): Promise<Rotated>
}

export interface Catalog {
  /** The keys above all others, and the door for what replaces one. */
  readonly succession: SuccessionDoor
  /** What a key holds now by the ledger, and gives by the token with this id: empty for one that nobody gave anything, and for a token that was revoked. At once where the ledger is here; else what two members agree on. Throws `unavailable`. */
  grantsOf(key: string, token?: string): MaybePromise<readonly Grant[]>
  /** The row a reference means. Throws `not_found` (the sentence says whether namespace, function or version is unknown), `invalid_argument` for an ambiguous prefix. */
  get(ref: FunctionRef): MaybePromise<FunctionRecord>
  /** All functions (of a namespace), by namespace and name. */
  list(filter: { namespace?: string }): MaybePromise<FunctionRecord[]>
  /**
   * Every function, in no order, for whoever goes through all of them: where the ledger is here, at once and one by one as they are taken, so that others may have
   * their turn between any two. One that is published or retired meanwhile may be among them or not.
   */
  all(): MaybePromise<Iterable<FunctionRecord>>
  /** Oldest first. Throws `not_found`. */
  versions(namespace: string, name: string): MaybePromise<VersionRecord[]>
  /**
   * Every route of every live version that its function holds; the same array until one changes. Of functions that ask for the same one (a conflict at
   * publish, unless it happened on two sides of a partition) the one that has asked for longest holds it, on every node.
   */
  routes(): MaybePromise<readonly RouteRecord[]>

  /**
   * Makes `manifest` a version and points `live` at it: one entry. The artifact is stored (and offered to k holders) before the entry is written.
   * Throws `invalid_argument` (digest does not match), `conflict` (a route is taken; names the holder), `forbidden`, `storage_full`, `not_committed`.
   */
  publish(manifest: Manifest, artifact: Uint8Array, options: WriteOptions): Promise<Published>
  /** Points an alias at versions: one entry. Rollback is `point(…, 'live', [{ version, weight: 100 }])`. Throws `not_found`, `conflict`, `forbidden`… */
  point(namespace: string, name: string, alias: string, targets: AliasTargets, options: WriteOptions): Promise<Published>
  /** Takes the function out of the view: one entry. Its versions stay provable. Throws `not_found`, `forbidden`… */
  retire(namespace: string, name: string, options: WriteOptions): Promise<Receipt>

  /**
   * Changes who may do what: one entry, written by a member that may (the one with the root key), whoever is asked. Entries that stand on what is revoked or
   * handed over, and were known here, stay valid. Throws `unauthenticated`, `forbidden`, `conflict`, `not_found`, `unavailable` (nobody who could write it is there)…
   */
  amend(change: AuthorityChange, options: WriteOptions): Promise<Receipt>
  /** What was decided by `set`, by namespace and key; the same array until something changes. Of a client only what its token may see, up to 6 s old. */
  settings(): MaybePromise<readonly Setting[]>
  /** Who holds what; of a client only what its token may see. */
  powers(): MaybePromise<Powers>

  /** The bytes with this digest, verified. From disk here, or fetched from whoever has them. Throws `not_found`, `unavailable`, `deadline_exceeded`. */
  artifact(digest: string, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Uint8Array>

  status(): MaybePromise<LedgerStatus>
  /** Entries in view order, oldest first, from `after` (an entry's hash) on; at most `limit` (1 to 1,000). */
  log(options: { after?: string; limit: number }): MaybePromise<LedgerLine[]>
  /** The ledger as bytes, from a place on (an author and a seq, both in order; absent: from the beginning), about 512 KiB at a time. */
  records(from?: { author: string; seq: number }): MaybePromise<RecordsPage>
  /** What did not come to stand, and why. */
  conflicts(): MaybePromise<ConflictReport>
}
