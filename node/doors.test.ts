import { expect, it } from 'vitest'
import { doorsOf } from './doors.ts'

it('doorsOf() names this node’s ports on every address of the host, and the others where they say they are', () => {
  const own = { http: 'http://0.0.0.0:4747', p2p: ['/ip4/127.0.0.1/tcp/4748/p2p/12D3', '/dns4/a.example/tcp/4749'] }
  const members = [
    {
      http: 'http://127.0.0.1:5000',
      addresses: ['/ip4/10.0.0.2/tcp/5001/p2p/12D3', '/ip6/::1/tcp/5002', '/ip4/10.0.0.2/udp/1/quic', 'nonsense', ''],
    },
    { http: 'http://name.example', addresses: [] },
    { http: 'http://[fd00::2]', addresses: [] },
    { http: 'no url', addresses: [] },
    { addresses: [] },
  ]
  expect(doorsOf(own, members)).toEqual([
    { address: '*', port: 4748 },
    { address: '*', port: 4749 },
    { address: '*', port: 4747 },
    { address: '10.0.0.2', port: 5001 },
    { address: '::1', port: 5002 },
    { address: '127.0.0.1', port: 5000 },
    { address: 'fd00::2', port: 80 },
  ])
})
