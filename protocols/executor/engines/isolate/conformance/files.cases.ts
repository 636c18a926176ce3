/** Blob, File, FormData (File API, XMLHttpRequest and Fetch Standards): cases written from these texts. */
import type { Cases } from './program.ts'

export const cases: Cases = {
  Blob: {
    'without parts it is empty': `const b = new Blob(); equal([b.size, b.type, await b.text()], [0, '', ''])`,
    'parts are strings, buffers, views and blobs, in order': String.raw`
      const view = new Uint8Array([0, 98, 99, 0]).subarray(1, 3)
      const b = new Blob(['a', view, new Uint8Array([100]).buffer, new Blob(['e']), 5, null, '\ud800'])
      equal(await b.text(), 'abcde5null\ufffd')`,
    'any iterable gives parts': `equal(await new Blob(new Set(['a', 'b'])).text(), 'ab'); equal(await new Blob(new String('xy')).text(), 'xy')`,
    'a string, a number, null are not lists of parts': `for (const bad of ['x', 1, null, {}, true]) throws(() => new Blob(bad), TypeError)`,
    'the type is in lower case, or none': `equal([new Blob([], { type: 'Text/PLAIN;Charset=x' }).type, new Blob([], { type: 'a\\u00e9' }).type, new Blob([], { type: null }).type], ['text/plain;charset=x', '', 'null'])`,
    'native line endings': `equal(await new Blob(['a\\r\\nb\\rc\\n'], { endings: 'native' }).text(), 'a\\nb\\nc\\n'); throws(() => new Blob([], { endings: 'x' }), TypeError)`,
    'slice counts from both ends': `
      const b = new Blob(['0123456789'], { type: 'a/b' })
      equal(await Promise.all([b.slice(2, 4), b.slice(-3), b.slice(0, -8), b.slice(5, 2), b.slice(NaN, 1e9)].map((x) => x.text())), ['23', '789', '01', '', '0123456789'])
      equal([b.slice().type, b.slice(0, 1, 'C/D').type], ['', 'c/d'])`,
    'what it was made of may change': `const u = new Uint8Array([65]); const b = new Blob([u]); u[0] = 66; equal(await b.text(), 'A'); (await b.bytes())[0] = 67; equal(await b.text(), 'A')`,
    'stream gives all bytes in pieces': `
      const b = new Blob(['x'.repeat(150000)]); let length = 0, pieces = 0
      for await (const chunk of b.stream()) { ok(chunk instanceof Uint8Array); length += chunk.length; pieces++ }
      equal(length, 150000); ok(pieces > 1)`,
    'stream reads into a buffer one brings': `
      const reader = new Blob(['abc']).stream().getReader({ mode: 'byob' })
      const { value } = await reader.read(new Uint8Array(2)); equal([...value], [97, 98])
      const rest = await reader.read(new Uint8Array(8)); equal([...rest.value], [99]); equal((await reader.read(new Uint8Array(1))).done, true)`,
    'arrayBuffer and bytes': `equal([...new Uint8Array(await new Blob(['é']).arrayBuffer())], [195, 169]); ok((await new Blob(['a']).bytes()) instanceof Uint8Array)`,
    'it is named': `equal(Object.prototype.toString.call(new Blob()), '[object Blob]'); throws(() => Blob(), TypeError)`,
  },
  File: {
    'it has a name and a date': `const f = new File(['ab'], 'n.txt', { type: 'text/plain', lastModified: 5 }); equal([f.name, f.lastModified, f.type, f.size, await f.text()], ['n.txt', 5, 'text/plain', 2, 'ab'])`,
    'it is a Blob': `const f = new File([], 'x'); ok(f instanceof Blob); ok(!(f.slice() instanceof File)); equal(String(f), '[object File]'); ok(Math.abs(f.lastModified - Date.now()) < 5000)`,
    'it needs parts and a name': `throws(() => new File(['a']), TypeError); throws(() => new File(), TypeError); throws(() => new File('x', 'y'), TypeError)`,
    'the name is a well-formed string': `equal(new File([], '\\ud800/x').name, '\\ufffd/x')`,
  },
  FormData: {
    'text fields': `
      const f = new FormData(); f.append('a', 1); f.append('a', 'x'); f.append('b', null)
      equal([f.get('a'), f.getAll('a'), f.has('b'), f.get('c'), [...f]], ['1', ['1', 'x'], true, null, [['a', '1'], ['a', 'x'], ['b', 'null']]])
      f.set('a', 'y'); equal([...f.keys()], ['a', 'b']); f.delete('a'); equal([...f.values()], ['null'])`,
    'a Blob becomes a File': `
      const f = new FormData(); f.append('b', new Blob(['x'], { type: 't/y' })); f.append('c', new Blob(['x']), 'n'); f.append('d', new File(['x'], 'o', { lastModified: 3 }), 'p')
      equal([f.get('b').name, f.get('b').type, f.get('c').name, f.get('d').name, f.get('d').lastModified], ['blob', 't/y', 'n', 'p', 3]); ok(f.get('b') instanceof File)`,
    'a File stays the same': `const file = new File([], 'x'); const f = new FormData(); f.append('a', file); ok(f.get('a') === file)`,
    'a file name is for files': `throws(() => new FormData().append('a', 'b', 'c'), TypeError); throws(() => new FormData().append('a'), TypeError); throws(() => new FormData({}), TypeError)`,
    'forEach and live iteration': `
      const f = new FormData(); f.append('a', '1'); const seen = []
      for (const [name] of f) { seen.push(name); if (seen.length < 3) f.append('b' + seen.length, '') }
      equal(seen, ['a', 'b1', 'b2']); f.forEach((value, name, form) => seen.push([value, name, form === f])); equal(seen[3], ['1', 'a', true])`,
    'a form goes through a body and comes back': `
      const f = new FormData(); f.append('te"xt\\n', 'a\\nb'); f.append('file', new File([bytesOf(0, 13, 10, 255)], 'n"é.bin', { type: 'application/x-a' })); f.append('empty', '')
      const response = new Response(f); ok(response.headers.get('content-type').startsWith('multipart/form-data; boundary='))
      const back = await response.formData(); equal([...back.keys()], ['te"xt\\r\\n', 'file', 'empty']); equal(back.get('te"xt\\r\\n'), 'a\\r\\nb')
      const file = back.get('file'); equal([file.name, file.type, [...await file.bytes()], back.get('empty')], ['n"é.bin', 'application/x-a', [0, 13, 10, 255], ''])`,
    'the bytes are those of RFC 7578': String.raw`
      const f = new FormData(); f.append('a', 'b'); f.append('c', new Blob(['d']), 'e')
      const request = new Request('http://x/', { method: 'POST', body: f }); const boundary = request.headers.get('content-type').split('boundary=')[1]
      equal(await request.text(), ['--' + boundary, 'Content-Disposition: form-data; name="a"', '', 'b', '--' + boundary,
        'Content-Disposition: form-data; name="c"; filename="e"', 'Content-Type: application/octet-stream', '', 'd', '--' + boundary + '--', ''].join('\r\n'))`,
    'what other clients write is read': String.raw`
      const read = (text, type = 'multipart/form-data; boundary=B') => new Response(text, { headers: { 'content-type': type } }).formData()
      const part = (head, body) => 'preamble\r\n--B  \r\n' + head + '\r\n\r\n' + body + '\r\n--B--\r\nepilogue'
      equal((await read(part('content-disposition:form-data;name=a', 'x'))).get('a'), 'x')
      equal((await read(part('X-Other: 1\r\nContent-Disposition: form-data; name="a;b"', 'x\r\n--Bx?'.slice(0, 3)))).get('a;b'), 'x\r\n')
      equal((await read('--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--B--', 'Multipart/Form-Data; charset=utf-8; boundary="B"')).get('a'), '')
      equal((await (await read(part('Content-Disposition: form-data; name="f"; filename=""', ''))).get('f').name), '')
      equal([...await read('--B--')], [])`,
    'what is no form is refused': String.raw`
      const read = (text, type = 'multipart/form-data; boundary=B') => new Response(text, { headers: { 'content-type': type } }).formData()
      for (const bad of ['', 'x', '--B', '--B\r\n\r\n', '--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nx', '--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n--B--',
        '--B\r\nContent-Disposition: attachment; name="a"\r\n\r\nx\r\n--B--', '--Bx\r\n', '--B\r\nno colon\r\n\r\nx\r\n--B--'])
        await rejects(read(bad), TypeError)
      for (const type of ['multipart/form-data', 'multipart/form-data; boundary=', 'multipart/mixed; boundary=B', 'text/plain', '', 'multipart/form-data; boundary=' + 'x'.repeat(71)])
        await rejects(read('--B--', type), TypeError)
      await rejects(new Response(null, { headers: { 'content-type': 'multipart/form-data; boundary=B' } }).formData(), TypeError)`,
    'a form of 20,000 parts and a body of nearly delimiters take linear time': String.raw`
      const part = '--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
      const headers = { 'content-type': 'multipart/form-data; boundary=B' }
      equal([...await new Response(part.repeat(20000) + '--B--', { headers }).formData()].length, 20000)
      const near = '\r\n--' + 'b'.repeat(68) + 'x'; const boundary = 'b'.repeat(69)
      await rejects(new Response(near.repeat(5000), { headers: { 'content-type': 'multipart/form-data; boundary=' + boundary } }).formData(), TypeError)`,
    'url-encoded forms': `
      const form = await new Response(new URLSearchParams([['a', '1 2'], ['a', 'é']])).formData(); equal(form.getAll('a'), ['1 2', 'é'])
      equal([...await new Response('', { headers: { 'content-type': 'application/x-www-form-urlencoded' } }).formData()], [])`,
  },
}
