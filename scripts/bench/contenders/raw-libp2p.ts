/**
 * One raw round trip: 200 bytes there and back over one long-lived libp2p stream between two processes, with the same transport, encryption,
 * multiplexer and protector as the mesh, and nothing of Osiris. `listen` prints its address; `dial ADDRESS COUNT` prints the microseconds of each trip.
 */
import { noise } from '@chainsafe/libp2p-noise'
import type { Stream } from '@libp2p/interface'
import { preSharedKey } from '@libp2p/pnet'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const PROTOCOL = '/bench/echo/1'
const MESSAGE = new Uint8Array(200).fill(7)
const KEY = Buffer.from(`/key/swarm/psk/1.0.0/\n/base16/\n${'5c'.repeat(32)}`)
const WARM_UP = 500

const [mode, address = '', count = '0'] = process.argv.slice(2)
const host = await createLibp2p({
  addresses: { listen: mode === 'listen' ? ['/ip4/127.0.0.1/tcp/0'] : [] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionProtector: preSharedKey({ psk: KEY }),
})

if (mode === 'listen') {
  await host.handle(PROTOCOL, (stream) => stream.addEventListener('message', (event) => void stream.send(event.data)))
  console.log(String(host.getMultiaddrs()[0]))
} else {
  const stream = await host.dialProtocol(multiaddr(address), PROTOCOL)
  console.log(JSON.stringify((await trips(stream, WARM_UP + Number(count))).slice(WARM_UP)))
  await host.stop()
}

async function trips(stream: Stream, number: number): Promise<number[]> {
  const times: number[] = []
  let back = Promise.withResolvers<void>()
  let missing = 0
  stream.addEventListener('message', (event) => {
    missing -= event.data.byteLength
    if (missing === 0) back.resolve()
  })
  for (let i = 0; i < number; i++) {
    back = Promise.withResolvers()
    missing = MESSAGE.length
    const start = process.hrtime.bigint()
    stream.send(MESSAGE)
    await back.promise
    times.push(Number(process.hrtime.bigint() - start) / 1000)
  }
  return times
}
