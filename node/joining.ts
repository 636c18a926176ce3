/** Waiting until a node is part of the mesh it was told to join. */
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import type { Network } from '#protocols/network'

export interface JoiningInit {
  network: Pick<Network, 'members' | 'dial'>
  clock: Clock
  universeName: string
  /** Where the mesh was said to be. Empty: nothing to wait for. */
  bootstrap: readonly string[]
  /** A node that was here before starts alone too, with what it has, and finds the others later. */
  mayBeAlone: boolean
  timeoutMs: number
  /** Ends the waiting. */
  signal: AbortSignal
}

/** Resolves when another member is known (`joined`), or when being alone is allowed (`alone`). Throws `unavailable` with what each address answered, or when `signal` ended it. */
export async function joinMesh(init: JoiningInit): Promise<'joined' | 'alone'> {
  const { network, bootstrap, signal } = init
  if (bootstrap.length === 0 || (await someoneIsHere(init))) return 'joined'
  if (signal.aborted) throw new OsirisError('unavailable', `Cannot join universe "${init.universeName}": it was interrupted`)
  if (init.mayBeAlone) return 'alone'
  const answers = await Promise.all(bootstrap.map((address) => answerOf(network, address)))
  throw new OsirisError('unavailable', `Cannot join universe "${init.universeName}": ${answers.join('; ')}`)
}

function someoneIsHere({ network, clock, timeoutMs, signal }: JoiningInit): Promise<boolean> {
  const { members } = network
  return new Promise((resolve) => {
    const end = () => {
      cancel()
      stop()
      signal.removeEventListener('abort', end)
      resolve(members.list().length > 0)
    }
    const cancel = clock.after(timeoutMs, end)
    const stop = members.onChange(() => {
      if (members.list().length > 0) end()
    })
    signal.addEventListener('abort', end, { once: true })
    if (members.list().length > 0 || signal.aborted) end()
  })
}

async function answerOf(network: Pick<Network, 'dial'>, address: string): Promise<string> {
  try {
    await network.dial(address, { timeoutMs: 2000 })
    return `${address} answered, but told of no members`
  } catch (error) {
    return (error as Error).message
  }
}
