/** Who holds what, as the ledger says: the face other rooms see. */
import type { Capability, Grant } from '#protocols/access'

/** A namespace and its owner: the key that holds `admin` on it. */
export interface NamespaceRecord {
  namespace: string
  owner: string
  /** Wall clock of the entry that made it so, milliseconds since the epoch. */
  since: number
}

/** A pure function of the set of entries here; two nodes with the same entries answer the same. Times are wall-clock milliseconds since the epoch. */
export interface Authority {
  /** What a key holds now: grants, admissions and namespaces of which every link up to the root stands and has not expired. */
  grantsOf(key: string, nowMs: number): readonly Grant[]
  /** Admitted, and neither banned, frozen, rotated away nor expired. The root and the recovery key are members. */
  isMember(key: string, nowMs: number): boolean
  isBanned(key: string): boolean
  /** The entry to name for acting as `key` on a namespace (`*`: on all): its hash, `null` for the root and the recovery key, `undefined` where it holds none. */
  standingFor(key: string, can: Capability, namespace: string, nowMs: number): string | null | undefined
  /** By name. */
  namespaces(): readonly NamespaceRecord[]
  /** Called after authority changed, when the change is on disk. Returns the way to stop. */
  onChange(listener: () => void): () => void
}
