/** Certificates and their keys in the node's data directory: readable by the node alone, whole or not there. */
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Issued } from './authority.ts'

const MODE = 0o600
const END = '.json'
const ACCOUNT = 'account.key'

export class CertificateFolder {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /** By host. What cannot be read is not there: it is asked for again. */
  async all(): Promise<Map<string, Issued>> {
    const names = await readdir(this.#path).catch(() => [])
    const found = new Map<string, Issued>()
    for (const name of names) {
      if (!name.endsWith(END)) continue
      const issued = await this.#read(name)
      if (issued !== undefined) found.set(name.slice(0, -END.length), issued)
    }
    return found
  }

  /** In one file, so that a certificate never lies beside the key of another. `host` has been judged to be one. */
  async keep(host: string, issued: Issued): Promise<void> {
    await this.#write(`${host}${END}`, JSON.stringify(issued))
  }

  /** The account's key: the one that is there, else `make`'s. */
  async accountKey(make: () => Promise<string>): Promise<string> {
    const known = await readFile(join(this.#path, ACCOUNT), 'utf8').catch(() => undefined)
    if (known !== undefined) return known
    const key = await make()
    await this.#write(ACCOUNT, key)
    return key
  }

  async #write(name: string, text: string): Promise<void> {
    await mkdir(this.#path, { recursive: true, mode: 0o700 })
    const path = join(this.#path, name)
    await writeFile(`${path}.new`, text, { mode: MODE, flush: true })
    await rename(`${path}.new`, path)
  }

  async #read(name: string): Promise<Issued | undefined> {
    try {
      const { cert, key } = JSON.parse(await readFile(join(this.#path, name), 'utf8')) as Partial<Issued>
      return typeof cert === 'string' && typeof key === 'string' ? { cert, key } : undefined
    } catch {
      return undefined
    }
  }
}
