/** Node's HTTP server and nothing else: the floor under every latency. */
import { createServer } from 'node:http'
import { greet } from '../subject.ts'

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const [name, times] = JSON.parse(Buffer.concat(chunks).toString()) as unknown[]
    const body = JSON.stringify(greet(name, times))
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body)
  })
})
server.listen(Number(process.argv[2]), '127.0.0.1')
