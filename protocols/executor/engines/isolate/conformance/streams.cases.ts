/** Cases written from the Streams Standard. */
import type { Cases } from './program.ts'

export const cases: Cases = {
  ReadableStream: {
    'chunks in order, then the end': `equal(await collect(streamOf(1, 2, 3)), [1, 2, 3]); equal(await collect(streamOf()), [])`,
    'from an iterable': `async function* make() { yield 1; yield 2 } equal(await collect(ReadableStream.from(make())), [1, 2]); equal(await collect(ReadableStream.from(['a', 'b'])), ['a', 'b']); throws(() => ReadableStream.from(null), TypeError)`,
    'pull comes when there is room': `const pulled = []; const s = new ReadableStream({ pull(c) { pulled.push(1); c.enqueue(pulled.length); if (pulled.length === 4) c.close() } }, { highWaterMark: 2 }); await later(); equal(pulled.length, 2); equal(await collect(s), [1, 2, 3, 4])`,
    'leaving a loop cancels': `let reason = 'none'; const s = new ReadableStream({ pull(c) { c.enqueue(1) }, cancel(r) { reason = r } }); for await (const chunk of s) break; equal([reason, s.locked], [undefined, false]); const kept = streamOf(1, 2); for await (const chunk of kept.values({ preventCancel: true })) break; equal(await collect(kept), [2])`,
    'tee gives both everything': `const [a, b] = streamOf(1, 2).tee(); equal([await collect(a), await collect(b)], [[1, 2], [1, 2]])`,
    'errors reach the reader': `const failing = new ReadableStream({ start(c) { c.error(new RangeError('x')) } }); await rejects(collect(failing), RangeError); await rejects(new ReadableStream({ pull() { throw new TypeError() } }).getReader().read(), TypeError)`,
    'pipeTo with back-pressure, close and abort': `
      const written = []; await streamOf(1, 2).pipeTo(new WritableStream({ write: (chunk) => later().then(() => written.push(chunk)), close: () => written.push('end') })); equal(written, [1, 2, 'end'])
      const controller = new AbortController(); controller.abort(new RangeError('x')); await rejects(new ReadableStream().pipeTo(new WritableStream(), { signal: controller.signal }), RangeError)`,
    'a reader locks': `const s = streamOf(1); s.getReader(); ok(s.locked); throws(() => s.getReader(), TypeError); await rejects(s.cancel(), TypeError); throws(() => s.pipeThrough(new TransformStream()), TypeError)`,
  },
  ReadableStreamDefaultReader: {
    'read, closed, releaseLock': `const s = streamOf(1); const r = new ReadableStreamDefaultReader(s); equal(await r.read(), { value: 1, done: false }); equal(await r.read(), { value: undefined, done: true }); equal(await r.closed, undefined); r.releaseLock(); ok(!s.locked); await rejects(r.read(), TypeError)`,
  },
  ReadableStreamBYOBReader: {
    'it fills the buffer one brings': `
      const s = new ReadableStream({ type: 'bytes', start(c) { c.enqueue(bytesOf(1, 2, 3)); c.close() } }); const r = s.getReader({ mode: 'byob' }); ok(r instanceof ReadableStreamBYOBReader)
      const first = await r.read(new Uint8Array(2)); equal([first.value, first.done], [bytesOf(1, 2), false]); const second = await r.read(new Uint8Array(2)); equal(second.value, bytesOf(3)); await rejects(r.read(new Uint8Array(0)), TypeError); throws(() => streamOf().getReader({ mode: 'byob' }), TypeError)`,
  },
  ReadableStreamDefaultController: {
    'desiredSize, enqueue, close': `let c; new ReadableStream({ start(given) { c = given } }, { highWaterMark: 2 }); ok(c instanceof ReadableStreamDefaultController); equal(c.desiredSize, 2); c.enqueue(1); equal(c.desiredSize, 1); c.close(); throws(() => c.enqueue(1), TypeError); throws(() => new ReadableStreamDefaultController(), TypeError)`,
  },
  ReadableByteStreamController: {
    'bytes only': `let c; new ReadableStream({ type: 'bytes', start(given) { c = given } }); ok(c instanceof ReadableByteStreamController); throws(() => c.enqueue('x'), TypeError); throws(() => c.enqueue(bytesOf()), TypeError)`,
    'what is enqueued is taken away': `let c; new ReadableStream({ type: 'bytes', start(given) { c = given } }); const view = bytesOf(1); c.enqueue(view); equal(view.length, 0)`,
  },
  ReadableStreamBYOBRequest: {
    'a source writes into the buffer that is waiting': `let kind; const s = new ReadableStream({ type: 'bytes', pull(c) { kind = c.byobRequest.constructor; c.byobRequest.view[0] = 7; c.byobRequest.respond(1) } }); const { value } = await s.getReader({ mode: 'byob' }).read(new Uint8Array(4)); equal(value, bytesOf(7)); ok(kind === ReadableStreamBYOBRequest)`,
  },
  WritableStream: {
    'writes one after the other': `const done = []; const w = new WritableStream({ write: (chunk) => later().then(() => done.push(chunk)) }).getWriter(); await Promise.all([w.write(1), w.write(2), w.close()]); equal(done, [1, 2])`,
    'errors and aborts': `const w = new WritableStream({ write() { throw new RangeError('x') } }).getWriter(); await rejects(w.write(1), RangeError); await rejects(w.closed, RangeError); let reason; const s = new WritableStream({ abort(r) { reason = r } }); await s.abort('why'); equal(reason, 'why'); await rejects(s.getWriter().write(1).catch((e) => { throw Object(e) }), String)`,
  },
  WritableStreamDefaultWriter: {
    'ready and desiredSize tell of room': `const s = new WritableStream({ write: () => later(1) }, { highWaterMark: 1 }); const w = new WritableStreamDefaultWriter(s); equal(w.desiredSize, 1); void w.write(1); equal(w.desiredSize, 0); await w.ready; equal(w.desiredSize, 1); w.releaseLock(); await rejects(w.write(1), TypeError)`,
  },
  WritableStreamDefaultController: {
    'error ends it, its signal tells of an abort': `let c; const s = new WritableStream({ start(given) { c = given } }); ok(c instanceof WritableStreamDefaultController); equal(c.signal.aborted, false); await s.abort('x'); equal([c.signal.aborted, c.signal.reason], [true, 'x']); let d; const t = new WritableStream({ start(given) { d = given } }); d.error(new RangeError('y')); await rejects(t.getWriter().closed, RangeError)`,
  },
  TransformStream: {
    'chunks are changed on their way': `const double = new TransformStream({ transform(chunk, c) { c.enqueue(chunk * 2) }, flush(c) { c.enqueue('end') } }); equal(await collect(streamOf(1, 2).pipeThrough(double)), [2, 4, 'end']); equal(await collect(streamOf(1).pipeThrough(new TransformStream())), [1])`,
    'an error reaches both ends': `const t = new TransformStream({ transform() { throw new RangeError('x') } }); const w = t.writable.getWriter(); void w.write(1).catch(() => {}); await rejects(t.readable.getReader().read(), RangeError); await rejects(w.closed, RangeError)`,
  },
  TransformStreamDefaultController: {
    'terminate ends the readable side': `let kind; const t = new TransformStream({ transform(chunk, c) { kind = c.constructor; c.enqueue(chunk); c.terminate() } }); const w = t.writable.getWriter(); void w.write(1).catch(() => {}); void w.closed.catch(() => {}); equal(await collect(t.readable), [1]); ok(kind === TransformStreamDefaultController)`,
  },
  ByteLengthQueuingStrategy: {
    'bytes are what counts': `const s = new ByteLengthQueuingStrategy({ highWaterMark: 5 }); equal([s.highWaterMark, s.size(bytesOf(1, 2))], [5, 2]); throws(() => new ByteLengthQueuingStrategy(), TypeError)`,
  },
  CountQueuingStrategy: {
    'chunks are what counts': `const s = new CountQueuingStrategy({ highWaterMark: 5 }); equal([s.highWaterMark, s.size('abc')], [5, 1])`,
  },
}
