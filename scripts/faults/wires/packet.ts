/** A frame as VXLAN carries it over UDP (RFC 7348): 8 bytes of its own, an Ethernet header, and IPv4 without options. */

const ETHERNET_AT = 8
const TYPE_AT = ETHERNET_AT + 12
const IP_AT = ETHERNET_AT + 14
const IPV4 = 0x0800
const IP_HEADER = 20
const TCP = 6

/** Last byte of the IPv4 address a frame is for; nothing for what carries no IPv4. */
export function hostTo(frame: Buffer): number | undefined {
  return frame.length < IP_AT + IP_HEADER || frame.readUInt16BE(TYPE_AT) !== IPV4 ? undefined : frame[IP_AT + 19]
}

/**
 * Writes the TCP checksum (RFC 9293, 3.1), which the kernel leaves to a card between two namespaces: there is none, and without it the receiver throws the
 * segment away. Other frames stay as they are.
 */
export function sumUp(frame: Buffer): void {
  if (hostTo(frame) === undefined || frame[IP_AT + 9] !== TCP) return
  const headerBytes = ((frame[IP_AT] as number) & 15) * 4
  const at = IP_AT + headerBytes
  const length = frame.readUInt16BE(IP_AT + 2) - headerBytes
  if (length < IP_HEADER || at + length > frame.length) return
  frame.writeUInt16BE(0, at + 16)
  let sum = TCP + length
  for (let index = IP_AT + 12; index < IP_AT + 20; index += 2) sum += frame.readUInt16BE(index)
  for (let index = at; index + 1 < at + length; index += 2) sum += frame.readUInt16BE(index)
  if (length % 2 === 1) sum += (frame[at + length - 1] as number) << 8
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  frame.writeUInt16BE(~sum & 0xffff, at + 16)
}
