/**
 * Starting processes without standing still. A process that starts another one is copied first, page tables and all: 20 ms of a node with 200 MB, in which
 * nobody is answered. So a small process does it, and hands back what is to be known: the pid, and the end. The pipe is a socket the node
 * connects to itself, whose other end it gives away.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NURSERY_ENTRY } from './places.ts'
import { isRunning } from './processes.ts'
import type { Over, Started } from './started.ts'

/** It interprets a hundred lines. */
const FLAGS = ['--max-old-space-size=32', '--max-semi-space-size=1', '--jitless', '--no-warnings']
const FOLDER = /^osiris-nursery-(\d+)-/

export interface Order {
  id: number
  command: [string, ...string[]]
  /** Base64. */
  seccomp?: string
}
/** What it says of an order: that it began, that it could not, how it ended. */
export type Word =
  | { id: number; pid: number }
  | { id: number; error: string }
  | { id: number; code: number | null; signal: NodeJS.Signals | null; stderr: string }

interface Charge extends Started {
  begin(pid: number): void
  end(over: Over): void
}

export class Nursery {
  #process: ChildProcess | undefined
  #server: Server | undefined
  #folder: string | undefined
  #isReady = false
  #lastId = 0
  /** Whose other end has not come yet, in the order they will. */
  #connecting: Order[] = []
  readonly #charges = new Map<number, Charge>()

  /** Begins; until it is ready, and where this host does not let it, `start` does nothing. Idempotent. */
  open(): void {
    if (this.#folder !== undefined) return
    try {
      removeStale()
      this.#folder = mkdtempSync(join(tmpdir(), `osiris-nursery-${process.pid}-`))
      this.#listen(join(this.#folder, 'pipe'))
      this.#fork()
    } catch {
      this.close()
    }
  }

  /** Undefined when it is not there to do it. */
  start(command: [string, ...string[]], seccomp?: Buffer): Started | undefined {
    if (!this.#isReady || this.#folder === undefined) return undefined
    const id = ++this.#lastId
    const order = { id, command, ...(seccomp === undefined ? {} : { seccomp: seccomp.toString('base64') }) }
    this.#connecting.push(order)
    const pipe = connect(join(this.#folder, 'pipe'))
    pipe.on('error', (error) => this.#miss(order, error))
    const charge = chargeOf(pipe)
    this.#charges.set(id, charge)
    return charge
  }

  /** After the last of its processes is gone: those that are not, go with it. */
  close(): void {
    this.#isReady = false
    this.#process?.disconnect()
    this.#process = undefined
    this.#server?.close()
    this.#server = undefined
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true })
    this.#folder = undefined
    this.#connecting = []
    for (const id of [...this.#charges.keys()]) this.#over(id, { code: null, signal: 'SIGKILL', stderr: '' })
  }

  #listen(path: string): void {
    // A folder that only this user may enter: nobody else can come between.
    this.#server = createServer({ pauseOnConnect: true }, (end) => this.#give(end))
    this.#server.once('error', () => this.close())
    this.#server.listen(path).unref()
  }

  #fork(): void {
    const child = fork(NURSERY_ENTRY, [], {
      execArgv: FLAGS,
      env: {},
      cwd: '/',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      detached: true,
    })
    child.once('spawn', () => (this.#isReady = this.#process === child))
    child.on('error', () => {})
    // It ends before its node only where something ended it.
    child.once('exit', () => (this.#process === child ? this.#lose() : undefined))
    child.on('message', (word) => this.#hear(word as Word))
    child.unref()
    child.channel?.unref()
    this.#process = child
  }

  #give(end: Socket): void {
    const order = this.#connecting.shift()
    if (order === undefined || this.#process?.connected !== true) return void end.destroy()
    this.#process.send(order, end, {}, (error) => {
      if (error !== null) this.#over(order.id, { error: error.message })
    })
  }

  /** A pipe without its other end; where somebody took the folder away, no other will have one. The rest goes on. */
  #miss(order: Order, error: Error): void {
    if (!this.#connecting.includes(order)) return
    this.#connecting = this.#connecting.filter((each) => each !== order)
    this.#isReady = false
    this.#over(order.id, { error: error.message })
  }

  #hear(word: Word): void {
    if ('pid' in word) this.#charges.get(word.id)?.begin(word.pid)
    else this.#over(word.id, 'error' in word ? { error: word.error } : word)
  }

  /** What it had started has ended with it, or does now. */
  #lose(): void {
    for (const { pid } of this.#charges.values()) if (pid > 0 && isRunning(pid)) process.kill(pid, 'SIGKILL')
    this.#process = undefined
    this.close()
  }

  #over(id: number, over: Over): void {
    this.#charges.get(id)?.end(over)
    this.#charges.delete(id)
  }
}

function chargeOf(pipe: Socket): Charge {
  // Nothing it says is heard before it is known who says it.
  pipe.pause()
  let over: Over | undefined
  let onBegun = (): void => {}
  let onOver: (how: Over) => void = () => {}
  const charge = {
    pid: 0,
    pipe,
    get isOver() {
      return over !== undefined
    },
    onBegun: (listener: () => void) => void (onBegun = listener),
    onOver: (listener: (how: Over) => void) => void (onOver = listener),
    unref: () => void pipe.unref(),
    begin(pid: number) {
      charge.pid = pid
      onBegun()
      pipe.resume()
    },
    end(how: Over) {
      if (over !== undefined) return
      over = how
      onOver(how)
    },
  }
  return charge
}

/** A node that was killed takes its folder not along. */
function removeStale(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(FOLDER.exec(name)?.[1] ?? 0)
    if (pid > 0 && !isRunning(pid)) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}
