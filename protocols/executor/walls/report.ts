/** Which walls stand, for people: status, the log, `osiris doctor`. Pure. */
import type { Shell } from './command.ts'

/** `required`: no start without a sandbox and a memory group. `off`: a process and nothing else. */
export type WallsMode = 'required' | 'auto' | 'off'

export interface WallState {
  wall: 'files' | 'network' | 'processes' | 'privileges' | 'syscalls' | 'memory' | 'tasks' | 'processors' | 'limits'
  /** `weaker`: something stands in its place that an attacker can get past, or that acts late. */
  state: 'stands' | 'weaker' | 'missing'
  /** What it is made of, or why it is not there. */
  by: string
  /** What to do about it. */
  fix?: string
}

export interface Standing {
  mode: WallsMode
  shell: Shell
  cgroup: { version: 1 | 2; hasTasks: boolean; hasWeights: boolean } | undefined
  hasLimits: boolean
  hasSetpriv: boolean
  /** Why something is not there, in the words of who knows. */
  why: { sandbox?: string; seccomp?: string; cgroup?: string }
}

const INSTALL = 'install bubblewrap (apt-get install bubblewrap, dnf install bubblewrap, apk add bubblewrap)'
const DELEGATE = 'start the node in a control group of its own: systemd-run --user --scope -p Delegate=yes, or Delegate=yes in its unit'
/** Users' own units get memory and pids only, unless this is said in user@.service, too. */
const DELEGATE_CPU = `${DELEGATE}; for a user's units, Delegate=cpu memory pids in user@.service as well`

export function reportOf(standing: Standing): WallState[] {
  const walls = wallsOf(standing)
  return standing.mode === 'off' ? walls.map((each) => (each.state === 'stands' ? each : { ...each, fix: 'leave out --walls off' })) : walls
}

function wallsOf(standing: Standing): WallState[] {
  const { shell, cgroup, hasLimits, hasSetpriv } = standing
  const isSandboxed = shell.kind === 'bubblewrap'
  const isApart = shell.kind !== 'plain'
  const sandbox = isSandboxed ? 'bubblewrap' : 'unshare'
  const no = (text: string | undefined) => (standing.mode === 'off' ? 'switched off' : (text ?? 'not offered here'))
  const walled = (wall: WallState['wall'], has: boolean): WallState =>
    has ? { wall, state: 'stands', by: sandbox } : { wall, state: 'missing', by: no(standing.why.sandbox), fix: INSTALL }
  return [
    walled('files', isSandboxed),
    walled('network', isApart),
    walled('processes', isApart),
    isSandboxed || !hasSetpriv
      ? walled('privileges', isSandboxed)
      : { wall: 'privileges', state: 'weaker', by: "the node's user, no new privileges", fix: INSTALL },
    isSandboxed && shell.seccomp
      ? { wall: 'syscalls', state: 'stands', by: 'seccomp' }
      : {
          wall: 'syscalls',
          state: 'missing',
          by: no(standing.why.seccomp ?? standing.why.sandbox),
          ...(isSandboxed ? {} : { fix: INSTALL }),
        },
    cgroup === undefined
      ? { wall: 'memory', state: 'weaker', by: `looked at every 20 ms (${no(standing.why.cgroup)})`, fix: DELEGATE }
      : { wall: 'memory', state: 'stands', by: `cgroup v${cgroup.version}` },
    cgroup?.hasTasks === true
      ? { wall: 'tasks', state: 'stands', by: `cgroup v${cgroup.version}` }
      : { wall: 'tasks', state: 'missing', by: no(standing.why.cgroup ?? 'no pids controller'), fix: DELEGATE },
    cgroup?.hasWeights === true
      ? { wall: 'processors', state: 'stands', by: `cgroup v${cgroup.version}` }
      : { wall: 'processors', state: 'missing', by: no(standing.why.cgroup ?? 'no cpu controller'), fix: DELEGATE_CPU },
    hasLimits ? { wall: 'limits', state: 'stands', by: 'rlimits' } : { wall: 'limits', state: 'missing', by: no('no POSIX shell') },
  ]
}

/** One sentence on what is not as it should be; nothing when all stand. */
export function complaint(walls: readonly WallState[]): string | undefined {
  const poor = walls.filter((each) => each.state !== 'stands')
  if (poor.length === 0) return undefined
  return `Workers run behind fewer walls: ${poor.map((each) => `${each.wall} ${each.state} (${each.by})`).join(', ')}. "osiris doctor" says what to do`
}
