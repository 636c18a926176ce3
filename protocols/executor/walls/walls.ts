/** The walls around workers on this host: found out once, at start; used for every worker; told. */
import { OsirisError } from '#protocols/errors'
import type { Cgroups, Group } from './cgroup.ts'
import { commandFor, NO_GROUP, type Outside, type Shell } from './command.ts'
import { type WallsHost, wallsHost } from './host.ts'
import { type Launched, NODE_FLAGS, start } from './launch.ts'
import { Nursery } from './nursery.ts'
import { run } from './run.ts'
import { entryMount } from './places.ts'
import { complaint, reportOf, type Standing, type WallsMode, type WallState } from './report.ts'
import { seccompProgram } from './seccomp.ts'

const PROBE_BYTES = 256 * 1024 * 1024
/** So many workers in a row that ended before the first one was ever ready: what the probe could not see is in their way. */
const EARLY_ENDS_MAX = 2

export interface WallsInit {
  mode: WallsMode
  /** Told once each: what an operator should know. */
  warn(text: string): void
  host?: WallsHost
}

export class Walls {
  readonly #init: WallsInit
  readonly #host: WallsHost
  #outside: Outside = {}
  #cgroups: Cgroups | undefined
  /** The strongest first; the first one is used. */
  #shells: [Shell, ...Shell[]] = [{ kind: 'plain' }]
  #seccomp: Buffer | undefined
  readonly #why: Standing['why'] = {}
  readonly #nursery = new Nursery()
  #hasSettled = false
  #earlyEnds = 0

  constructor(init: WallsInit) {
    this.#init = init
    this.#host = init.host ?? wallsHost()
  }

