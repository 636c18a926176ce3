/** For tests: waiting for a state with a bound, the error of a promise, handlers and bodies that misbehave. */
import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import type { Universe } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import type { Role } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import type { Message, Network } from './network.ts'

export interface SuiteNode {
  name: string
  roles?: Role[]
  seed?: Uint8Array
  universe?: Universe
}

/** A mesh that nodes are added to; each begins with the addresses of those before it. */
export interface SuiteMesh {
  /** Made, started, and introduced to the others. */
  add(node: SuiteNode): Promise<Network>
  /** Ends a node without a goodbye. */
  kill(node: Network): Promise<void>
  stop(): Promise<void>
}

export const text = (message: string): Uint8Array => new TextEncoder().encode(message)
export const HEAD = text('head')
export const ASK = { timeoutMs: 5_000 }

/** What the promise rejects with; throws when it resolves, or rejects with anything but an OsirisError. */
export async function failure(promise: Promise<unknown>): Promise<OsirisError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof OsirisError) return error
    throw error
  }
  throw new Error('it should have failed')
}

export function sha(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** A handler that never answers, and counts who began and who was told to stop. */
export function hangs() {
  const counts = {
    started: 0,
    aborted: 0,
    handle: ({ signal }: { signal: AbortSignal }): Promise<Message> => {
      counts.started++
      signal.addEventListener('abort', () => counts.aborted++)
      return new Promise(() => {})
    },
  }
  return counts
}

/** A body without end, and what it has given so far. */
export function endless(bytes: number, pauseMs = 0) {
  const source = { sent: 0, ended: false, body: chunks() }
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
        source.sent += bytes
        yield new Uint8Array(bytes)
      }
    } finally {
      source.ended = true
    }
  }
  return source
}

/** The sender gets to its bound, and for a tenth of a second not beyond it. */
export async function staysBelow(count: () => number, max: number): Promise<void> {
  await until(() => count() > max / 3)
  const end = performance.now() + 100
  while (performance.now() < end) {
    expect(count()).toBeLessThanOrEqual(max)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
