/** HTTP ports of a universe: count up from the first free one. */
import { createServer } from 'node:net'
import { OsirisError } from '#protocols/errors'

export type IsFree = (port: number) => Promise<boolean>

/** Whether a listener could be opened on 127.0.0.1 now. */
export const isFreeHere: IsFree = (port) =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })

/** `count` free ports in rising order from `first` on, less those promised to others. Throws `unavailable` beyond 65535. */
export async function choosePorts(
  first: number,
  count: number,
  promised: ReadonlySet<number>,
  isFree: IsFree = isFreeHere,
): Promise<number[]> {
  const ports: number[] = []
  for (let port = first; ports.length < count; port++) {
    if (port > 65_535)
      throw new OsirisError('unavailable', `Cannot find ${count} free HTTP ports from ${first} on; --http-port chooses another start`)
    if (!promised.has(port) && (await isFree(port))) ports.push(port)
  }
  return ports
}