  /** Finds out what this host offers. Rejects `unavailable` when walls are required that it does not. */
  async raise(): Promise<void> {
    if (this.#init.mode !== 'off') await this.#find()
    const text = this.#init.mode === 'off' ? 'Walls are switched off: a worker is a process and nothing else' : complaint(this.report())
    if (text !== undefined) this.#init.warn(text)
    const lacking = this.report().filter((each) => (each.wall === 'files' || each.wall === 'memory') && each.state !== 'stands')
    if (this.#init.mode === 'required' && lacking.length > 0)
      throw new OsirisError(
        'unavailable',
        `Cannot start the executor: walls are required, and ${lacking.map((each) => `${each.wall}: ${each.by}`).join('; ')}`,
      )
  }

  report(): WallState[] {
    const { stage, setpriv } = this.#outside
    return reportOf({
      mode: this.#init.mode,
      shell: this.#shells[0],
      cgroup: this.#cgroups,
      hasLimits: stage !== undefined,
      hasSetpriv: setpriv !== undefined,
      why: this.#why,
    })
  }

  /** Starts the program behind the walls there are, with so much memory. Throws `unavailable` when the host gives no process, pipe or demanded group. */
  launch(entry: string, memoryBytes: number): Launched {
    const [shell] = this.#shells
    // A node that has its first workers, and needs more: it may need many, and it answers calls meanwhile.
    if (this.#hasSettled) this.#nursery.open()
    const group = this.#group(memoryBytes)
    const isSandboxed = shell.kind === 'bubblewrap'
    const launched = start({
      command: commandFor(shell, this.#outside, [...NODE_FLAGS, entry], [...(group?.folders ?? [])], entryMount(entry)),
      monitored: shell.kind !== 'plain',
      ...(isSandboxed && shell.seccomp && this.#seccomp !== undefined ? { seccomp: this.#seccomp } : {}),
      ...(group === undefined ? {} : { group }),
      nursery: this.#nursery,
    })
    return this.#hasSettled ? launched : this.#observed(launched, shell)
  }

  /** After the last worker is gone. */
  lower(): void {
    this.#nursery.close()
  }

  async #find(): Promise<void> {
    const { platform, architecture } = this.#host
    if (platform !== 'linux') {
      this.#why.sandbox = this.#why.cgroup = `not on ${platform}`
      return
    }
    const [shell, env, setpriv] = ['sh', 'env', 'setpriv'].map((program) => this.#host.find(program))
    this.#outside = {
      ...(shell === undefined || env === undefined ? {} : { stage: { shell, env } }),
      ...(setpriv === undefined ? {} : { setpriv }),
    }
    if (architecture === 'x64' || architecture === 'arm64') this.#seccomp = seccompProgram(architecture)
    else this.#why.seccomp = `no filter for ${architecture}`
    this.#findCgroups()
    const shells = await this.#candidates()
    while (shells.length > 1 && !(await this.#stands(shells[0] as Shell))) shells.shift()
    // With nothing between them, what cannot be used outside shows here.
    if (shells.length === 1 && !(await this.#stands({ kind: 'plain' }))) this.#outside = {}
    this.#shells = shells as [Shell, ...Shell[]]
  }

  #findCgroups(): void {
    try {
      // Without a shell nobody could enter one.
      if (this.#outside.stage !== undefined) this.#cgroups = this.#host.cgroups()
    } catch (error) {
      this.#why.cgroup = brief(error)
    }
  }

  async #candidates(): Promise<Shell[]> {
    const shells: Shell[] = []
    const [path, unshare] = ['bwrap', 'unshare'].map((program) => this.#host.find(program))
    if (path === undefined) this.#why.sandbox = 'bubblewrap is not installed'
    else {
      try {
        const places = await this.#host.places()
        if (this.#seccomp !== undefined) shells.push({ kind: 'bubblewrap', path, places, seccomp: true })
        shells.push({ kind: 'bubblewrap', path, places, seccomp: false })
      } catch (error) {
        this.#why.sandbox = brief(error)
      }
    }
    if (unshare !== undefined) shells.push({ kind: 'unshare', path: unshare })
    return [...shells, { kind: 'plain' }]
  }

  /** Whether Node starts behind it and says its version. */
  async #stands(shell: Shell): Promise<boolean> {
    const group = this.#group(PROBE_BYTES)
    const [program, ...args] = commandFor(shell, this.#outside, ['--version'], [...(group?.folders ?? [])])
    const { code, stdout, stderr } = await run(program, args, shell.kind === 'bubblewrap' && shell.seccomp ? this.#seccomp : undefined)
    group?.remove()
    if (code === 0 && stdout.trim() === process.version) return true
    if (code === NO_GROUP && this.#cgroups !== undefined) {
      this.#why.cgroup = `it cannot be entered: ${brief(stderr)}`
      this.#cgroups = undefined
      return this.#stands(shell)
    }
    if (shell.kind === 'bubblewrap' && shell.seccomp) this.#why.seccomp = brief(stderr)
    else this.#why.sandbox ??= brief(stderr)
    return false
  }

  #group(bytes: number): Group | undefined {
    try {
      return this.#cgroups?.open(bytes)
    } catch (error) {
      if (this.#init.mode === 'required')
        throw new OsirisError('unavailable', `Cannot start a worker process: no control group for it (${brief(error)})`, { cause: error })
      this.#why.cgroup = brief(error)
      this.#cgroups = undefined
      this.#init.warn(`Workers get no control group any more: ${this.#why.cgroup}`)
      return undefined
    }
  }

  /** Until the first worker was ever ready, one that ends may have been ended by its walls: then the next weaker ones are tried. Never later, when somebody may want just that. */
  #observed(launched: Launched, shell: Shell): Launched {
    const early = () => {
      if (this.#hasSettled || shell !== this.#shells[0] || ++this.#earlyEnds < EARLY_ENDS_MAX) return
      const [, next, ...rest] = this.#shells
      if (next === undefined || this.#init.mode === 'required') return
      this.#why.sandbox = this.#why.seccomp = 'workers do not start in it'
      this.#shells = [next, ...rest]
      this.#earlyEnds = 0
      this.#init.warn(complaint(this.report()) ?? '')
    }
    let isKilled = false
    return {
      ...launched,
      get pid() {
        return launched.pid
      },
      kill: () => {
        isKilled = true
        launched.kill()
      },
      settled: () => {
        this.#hasSettled = true
        launched.settled()
      },
      onEnded: (listener) =>
        launched.onEnded((ending) => {
          if (!isKilled) early()
          listener(ending)
        }),
    }
  }
}

/** One line of at most 200 characters. */
function brief(error: unknown): string {
  const { code, syscall } = error as NodeJS.ErrnoException
  // The sentence would name a path of the host.
  if (error instanceof Error && code !== undefined && syscall !== undefined) return `${syscall}: ${code}`
  const text = error instanceof Error ? error.message : String(error)
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, 200) || 'it does not work here'
}
