/** An ACME authority (RFC 8555), by http-01. The one address of `acme-client`, which is loaded when a certificate is first asked for. */
import { Agent } from 'node:https'
import type { Challenges } from './challenges.ts'

/** A key and what was signed for it, both PEM. */
export interface Issued {
  cert: string
  key: string
}

export interface Authority {
  /** Rejects with the authority's word, or with that of the network. */
  order(host: string): Promise<Issued>
}

export interface AcmeInit {
  /** URL of the directory. */
  directory: string
  email?: string | undefined
  /** PEM; made and kept by whoever calls. */
  accountKey: () => Promise<string>
  challenges: Challenges
  /** Of an authority that only tests trust. */
  ca?: string
}

/** Per request; orders are asked about again for some minutes. */
const REQUEST_MS = 30_000

export async function newKey(): Promise<string> {
  const { crypto } = (await import('acme-client')).default
  return (await crypto.createPrivateEcdsaKey()).toString()
}

export function acmeAuthority(init: AcmeInit): Authority {
  return {
    async order(host) {
      const acme = (await import('acme-client')).default
      acme.axios.defaults.timeout = REQUEST_MS
      if (init.ca !== undefined) acme.axios.defaults.httpsAgent = new Agent({ ca: init.ca })
      const client = new acme.Client({ directoryUrl: init.directory, accountKey: await init.accountKey() })
      const [key, csr] = await acme.crypto.createCsr({ altNames: [host] }, await newKey())
      const cert = await client.auto({
        csr,
        termsOfServiceAgreed: true,
        // Asked from here, a name may lead elsewhere: what counts is where it leads the authority.
        skipChallengeVerification: true,
        challengePriority: ['http-01'],
        ...(init.email === undefined ? {} : { email: init.email }),
        challengeCreateFn: (_authorization, { token }, answer) => init.challenges.put(token, answer),
        challengeRemoveFn: async (_authorization, { token }) => init.challenges.drop(token),
      })
      return { cert, key: key.toString() }
    },
  }
}
