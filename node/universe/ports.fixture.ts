/** Ports for tests, picked by the kernel. */
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Free a moment ago, with room above it for a universe to count up. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return Math.min(port, 65_000)
}
