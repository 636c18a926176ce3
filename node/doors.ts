/** Where nodes of the universe listen: what no function of theirs may fetch from. Pure. */
import { isIP } from 'node:net'
import { hostOf, portOf } from '#protocols/egress'

export interface Door {
  /** `*`: every address of this host. */
  address: string
  port: number
}

/** `own`: this node's HTTP base URL and multiaddrs; `members`: what the others say of themselves. Doors known only by a name are left out: names lead to addresses that are judged. */
export function doorsOf(
  own: { http: string; p2p: readonly string[] },
  members: readonly { http?: string; addresses: readonly string[] }[],
): Door[] {
  const ours = [...own.p2p.flatMap(doorOfMultiaddr), ...doorOfUrl(own.http)].map(({ port }) => ({ address: '*', port }))
  const theirs = members.flatMap(({ http, addresses }) => [
    ...addresses.flatMap(doorOfMultiaddr),
    ...(http === undefined ? [] : doorOfUrl(http)),
  ])
  return [...ours, ...theirs]
}

function doorOfMultiaddr(text: string): Door[] {
  const [, protocol, address = '', transport, port = ''] = text.split('/')
  if (protocol === undefined || transport !== 'tcp' || !/^\d{1,5}$/.test(port)) return []
  return [{ address, port: Number(port) }]
}

function doorOfUrl(text: string): Door[] {
  if (!URL.canParse(text)) return []
  const url = new URL(text)
  const address = hostOf(url)
  const isHere = address === 'localhost' || address === '0.0.0.0' || address === '::'
  if (!isHere && isIP(address) === 0) return []
  return [{ address: isHere ? '*' : address, port: portOf(url) }]
}
