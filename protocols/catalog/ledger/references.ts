/** Secrets, hooks and settings by name: the last entry that counts says what stands. Digests and addresses only; never a secret. */
import { digestOf, encode } from '#protocols/codec'
import type { Setting } from '../catalog.ts'
import { needsOfSetting } from './authority-rules.ts'
import { type BodyOf, bodyOf } from './bodies.ts'
import { compareText, type Line, type Place, placeOf } from './entry.ts'
import { type Judge, type JudgedFact, Rows } from './rows.ts'

export type Reference =
  | { type: 'secret'; body: BodyOf<'secret'> }
  | { type: 'hook'; body: BodyOf<'hook'> }
  | { type: 'setting'; body: BodyOf<'setting'> }

interface ReferenceFact extends JudgedFact {
  reference: Reference
}

export class References {
  readonly #rows: Rows<ReferenceFact, Reference>
  #digest: string | undefined
  #settings: readonly Setting[] | undefined

  constructor(judge: Judge) {
    this.#rows = new Rows({ judge, step: (_, { reference }) => (isOut(reference) ? undefined : reference) })
  }

  insert(line: Line): void {
    const reference = referenceOf(line)
    if (reference === undefined) return
    const needs = reference.type === 'setting' ? { needs: needsOfSetting(reference.body) } : {}
    const { namespace } = reference.body
    this.#rows.insert(keyOf(reference), { place: placeOf(line), basis: line.grant, namespace, reference, ...needs })
  }

  remove(isGone: (place: Place) => boolean): void {
    this.#rows.remove(isGone)
  }

  rejudge(): void {
    this.#rows.rejudge()
  }

  flush(): void {
    if (this.#rows.flush().length === 0) return
    this.#digest = undefined
    this.#settings = undefined
  }

  /** Of a namespace, by type and name. */
  list(namespace: string): Reference[] {
    return this.#all().filter((each) => each.body.namespace === namespace)
  }

  /** Of all namespaces; the same array until something changes. */
  settings(): readonly Setting[] {
    this.#settings ??= this.#all().flatMap((each) =>
      each.type === 'setting' && each.body.value !== null ? [{ ...each.body, value: each.body.value }] : [],
    )
    return this.#settings
  }

  /** Equal on two nodes exactly when these are. 64 hex characters. */
  digest(): string {
    this.#digest ??= digestOf(encode(this.#all().map(({ type, body }) => [type, body])))
    return this.#digest
  }

  #all(): Reference[] {
    return this.#rows.states().toSorted((a, b) => compareText(keyOf(a), keyOf(b)))
  }
}

function referenceOf(line: Line): Reference | undefined {
  if (line.type === 'setting') {
    const setting = bodyOf(line, 'setting')
    return setting && { type: 'setting', body: setting }
  }
  if (line.type !== 'secret' && line.type !== 'hook') return undefined
  const secret = line.type === 'secret' ? bodyOf(line, 'secret') : undefined
  if (secret !== undefined) return { type: 'secret', body: secret }
  const hook = line.type === 'hook' ? bodyOf(line, 'hook') : undefined
  return hook && { type: 'hook', body: hook }
}

function isOut({ type, body }: Reference): boolean {
  if (type === 'setting') return body.value === null
  return (type === 'secret' ? body.digest : body.url) === null
}

function keyOf({ type, body }: Reference): string {
  return `${type} ${body.namespace}/${type === 'setting' ? body.key : body.name}`
}
