/** Connections to names over TLS: the certificate is the name's, or there is no connection. */
import type { AddressInfo, Socket } from 'node:net'
import { createServer, type Server } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '#protocols/lifecycle'
import { until } from '#protocols/until'
import { dial } from './dial.ts'

/** Of nobody: made for this test, for `tls.example` alone, good until 2126. */
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgsjvsCdS6R5nwJia8
KBo6UBbTMLkjL17ru1eM3Jluz5mhRANCAATP7HM1jy/8n6luAAZ8C+nhRl0hAt0b
MMzCiTdsjAocPdMYYzyrDgGO75lopZhR3jor7UiowR/toNeRrjbPiCmj
-----END PRIVATE KEY-----`
const CERT = `-----BEGIN CERTIFICATE-----
MIIBnDCCAUGgAwIBAgIUBmkoaFwY9cEwJe+a3e1o88bZmqAwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLdGxzLmV4YW1wbGUwIBcNMjYxMTIyMDYxOTMwWhgPMjEyNjEw
MjkwNjE5MzBaMBYxFDASBgNVBAMMC3Rscy5leGFtcGxlMFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAEz+xzNY8v/J+pbgAGfAvp4UZdIQLdGzDMwok3bIwKHD3TGGM8
qw4Bju+ZaKWYUd46K+1IqMEf7aDXka42z4gpo6NrMGkwHQYDVR0OBBYEFFviY6WG
IKbbxGpUtMv4DhTS4aLeMB8GA1UdIwQYMBaAFFviY6WGIKbbxGpUtMv4DhTS4aLe
MA8GA1UdEwEB/wQFMAMBAf8wFgYDVR0RBA8wDYILdGxzLmV4YW1wbGUwCgYIKoZI
zj0EAwIDSQAwRgIhAKLGznbgmh9olnx0vJU16K6jC1xh9KkUTTiw5YokIAbmAiEA
28wQIvOWHpL7jxJ67kMABoNe4ii8J6sdZchu67iCY3E=
-----END CERTIFICATE-----`

const policy = { allowPrivate: true, doors: [], ownAddresses: new Set<string>() }
let server: Server
let port = 0
const names: (string | false | null)[] = []
beforeAll(async () => {
  server = createServer({ key: KEY, cert: CERT }, (socket) => names.push(socket.servername))
  server.on('tlsClientError', () => {})
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  port = (server.address() as AddressInfo).port
})
afterAll(() => void server.close())

async function dialed(host: string, ca?: string[]): Promise<Socket> {
  const destination = { url: new URL(`https://${host}:${port}/`), host, port, mayBePrivate: true }
  const init = { resolve: () => Promise.resolve(['127.0.0.1']), clock: systemClock, connectMs: 2000, policy: () => policy }
  const { socket } = await dial(destination, ca === undefined ? init : { ...init, ca }, new AbortController().signal)
  return socket
}

test('a name is shown to the server and proved by it', async () => {
  const socket = await dialed('tls.example', [CERT])
  expect(socket.remotePort).toBe(port)
  await until(() => names.length === 1)
  expect(names).toEqual(['tls.example'])
  socket.destroy()
})

test.each([
  ['nobody has vouched for', 'tls.example', undefined, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ['is another name’s', 'other.example', [CERT], 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ['is a name’s and not an address’s', '127.0.0.1', [CERT], 'ERR_TLS_CERT_ALTNAME_INVALID'],
])('a certificate that %s is refused', async (_, host, ca, code) => {
  await expect(dialed(host, ca)).rejects.toMatchObject({ code: 'unavailable', cause: { code } })
})

test('whatever the environment says about certificates', async () => {
  const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  try {
    await expect(dialed('tls.example')).rejects.toMatchObject({ code: 'unavailable' })
  } finally {
    if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
  }
})
