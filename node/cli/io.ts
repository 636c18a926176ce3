/** What a command may touch of the world; injected, so that tests see and decide all of it. */
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Env } from '#node/config'

export interface Io {
  env: Env
  /** The folder the command is given in. */
  cwd: string
  /** Data. */
  out(text: string): void
  /** Messages for people. */
  err(text: string): void
  stdin: Readable
  /** Standard output is a terminal. */
  tty: boolean
  /** How to run this program again. */
  launcher: { command: string; args: string[] }
  /** Aborts with the first SIGINT, SIGTERM or SIGHUP; a second SIGINT ends the process at once. Asked for only by commands that stay. */
  interrupted(): AbortSignal
}

export function processIo(): Io {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // A reader that has seen enough (`| head`) is no error.
    if (error.code === 'EPIPE') return
    process.stderr.write(`osiris: Cannot write the output: ${error.code === 'ENOSPC' ? 'the disk is full' : error.message}\n`)
    process.exit(1)
  })
  // Messages nobody can be given (a log on a full disk) are no reason to end.
  process.stderr.on('error', () => {})
  return {
    env: process.env,
    cwd: process.cwd(),
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    stdin: process.stdin,
    tty: process.stdout.isTTY,
    launcher: { command: process.execPath, args: [join(import.meta.dirname, 'bin.js')] },
    interrupted,
  }
}

let stays = false

/** Ends the process. A command that stayed leaves at once, whatever timers its parts left behind; others may still be writing to a slow reader. */
export function endProcess(code: number): void {
  process.exitCode = code
  if (stays) process.stdout.write('', () => process.exit(code))
}

/** One Ctrl-C may arrive twice: from the terminal, and passed on by `bin.js` under an older Node. */
const ECHO_MS = 500

function interrupted(): AbortSignal {
  stays = true
  const controller = new AbortController()
  let first = 0
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (!controller.signal.aborted) first = performance.now()
      else if (name === 'SIGINT' && performance.now() - first > ECHO_MS) process.exit(130)
      controller.abort()
    })
  }
  return controller.signal
}
