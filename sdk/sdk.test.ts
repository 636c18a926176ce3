import { systemClock } from '#protocols/lifecycle'
import { createFakeNode } from '#node/http/testing'
import { createClient } from './client.ts'
import { connect } from './index.ts'
import { meshTransport } from './mesh.ts'
import { sdkSuite } from './sdk.suite.ts'

sdkSuite('HTTP, a node of fakes', async () => {
  const { server, token } = await createFakeNode({ developer: false })
  await server.start()
  return { osiris: await connect({ url: server.url, token: await token(['deploy']) }), close: () => server.stop() }
})

sdkSuite('the mesh, roles in this process', async () => {
  const { init, router, token } = await createFakeNode()
  const caller = { subject: 'ada', token: await token(['deploy']) }
  const universe = { name: 'test', root: 'ab'.repeat(32) }
  const { catalog, builder, network } = init
  const transport = meshTransport({
    router,
    catalog,
    builder,
    topics: init.topics,
    calls: init.calls,
    network,
    universe,
    caller,
    joinToken: 'osiris1.join',
    schedules: (namespace) => init.schedules(caller, namespace),
    clock: systemClock,
    stop: async () => {},
  })
  return { osiris: createClient(transport) }
})
