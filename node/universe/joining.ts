/** Joining by a node that runs. */
import { OsirisError } from '#protocols/errors'
import type { ReadyLine } from './ready.ts'
import type { NodeState, PlannedNode } from './state.ts'

/** A join token that also lets the node act as the developer. */
export async function tokenOf(node: NodeState | undefined): Promise<string> {
  if (node === undefined) throw new OsirisError('internal', 'Cannot join: the node to join by left no state file')
  const { formatJoinToken, parseJoinToken } = await import('#protocols/access')
  return formatJoinToken({
    ...parseJoinToken(node.joinToken),
    ...(node.developerToken === undefined ? {} : { token: node.developerToken }),
  })
}

export const withReady = (node: PlannedNode, line: ReadyLine): PlannedNode => ({ ...node, http: line.http, p2p: line.p2p })
