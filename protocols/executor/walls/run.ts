/** A short program, run to its end. */
import { spawn } from 'node:child_process'
import type { Writable } from 'node:stream'

/** A program behind walls that says its version takes 16 ms. */
const WITHIN_MS = 5_000
const OUTPUT_MAX = 4096

export interface Ran {
  /** -1: not started, or ended by a signal. */
  code: number
  stdout: string
  stderr: string
}

/** Never rejects. `fourth`: what it finds on descriptor 4. */
export function run(program: string, args: readonly string[], fourth?: Buffer): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { env: {}, cwd: '/', timeout: WITHIN_MS, killSignal: 'SIGKILL' } as const
    const child = spawn(program, args, {
      ...options,
      stdio: ['ignore', 'pipe', 'pipe', 'ignore', fourth === undefined ? 'ignore' : 'pipe'],
    })
    const said = ['', '']
    ;[child.stdout, child.stderr].forEach((stream, index) =>
      stream?.on('data', (chunk: Buffer) => {
        said[index] = (said[index] + chunk.toString('latin1')).slice(0, OUTPUT_MAX)
      }),
    )
    const end = (code: number, why = '') => resolve({ code, stdout: said[0] ?? '', stderr: said[1] || why })
    child.once('error', (error) => end(-1, error.message))
    child.once('close', (code, signal) => end(code ?? -1, `it ended with ${signal ?? `code ${code}`}`))
    const input = child.stdio[4] as Writable | null | undefined
    input?.on('error', () => {})
    input?.end(fourth)
  })
}
