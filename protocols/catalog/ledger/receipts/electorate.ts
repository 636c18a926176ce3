/**
 * Whose receipts count for an entry, and how many make it committed: by the ledger alone, so that every node, and whoever verifies the ledger later,
 * comes to the same answer. Pure: the same entries in any order, the same electorate.
 */
import { bodyOf } from '../bodies.ts'
import { comparePlaces, type Line, type Place, placeOf } from '../entry.ts'
import { DRIFT_MS_MAX } from '../hlc.ts'

/** Of no author: after every entry that a node takes in at that time, by its clock. */
export function placeOfNow(nowMs: number): Place {
  return { wallMs: nowMs + DRIFT_MS_MAX, counter: 0, author: '', seq: 0, hash: '' }
}

interface Admission {
  member: string
  hash: string
  place: Place
  isCatalog: boolean
  expiresAtMs: number | null
}

export class Electorate {
  /** By member. */
  readonly #admissions = new Map<string, Admission[]>()
  /** Hash of an admission → where it was revoked first. */
  readonly #revoked = new Map<string, Place>()
  readonly #banned = new Map<string, Place>()
  readonly #names = new Map<string, string>()
  #lines: Line[] = []

  /** Takes in an entry that came through the door; of other types nothing is kept. */
  insert(line: Line): void {
    if (['admit', 'ban', 'revoke'].includes(line.type)) this.#lines.push(line)
    if (line.type === 'admit') this.#admit(line)
    else if (line.type === 'ban') keepFirst(this.#banned, bodyOf(line, 'ban')?.member, placeOf(line))
    else if (line.type === 'revoke') keepFirst(this.#revoked, bodyOf(line, 'revoke')?.grant, placeOf(line))
  }

  /** Takes out the entries of these places, as if they had never been. */
  remove(isOut: (place: Place) => boolean): void {
    const kept = this.#lines.filter((line) => !isOut(placeOf(line)))
    for (const map of [this.#admissions, this.#revoked, this.#banned, this.#names]) map.clear()
    this.#lines = []
    for (const line of kept) this.insert(line)
  }

  /** The catalog members an entry at this place may ask for receipts: admitted as catalogs before it, by the last word on each of them, and not ended. */
  at(place: Place): string[] {
    return [...this.#admissions].flatMap(([member, admissions]) => {
      const last = admissions.filter((each) => comparePlaces(each.place, place) < 0).toSorted((a, b) => comparePlaces(b.place, a.place))[0]
      const isIn = last !== undefined && last.isCatalog && this.#lasts(last, place) && !isBefore(this.#banned.get(member), place)
      return isIn ? [member] : []
    })
  }

  /**
   * Whether a receipt of this key counts for an entry at this place: of a member that keeps the ledger, whenever it joined, and had not left before.
   * Of a banned key nothing counts, whatever it is of: it could date its receipts back.
   */
  counts(key: string, place: Place): boolean {
    return !this.#banned.has(key) && (this.#admissions.get(key) ?? []).some((each) => each.isCatalog && this.#lasts(each, place))
  }

  /** Whether this key was ever admitted. */
  isAdmitted(key: string): boolean {
    return this.#admissions.has(key)
  }

  /** What it was admitted as; for people. */
  nameOf(key: string): string | undefined {
    return this.#names.get(key)
  }

  #lasts({ hash, expiresAtMs }: Admission, place: Place): boolean {
    return (expiresAtMs === null || place.wallMs < expiresAtMs) && !isBefore(this.#revoked.get(hash), place)
  }

  #admit(line: Line): void {
    const body = bodyOf(line, 'admit')
    if (body === undefined) return
    const { member, name, roles, expiresAtMs } = body
    this.#names.set(member, name)
    const known = this.#admissions.get(member) ?? []
    if (known.some((each) => each.hash === line.hash)) return
    const isCatalog = roles.includes('catalog')
    this.#admissions.set(member, [...known, { member, hash: line.hash, place: placeOf(line), isCatalog, expiresAtMs }])
  }
}

function isBefore(end: Place | undefined, place: Place): boolean {
  return end !== undefined && comparePlaces(end, place) < 0
}

function keepFirst(map: Map<string, Place>, key: string | undefined, place: Place): void {
  if (key === undefined) return
  const before = map.get(key)
  if (before === undefined || comparePlaces(place, before) < 0) map.set(key, place)
}
