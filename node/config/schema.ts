/** The shape of a node's settings: what may be written for each key, and what the node gets. */
import { z } from 'zod'
import { isJoinToken } from '#protocols/access'
import { ROLES } from '#protocols/lifecycle'
import { byteSize, durationMs, nameSchema } from '#protocols/manifest'
import { labelPairsSchema, regionSchema } from '#protocols/traits'
import { limitsSchema } from './limits.ts'

/** A YAML list, or one text with commas. */
const list = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (typeof value === 'string' ? value.split(',') : value).map((each) => each.trim()).filter((each) => each !== ''))

const flag = z
  .union([z.boolean(), z.enum(['true', 'false', '1', '0'])])
  .transform((value) => value === true || value === 'true' || value === '1')

function integer(min: number, max: number) {
  return z
    .union([z.number(), z.string()])
    .transform((value) => (typeof value === 'string' && !/^\d{1,9}$/.test(value.trim()) ? Number.NaN : Number(value)))
    .refine((value) => Number.isInteger(value) && value >= min && value <= max, `expected a whole number between ${min} and ${max}`)
}

const listenAddress = z
  .string()
  .regex(/^\/(ip4|ip6|dns|dns4|dns6)\/[^/\s]+\/tcp\/\d{1,5}$/, 'expected a multiaddr such as /ip4/0.0.0.0/tcp/4748')
const joinTarget = z
  .string()
  .refine(
    (value) => isJoinToken(value) || /^\/\S+\/p2p\/[A-Za-z0-9]+$/.test(value),
    'expected a join token (osiris1.…) or a multiaddr that ends in /p2p/PEER',
  )
const joinToken = z.string().trim().refine(isJoinToken, 'expected a join token (osiris1.…)')
const path = z.string().min(1, 'expected a path')

const LETS_ENCRYPT = 'https://acme-v02.api.letsencrypt.org/directory'

/** One entry per row of `configKeys`; a test holds the two together. */
export const nodeConfigSchema = z.strictObject({
  name: nameSchema,
  roles: list
    .pipe(z.array(z.enum(ROLES, `roles are ${ROLES.join(', ')}`)).min(1, `expected at least one of ${ROLES.join(', ')}`))
    .transform((all) => [...new Set(all)]),
  data: path,
  state: path,
  httpHost: z.string().regex(/^[A-Za-z0-9.:_-]+$/, 'expected an address or host name'),
  httpPort: integer(0, 65_535),
  p2pListen: list.pipe(z.array(listenAddress).min(1, 'expected at least one multiaddr')),
  join: list.pipe(z.array(joinTarget)).default([]),
  universeKey: joinToken.optional(),
  universeName: nameSchema,
  recovery: z
    .string()
    .trim()
    .regex(/^[0-9a-f]{64}$/, 'expected a public key: 64 hex characters, as "osiris key show" prints them')
    .optional(),
  developer: flag,
  developerToken: z.string().min(1).max(4096).optional(),
  capacity: integer(1, 100_000),
  labels: labelPairsSchema.default({}),
  region: regionSchema.optional(),
  spares: integer(0, 64),
  limits: limitsSchema.optional(),
  walls: z.enum(['required', 'auto', 'off'], 'expected required, auto or off'),
  egressPrivate: flag,
  artifactCache: byteSize(0, 1024 * 1024 * 1024 * 1024),
  bodyTimeout: durationMs(1000, 900_000),
  connectionsPerAddress: integer(1, 10_000),
  domain: z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/i, 'expected a domain such as example.org'),
  tlsCert: path.optional(),
  tlsKey: path.optional(),
  httpsPort: integer(0, 65_535),
  acme: z
    .string()
    .transform((value) => (value === 'letsencrypt' ? LETS_ENCRYPT : value))
    .refine((value) => /^https?:\/\/\S+$/.test(value), 'expected the URL of an ACME directory, or letsencrypt')
    .optional(),
  acmeEmail: z.email('expected an address such as ada@example.org').optional(),
  logLevel: z.enum(['debug', 'info', 'warn', 'error'], 'expected debug, info, warn or error'),
  dht: flag,
  drainTimeout: durationMs(0, 900_000),
})
