/** A connection to exactly the address that was judged: the name is resolved once, every answer is judged, nothing is looked up again. */
import { Resolver } from 'node:dns/promises'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { OsirisError } from '#protocols/errors'
import type { Clock } from '#protocols/lifecycle'
import { plainAddress } from './addresses.ts'
import { broken, denied, wordOf } from './failures.ts'
import { type Destination, type EgressPolicy, isLocalhost, judgeAddress } from './guard.ts'

/** All addresses of a host name, best first; rejects when there is none. */
export type Resolve = (host: string) => Promise<string[]>

export interface DialInit {
  resolve: Resolve
  clock: Clock
  /** From the name to the end of the TLS handshake. */
  connectMs: number
  policy: () => EgressPolicy
  /** Certificate authorities besides those of Node, in PEM. */
  ca?: string[]
}

export interface Dialed {
  socket: Socket
  address: string
}

/** So many of a name's addresses are tried, one after the other. */
const ADDRESSES_MAX = 4
const DNS = { timeout: 2000, tries: 2 }

/**
 * Asks name servers only: no hosts file, whose names are this network's own, and no search list. Not `lookup`, which would hold one of the process's
 * four threads for each name that does not answer.
 */
export function systemResolve(): Resolve {
  let resolver: Resolver | undefined
  return async (host) => {
    resolver ??= new Resolver(DNS)
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
    const found = answers.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
    const [first] = answers
    if (found.length === 0 && first.status === 'rejected') throw first.reason
    return found
  }
}

/** Rejects with `egress_denied`, or with `unavailable` when nobody answers. `signal` gives it up. */
export async function dial(destination: Destination, init: DialInit, signal: AbortSignal): Promise<Dialed> {
  const giveUp = new AbortController()
  const onAbort = () => giveUp.abort(signal.reason)
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  const late = broken(destination, `no connection within ${init.connectMs} ms`)
  const cancel = init.clock.after(init.connectMs, () => giveUp.abort(late))
  try {
    const addresses = await within(addressesOf(destination, init), giveUp.signal)
    const policy = init.policy()
    // One that may not be reached among others that may is a trick: none of them is tried.
    for (const address of addresses) judgeAddress(destination, address, policy)
    return await connectFirst(destination, addresses.slice(0, ADDRESSES_MAX), init, giveUp.signal)
  } finally {
    cancel()
    signal.removeEventListener('abort', onAbort)
  }
}

async function addressesOf(destination: Destination, { resolve }: DialInit): Promise<string[]> {
  const { host } = destination
  if (isIP(host) !== 0) return [host]
  if (isLocalhost(host)) return ['127.0.0.1', '::1']
  try {
    const addresses = await resolve(host)
    if (addresses.length > 0) return addresses
  } catch (error) {
    throw broken(destination, `its name does not resolve (${wordOf(error)})`, error)
  }
  throw broken(destination, 'its name does not resolve')
}

async function connectFirst(destination: Destination, addresses: string[], init: DialInit, signal: AbortSignal): Promise<Dialed> {
  let last: unknown
  for (const address of addresses) {
    try {
      return { socket: await connect(destination, address, init, signal), address }
    } catch (error) {
      if (signal.aborted || error instanceof OsirisError) throw error
      last = error
    }
  }
  throw broken(destination, `no connection (${wordOf(last)})`, last)
}

async function connect(destination: Destination, address: string, init: DialInit, signal: AbortSignal): Promise<Socket> {
  const { port, url, host } = destination
  signal.throwIfAborted()
  const tcp = connectTcp({ host: address, port, noDelay: true, autoSelectFamily: false })
  let socket: Socket = tcp
  try {
    await ready(tcp, 'connect', signal)
    const { remoteAddress, remotePort } = tcp
    if (remoteAddress === undefined || plainAddress(remoteAddress) !== plainAddress(address) || remotePort !== port)
      throw denied(destination, 'the connection leads elsewhere')
    judgeAddress(destination, plainAddress(remoteAddress), init.policy())
    if (url.protocol === 'http:') return tcp
    const name = isIP(host) === 0 ? { servername: host } : {}
    const trust = init.ca === undefined ? {} : { ca: init.ca }
    socket = connectTls({ socket: tcp, host, ...name, ...trust, ALPNProtocols: ['http/1.1'], rejectUnauthorized: true })
    await ready(socket, 'secureConnect', signal)
    return socket
  } catch (error) {
    socket.destroy()
    tcp.destroy()
    throw error
  }
}

function ready(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    socket.once(event, () => {
      signal.removeEventListener('abort', abort)
      resolve()
    })
    // Stays: a socket that breaks while nobody waits must not end the process.
    socket.on('error', (error) => {
      signal.removeEventListener('abort', abort)
      reject(error)
    })
  })
}

function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
