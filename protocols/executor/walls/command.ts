/** The command line that starts a program behind walls: from the outside in, a shell that enters the groups and lowers the limits, the sandbox, Node. Pure. */
import type { Mount, Places } from './places.ts'

/** What stands between a worker's process and the host. */
export type Shell =
  | { kind: 'bubblewrap'; path: string; places: Places; seccomp: boolean }
  /** `unshare` of util-linux: namespaces, but the host's file system. */
  | { kind: 'unshare'; path: string }
  | { kind: 'plain' }

export interface Outside {
  /** A POSIX shell and `env`, for limits and groups; absent: neither. */
  stage?: { shell: string; env: string }
  /** `setpriv` of util-linux, where no sandbox ties the worker to the node's life. */
  setpriv?: string
}

/** The pipe bubblewrap reads the filter from. */
export const SECCOMP_FD = 4
/** Node needs about 25. */
const DESCRIPTORS = 64
/** No such user: the kernel's overflow id, `nobody` on most systems. */
const NOBODY = '65534'
/** The shell could not enter a group. */
export const NO_GROUP = 121

/**
 * `$1` groups follow, then the command. It gets one argument more: the descriptors that came in beside its own five, `,21,22`, for the worker to close.
 * There are some: LevelDB opens its files without O_CLOEXEC, and a node may have been started with more than three. (The one the list itself
 * is read through is gone when it is looked at again.)
 */
const STAGE = `n=$1; shift
while [ "$n" -gt 0 ]; do echo 0 > "$1/cgroup.procs" || exit ${NO_GROUP}; shift; n=$((n - 1)); done
ulimit -c 0; ulimit -f 0; ulimit -n ${DESCRIPTORS}
open=; for f in /proc/self/fd/*; do n=\${f##*/}; case $n in [0-4] | *[!0-9]*) ;; *) [ -e "$f" ] && open=$open,$n ;; esac; done
exec "$@" "$open"`

/** `argv` is what Node gets; `groups` are folders of control groups to enter; `entry` is the program among `argv`, if it has to be seen. */
export function commandFor(shell: Shell, outside: Outside, argv: string[], groups: string[], entry?: Mount): [string, ...string[]] {
  const inner = sandboxed(
    shell,
    outside,
    entry === undefined ? argv : argv.map((each) => (each === entry.from ? seen(shell, entry) : each)),
    entry,
  )
  const { stage } = outside
  if (stage === undefined) return inner
  return [stage.shell, '-c', STAGE, 'osiris-worker', String(groups.length), ...groups, ...inner]
}

function seen(shell: Shell, entry: Mount): string {
  return shell.kind === 'bubblewrap' ? entry.to : entry.from
}

function sandboxed(shell: Shell, outside: Outside, argv: string[], entry: Mount | undefined): [string, ...string[]] {
  if (shell.kind === 'bubblewrap') return bubblewrapped(shell, argv, entry)
  // A shell may have put variables of its own where there were none.
  const node = [...(outside.stage === undefined ? [] : [outside.stage.env, '-i']), process.execPath, ...argv]
  const inner = shell.kind === 'plain' ? node : [shell.path, ...UNSHARE, '--', ...node]
  const tied = outside.setpriv === undefined ? inner : [outside.setpriv, '--pdeathsig', 'KILL', '--no-new-privs', '--', ...inner]
  return tied as [string, ...string[]]
}

const UNSHARE = ['--user', '--net', '--ipc', '--uts', '--pid', '--fork', '--kill-child=SIGKILL']

function bubblewrapped(
  { path, places, seccomp }: Extract<Shell, { kind: 'bubblewrap' }>,
  argv: string[],
  entry: Mount | undefined,
): [string, ...string[]] {
  const mounts = entry === undefined ? places.mounts : [...places.mounts, entry]
  return [
    path,
    ...['--unshare-all', '--unshare-user', '--uid', NOBODY, '--gid', NOBODY, '--hostname', 'osiris'],
    ...['--die-with-parent', '--as-pid-1', '--clearenv', '--cap-drop', 'ALL'],
    ...mounts.flatMap(({ from, to }) => ['--ro-bind', from, to]),
    ...['--remount-ro', '/', '--chdir', '/'],
    ...(seccomp ? ['--seccomp', String(SECCOMP_FD)] : []),
    ...['--', ...places.node, ...argv],
  ]
}
