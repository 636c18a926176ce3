/** What kind of place an address is. Pure; the ranges are those of IANA's special-purpose registries (RFC 6890 and its updates, November 2026). */
import { BlockList, isIP } from 'node:net'

/**
 * `public`: reachable for everybody. `private`: this host or its networks, for an operator to open. `never`: link-local with the metadata
 * services, multicast, broadcast, unspecified, documentation, benchmarks, reserved, tunnels that carry another address inside.
 */
export type AddressKind = 'public' | 'private' | 'never'

const PRIVATE_4 = ['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10']
const NEVER_4 = [
  ...['0.0.0.0/8', '169.254.0.0/16', '192.0.0.0/24', '192.0.2.0/24', '192.31.196.0/24', '192.52.193.0/24', '192.88.99.0/24'],
  ...['192.175.48.0/24', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
  // Azure's host agent and Alibaba's metadata service: public or shared by number only.
  ...['168.63.129.16/32', '100.100.100.200/32'],
]
const PRIVATE_6 = ['::1/128', 'fc00::/7']
/** Everything else is unassigned or special: mapped and compatible IPv4, link-local, site-local, multicast, discard. */
const GLOBAL_6 = ['2000::/3']
/** Protocol assignments with Teredo and ORCHID, documentation, 6to4; the metadata service of one cloud, which lies in a private range. */
const NEVER_6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20', '2620:4f:8000::/48', 'fd00:ec2::254/128', 'fd20:ce::254/128']
/** NAT64 of networks without IPv4: judged by the address inside (RFC 6052, 2.1). */
const NAT64 = ['64:ff9b::/96']

const private4 = listOf(PRIVATE_4, 'ipv4')
const never4 = listOf(NEVER_4, 'ipv4')
const private6 = listOf(PRIVATE_6, 'ipv6')
const global6 = listOf(GLOBAL_6, 'ipv6')
const never6 = listOf(NEVER_6, 'ipv6')
const nat64 = listOf(NAT64, 'ipv6')

/** Text that is no address, or one with a zone, is `never`. */
export function kindOf(address: string): AddressKind {
  const family = address.includes('%') ? 0 : isIP(address)
  if (family === 4) return kindOf4(address)
  return family === 6 ? kindOf6(address) : 'never'
}

/** One way to write an address, so that two can be compared: `::FFFF:127.0.0.1` is `127.0.0.1`. */
export function plainAddress(address: string): string {
  if (isIP(address) !== 6 || address.includes('%')) return address
  const plain = new URL(`http://[${address}]/`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(plain)
  return mapped === null ? plain : dotted(mapped[1] as string, mapped[2] as string)
}

function kindOf4(address: string): AddressKind {
  if (never4.check(address, 'ipv4')) return 'never'
  return private4.check(address, 'ipv4') ? 'private' : 'public'
}

function kindOf6(address: string): AddressKind {
  if (nat64.check(address, 'ipv6')) return kindOf4(embedded(address)) === 'public' ? 'public' : 'never'
  if (never6.check(address, 'ipv6')) return 'never'
  if (private6.check(address, 'ipv6')) return 'private'
  return global6.check(address, 'ipv6') ? 'public' : 'never'
}

/** The IPv4 address in the last 32 bits. */
function embedded(address: string): string {
  const tail = /::(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,4})?$/.exec(plainAddress(address))
  return dotted(tail?.[1] ?? '0', tail?.[2] ?? '0')
}

function dotted(high: string, low: string): string {
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return `${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`
}

function listOf(ranges: string[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [network = '', bits] = range.split('/')
    list.addSubnet(network, Number(bits), family)
  }
  return list
}
