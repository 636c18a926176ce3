/** A name server for TXT records, on a port of this machine (RFC 1035 sections 4.1.1 to 4.1.3). */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'

export interface NameServer {
  /** `address:port`. */
  address: string
  records: Map<string, string[]>
  asked: string[]
  /** Takes questions and answers none. */
  isSilent: boolean
  stop(): void
}

export async function nameServer(): Promise<NameServer> {
  const socket = createSocket('udp4')
  const server: NameServer = { address: '', records: new Map(), asked: [], isSilent: false, stop: () => socket.close() }
  socket.on('message', (query, from) => {
    const labels: string[] = []
    let at = 12
    for (let length = query[at++] as number; length > 0; length = query[at++] as number) {
      labels.push(query.toString('latin1', at, at + length))
      at += length
    }
    const name = labels.join('.')
    server.asked.push(name)
    if (server.isSilent) return
    const texts = server.records.get(name) ?? []
    const head = Buffer.from(query.subarray(0, at + 4))
    head.writeUInt16BE(texts.length === 0 ? 0x8183 : 0x8180, 2)
    head.writeUInt16BE(1, 4)
    head.writeUInt16BE(texts.length, 6)
    head.writeUInt32BE(0, 8)
    const answers = texts.map((text) => {
      const data = Buffer.concat([Buffer.from([text.length]), Buffer.from(text)])
      const record = Buffer.alloc(12)
      record.writeUInt16BE(0xc00c, 0)
      record.writeUInt16BE(16, 2)
      record.writeUInt16BE(1, 4)
      record.writeUInt32BE(0, 6)
      record.writeUInt16BE(data.length, 10)
      return Buffer.concat([record, data])
    })
    socket.send(Buffer.concat([head, ...answers]), from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  server.address = `127.0.0.1:${socket.address().port}`
  return server
}
