/** What an instance is given by its engine. */
import type { EngineReports } from '../engine.ts'
import type { Blank } from './context.ts'
import type { Gate } from './crypto/gate.ts'
import type { Timeouts } from './timeouts.ts'

export interface InstanceInit {
  id: number
  blank: Blank
  timeouts: Timeouts
  /** For the cryptography of all instances. */
  gate: Gate
  reports: EngineReports
  /** A call that was open is over. */
  onDone: (callId: number) => void
  onGone: () => void
}
