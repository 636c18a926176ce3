/**
 * One start-up snapshot for all workers of this node: V8 takes compiled code only under the snapshot it was compiled under, and reading one takes 1.5 ms
 * where making it takes 30. Made by a process in which no function has run or will, kept authenticated.
 */
import { execFile } from 'node:child_process'
import { createHmac, timingSafeEqual } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { NODE_FLAGS } from '../walls/launch.ts'
import type { CodeStore } from './cache.ts'

const FILE = 'snapshot'
const MAC_BYTES = 32
const BYTES_MAX = 16 * 1024 * 1024
const MAKE_MS = 10_000

/** Undefined when it could not be made: each worker makes its own then, and no compiled code is kept. */
export async function sharedSnapshot({ folder, key }: CodeStore, engine: string, entry: string): Promise<Uint8Array | undefined> {
  const path = join(folder, FILE)
  const mac = (bytes: Uint8Array) =>
    createHmac('sha256', key)
      .update(`${JSON.stringify([engine, FILE])}\n`)
      .update(bytes)
      .digest()
  const file = await readFile(path).catch(() => Buffer.alloc(0))
  const kept = file.subarray(MAC_BYTES)
  if (kept.length > 0 && timingSafeEqual(mac(kept), file.subarray(0, MAC_BYTES))) return kept
  try {
    const made = await make(entry)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeFile(`${path}.new`, Buffer.concat([mac(made), made]), { mode: 0o600 })
    await rename(`${path}.new`, path)
    return made
  } catch {
    await rm(`${path}.new`, { force: true }).catch(() => {})
    return undefined
  }
}

function make(entry: string): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const options = { encoding: 'buffer', env: {}, timeout: MAKE_MS, maxBuffer: BYTES_MAX, killSignal: 'SIGKILL' } as const
    execFile(process.execPath, [...NODE_FLAGS, entry, '', 'snapshot'], options, (error, stdout) => {
      if (error !== null || stdout.length === 0) reject(error ?? new Error('no snapshot came'))
      else resolve(stdout)
    })
  })
}
