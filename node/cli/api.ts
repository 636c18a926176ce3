/** What commands ask of a node. */
import type { Osiris } from '#sdk'
import type { Target } from './target.ts'

export type NodeApi = Pick<
  Osiris,
  | 'call'
  | 'once'
  | 'start'
  | 'calls'
  | 'deploy'
  | 'functions'
  | 'namespaces'
  | 'grants'
  | 'quotas'
  | 'domains'
  | 'tokens'
  | 'schedules'
  | 'publish'
  | 'topics'
  | 'nodes'
  | 'drain'
  | 'rotateNode'
  | 'network'
  | 'joinToken'
  | 'ledger'
  | 'ledgerConflicts'
  | 'ledgerRecords'
  | 'succession'
  | 'handIn'
  | 'rotateRoot'
  | 'rotateKey'
>

/** Opens a client; injected, so that commands are tested without a node. */
export type Connect = (target: Target & { timeoutMs?: number }) => Promise<NodeApi>

/** The SDK, loaded with the first command that needs a node. */
export const connectBySdk: Connect = async (target) => {
  const { connect } = await import('#sdk')
  return connect(target)
}
