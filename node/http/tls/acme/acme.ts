/** Everything an authority takes, put together: its client, what it asks this node for, what it gave. */
import type { Events } from '#protocols/events'
import type { Clock } from '#protocols/lifecycle'
import { acmeAuthority, newKey } from './authority.ts'
import { AcmeCertificates } from './certificates.ts'
import { Challenges } from './challenges.ts'
import { CertificateFolder } from './folder.ts'

export interface AcmeParts {
  /** URL of the authority's directory. */
  directory: string
  email?: string | undefined
  /** Where account, keys and certificates are kept. */
  folder: string
  /** Names to have certificates for. */
  hosts: () => Promise<string[]>
  clock: Clock
  events: Events
  /** Of an authority that only tests trust. */
  ca?: string
}

export function createAcme(parts: AcmeParts): { certificates: AcmeCertificates; challenges: Challenges } {
  const { hosts, clock, events } = parts
  const challenges = new Challenges()
  const folder = new CertificateFolder(parts.folder)
  const authority = acmeAuthority({ ...parts, challenges, accountKey: () => folder.accountKey(newKey) })
  return { challenges, certificates: new AcmeCertificates({ folder, authority, hosts, clock, events }) }
}
