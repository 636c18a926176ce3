import { createIdentity, createUniverse } from '#protocols/access'
import { createEvents } from '#protocols/events'
import { systemClock } from '#protocols/lifecycle'
import type { Host } from './libp2p-host.ts'
import { assemble } from './libp2p.ts'
import { networkSuite } from './network.suite.ts'
import type { Network } from './network.ts'

networkSuite('libp2p', () => {
  const universe = createUniverse('suite', createIdentity().id)
  const nodes = new Map<Network, Host>()
  return {
    async add(node) {
      const { network, host } = await assemble(
        {
          seed: node.seed ?? createIdentity().seed,
          universe: node.universe ?? universe,
          listen: node.roles === undefined ? [] : ['/ip4/127.0.0.1/tcp/0'],
          bootstrap: node.universe === undefined ? [...nodes.keys()].flatMap((each) => each.addresses()) : [],
          beat: { name: node.name, roles: node.roles ?? [], capacity: 10 },
          dht: true,
          clock: systemClock,
          random: Math.random,
          events: createEvents(),
        },
        0,
      )
      await network.start()
      nodes.set(network, host)
      return network
    },
    async kill(network) {
      await nodes.get(network)?.stop()
      await network.stop()
    },
    async stop() {
      await Promise.all([...nodes.keys()].map((network) => network.stop()))
    },
  }
})
