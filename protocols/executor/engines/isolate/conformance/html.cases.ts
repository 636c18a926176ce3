/** Structured clone, timers, microtasks and base64 (HTML Standard), console (Console Standard), performance (High Resolution Time): cases written from these texts. */
import type { Cases } from './program.ts'

export const cases: Cases = {
  structuredClone: {
    'primitives and their objects': `for (const value of [undefined, null, true, 1, -0, NaN, 10n, 'x\\ud800']) ok(Object.is(structuredClone(value), value)); for (const value of [Object(true), Object(1), Object('s'), Object(1n)]) { const copy = structuredClone(value); ok(copy !== value && copy.valueOf() === value.valueOf() && copy.constructor === value.constructor) } throws(() => structuredClone(), TypeError)`,
    'dates, expressions, errors': `equal(structuredClone(new Date(5)).getTime(), 5); const r = /a/gi; r.lastIndex = 3; const s = structuredClone(r); equal([s.source, s.flags, s.lastIndex], ['a', 'gi', 0])
      const e = structuredClone(new RangeError('m', { cause: { a: 1 } })); equal([e.name, e.message, e instanceof RangeError, e.cause, typeof e.stack], ['RangeError', 'm', true, { a: 1 }, 'string']); class Mine extends Error { name = 'Mine' } equal(structuredClone(new Mine('x')).constructor, Error); const d = structuredClone(new DOMException('m', 'AbortError')); equal([d.name, d.code, d instanceof DOMException], ['AbortError', 20, true])`,
    'arrays keep holes and more': `const a = [1, , 3]; a.more = 4; const b = structuredClone(a); equal([b.length, 1 in b, b.more, Array.isArray(b)], [3, false, 4, true])`,
    'objects: own enumerable fields, no prototype': `class Mine { constructor() { this.a = 1 } get b() { return 2 } } const m = new Mine(); Object.defineProperty(m, 'hidden', { value: 1 }); m[Symbol()] = 1; const c = structuredClone(m); equal([c, Object.getPrototypeOf(c) === Object.prototype], [{ a: 1 }, true]); const odd = JSON.parse('{"__proto__":{"x":1}}'); const copy = structuredClone(odd); ok(Object.hasOwn(copy, '__proto__') && copy.x === undefined); equal(structuredClone({ get a() { return 5 } }), { a: 5 })`,
    'maps, sets, cycles and shared parts': `const m = new Map([['k', {}]]); m.set('self', m); const c = structuredClone(m); ok(c.get('self') === c && c.get('k') !== m.get('k')); const s = structuredClone(new Set([1, 'a'])); equal([...s], [1, 'a']); const shared = {}; const o = structuredClone({ a: shared, b: shared }); ok(o.a === o.b); const ring = {}; ring.ring = ring; const copy = structuredClone(ring); ok(copy.ring === copy)`,
    'buffers and views share what they shared': `const buffer = bytesOf(1, 2, 3, 4).buffer; const c = structuredClone({ buffer, view: new Uint16Array(buffer, 2, 1), data: new DataView(buffer, 1, 2), big: new BigInt64Array(1) }); ok(c.view.buffer === c.buffer && c.data.buffer === c.buffer && c.buffer !== buffer); equal([c.view.length, c.view.byteOffset, c.data.byteLength, c.view.constructor === Uint16Array, c.big[0]], [1, 2, 2, true, 0n])
      const grown = structuredClone(new ArrayBuffer(1, { maxByteLength: 8 })); equal([grown.byteLength, grown.maxByteLength, grown.resizable], [1, 8, true])`,
    'Blobs and Files': `const f = structuredClone(new File(['x'], 'n', { type: 'a/b', lastModified: 4 })); equal([f instanceof File, f.name, f.type, f.lastModified, await f.text()], [true, 'n', 'a/b', 4, 'x']); const b = structuredClone({ b: new Blob(['y']) }).b; ok(!(b instanceof File)); equal(await b.text(), 'y')`,
    'what is refused': `for (const bad of [() => 1, Symbol(), new WeakMap(), new WeakSet(), Promise.resolve(), new Headers(), new URL('http://h'), new URLSearchParams(), new Response(), new ReadableStream(), new EventTarget(), new TextDecoder(), new FormData(), new AbortController().signal, new MessageChannel().port1]) { throws(() => structuredClone(bad), 'DataCloneError'); throws(() => structuredClone({ in: [bad] }), 'DataCloneError') } throws(() => structuredClone({ get a() { throw new RangeError() } }), RangeError)`,
    'transfer takes away': `const buffer = bytesOf(1, 2).buffer; const c = structuredClone({ buffer, view: new Uint8Array(buffer) }, { transfer: [buffer] }); equal([buffer.byteLength, buffer.detached, c.view, c.view.buffer === c.buffer], [0, true, bytesOf(1, 2), true]); throws(() => structuredClone(buffer), 'DataCloneError'); throws(() => structuredClone(1, { transfer: [buffer] }), 'DataCloneError')`,
    'a transfer that fails takes nothing': `const buffer = bytesOf(1).buffer; for (const [value, transfer] of [[() => 1, [buffer]], [1, [buffer, buffer]], [1, [buffer, {}]], [{ get a() { throw new DOMException('', 'DataCloneError') } }, [buffer]]]) throws(() => structuredClone(value, { transfer }), 'DataCloneError'); equal(buffer.byteLength, 1)`,
  },
  atob: {
    'forgiving base64': `for (const [text, found] of [['', ''], ['YQ==', 'a'], ['YQ', 'a'], [' Y\\tW\\nJ\\f\\rj ', 'abc'], ['/+8=', '\\xff\\xef'], ['ab', 'i']]) equal(atob(text), found); for (const bad of ['a', 'YQ=', 'YQ===', '=', 'a=b', 'Y-_Q', 'abcde', '\\u00a0YQ==', 'YWJj=']) throws(() => atob(bad), 'InvalidCharacterError'); equal(atob(null), '\\x9e\\xe9e')`,
  },
  btoa: {
    'Latin-1 only': `for (const [text, found] of [['', ''], ['a', 'YQ=='], ['ab', 'YWI='], ['abc', 'YWJj'], ['\\0\\xff', 'AP8='], [undefined, 'dW5kZWZpbmVk'], [12, 'MTI=']]) equal(btoa(text), found); throws(() => btoa('\\u0100'), 'InvalidCharacterError'); let all = ''; for (let code = 0; code < 256; code++) all += String.fromCharCode(code); equal(atob(btoa(all)) === all, true)`,
  },
  setTimeout: {
    'in order of time, with arguments': `const seen = []; await new Promise((resolve) => { setTimeout((...parts) => { seen.push(parts); resolve() }, 3, 1, 2); setTimeout(() => seen.push('first'), 1); setTimeout(() => seen.push('zero')) }); equal(seen, ['zero', 'first', [1, 2]]); throws(() => setTimeout('code'), TypeError)`,
    'promises settle in between': `const seen = []; setTimeout(() => { seen.push(1); Promise.resolve().then(() => seen.push(2)) }); setTimeout(() => seen.push(3)); await later(2); equal(seen, [1, 2, 3])`,
  },
  clearTimeout: {
    'it does not come': `let seen = 0; const id = setTimeout(() => seen++); clearTimeout(id); clearTimeout(id); clearTimeout(undefined); clearTimeout('x'); await later(2); equal(seen, 0); ok(Number.isInteger(id) && id > 0)`,
  },
  setInterval: {
    'again and again': `let count = 0; await new Promise((resolve) => { const id = setInterval((by) => { count += by; if (count === 3) { clearInterval(id); resolve() } }, 1, 1) }); await later(3); equal(count, 3)`,
  },
  clearInterval: {
    'it stops, from inside and from outside': `let count = 0; const id = setInterval(() => count++, 1); clearInterval(id); await later(3); equal(count, 0)`,
  },
  queueMicrotask: {
    'before the next task, after the code that runs': `const seen = []; setTimeout(() => seen.push('task')); queueMicrotask(() => seen.push('micro')); Promise.resolve().then(() => seen.push('then')); seen.push('now'); await later(1); equal(seen, ['now', 'micro', 'then', 'task']); throws(() => queueMicrotask('x'), TypeError); throws(() => queueMicrotask(), TypeError)`,
  },
  console: {
    'every method is there and harmless': `for (const name of ['assert', 'clear', 'count', 'countReset', 'debug', 'dir', 'dirxml', 'error', 'group', 'groupCollapsed', 'groupEnd', 'info', 'log', 'table', 'time', 'timeEnd', 'timeLog', 'trace', 'warn']) { const { [name]: method } = console; equal(method(), undefined) } console.clear(); console.log(new Proxy({}, { get() { throw 1 }, ownKeys() { throw 2 } }))`,
  },
  performance: {
    'whole milliseconds that only grow': `const a = performance.now(); await later(3); const b = performance.now(); ok(Number.isInteger(a) && b > a); ok(Math.abs(performance.timeOrigin + b - Date.now()) < 50); equal(JSON.parse(JSON.stringify(performance)), { timeOrigin: performance.timeOrigin })`,
    'marks and measures': `performance.mark('a', { startTime: 1 }); performance.mark('b', { startTime: 4 }); const m = performance.measure('m', 'a', 'b'); equal([m.startTime, m.duration, performance.getEntriesByName('m').length, performance.getEntriesByType('mark').length], [1, 3, 1, 2]); performance.clearMarks('a'); throws(() => performance.measure('x', 'a'), 'SyntaxError'); performance.clearMarks(); performance.clearMeasures(); equal(performance.getEntries(), [])`,
  },
  Performance: {
    'there is one': `ok(performance instanceof Performance && performance instanceof EventTarget); throws(() => new Performance(), TypeError)`,
  },
  'navigator.userAgent': { 'it is a short text': `ok(/^[!-~]+$/.test(navigator.userAgent))` },
  self: { 'it is the global object': `ok(self === globalThis)` },
  Crypto: { 'there is one': `ok(crypto instanceof Crypto); throws(() => new Crypto(), TypeError)` },
}
