/** At most one start, three endings, and no claim of "not started" where something was. */
import type { Call } from '../history.ts'
import type { World } from '../world.ts'

/** A function that says it is idempotent may be started once more. */
const STARTS_MAX = 2

export function judgeCalls(world: World): void {
  for (const call of world.history.calls.values()) judge(world, call)
}

function judge(world: World, call: Call): void {
  const name = `call ${call.id.slice(-4)} at ${call.node}`
  if (!call.idempotent && call.starts > 1) world.fail('at most one start', `${name} was started ${call.starts} times`)
  if (call.starts > STARTS_MAX) world.fail('at most two starts', `${name} was started ${call.starts} times`)
  const { outcome } = call
  if (outcome === undefined) return
  if (outcome.kind === 'failed' && !outcome.started && call.starts > 0)
    world.fail('"not started" is a proof', `${name} was started, and its caller was told that it was not (${outcome.error.message})`)
  if (outcome.kind !== 'failed' && call.starts === 0) world.fail('values come from starts', `${name} has a value and was never started`)
  if (outcome.kind === 'failed' && outcome.error.code === 'internal') world.fail('typed errors', `${name}: ${outcome.error.message}`)
}
