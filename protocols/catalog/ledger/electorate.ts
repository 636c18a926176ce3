/**
 * Whose receipts count for an entry: the catalog members admitted before it in the total order, by the ledger alone, so that every node and
 * whoever verifies the ledger later comes to the same answer. Pure: the same entries in any order, the same electorate.
 */
import { comparePlaces, type Entry, type Place, placeOf } from './entry.ts'
import { bodyOf } from './bodies.ts'

interface Admission {
  member: string
  place: Place
  expiresAtMs: number | null
}

export class Electorate {
  /** Admissions as catalogs, by the hash of their entries. */
  readonly #admissions = new Map<string, Admission>()
  /** Hash of an admission → where it was revoked first. */
  readonly #revoked = new Map<string, Place>()
  /** Member → where it was banned first. */
  readonly #banned = new Map<string, Place>()
  readonly #names = new Map<string, string>()

  /** Takes in an entry that came through the door; of other types nothing is kept. */
  insert(entry: Entry): void {
    if (entry.type === 'admit') this.#admit(entry)
    else if (entry.type === 'ban') keepFirst(this.#banned, bodyOf(entry, 'ban')?.member, placeOf(entry))
    else if (entry.type === 'revoke') keepFirst(this.#revoked, bodyOf(entry, 'revoke')?.grant, placeOf(entry))
  }

  /** Keys of the catalog members of whom an entry at this place needs receipts; nobody where nobody was admitted before. */
  at(place: Place): Set<string> {
    const members = new Set<string>()
    for (const [hash, { member, place: since, expiresAtMs }] of this.#admissions) {
      if (comparePlaces(since, place) >= 0) continue
      if (expiresAtMs !== null && place.wallMs >= expiresAtMs) continue
      if (isBefore(this.#revoked.get(hash), place) || isBefore(this.#banned.get(member), place)) continue
      members.add(member)
    }
    return members
  }

  /** Whether this key was ever admitted as a catalog. */
  isAdmitted(key: string): boolean {
    return [...this.#admissions.values()].some(({ member }) => member === key)
  }

  /** Whether receipts of this key may count for anything: it was admitted as a catalog, and never banned. A banned key could date its receipts back. */
  isTrusted(key: string): boolean {
    return !this.#banned.has(key) && this.isAdmitted(key)
  }

  /** What it was admitted as; for people. */
  nameOf(key: string): string | undefined {
    return this.#names.get(key)
  }

  #admit(entry: Entry): void {
    const body = bodyOf(entry, 'admit')
    if (body === undefined) return
    const { member, name, roles, expiresAtMs } = body
    this.#names.set(member, name)
    if (roles.includes('catalog')) this.#admissions.set(entry.hash, { member, place: placeOf(entry), expiresAtMs })
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
