import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { connect } from './index.ts'
import { nameOf } from './namespace.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => server.close().closeAllConnections())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('connect()', () => {
  it.each(['', 'localhost:4747', 'ftp://x', 'not a url'])('refuses %j', async (url) => {
    await expect(connect(url)).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('expected a URL') })
  })

  it('refuses a join token that is none', async () => {
    await expect(connect({ join: 'hello' })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('join token'),
    })
  })

  it('takes a base path, and sends the token with everything', async () => {
    const seen: unknown[] = []
    const url = await serve((request, response) => {
      seen.push([request.method, request.url, request.headers['osiris-token']])
      response.end('1')
    })
    const osiris = await connect({ url: `${url}/behind/`, token: 't' })
    await osiris.call('demo/greet@v2', 1)
    await osiris.fetch('demo/site', 'http://x/a%2Fb?q', { headers: { authorization: 'Basic x' } })
    expect(seen).toEqual([
      ['POST', '/behind/v1/call/demo/greet@v2', 't'],
      ['GET', '/behind/v1/fetch/demo/site/a%2Fb?q', 't'],
    ])
  })
})

describe('trouble', () => {
  it('nobody there: unavailable, and nothing was sent', async () => {
    const url = await serve(() => {})
    for (const close of closers.splice(0)) close()
    const osiris = await connect(url)
    await expect(osiris.call('demo/greet')).rejects.toMatchObject({
      code: 'unavailable',
      message: `Cannot call "demo/greet": ${url} cannot be reached (ECONNREFUSED)`,
      details: { sent: false },
    })
    await expect(osiris.nodes()).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('the connection ends before the answer, or within it: outcome_unknown', async () => {
    const cut = await connect(await serve((request) => request.socket.destroy()))
    await expect(cut.call('demo/greet')).rejects.toMatchObject({ code: 'outcome_unknown' })
    const half = await connect(
      await serve((request, response) => {
        response.writeHead(200, { 'content-length': '100' })
        response.write('{', () => request.socket.destroy())
      }),
    )
    await expect(half.call('demo/greet')).rejects.toMatchObject({ code: 'outcome_unknown' })
  })

  it('nobody there, or a port that is never connected to: unavailable, and nothing was sent', async () => {
    for (const url of ['http://127.0.0.1:1', 'http://127.0.0.1:9']) {
      const osiris = await connect(url)
      await expect(osiris.call('demo/greet')).rejects.toMatchObject({ code: 'unavailable', details: { sent: false } })
    }
  })

  it('no answer in time: deadline_exceeded', async () => {
    const osiris = await connect({ url: await serve(() => {}), timeoutMs: 30 })
    await expect(osiris.call('demo/greet')).rejects.toMatchObject({
      code: 'deadline_exceeded',
      message: expect.stringContaining('within 30 ms'),
    })
  })

  it('an aborted request rejects with its own reason', async () => {
    const osiris = await connect(await serve(() => {}))
    await expect(osiris.fetch('demo/site', 'http://x/', { signal: AbortSignal.abort(new Error('mine')) })).rejects.toThrow('mine')
  })

  it('an error keeps its details and the stack of the function', async () => {
    const document = {
      type: 'urn:osiris:error:function_failed',
      title: 'x',
      status: 500,
      detail: 'no',
      code: 'function_failed',
      stack: 'at greet.ts:1',
      line: 3,
    }
    const osiris = await connect(
      await serve((_request, response) => {
        response.writeHead(500, { 'content-type': 'application/problem+json', 'osiris-error': 'function_failed' })
        response.end(JSON.stringify(document))
      }),
    )
    const expected = { code: 'function_failed', message: 'no', functionStack: 'at greet.ts:1', details: { line: 3 } }
    await expect(osiris.call('demo/greet')).rejects.toMatchObject(expected)
    await expect(osiris.fetch('demo/site', 'http://x/')).rejects.toMatchObject(expected)
  })

  it('a call that was not accepted but answered, as Prefer went lost on the way, is outcome_unknown', async () => {
    const seen: unknown[] = []
    const osiris = await connect(
      await serve(({ method, url, headers }, response) => {
        seen.push([method, url, headers.prefer, headers['osiris-callback']])
        response.end('{"hello":"Ada"}')
      }),
    )
    await expect(osiris.start('demo/greet', [], { callback: 'https://bücher.example/ö' })).rejects.toMatchObject({
      code: 'outcome_unknown',
      message: expect.stringContaining('may have run'),
    })
    expect(seen).toEqual([['POST', '/v1/call/demo/greet', 'respond-async', 'https://xn--bcher-kva.example/%C3%B6']])
  })

  it('an answer of something in between is told as such', async () => {
    const osiris = await connect(
      await serve((_request, response) => {
        response.writeHead(502)
        response.end('<h1>Bad gateway</h1>')
      }),
    )
    await expect(osiris.call('demo/greet')).rejects.toMatchObject({
      message: expect.stringContaining('answered 502 without a problem document: <h1>Bad gateway'),
    })
    expect((await osiris.fetch('demo/site', 'http://x/')).status).toBe(502)
  })
})

describe('nameOf()', () => {
  it('turns the names of methods into names of functions, each into another', () => {
    expect([nameOf('greet'), nameOf('sendMail'), nameOf('a1B2')]).toEqual(['greet', 'send-mail', 'a1-b2'])
    const method = fc.stringMatching(/^[a-z][a-zA-Z0-9]{0,10}$/)
    fc.assert(fc.property(method, method, (a, b) => a === b || nameOf(a) !== nameOf(b)))
  })
})

describe('the HTTP client', () => {
  it('loads nothing but the SDK and words without dependencies: it runs in browsers', () => {
    expect(loadedBy('./index.ts').toSorted()).toEqual([
      '#protocols/domain',
      '#protocols/errors',
      '#protocols/function',
      '#protocols/json',
      '#protocols/promotion',
      '#protocols/topic',
      './calls.ts',
      './client.ts',
      './diff.ts',
      './http-calls.ts',
      './http-errors.ts',
      './http-topics.ts',
      './http.ts',
      './index.ts',
      './namespace.ts',
    ])
  })
})

/** Every module that is loaded with this one, by its static imports and exports of values. */
function loadedBy(path: string, found: string[] = []): string[] {
  if (found.includes(path)) return found
  found.push(path)
  if (!path.startsWith('./')) return found
  const text = readFileSync(new URL(path, import.meta.url), 'utf8')
  for (const [, specifier] of text.matchAll(/^(?:import|export) (?!type )[^'"]*? from ['"]([^'"]+)['"]/gm))
    loadedBy(specifier as string, found)
  return found
}
