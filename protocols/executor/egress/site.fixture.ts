/** A server for functions to fetch from, and what it saw. */
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Site {
  origin: string
  /** Requests as they came. */
  seen: IncomingMessage[]
  /** Connections as they came. */
  connects: number
  /** Those of them that are open. */
  open: number
}

/** A server on loopback; whoever gave `servers` closes it. */
export async function siteIn(servers: Server[], answer: RequestListener): Promise<Site> {
  const found: Site = { origin: '', seen: [], connects: 0, open: 0 }
  const server = createServer((request, response) => {
    found.seen.push(request)
    answer(request, response)
  })
  server.on('connection', (socket) => {
    found.connects++
    found.open++
    socket.on('close', () => found.open--)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  found.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return found
}
