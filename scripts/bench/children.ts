/** Child processes: started, awaited, and gone at the end. */
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cleanup } from './cleanup.ts'

const STOP_MS = 5000
/** Of what a child that runs in the background says on stderr: enough for the error that ended it, whatever it wrote before. */
const TAIL_BYTES = 64 * 1024

export interface Finished {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs to the end. Throws, with what it said on stderr, when it fails. */
export async function run(command: string, args: string[], options: SpawnOptions = {}): Promise<Finished> {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  const finished = await outputOf(child)
  if (finished.code === 0) return finished
  throw new Error(
    `${[command, ...args].join(' ')} ended with ${finished.code ?? 'a signal'}: ${(finished.stderr || finished.stdout).trim()}`,
  )
}

function outputOf(child: ChildProcess): Promise<Finished> {
  const { promise, resolve, reject } = Promise.withResolvers<Finished>()
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  child.on('error', reject)
  child.on('close', (code) => resolve({ code, stdout, stderr }))
  return promise
}

export interface Background {
  /** The first line on standard output. Rejects when the child ends without one. */
  firstLine: Promise<string>
  pid: number
  /** SIGTERM, and SIGKILL after 5 s. Idempotent. */
  stop: () => Promise<void>
}

/** Runs until it is stopped, at the latest by `cleanup`. What it says on stderr goes to a file: reading it would take time from what is measured. */
export function background(cleanup: Cleanup, command: string, args: string[], options: SpawnOptions = {}): Background {
  const folder = mkdtempSync(join(tmpdir(), 'osiris-bench-stderr-'))
  const said = join(folder, 'stderr')
  const stop = cleanup.add(() => end(child, ended).finally(() => rmSync(folder, { recursive: true, force: true })))
  const stderr = openSync(said, 'a')
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', stderr] })
  closeSync(stderr)
  const ended = outputOf(child).then((finished) => ({ ...finished, stderr: readFileSync(said).subarray(-TAIL_BYTES).toString() }))
  const line = Promise.withResolvers<string>()
  let text = ''
  const listen = (chunk: Buffer) => {
    text += chunk.toString()
    if (!text.includes('\n')) return
    child.stdout?.off('data', listen)
    line.resolve(text.slice(0, text.indexOf('\n')))
  }
  child.stdout?.on('data', listen)
  ended.then(
    ({ code, stderr }) => line.reject(new Error(`${command} ended with ${code ?? 'a signal'}: ${stderr.trim()}`)),
    (error: unknown) => line.reject(error),
  )
  // Who does not wait for the line must not fall over it.
  line.promise.catch(() => {})
  return { firstLine: line.promise, pid: child.pid ?? 0, stop }
}

async function end(child: ChildProcess, ended: Promise<Finished>): Promise<void> {
  child.kill('SIGTERM')
  const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await ended.catch(() => undefined)
  clearTimeout(killer)
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const server = createServer()
  server.on('error', reject)
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as { port: number }
    server.close(() => resolve(port))
  })
  return promise
}

/** Looks every `everyMs` until `look` gives something; throws what it threw last when the time is up. */
export async function until<T>(what: string, everyMs: number, timeoutMs: number, look: () => Promise<T | undefined>): Promise<T> {
  const end = performance.now() + timeoutMs
  let last: unknown
  while (performance.now() < end) {
    const found = await look().catch((error: unknown) => void (last = error))
    if (found !== undefined) return found
    await sleep(everyMs)
  }
  throw new Error(`${what}: not within ${timeoutMs} ms`, { cause: last })
}
