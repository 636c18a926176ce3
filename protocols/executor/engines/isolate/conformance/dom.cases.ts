/** Events and abort (DOM Standard), messages (HTML Standard), DOMException (Web IDL): cases written from these texts. */
import type { Cases } from './program.ts'

export const cases: Cases = {
  Event: {
    'what it says of itself': `const e = new Event('x', { bubbles: true, cancelable: 1 }); equal([e.type, e.bubbles, e.cancelable, e.composed, e.target, e.currentTarget, e.eventPhase, e.isTrusted, e.defaultPrevented, e.composedPath()], ['x', true, true, false, null, null, 0, false, false, []]); ok(Math.abs(e.timeStamp - Date.now()) < 5000); throws(() => new Event(), TypeError); equal([Event.AT_TARGET, e.BUBBLING_PHASE], [2, 3])`,
    'preventDefault needs cancelable': `for (const cancelable of [true, false]) { const e = new Event('x', { cancelable }); e.preventDefault(); equal([e.defaultPrevented, e.returnValue], [cancelable, !cancelable]) }`,
    'while it is dispatched': `const t = new EventTarget(); let seen; t.addEventListener('x', (e) => { seen = [e.target === t, e.currentTarget === t, e.eventPhase, e.composedPath()[0] === t]; throws(() => t.dispatchEvent(e), 'InvalidStateError') }); const e = new Event('x'); t.dispatchEvent(e); equal(seen, [true, true, 2, true]); equal([e.target === t, e.currentTarget, e.eventPhase], [true, null, 0])`,
  },
  CustomEvent: {
    'it carries something': `const e = new CustomEvent('x', { detail: { a: 1 }, cancelable: true }); equal([e.detail, e.cancelable, e instanceof Event, new CustomEvent('x').detail], [{ a: 1 }, true, true, null])`,
  },
  EventTarget: {
    'listeners in order, each once': `const t = new EventTarget(); const seen = []; const a = () => seen.push('a'); t.addEventListener('x', a); t.addEventListener('x', a); t.addEventListener('x', a, true); t.addEventListener('x', { handleEvent() { seen.push('b', this === arguments[0]) } }); t.addEventListener('y', a); ok(t.dispatchEvent(new Event('x'))); equal(seen, ['a', 'a', 'b', false])`,
    'once, capture and removal': `const t = new EventTarget(); let count = 0; const run = () => count++; t.addEventListener('x', run, { once: true }); t.dispatchEvent(new Event('x')); t.dispatchEvent(new Event('x')); equal(count, 1); t.addEventListener('x', run); t.removeEventListener('x', run, true); t.dispatchEvent(new Event('x')); equal(count, 2); t.removeEventListener('x', run, { capture: false }); t.dispatchEvent(new Event('x')); equal(count, 2)`,
    'signal and passive': `const t = new EventTarget(); const c = new AbortController(); let count = 0; t.addEventListener('x', () => count++, { signal: c.signal }); t.dispatchEvent(new Event('x')); c.abort(); t.dispatchEvent(new Event('x')); t.addEventListener('x', () => count++, { signal: c.signal }); t.dispatchEvent(new Event('x')); equal(count, 1); throws(() => t.addEventListener('x', () => {}, { signal: null }), TypeError)
      t.addEventListener('p', (e) => e.preventDefault(), { passive: true }); ok(t.dispatchEvent(new Event('p', { cancelable: true })))`,
    'removed and added meanwhile': `const t = new EventTarget(); const seen = []; const b = () => seen.push('b'); t.addEventListener('x', () => { t.removeEventListener('x', b); t.addEventListener('x', () => seen.push('c')) }, { once: true }); t.addEventListener('x', b); t.dispatchEvent(new Event('x')); equal(seen, []); t.dispatchEvent(new Event('x')); equal(seen, ['c'])`,
    'stopImmediatePropagation and preventDefault': `const t = new EventTarget(); const seen = []; t.addEventListener('x', (e) => { seen.push(1); e.stopImmediatePropagation(); e.preventDefault() }); t.addEventListener('x', () => seen.push(2)); equal([t.dispatchEvent(new Event('x', { cancelable: true })), seen], [false, [1]])`,
    'null, and what is no listener or event': `const t = new EventTarget(); t.addEventListener('x', null); t.addEventListener('x', undefined); t.removeEventListener('x', null); throws(() => t.addEventListener('x', 'y'), TypeError); throws(() => t.dispatchEvent({ type: 'x' }), TypeError); throws(() => t.dispatchEvent(null), TypeError)`,
    'a class of one’s own': `class Bus extends EventTarget {} let seen; const bus = new Bus(); bus.addEventListener('x', function () { seen = this }); bus.dispatchEvent(new Event('x')); ok(seen === bus)`,
  },
  ErrorEvent: {
    'what went wrong': `const e = new ErrorEvent('error', { message: 'm', filename: 'f', lineno: 1, colno: 2, error: 3 }); equal([e.message, e.filename, e.lineno, e.colno, e.error, e instanceof Event], ['m', 'f', 1, 2, 3, true]); equal([new ErrorEvent('x').message, new ErrorEvent('x').error], ['', undefined])`,
  },
  CloseEvent: {
    'how it ended': `const e = new CloseEvent('close', { wasClean: true, code: 4001, reason: 'r' }); equal([e.wasClean, e.code, e.reason, new CloseEvent('x').code], [true, 4001, 'r', 0])`,
  },
  WebSocketPair: {
    'has two ends': `const pair = new WebSocketPair(); equal([Object.keys(pair), pair[0] instanceof WebSocket, pair[1] instanceof EventTarget], [['0', '1'], true, true])`,
    'what one end says the other hears, once it accepted': `const [a, b] = Object.values(new WebSocketPair()); a.accept(); a.send('one'); a.send(new Uint8Array([1, 2])); const heard = []; b.addEventListener('message', ({ data }) => heard.push(typeof data === 'string' ? data : [...new Uint8Array(data)])); const closed = new Promise((done) => { b.onclose = ({ code, reason, wasClean }) => done([code, reason, wasClean]) }); b.accept(); a.close(3001, 'bye'); equal([await closed, heard, b.readyState, a.readyState], [[3001, 'bye', true], ['one', [1, 2]], 3, 2])`,
  },
  WebSocket: {
    'is opened by nobody': `throws(() => new WebSocket('ws://x'), 'NotSupportedError'); equal([WebSocket.OPEN, WebSocket.CLOSED], [1, 3])`,
    'talks after accept() only, and not after close()': `const [a] = Object.values(new WebSocketPair()); throws(() => a.send(''), 'InvalidStateError'); a.accept(); throws(() => a.close(1006), 'InvalidAccessError'); throws(() => a.close(1000, 'x'.repeat(124)), 'SyntaxError'); throws(() => a.send('x'.repeat(1048577)), 'DataError'); a.close(); throws(() => a.send(''), TypeError)`,
    'goes with status 101, which goes with nothing else': `const [a] = Object.values(new WebSocketPair()); throws(() => new Response(null, { status: 101 }), RangeError); throws(() => new Response(null, { webSocket: a }), RangeError); throws(() => new Response(null, { status: 101, webSocket: {} }), TypeError); equal(new Response(null, { status: 101, webSocket: a }).webSocket === a, true)`,
  },
  MessageEvent: {
    'what was said': `const e = new MessageEvent('message', { data: 1, origin: 'o', lastEventId: 'l', ports: [] }); equal([e.data, e.origin, e.lastEventId, e.source, e.ports, new MessageEvent('x').data], [1, 'o', 'l', null, [], null]); ok(Object.isFrozen(e.ports))`,
  },
  PromiseRejectionEvent: {
    'which promise, and why': `const promise = Promise.resolve(); const e = new PromiseRejectionEvent('unhandledrejection', { promise, reason: 1 }); ok(e.promise === promise); equal(e.reason, 1); throws(() => new PromiseRejectionEvent('x'), TypeError); throws(() => new PromiseRejectionEvent('x', {}), TypeError)`,
  },
  AbortController: {
    'it aborts its signal once': `const c = new AbortController(); let count = 0; c.signal.onabort = (e) => { count += e.isTrusted ? 1 : 100 }; c.signal.addEventListener('abort', () => count++); ok(c.signal === c.signal && !c.signal.aborted); c.abort(); c.abort('again'); equal([count, c.signal.aborted, c.signal.reason.name, c.signal.reason.code], [2, true, 'AbortError', 20])`,
  },
  AbortSignal: {
    'abort and throwIfAborted': `throws(() => new AbortSignal(), TypeError); const s = AbortSignal.abort(new RangeError('x')); ok(s.aborted); throws(() => s.throwIfAborted(), RangeError); throws(() => AbortSignal.abort().throwIfAborted(), 'AbortError'); new AbortController().signal.throwIfAborted(); equal(AbortSignal.abort(null).reason, null)`,
    timeout: `const s = AbortSignal.timeout(1); ok(!s.aborted); await new Promise((resolve) => s.addEventListener('abort', resolve)); equal([s.reason.name, s.reason.code, s.reason instanceof DOMException], ['TimeoutError', 23, true]); throws(() => AbortSignal.timeout(-1), TypeError); throws(() => AbortSignal.timeout('x'), TypeError)`,
    'any follows the first': `const a = new AbortController(), b = new AbortController(); const s = AbortSignal.any([a.signal, b.signal]); const t = AbortSignal.any([s]); b.abort('b'); a.abort('a'); equal([s.reason, t.reason], ['b', 'b']); equal([AbortSignal.any([]).aborted, AbortSignal.any([a.signal, b.signal]).reason], [false, 'a']); throws(() => AbortSignal.any([{}]), TypeError)`,
    'those that follow are aborted before anybody is told': `const a = new AbortController(); const s = AbortSignal.any([a.signal]); let seen; a.signal.addEventListener('abort', () => { seen = s.aborted }); const order = []; s.addEventListener('abort', () => order.push(2)); a.signal.addEventListener('abort', () => order.push(1)); a.abort(); equal([seen, order], [true, [1, 2]])`,
  },
  DOMException: {
    'name, message, code': `const e = new DOMException('m', 'NotFoundError'); equal([e.name, e.message, e.code, e instanceof Error, String(e), Object.prototype.toString.call(e)], ['NotFoundError', 'm', 8, true, 'NotFoundError: m', '[object DOMException]']); equal([new DOMException().name, new DOMException().code, new DOMException('x', 'Mine').code, new DOMException('x', '-').code], ['Error', 0, 0, 0]); ok(typeof e.stack === 'string')`,
    constants: `equal([DOMException.ABORT_ERR, new DOMException().DATA_CLONE_ERR], [20, 25])`,
  },
  MessageChannel: {
    'messages arrive later, in order, as copies': `const { port1, port2 } = new MessageChannel(); const seen = []; const said = { a: 1 }; const all = new Promise((resolve) => { port2.onmessage = ({ data }) => { seen.push(data); if (data === 'end') resolve() } }); port1.postMessage(said); said.a = 2; port1.postMessage('end'); equal(seen, []); await Promise.resolve(); equal(seen, []); await all; equal(seen, [{ a: 1 }, 'end'])`,
    'they wait for start': `const { port1, port2 } = new MessageChannel(); let seen = 0; port2.addEventListener('message', () => seen++); port1.postMessage(1); await later(2); equal(seen, 0); port2.start(); await later(2); equal(seen, 1)`,
  },
  MessagePort: {
    'it is made by a channel': `throws(() => new MessagePort(), TypeError); ok(new MessageChannel().port1 instanceof EventTarget)`,
    'a buffer goes over': `const { port1, port2 } = new MessageChannel(); const buffer = bytesOf(1, 2).buffer; const got = new Promise((resolve) => { port2.onmessage = (e) => resolve(e.data) }); port1.postMessage(buffer, [buffer]); equal(buffer.byteLength, 0); equal(await got, bytesOf(1, 2).buffer)`,
    'a port goes over and works there': `const a = new MessageChannel(), b = new MessageChannel(); const got = new Promise((resolve) => { a.port2.onmessage = (e) => resolve(e) }); b.port1.postMessage('before'); a.port1.postMessage({ port: b.port2 }, { transfer: [b.port2] }); const { data, ports } = await got; ok(data.port === ports[0]); const heard = new Promise((resolve) => { data.port.onmessage = (e) => resolve(e.data) }); equal(await heard, 'before')`,
    'close ends it; what cannot be cloned is refused': `const { port1, port2 } = new MessageChannel(); let seen = 0; port2.onmessage = () => seen++; port1.close(); port1.postMessage(1); await later(2); equal(seen, 0); throws(() => new MessageChannel().port1.postMessage(() => 1), 'DataCloneError'); throws(() => { const { port1 } = new MessageChannel(); port1.postMessage(0, [port1]) }, 'DataCloneError')`,
  },
  addEventListener: {
    'the global object is a target': `let seen; const run = function (e) { seen = [this === globalThis, e.target === globalThis] }; addEventListener('mine', run); ok(dispatchEvent(new Event('mine'))); equal(seen, [true, true]); removeEventListener('mine', run)`,
  },
  removeEventListener: {
    'a listener goes': `let count = 0; const run = () => count++; addEventListener('mine', run); removeEventListener('mine', run); dispatchEvent(new Event('mine')); equal(count, 0)`,
  },
  dispatchEvent: {
    'whether nobody prevented it': `const run = (e) => e.preventDefault(); addEventListener('mine', run); equal([dispatchEvent(new Event('mine', { cancelable: true })), dispatchEvent(new Event('mine'))], [false, true]); removeEventListener('mine', run); throws(() => dispatchEvent({}), TypeError)`,
  },
  reportError: {
    'error listeners are told': `let seen; const run = (e) => { seen = [e.constructor === ErrorEvent, e.error, e.message, e.cancelable]; e.preventDefault() }; addEventListener('error', run); const error = new RangeError('x'); reportError(error); removeEventListener('error', run); equal([seen[0], seen[1] === error, seen[2], seen[3]], [true, true, 'Uncaught RangeError: x', true]); throws(() => reportError(), TypeError)`,
    'so are they of what a listener, a timer and a microtask throw': `const seen = []; const run = (e) => { seen.push(e.error); e.preventDefault() }; addEventListener('error', run); const t = new EventTarget(); t.addEventListener('x', () => { throw 1 }); t.dispatchEvent(new Event('x')); queueMicrotask(() => { throw 2 }); setTimeout(() => { throw 3 }); await later(2); removeEventListener('error', run); equal(seen, [1, 2, 3])`,
    'a listener that throws itself does no harm': `const run = () => { throw 'again' }; addEventListener('error', run); reportError('x'); removeEventListener('error', run)`,
  },
  onerror: {
    'it is told in five words, and true is enough': `let seen; let later = 0; onerror = (...parts) => { seen = parts; return true }; reportError('x'); onerror = null; reportError('y'); equal(seen, ['Uncaught x', '', 0, 0, 'x'])`,
  },
}
