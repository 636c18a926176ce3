/** FormData (XHR Standard): fields of text and files, in order. */
import { type Blob, File, fileOf, isBlob, wellFormed } from './blob.ts'
import { loaded } from './loaded.ts'
import { encodeMultipart } from './multipart.ts'

export type Field = readonly [name: string, value: string | File]

// Assigned in the class, where its private parts can be seen.
export let isFormData: (value: unknown) => value is FormData
/** As `multipart/form-data` (RFC 7578). */
export let encodeFormData: (form: FormData) => { source: Uint8Array<ArrayBuffer>; type: string }
export let formDataOf: (fields: Field[]) => FormData

export class FormData {
  #fields: Field[] = []

  constructor(form?: unknown) {
    if (form !== undefined) throw new TypeError('There are no forms here: new FormData() takes nothing')
  }

  append(name: string, value: unknown, filename?: string): void {
    // oxlint-disable-next-line prefer-rest-params -- undefined given counts as given
    this.#fields.push(fieldOf(arguments.length, name, value, filename))
  }

  delete(name: string): void {
    const wanted = wellFormed(name)
    this.#fields = this.#fields.filter(([each]) => each !== wanted)
  }

  get(name: string): string | File | null {
    const wanted = wellFormed(name)
    return this.#fields.find(([each]) => each === wanted)?.[1] ?? null
  }

  getAll(name: string): (string | File)[] {
    const wanted = wellFormed(name)
    return this.#fields.filter(([each]) => each === wanted).map(([, value]) => value)
  }

  has(name: string): boolean {
    const wanted = wellFormed(name)
    return this.#fields.some(([each]) => each === wanted)
  }

  set(name: string, value: unknown, filename?: string): void {
    // oxlint-disable-next-line prefer-rest-params -- undefined given counts as given
    const field = fieldOf(arguments.length, name, value, filename)
    const at = this.#fields.findIndex(([each]) => each === field[0])
    if (at < 0) this.#fields.push(field)
    else
      this.#fields = this.#fields
        .map((each, index) => (index === at ? field : each))
        .filter(([each], index) => index <= at || each !== field[0])
  }

  forEach(run: (value: string | File, name: string, form: FormData) => void, self?: unknown): void {
    for (const [name, value] of this) run.call(self, value, name, this)
  }

  /** Sees what is changed while it goes on, as Web IDL has it. */
  *entries(): Generator<[string, string | File]> {
    for (let index = 0; index < this.#fields.length; index++) {
      const [name, value] = this.#fields[index] as Field
      yield [name, value]
    }
  }

  *keys(): Generator<string> {
    for (const [name] of this.entries()) yield name
  }

  *values(): Generator<string | File> {
    for (const [, value] of this.entries()) yield value
  }

  [Symbol.iterator](): Generator<[string, string | File]> {
    return this.entries()
  }

  get [Symbol.toStringTag](): string {
    return 'FormData'
  }

  static {
    isFormData = (value): value is FormData => typeof value === 'object' && value !== null && #fields in value
    encodeFormData = (form) => encodeMultipart(form.#fields)
    formDataOf = (fields) => {
      const form = new FormData()
      form.#fields = fields
      return form
    }
  }
}

function fieldOf(given: number, name: unknown, value: unknown, filename: unknown): Field {
  if (given < 2) throw new TypeError('A field is made from a name and a value')
  if (!isBlob(value)) {
    if (given > 2) throw new TypeError('Only a Blob has a file name')
    return [wellFormed(name), wellFormed(value)]
  }
  return [wellFormed(name), asFile(value, given > 2 && filename !== undefined ? wellFormed(filename) : undefined)]
}

function asFile(blob: Blob, name: string | undefined): File {
  if (!(blob instanceof File)) return fileOf(blob, name ?? 'blob', { type: blob.type })
  return name === undefined ? blob : fileOf(blob, name, { type: blob.type, lastModified: blob.lastModified })
}

loaded.formData = { isFormData, encodeFormData }
