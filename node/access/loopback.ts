/** What counts as this machine, told apart by the socket's address and by the name in the URL. Pure. */

/** Whether a socket's remote address is this machine: 127.0.0.0/8, ::1, and the first written as an IPv6 address. */
export function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined) return false
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address
  return plain === '::1' || plain.startsWith('127.')
}

/** A `Host` header without its port, in lower case and without the root's dot; `undefined` for what is not a host. */
export function hostnameOf(host: string): string | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]/@\\\s]+)(?::\d{1,5})?$/i.exec(host)
  return match?.[1]?.toLowerCase().replace(/\.$/, '')
}

/** Whether a `Host` header names this machine. Any other name may have been pointed here by its owner (DNS rebinding). */
export function isLoopbackHost(host: string): boolean {
  const name = hostnameOf(host)
  return name === 'localhost' || name === '127.0.0.1' || name === '[::1]' || (name?.endsWith('.localhost') ?? false)
}
