/** One connection, one request at a time, each timed: for latencies that are added up or that come once only. */
import { Agent, request } from 'node:http'
import type { Request } from './load/load.ts'

export class Probe {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  /** Microseconds from sending to the last byte of the answer. Throws for any status but 200. */
  async time(each: Request): Promise<number> {
    const start = process.hrtime.bigint()
    await this.#send(each)
    return Number(process.hrtime.bigint() - start) / 1000
  }

  /** One after the other. */
  async times(each: Request, count: number): Promise<number[]> {
    const times: number[] = []
    for (let i = 0; i < count; i++) times.push(await this.time(each))
    return times
  }

  close(): void {
    this.#agent.destroy()
  }

  #send({ url, body }: Request): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const sent = request(url, { method: 'POST', headers, agent: this.#agent }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('error', reject)
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`${url} answered ${response.statusCode}: ${text}`)),
      )
    })
    sent.on('error', reject)
    sent.end(body)
    return promise
  }
}
