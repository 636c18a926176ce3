/** May this fetch leave? Pure decisions: first on the URL, then on every address its host resolves to, and again on the one that was connected. */
import { isIP } from 'node:net'
import { coversUrl, type EgressPattern, hostOf, portOf } from '#protocols/egress'
import { OsirisError } from '#protocols/errors'
import { kindOf, plainAddress } from './addresses.ts'
import { denied } from './failures.ts'

/** What the operator and the host say. */
export interface EgressPolicy {
  /** A function may reach a private address that its `egress` names. */
  allowPrivate: boolean
  /** Doors of nodes: never reached by a function, whatever it names. An address, or `*` for every one of this host. */
  doors: readonly { address: string; port: number }[]
  /** Addresses of this host's interfaces: as private as loopback, whatever range they are in. */
  ownAddresses: ReadonlySet<string>
}

/** A destination that may be resolved. */
export interface Destination {
  url: URL
  /** Without brackets and without a trailing dot. */
  host: string
  port: number
  /** An entry names this very address, or `localhost`, and the operator allows it. */
  mayBePrivate: boolean
}

/**
 * Ports where other protocols listen that would take an HTTP request for their own (Fetch Standard, port blocking), and those of data stores
 * and brokers, which browsers leave out.
 */
// prettier-ignore
const BAD_PORTS = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135,
  137, 139, 143, 161, 179, 389, 427, 445, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720,
  1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
  1433, 1521, 2181, 3306, 3389, 5432, 5672, 6379, 9042, 9092, 11211, 27017,
])

/** Throws `egress_denied`, or `invalid_argument` for what is no URL at all. Idempotent: a redirect's target is judged by the same rules. */
export function judgeUrl(text: string, patterns: readonly EgressPattern[], policy: Pick<EgressPolicy, 'allowPrivate'>): Destination {
  if (!URL.canParse(text)) throw new OsirisError('invalid_argument', `Cannot fetch ${JSON.stringify(text.slice(0, 200))}: it is not a URL`)
  const url = new URL(text)
  const { protocol } = url
  if (protocol !== 'http:' && protocol !== 'https:') throw denied({ url }, `the scheme "${protocol.slice(0, 40)}" is not http or https`)
  if (url.username !== '' || url.password !== '') throw denied({ url }, 'a URL with a user name in it is not fetched')
  const host = hostOf(url)
  const port = portOf(url)
  if (host === '') throw denied({ url }, 'it names no host')
  if (BAD_PORTS.has(port)) throw denied({ url }, `port ${port} is not one of HTTP`)
  const covering = patterns.filter((each) => coversUrl(each, url))
  if (covering.length === 0)
    throw denied({ url }, patterns.length === 0 ? 'the function has no "egress"' : 'the function\'s "egress" does not allow it')
  const isNamed = covering.some((each) => each.hosts === 'exact') && (isIP(host) !== 0 || isLocalhost(host))
  return { url, host, port, mayBePrivate: isNamed && policy.allowPrivate }
}

/** Names that mean this host, whatever a resolver says (RFC 6761, 6.3). */
export function isLocalhost(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost')
}

/** Throws `egress_denied` unless this address may be connected. */
export function judgeAddress(destination: Destination, address: string, policy: EgressPolicy): void {
  const plain = plainAddress(address)
  const { url, port, mayBePrivate } = destination
  const isOwn = isOfThisHost(plain, policy)
  const isDoor = policy.doors.some((door) => {
    if (door.port !== port) return false
    return plainAddress(door.address) === plain || (isOwn && (door.address === '*' || isOfThisHost(plainAddress(door.address), policy)))
  })
  if (isDoor) throw denied({ url }, 'a node of the universe listens there')
  // As it came: an address inside another one is not public for what is inside.
  const kind = kindOf(address)
  if (kind === 'public' && !isOwn) return
  if (kind === 'never') throw denied({ url }, `${address.slice(0, 64)} is not a public address`)
  if (!mayBePrivate)
    throw denied({ url }, `${address.slice(0, 64)} is a private address${policy.allowPrivate ? ', and "egress" does not name it' : ''}`)
}

function isOfThisHost(plain: string, { ownAddresses }: EgressPolicy): boolean {
  return ownAddresses.has(plain) || plain.startsWith('127.') || plain === '::1'
}
