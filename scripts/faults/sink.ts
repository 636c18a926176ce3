/** Where functions write that they were started: outside the universe, so that no fault of it loses a line. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Cleanup } from '../bench/cleanup.ts'
import type { Lab } from './wires/lab.ts'

export class Sink {
  /** Starts by call. */
  readonly starts = new Map<string, number>()
  readonly url: string

  private constructor(url: string) {
    this.url = url
  }

  /** On a free port of this machine, or where functions of a universe in a network of its own find it. */
  static async start(cleanup: Cleanup, lab?: Lab): Promise<Sink> {
    const there = await lab?.listen()
    const server = createServer((request, response) => {
      const id = request.url?.slice(1) ?? ''
      sink.starts.set(id, (sink.starts.get(id) ?? 0) + 1)
      response.end()
    })
    if (there === undefined) server.listen(0, '127.0.0.1')
    else server.listen(there.handle)
    cleanup.add(async () => {
      server.close()
      server.closeAllConnections()
    })
    await once(server, 'listening')
    const sink = new Sink(there?.url ?? `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    return sink
  }

  /** Calls that were started more than once. */
  twice(): string[] {
    return [...this.starts].filter(([, count]) => count > 1).map(([id]) => id)
  }
}
