/** FormData with text fields (XHR Standard); files come with Blob. */

import { stringOf } from './text.ts'

let boundaries = 0

export class FormData {
  #fields: [string, string][] = []

  append(name: string, value: string): void {
    this.#fields.push([stringOf(name), stringOf(value)])
  }

  delete(name: string): void {
    this.#fields = this.#fields.filter(([each]) => each !== name)
  }

  get(name: string): string | null {
    return this.#fields.find(([each]) => each === name)?.[1] ?? null
  }

  getAll(name: string): string[] {
    return this.#fields.filter(([each]) => each === name).map(([, value]) => value)
  }

  has(name: string): boolean {
    return this.#fields.some(([each]) => each === name)
  }

  set(name: string, value: string): void {
    const at = this.#fields.findIndex(([each]) => each === name)
    if (at < 0) return this.append(name, value)
    this.#fields[at] = [stringOf(name), stringOf(value)]
    this.#fields = this.#fields.filter(([each], index) => index <= at || each !== name)
  }

  forEach(run: (value: string, name: string, form: FormData) => void, self?: unknown): void {
    for (const [name, value] of this.#fields) run.call(self, value, name, this)
  }

  *entries(): Generator<[string, string]> {
    yield* this.#fields
  }

  *keys(): Generator<string> {
    for (const [name] of this.#fields) yield name
  }

  *values(): Generator<string> {
    for (const [, value] of this.#fields) yield value
  }

  [Symbol.iterator](): Generator<[string, string]> {
    return this.entries()
  }

  get [Symbol.toStringTag](): string {
    return 'FormData'
  }

  /** As `multipart/form-data` (RFC 7578). */
  static encode(form: FormData): { source: string; type: string } {
    const boundary = `----osiris-${Date.now().toString(36)}-${(++boundaries).toString(36)}-${Math.random().toString(36).slice(2)}`
    const parts = form.#fields.map(([name, value]) => {
      const escaped = name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
      return `--${boundary}\r\nContent-Disposition: form-data; name="${escaped}"\r\n\r\n${value}\r\n`
    })
    return { source: `${parts.join('')}--${boundary}--\r\n`, type: `multipart/form-data; boundary=${boundary}` }
  }
}
