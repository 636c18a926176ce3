/** What this node says of its executor: in beats, to people, and as figures. */
import type { ExecutorService } from '#protocols/executor'
import type { InstanceSummary, NodeSummary } from '#protocols/management'

/** What a beat has room for; each version by its first 16 hex characters. */
const WARM_MAX = 128
const WARM_PREFIX = 16

export function loadOf(executor: ExecutorService | undefined): { inFlight: number; warm: string[] } {
  const running = executor?.status()
  if (running === undefined) return { inFlight: 0, warm: [] }
  const warm = running.warm.slice(0, WARM_MAX).map((version) => version.slice(0, WARM_PREFIX))
  return { inFlight: running.inFlight + running.queued, warm }
}

/** Nothing where no functions run. */
export function insideOf(executor: ExecutorService | undefined): Pick<NodeSummary, 'walls' | 'instances'> {
  return executor === undefined ? {} : { walls: executor.status().walls, instances: instancesOf(executor) }
}

function instancesOf(executor: ExecutorService): InstanceSummary[] {
  const counts = executor.instances()
  return counts.map(({ namespace, name, version, ready, starting, running, waiting }) => ({
    ...{ namespace, name, version, ready, starting, running, waiting },
  }))
}
