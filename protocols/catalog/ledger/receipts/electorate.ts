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

/** Lines come through the door: by the key itself with the other's word, or from above. */
interface Rotation {
  to: string
  place: Place
  isOwn: boolean
}

export class Electorate {
  /** By member. */
  readonly #admissions = new Map<string, Admission[]>()
  /** Hash of an admission → where it was revoked first. */
  readonly #revoked = new Map<string, Place>()
  readonly #banned = new Map<string, Place>()
  readonly #names = new Map<string, string>()
  /** By the key that ended. */
  readonly #rotations = new Map<string, Rotation[]>()
  /** By the key that took over. */
  readonly #formers = new Map<string, Set<string>>()
  #lines: Line[] = []

  /** Takes in an entry that came through the door; of other types nothing is kept. */
  insert(line: Line): void {
    if (['admit', 'ban', 'revoke', 'rotate'].includes(line.type)) this.#lines.push(line)
    if (line.type === 'admit') this.#admit(line)
    else if (line.type === 'ban') keepFirst(this.#banned, bodyOf(line, 'ban')?.member, placeOf(line))
    else if (line.type === 'revoke') keepFirst(this.#revoked, bodyOf(line, 'revoke')?.grant, placeOf(line))
    else if (line.type === 'rotate') this.#rotate(line)
  }

  /** Takes out the entries of these places, as if they had never been. */
  remove(isOut: (place: Place) => boolean): void {
    const kept = this.#lines.filter((line) => !isOut(placeOf(line)))
    for (const map of [this.#admissions, this.#revoked, this.#banned, this.#names, this.#rotations, this.#formers]) map.clear()
    this.#lines = []
    for (const line of kept) this.insert(line)
  }

  /** The catalog members an entry at this place may ask for receipts: admitted as catalogs before it, by the last word on each of them, and not ended; by the keys they had then. */
  at(place: Place): string[] {
    const holders = [...this.#admissions].flatMap(([member, admissions]) => {
      const last = admissions.filter((each) => comparePlaces(each.place, place) < 0).toSorted((a, b) => comparePlaces(b.place, a.place))[0]
      const holder = this.#holderAt(member, place)
      const isIn = last !== undefined && last.isCatalog && this.#lasts(last, place) && !isBefore(this.#banned.get(holder), place)
      return isIn ? [holder] : []
    })
    return [...new Set(holders)]
  }

  /**
   * Whether a receipt of this key counts for an entry at this place: of a member that keeps the ledger, whenever it joined, and had not left before.
   * Of a banned key nothing counts, whatever it is of: it could date its receipts back. Of a node that changed its key the one of that place counts, so that
   * one disk gives one receipt.
   */
  counts(key: string, place: Place): boolean {
    if (this.#banned.has(key)) return false
    return this.#membersOf(key).some(
      (member) =>
        (this.#admissions.get(member) ?? []).some((each) => each.isCatalog && this.#lasts(each, place)) &&
        this.#holderAt(member, place) === key,
    )
  }

  /** Whether this key, or one that it took over from, was ever admitted. */
  isAdmitted(key: string): boolean {
    return this.#membersOf(key).some((member) => this.#admissions.has(member))
  }

  /** What it was admitted as; for people. */
  nameOf(key: string): string | undefined {
    return this.#membersOf(key)
      .map((member) => this.#names.get(member))
      .find((name) => name !== undefined)
  }

  /** A key and those it took over from, itself first. */
  #membersOf(key: string): string[] {
    const members = new Set([key])
    // A set that grows while it is walked is walked to its new end.
    for (const each of members) for (const former of this.#formers.get(each) ?? []) members.add(former)
    return [...members]
  }

  /** Which key had what `member` was given, at this place. */
  #holderAt(member: string, place: Place): string {
    const seen = new Set<string>()
    let at = member
    for (let next = this.#successorAt(at, place); next !== undefined && !seen.has(at); next = this.#successorAt(at, place)) {
      seen.add(at)
      at = next
    }
    return at
  }

  /** As `Keys` says: the last word from above, else the key's own. */
  #successorAt(key: string, place: Place): string | undefined {
    const all = this.#rotations.get(key)
    if (all === undefined) return undefined
    const before = all.filter((each) => isBefore(each.place, place) && !isBefore(this.#banned.get(key), each.place))
    const sorted = before.toSorted((a, b) => comparePlaces(a.place, b.place))
    return (sorted.findLast((each) => !each.isOwn) ?? sorted[0])?.to
  }

  #rotate(line: Line): void {
    const body = bodyOf(line, 'rotate')
    if (body === undefined || body.from === body.to) return
    const known = this.#rotations.get(body.from) ?? []
    if (known.some(({ place }) => place.hash === line.hash)) return
    this.#rotations.set(body.from, [...known, { to: body.to, place: placeOf(line), isOwn: line.author === body.from }])
    this.#formers.set(body.to, (this.#formers.get(body.to) ?? new Set()).add(body.from))
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
