/** Everything an authority takes, put together: its client, where it asks back, what it gave. */
import type { Events } from '#protocols/events'
import type { Clock } from '#protocols/lifecycle'
import { acmeAuthority, newKey } from './authority.ts'
import { AcmeCertificates } from './certificates.ts'
import type { Challenges } from './challenges.ts'
import { CertificateFolder } from './folder.ts'

export interface AcmeParts {
  /** URL of the authority's directory. */
  directory: string
  email?: string | undefined
  /** Where account, keys and certificates are kept. */
  folder: string
  /** Names to have certificates for. */
  hosts: () => Promise<string[]>
  /** Where the authority's questions are answered. */
  challenges: Challenges
  clock: Clock
  events: Events
  /** Of an authority that only tests trust. */
  ca?: string
}

export function createAcme(parts: AcmeParts): AcmeCertificates {
  const { hosts, clock, events } = parts
  const folder = new CertificateFolder(parts.folder)
  const authority = acmeAuthority({ ...parts, accountKey: () => folder.accountKey(newKey) })
  return new AcmeCertificates({ folder, authority, hosts, clock, events })
}
