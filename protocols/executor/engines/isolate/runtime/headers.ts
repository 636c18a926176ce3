/** Headers (Fetch Standard): names in lower case, values joined by ", ", `set-cookie` kept apart. */

import { stringify } from './primordials.ts'
import { stringOf, trimHttp } from './text.ts'

export type HeadersInput = Headers | Iterable<Iterable<string>> | Record<string, string>

const NAME = /^[!#$%&'*+\-.^_`|~0-9a-zA-Z]+$/
// oxlint-disable-next-line no-control-regex -- what RFC 9110 keeps out of a field value
const FORBIDDEN_IN_VALUE = /[\0\r\n]|[^\0-\xff]/

export class Headers {
  #list: [string, string][] = []

  constructor(init?: HeadersInput | null) {
    if (init === undefined || init === null) return
    if (typeof init !== 'object') throw new TypeError('Headers are made from an object, a list of pairs, or other Headers')
    if (init instanceof Headers) this.#list = init.#list.map(([name, value]) => [name, value])
    else if (Symbol.iterator in init) for (const pair of init) this.#appendPair([...pair])
    else for (const name of Object.keys(init)) this.append(name, init[name] as string)
  }

  /** Trusted pairs, taken as they are. */
  static wrap(list: [string, string][]): Headers {
    const headers = new Headers()
    headers.#list = list
    return headers
  }

  /** The pairs as they are sent. */
  static list(headers: Headers): [string, string][] {
    return headers.#list
  }

  append(name: string, value: string): void {
    this.#list.push([nameOf(name), valueOf(value)])
  }

  delete(name: string): void {
    const wanted = nameOf(name)
    this.#list = this.#list.filter(([each]) => each !== wanted)
  }

  get(name: string): string | null {
    const wanted = nameOf(name)
    let joined: string | null = null
    for (const [each, value] of this.#list) if (each === wanted) joined = joined === null ? value : `${joined}, ${value}`
    return joined
  }

  getSetCookie(): string[] {
    return this.#list.filter(([name]) => name === 'set-cookie').map(([, value]) => value)
  }

  has(name: string): boolean {
    const wanted = nameOf(name)
    return this.#list.some(([each]) => each === wanted)
  }

  set(name: string, value: string): void {
    const wanted = nameOf(name)
    const text = valueOf(value)
    const at = this.#list.findIndex(([each]) => each === wanted)
    if (at < 0) {
      this.#list.push([wanted, text])
      return
    }
    this.#list[at] = [wanted, text]
    this.#list = this.#list.filter(([each], index) => index <= at || each !== wanted)
  }

  forEach(run: (value: string, name: string, headers: Headers) => void, self?: unknown): void {
    for (const [name, value] of this) run.call(self, value, name, this)
  }

  *entries(): Generator<[string, string]> {
    const names = [...new Set(this.#list.map(([name]) => name))].toSorted()
    for (const name of names) {
      if (name === 'set-cookie') for (const value of this.getSetCookie()) yield [name, value]
      else yield [name, this.get(name) as string]
    }
  }

  *keys(): Generator<string> {
    for (const [name] of this.entries()) yield name
  }

  *values(): Generator<string> {
    for (const [, value] of this.entries()) yield value
  }

  [Symbol.iterator](): Generator<[string, string]> {
    return this.entries()
  }

  get [Symbol.toStringTag](): string {
    return 'Headers'
  }

  #appendPair(pair: string[]): void {
    if (pair.length !== 2) throw new TypeError('A header is a pair of name and value')
    this.append(pair[0] as string, pair[1] as string)
  }
}

/** The JSON of pairs. Of texts alone: `toJSON` of arrays and objects is the user's to plant, and would be asked. */
export function pairsText(pairs: [string, string][]): string {
  let text = ''
  for (let index = 0; index < pairs.length; index++) {
    const pair = pairs[index] as [string, string]
    text += `${index === 0 ? '' : ','}[${stringify(stringOf(pair[0]))},${stringify(stringOf(pair[1]))}]`
  }
  return `[${text}]`
}

function nameOf(name: unknown): string {
  const text = stringOf(name)
  if (!NAME.test(text)) throw new TypeError(`${JSON.stringify(text.slice(0, 100))} is not a header name`)
  return text.toLowerCase()
}

function valueOf(value: unknown): string {
  const text = trimHttp(stringOf(value))
  if (FORBIDDEN_IN_VALUE.test(text)) throw new TypeError('A header value has characters it must not have')
  return text
}
