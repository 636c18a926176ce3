/** Whose token asked for an entry: the key that signed it, and what that key held. README.md says what this proves. */
import type { Principal } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import type { LedgerAuthority } from './authority.ts'
import type { Need } from './authority-rules.ts'

/** The author's word that it verified a token of this key; that the key had the right is judged at every door. */
export interface Asker {
  /** Public key that signed the token. */
  key: string
  /** Hash of the entry that gave this key what it asked for; `null`: the root's or the recovery key's. */
  grant: string | null
}

/** What the subject of a caller's token is worth beside its key: a label that the key's holder chose. */
export interface Requester {
  by: string
  asker?: Asker
}

/** Throws `forbidden` where the key that signed the token lost meanwhile what the entry needs. */
export function requesterOf(
  { subject, issuer }: Principal,
  needs: readonly Need[],
  authority: Pick<LedgerAuthority, 'askerOf'>,
  nowMs: number,
): Requester {
  if (issuer === undefined) return { by: subject }
  const asker = authority.askerOf(issuer, needs, nowMs)
  if (asker !== undefined) return { by: subject, asker }
  throw new OsirisError(
    'forbidden',
    `Cannot write for "${subject}": the key ${issuer.slice(0, 16)} that signed its token has lost the right`,
  )
}

/** Characters of what `askedBy` gives: a label of 256, and what is in brackets. */
export const ASKED_BY_MAX = 300

/** As people read it: the label, and in brackets, always last, what nobody can choose: `root`, the key, or `node` where no token was shown. */
export function askedBy(by: string, asker: Asker | undefined, stands = true): string {
  if (asker === undefined) return `${by} (node)`
  const key = asker.grant === null ? 'root' : asker.key.slice(0, 16)
  return `${by} (${stands ? key : `${key}, without the right`})`
}
