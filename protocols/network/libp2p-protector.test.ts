import { connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { createIdentity, createUniverse } from '#protocols/access'
import { createEvents } from '#protocols/events'
import { systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { assemble } from './libp2p.ts'
import { type Cipher, tend } from './libp2p-protector.ts'

/** A cipher of @libp2p/pnet's kind, with its places counted: what stands in it after `final()` is an error. */
function counted() {
  let [places, longest] = [1, 0]
  const cipher: Cipher = {
    update(input, output = new Uint8Array(input.length)) {
      if (places === 0) throw new Error('its memory is somebody else’s')
      longest = Math.max(longest, input.length)
      output.set(input.map((byte) => byte ^ 1))
      return output
    },
    final: () => void places--,
  }
  return { cipher, places: () => places, longest: () => longest }
}

test('a cipher encrypts long writes in pieces, and gives its place back once', () => {
  const { cipher, places, longest } = counted()
  const end = tend(cipher)
  const bytes = Uint8Array.from({ length: 700_001 }, (_, index) => index % 251)
  expect(
    Buffer.compare(
      cipher.update(bytes),
      bytes.map((byte) => byte ^ 1),
    ),
  ).toBe(0)
  expect(longest()).toBeLessThanOrEqual(256 * 1024)
  end()
  end()
  expect(places()).toBe(0)
  expect(cipher.update(bytes)).toEqual(new Uint8Array(0))
})

test('connections that come and go take no memory of the cipher, whoever opens them', async () => {
  const universe = createUniverse('protected', createIdentity().id)
  const { network, host } = await assemble(
    {
      ...{ seed: createIdentity().seed, universe, listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: [], dht: false },
      ...{ beat: { name: 'a', roles: ['router'], capacity: 1 }, clock: systemClock, random: Math.random, events: createEvents() },
    },
    0,
  )
  const places: number[] = []
  const components = (host as unknown as { components: { connectionProtector: { protect: (...args: unknown[]) => Promise<unknown> } } })
    .components
  const { protect } = components.connectionProtector
  components.connectionProtector.protect = async (...args) => {
    const box = await protect(...args)
    places.push((box as { inboundXor: { _xor: { _pointer: number } } }).inboundXor._xor._pointer)
    return box
  }
  await network.start()
  const port = Number(/tcp\/(\d+)/.exec(network.addresses()[0] as string)?.[1])
  const come = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    await once(socket, 'connect')
    socket.write(Buffer.alloc(24, 7))
    return socket
  }
  for (let times = 0; times < 40; times += 1) {
    const socket = await come()
    await until(() => places.length === times + 1)
    socket.destroy()
    await once(socket, 'close')
  }
  await network.stop()
  expect(new Set(places).size).toBeLessThan(10)
})
