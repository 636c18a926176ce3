/** Why an entry that came through the door has no effect after all. Pure, for people: the rules themselves are in authority-evaluate.ts. */
import type { LedgerAuthority } from './authority.ts'
import { isWithin } from './authority-evaluate.ts'
import { type Entry, type Place, placeOf } from './entry.ts'

/** Whether an entry that comes now stands on a grant that is here and gives its author nothing any more. */
export function isVoid(authority: Pick<LedgerAuthority, 'standing' | 'verdict'>, entry: Entry): boolean {
  const { author, grant } = entry
  return grant !== null && authority.verdict.grants.has(grant) && !isWithin(authority.standing(author, grant), placeOf(entry))
}

/** `basis`: the grant it names. Nothing for an entry that counts. */
export function voidReason(
  authority: Pick<LedgerAuthority, 'standing' | 'verdict'>,
  place: Place,
  basis: string | null,
): string | undefined {
  const { grants } = authority.verdict
  if (!isWithin(authority.standing(place.author, basis), place)) return reasonOf(authority, place, basis)
  const own = grants.get(place.hash)
  if (own === undefined || own.counts) return undefined
  if (own.fact.invited !== undefined) return 'the invitation it came with was used up, withdrawn, or its issuer lost the right to invite'
  return own.fact.owns === undefined
    ? "what it gives was not its author's to give any more"
    : 'the namespace was taken before, or had another owner'
}

function reasonOf({ verdict }: Pick<LedgerAuthority, 'verdict'>, { author, seq }: Place, basis: string | null): string {
  const { keys, grants } = verdict
  const cap = keys.cap(author)
  if (seq > cap) {
    const until = cap === 0 ? 'nothing it wrote counts' : `what it wrote counts up to ${cap}`
    if (keys.banned.has(author)) return `its author was banned: ${until}`
    return keys.successors.has(author) ? `its author gave on its key: ${until}` : `its author wrote two entries in one place: ${until}`
  }
  if (basis === null) return 'it names no grant, and its author was not the root then'
  const state = grants.get(basis)
  if (state?.counts === false) return 'the grant it names has no effect itself'
  if (state !== undefined && state.pins.length > 0) {
    const kept = Math.min(...state.pins.map((pins) => pins.get(author) ?? 0))
    return `the grant it names was revoked: ${kept === 0 ? 'nothing of its author was kept' : `its author was kept up to ${kept}`}`
  }
  return "its author's admission had ended"
}
