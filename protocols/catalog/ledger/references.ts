/** Secrets and hooks by name: the last entry that counts says what stands. Digests and addresses only; never a secret. */
import { digestOf, encode } from '#protocols/codec'
import { type BodyOf, bodyOf } from './bodies.ts'
import { compareText, type Line, type Place, placeOf } from './entry.ts'
import { type Judge, type JudgedFact, Rows } from './rows.ts'

export type Reference = { type: 'secret'; body: BodyOf<'secret'> } | { type: 'hook'; body: BodyOf<'hook'> }

interface ReferenceFact extends JudgedFact {
  reference: Reference
}

export class References {
  readonly #rows: Rows<ReferenceFact, Reference>
  #digest: string | undefined

  constructor(judge: Judge) {
    this.#rows = new Rows({ judge, step: (_, { reference }) => (isOut(reference) ? undefined : reference) })
  }

  insert(line: Line): void {
    const reference = referenceOf(line)
    if (reference === undefined) return
    const { namespace, name } = reference.body
    this.#rows.insert(`${reference.type} ${namespace}/${name}`, { place: placeOf(line), basis: line.grant, namespace, reference })
  }

  remove(isGone: (place: Place) => boolean): void {
    this.#rows.remove(isGone)
  }

  rejudge(): void {
    this.#rows.rejudge()
  }

  flush(): void {
    if (this.#rows.flush().length > 0) this.#digest = undefined
  }

  /** Of a namespace, by type and name. */
  list(namespace: string): Reference[] {
    return this.#all().filter((each) => each.body.namespace === namespace)
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
  if (line.type !== 'secret' && line.type !== 'hook') return undefined
  const secret = line.type === 'secret' ? bodyOf(line, 'secret') : undefined
  if (secret !== undefined) return { type: 'secret', body: secret }
  const hook = line.type === 'hook' ? bodyOf(line, 'hook') : undefined
  return hook && { type: 'hook', body: hook }
}

function isOut({ type, body }: Reference): boolean {
  return (type === 'secret' ? body.digest : body.url) === null
}

function keyOf({ type, body }: Reference): string {
  return `${type} ${body.namespace}/${body.name}`
}
