/** Headers, Request, Response and their bodies: cases written from the Fetch Standard. */
import type { Cases } from './program.ts'

export const cases: Cases = {
  Headers: {
    'names in any case, values without blanks at their ends': `const h = new Headers({ 'X-A': ' 1 \\t' }); equal([h.get('x-a'), h.has('X-a'), [...h]], ['1', true, [['x-a', '1']]])`,
    'made from pairs, objects, Headers and Maps': `for (const init of [[['a', '1']], { a: 1 }, new Headers({ a: '1' }), new Map([['a', '1']])]) equal([...new Headers(init)], [['a', '1']]); throws(() => new Headers([['a']]), TypeError); throws(() => new Headers('a'), TypeError); throws(() => new Headers([['a', 'b', 'c']]), TypeError)`,
    'append joins, set replaces, delete removes': `const h = new Headers(); h.append('a', '1'); h.append('A', '2'); equal(h.get('a'), '1, 2'); h.set('a', ''); equal(h.get('a'), ''); h.delete('A'); equal(h.get('a'), null)`,
    'iteration is sorted; set-cookie stays apart': `
      const h = new Headers([['set-cookie', 'a=1'], ['b', '2'], ['a', '3'], ['Set-Cookie', 'c=4']])
      equal([...h], [['a', '3'], ['b', '2'], ['set-cookie', 'a=1'], ['set-cookie', 'c=4']]); equal(h.getSetCookie(), ['a=1', 'c=4']); equal(h.get('set-cookie'), 'a=1, c=4')
      equal([[...h.keys()].length, [...h.values()][0]], [4, '3']); const seen = []; h.forEach((value, name, all) => seen.push(name + value + (all === h))); equal(seen[0], 'a3true')`,
    'bad names and values are TypeErrors': `for (const name of ['', ' ', 'a b', 'a:', 'é', 'a\\n', '(']) throws(() => new Headers().append(name, 'x'), TypeError); for (const value of ['a\\nb', 'a\\rb', 'a\\0b', '\\u0100']) throws(() => new Headers().set('a', value), TypeError); new Headers({ a: 'é' })`,
    'a long run of blanks costs linear time': `equal(new Headers({ a: 'x' + ' '.repeat(200000) + 'y' }).get('a').length, 200002)`,
  },
  Request: {
    'method, url, headers': `
      const r = new Request('http://h/a/../b#c', { method: 'post', headers: { A: 'b' } }); equal([r.method, r.url, r.headers.get('a')], ['POST', 'http://h/b#c', 'b'])
      equal([new Request('http://h', { method: 'patch' }).method, new Request(new URL('http://h/x')).url, new Request('http://h').method], ['patch', 'http://h/x', 'GET'])`,
    'what is refused': `
      for (const bad of ['', '/x', 'http://']) throws(() => new Request(bad), TypeError)
      for (const method of ['', 'a b', 'CONNECT', 'trace', 'TRACK']) throws(() => new Request('http://h', { method }), TypeError)
      for (const method of ['GET', 'HEAD']) throws(() => new Request('http://h', { method, body: '' }), TypeError)
      throws(() => new Request('http://h', { redirect: 'x' }), TypeError); throws(() => new Request('http://h', { signal: {} }), TypeError)`,
    'from another request': `
      const a = new Request('http://h/', { method: 'PUT', headers: { x: '1' }, body: 'text', redirect: 'manual' }); const b = new Request(a)
      equal([b.method, b.headers.get('x'), b.headers.get('content-type'), b.redirect, a.bodyUsed, await b.text()], ['PUT', '1', 'text/plain;charset=UTF-8', 'manual', true, 'text'])
      throws(() => new Request(a), TypeError); const c = new Request(new Request('http://h/', { method: 'POST', body: 'x', headers: { y: '1' } }), { headers: { z: '2' }, body: 'other' })
      equal([[...c.headers.keys()], await c.text()], [['content-type', 'z'], 'other'])`,
    'its signal follows the one given': `
      const controller = new AbortController(); const r = new Request('http://h', { signal: controller.signal }); const s = new Request(r); const t = r.clone()
      controller.abort('why'); equal([r.signal, s.signal, t.signal].map((each) => [each.aborted, each.reason]), [[true, 'why'], [true, 'why'], [true, 'why']]); ok(new Request('http://h').signal instanceof AbortSignal); ok(!new Request(r, { signal: null }).signal.aborted)`,
    'clone can be read beside the original': `for (const body of ['text', bytesOf(116, 101, 120, 116), new Blob(['text']), streamOf(bytesOf(116, 101), bytesOf(120, 116))]) {
      const a = new Request('http://h', { method: 'POST', body, duplex: 'half' }); const b = a.clone(); equal([await a.text(), await b.text()], ['text', 'text']); throws(() => a.clone(), TypeError) }`,
    'what only browsers act on is kept': `const r = new Request('http://h', { mode: 'same-origin', credentials: 'omit', cache: 'no-store', keepalive: 1, integrity: 'x' }); equal([r.mode, r.credentials, r.cache, r.keepalive, r.integrity, r.destination, r.duplex, new Request(r).cache], ['same-origin', 'omit', 'no-store', true, 'x', '', 'half', 'no-store'])`,
  },
  Response: {
    'status, text, headers': `
      const r = new Response('x', { status: 201, statusText: 'Made', headers: { a: 'b' } }); equal([r.status, r.statusText, r.ok, r.type, r.url, r.redirected, r.headers.get('a')], [201, 'Made', true, 'default', '', false, 'b'])
      equal([new Response().status, new Response().body, new Response(null, { status: 404 }).ok], [200, null, false])`,
    'a status text is one line of bytes': `for (const statusText of ['a\\nb', 'a\\r', '\\0', '\\x7f', '€']) throws(() => new Response('', { statusText }), TypeError); equal(new Response('', { statusText: 'a\\té' }).statusText, 'a\\té'); throws(() => Response.json(1, { statusText: '\\n' }), TypeError)`,
    'what is refused': `for (const status of [0, 100, 199, 600, 1000]) throws(() => new Response('', { status }), RangeError); for (const status of [204, 205, 304]) { throws(() => new Response('', { status }), TypeError); equal(new Response(null, { status }).status, status) }`,
    json: `const r = Response.json({ a: 1 }, { status: 202, headers: { b: 'c' } }); equal([r.status, r.headers.get('content-type'), r.headers.get('b'), await r.json()], [202, 'application/json', 'c', { a: 1 }]); equal(Response.json(1, { headers: { 'content-type': 'x/y' } }).headers.get('content-type'), 'x/y'); throws(() => Response.json(() => 1), TypeError); throws(() => Response.json(1, { status: 204 }), TypeError)`,
    redirect: `const r = Response.redirect('http://h/a b', 301); equal([r.status, r.headers.get('location'), Response.redirect('http://h').status], [301, 'http://h/a%20b', 302]); throws(() => Response.redirect('http://h', 200), RangeError); throws(() => Response.redirect('/x'), TypeError)`,
    error: `const r = Response.error(); equal([r.status, r.type, r.ok, r.body], [0, 'error', false, null])`,
    'every kind of body, and the content type it brings': `
      const view = new Uint8Array([0, 104, 105, 0])
      for (const [body, type] of [['hi', 'text/plain;charset=UTF-8'], [bytesOf(104, 105).buffer, null], [view.subarray(1, 3), null], [new DataView(view.buffer, 1, 2), null], [new Blob(['hi']), null], [new Blob(['hi'], { type: 'a/b' }), 'a/b'],
        [new URLSearchParams('hi'), 'application/x-www-form-urlencoded;charset=UTF-8'], [streamOf(bytesOf(104), bytesOf(105)), null], [{ toString: () => 'hi' }, 'text/plain;charset=UTF-8']]) {
        const r = new Response(body); equal([r.headers.get('content-type'), (await r.text()).slice(0, 2)], [type, 'hi']) }
      equal(new Response('x', { headers: { 'content-type': 'a/b' } }).headers.get('content-type'), 'a/b')`,
    'every way to read, once': `
      const make = (body = '{"a":1}') => new Response(body, { headers: { 'content-type': 'Application/JSON; Charset=x' } })
      equal([await make().text(), await make().json(), (await make().arrayBuffer()).byteLength, (await make().bytes()).length, (await make().blob()).type], ['{"a":1}', { a: 1 }, 7, 7, 'application/json;charset=x'])
      const r = make(); equal(r.bodyUsed, false); const reading = r.text(); equal(r.bodyUsed, true); await reading
      for (const way of ['text', 'json', 'arrayBuffer', 'bytes', 'blob', 'formData']) await rejects(r[way](), TypeError)
      await rejects(make('{').json(), SyntaxError); equal([await new Response().text(), (await new Response().blob()).size, new Response().bodyUsed], ['', 0, false])`,
    'the byte order mark goes from text and json': `equal([await new Response(bytesOf(239, 187, 191, 65)).text(), await new Response('\\ufeff1').json()], ['A', 1])`,
    'a body that is read as a stream is used': `const r = new Response('abc'); const reader = r.body.getReader(); equal([r.body.locked, r.bodyUsed], [true, false]); await rejects(r.text(), TypeError); await reader.read(); equal(r.bodyUsed, true); reader.releaseLock(); await rejects(r.text(), TypeError); throws(() => r.clone(), TypeError)`,
    'a stream gives bytes or an error': `await rejects(new Response(streamOf('x')).text(), TypeError); const failing = new ReadableStream({ pull() { throw new RangeError('x') } }); await rejects(new Response(failing).bytes(), RangeError); const used = streamOf(bytesOf(1)); used.getReader(); throws(() => new Response(used), TypeError)`,
    'reading one clone leaves the other whole': `for (const body of ['abc', bytesOf(97, 98, 99), new Blob(['abc']), streamOf(bytesOf(97, 98), bytesOf(99))]) { const a = new Response(body); const b = a.clone(); const chunks = await collect(a.body); equal(chunks.flatMap((chunk) => [...chunk]), [97, 98, 99]); equal(await b.text(), 'abc') }`,
    'what a body was made of may change': `const view = bytesOf(65); const r = new Response(view); view[0] = 66; equal(await r.text(), 'A'); const blob = new Blob(['x']); await collect(new Response(blob).body); equal(await blob.text(), 'x')`,
  },
  fetch: {
    'it rejects, and never throws': `await rejects(fetch('no url'), TypeError); await rejects(fetch('http://h/', { method: 'a b' }), TypeError); await rejects(fetch('http://127.0.0.1:1/'), 'OsirisError')`,
  },
}
