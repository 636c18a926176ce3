/** Cases written from the Encoding and Compression Standards. */
import type { Cases } from './program.ts'

export const cases: Cases = {
  TextEncoder: {
    'it encodes UTF-8': `const e = new TextEncoder(); equal([e.encoding, [...e.encode('é€😀')]], ['utf-8', [195, 169, 226, 130, 172, 240, 159, 152, 128]]); equal([...e.encode()], [])`,
    'halves of pairs become U+FFFD': `equal([...new TextEncoder().encode('\\ud800a\\udc00')], [239, 191, 189, 97, 239, 191, 189])`,
    'encodeInto stops where no whole character fits': `
      const target = new Uint8Array(4); equal(new TextEncoder().encodeInto('aé€', target), { read: 2, written: 3 }); equal([...target], [97, 195, 169, 0])
      equal(new TextEncoder().encodeInto('😀x', new Uint8Array(4)), { read: 2, written: 4 })`,
  },
  TextDecoder: {
    labels: `
      for (const [label, name] of [['UTF-8', 'utf-8'], [' utf8\\n', 'utf-8'], ['unicode-1-1-utf-8', 'utf-8'], ['latin1', 'windows-1252'], ['ASCII', 'windows-1252'], ['utf-16', 'utf-16le'], ['utf-16be', 'utf-16be']])
        equal(new TextDecoder(label).encoding, name)
      for (const bad of ['', 'x', 'utf-7', 'replacement', '\\u00a0utf-8', '\\u2028utf-8', '\\0utf-8']) throws(() => new TextDecoder(bad), RangeError)`,
    'malformed UTF-8 becomes U+FFFD, once per maximal part': `
      for (const [bytes, text] of [[[255], '\\ufffd'], [[195], '\\ufffd'], [[226, 130, 65], '\\ufffdA'], [[240, 159, 152], '\\ufffd'], [[237, 160, 128], '\\ufffd\\ufffd\\ufffd'], [[192, 128], '\\ufffd\\ufffd'], [[244, 144, 128, 128], '\\ufffd\\ufffd\\ufffd\\ufffd']])
        { equal(new TextDecoder().decode(bytesOf(bytes)), text); throws(() => new TextDecoder('utf-8', { fatal: true }).decode(bytesOf(bytes)), TypeError) }`,
    'a stream of single bytes': `
      const d = new TextDecoder(); let text = ''
      for (const byte of new TextEncoder().encode('\\ufeffaé€😀')) text += d.decode(bytesOf(byte), { stream: true })
      equal(text + d.decode(), 'aé€😀'); equal(d.decode(bytesOf(65)), 'A')`,
    'a stream that ends too soon': `const d = new TextDecoder(); equal(d.decode(bytesOf(226, 130), { stream: true }) + d.decode(), '\\ufffd'); const f = new TextDecoder('utf-8', { fatal: true }); f.decode(bytesOf(226), { stream: true }); throws(() => f.decode(), TypeError); equal(f.decode(bytesOf(65)), 'A')`,
    'the byte order mark': `
      const mark = bytesOf(239, 187, 191, 65); equal(new TextDecoder().decode(mark), 'A'); equal(new TextDecoder('utf-8', { ignoreBOM: true }).decode(mark), '\\ufeffA')
      const d = new TextDecoder(); equal([d.decode(mark), d.decode(mark)], ['A', 'A']); equal(new TextDecoder().decode(bytesOf(65, 239, 187, 191)), 'A\\ufeff')
      equal(new TextDecoder('utf-16le').decode(bytesOf(255, 254, 65, 0)), 'A')`,
    'UTF-16 of both kinds': `
      equal(new TextDecoder('utf-16le').decode(bytesOf(65, 0, 61, 216, 0, 222)), 'A😀'); equal(new TextDecoder('utf-16be').decode(bytesOf(0, 65, 216, 61, 222, 0)), 'A😀')
      equal(new TextDecoder('utf-16le').decode(bytesOf(0, 216, 65, 0, 66)), '\\ufffdA\\ufffd'); throws(() => new TextDecoder('utf-16le', { fatal: true }).decode(bytesOf(0)), TypeError)
      const d = new TextDecoder('utf-16le'); equal([61, 216, 0, 222].map((byte) => d.decode(bytesOf(byte), { stream: true })).join(''), '😀')`,
    'windows-1252': `equal(new TextDecoder('latin1').decode(bytesOf(65, 128, 133, 159, 160, 233, 255, 129)), 'A€…Ÿ\\u00a0éÿ\\x81')`,
    'any kind of buffer': `equal(new TextDecoder().decode(new DataView(bytesOf(64, 65, 66).buffer, 1, 1)), 'A'); equal(new TextDecoder().decode(bytesOf(65).buffer), 'A'); throws(() => new TextDecoder().decode('x'), TypeError)`,
  },
  TextEncoderStream: {
    'strings in, bytes out': `const chunks = await collect(streamOf('a', 'é').pipeThrough(new TextEncoderStream())); equal(chunks, [bytesOf(97), bytesOf(195, 169)]); equal(new TextEncoderStream().encoding, 'utf-8')`,
    'a pair may be cut': `equal(await collect(streamOf('\\ud83d', '\\ude00', '\\ud800').pipeThrough(new TextEncoderStream())), [bytesOf(240, 159, 152, 128), bytesOf(239, 191, 189)])`,
  },
  TextDecoderStream: {
    'bytes in, strings out, wherever they are cut': `equal((await collect(streamOf(bytesOf(97, 226), bytesOf(130), bytesOf(172)).pipeThrough(new TextDecoderStream()))).join('|'), 'a|€')`,
    'fatal errors both sides': `await rejects(collect(streamOf(bytesOf(255)).pipeThrough(new TextDecoderStream('utf-8', { fatal: true }))), TypeError); await rejects(collect(streamOf('x').pipeThrough(new TextDecoderStream())), TypeError)`,
    'it says how it decodes': `const d = new TextDecoderStream('latin1', { fatal: true, ignoreBOM: true }); equal([d.encoding, d.fatal, d.ignoreBOM], ['windows-1252', true, true]); throws(() => new TextDecoderStream('x'), RangeError)`,
  },
  CompressionStream: {
    'each format comes back': `
      for (const format of ['gzip', 'deflate', 'deflate-raw']) {
        const text = 'hello, hello, hello '.repeat(5000)
        const packed = await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream(format))).bytes(); ok(packed.length < 2000)
        equal(await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream(format))).text() === text, true)
      }`,
    'an empty stream and empty chunks': `for (const format of ['gzip', 'deflate', 'deflate-raw']) for (const chunks of [[], [bytesOf()], [bytesOf(), bytesOf(65), bytesOf()]]) {
      const packed = await new Response(streamOf(...chunks).pipeThrough(new CompressionStream(format))).bytes()
      equal((await new Response(streamOf(packed).pipeThrough(new DecompressionStream(format))).bytes()).length, chunks.length > 2 ? 1 : 0) }`,
    'other formats and other chunks are TypeErrors': `throws(() => new CompressionStream('a'), TypeError); throws(() => new CompressionStream(), TypeError); throws(() => new DecompressionStream('GZIP'), TypeError)
      for (const bad of ['x', 1, null, undefined, {}]) await rejects(collect(streamOf(bad).pipeThrough(new CompressionStream('gzip'))), TypeError)`,
    'any kind of buffer': `const packed = await collect(streamOf(bytesOf(65).buffer, new DataView(bytesOf(66).buffer)).pipeThrough(new CompressionStream('gzip'))); equal(await new Response(streamOf(...packed).pipeThrough(new DecompressionStream('gzip'))).text(), 'AB')`,
  },
  DecompressionStream: {
    'bytes of other programs': `
      const gzip = bytesOf(31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 75, 173, 40, 72, 77, 46, 73, 77, 81, 200, 47, 45, 41, 40, 45, 1, 0, 176, 1, 57, 179, 15, 0, 0, 0)
      const deflate = bytesOf(120, 156, 75, 173, 40, 72, 77, 46, 73, 77, 81, 200, 47, 45, 41, 40, 45, 1, 0, 48, 173, 6, 36)
      globalThis.samples = { gzip, deflate, 'deflate-raw': deflate.slice(2, -4) }
      for (const format in samples) equal(await new Response(streamOf(samples[format]).pipeThrough(new DecompressionStream(format))).text(), 'expected output')`,
    'one byte at a time': `for (const format in samples) equal(await new Response(streamOf(...Array.from(samples[format], (byte) => bytesOf(byte))).pipeThrough(new DecompressionStream(format))).text(), 'expected output')`,
    'cut short, followed by something, or damaged anywhere that is checked': `
      const read = (format, bytes) => collect(streamOf(bytes).pipeThrough(new DecompressionStream(format)))
      for (const format in samples) {
        for (let length = 0; length < samples[format].length; length++) await rejects(read(format, samples[format].slice(0, length)), TypeError)
        await rejects(read(format, bytesOf(...samples[format], 0)), TypeError)
      }
      for (const [format, places] of [['gzip', [0, 1, 2, 29, 31, 34]], ['deflate', [0, 1, 20, 22]]]) for (const place of places)
        { const bytes = samples[format].slice(); bytes[place] ^= 255; await rejects(read(format, bytes), TypeError) }`,
    'a gzip head with everything in it': `
      const head = bytesOf(31, 139, 8, 2 | 4 | 8 | 16, 0, 0, 0, 0, 0, 3, 3, 0, 1, 2, 3, 97, 0, 98, 99, 0, 1, 2)
      equal(await new Response(streamOf(head, samples.gzip.slice(10)).pipeThrough(new DecompressionStream('gzip'))).text(), 'expected output')
      const none = bytesOf(31, 139, 8, 4, 0, 0, 0, 0, 0, 3, 0, 0); equal(await new Response(streamOf(none, samples.gzip.slice(10)).pipeThrough(new DecompressionStream('gzip'))).text(), 'expected output')`,
    'stored blocks and long distances': `
      const noise = Uint8Array.from({ length: 100000 }, (_, i) => (i * 7919 + (i >> 3) * 104729 ^ (i * i >> 5)) & 255)
      const packed = await new Response(new Blob([noise, noise.subarray(0, 30000)]).stream().pipeThrough(new CompressionStream('gzip'))).bytes()
      const back = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'))).bytes()
      ok(back.length === 130000 && back.every((byte, i) => byte === noise[i % 100000]))`,
    'nothing is unfolded before somebody reads': `
      const bomb = await new Response(new ReadableStream({ at: 0, pull(c) { this.at++ < 320 ? c.enqueue(new Uint8Array(1 << 16)) : c.close() } }).pipeThrough(new CompressionStream('gzip'))).bytes()
      ok(bomb.length < 40000, 'the size of 20 MiB packed'); const reader = streamOf(bomb).pipeThrough(new DecompressionStream('gzip')).getReader()
      let most = 0; for (let reads = 0; reads < 3; reads++) most = Math.max(most, (await reader.read()).value.length); ok(most <= 2 << 20, 'the largest piece'); await reader.cancel()`,
    'cancelling the reader fails the writer': `const d = new DecompressionStream('gzip'); await d.readable.cancel('enough'); const writer = d.writable.getWriter(); let failed = false; await writer.write(samples.gzip).catch(() => { failed = true }); ok(failed)`,
  },
}
