/** Conformance cases as a function that runs them where they belong: inside an isolate. */

/** By the name of an API, then by what is shown: the body of an async function, with `equal`, `ok`, `throws`, `rejects`, `streamOf`, `bytesOf` at hand. */
export type Cases = Record<string, Record<string, string>>

const KIT = String.raw`
const show = (value) => {
  if (value instanceof Error) return value.name + ': ' + value.message
  if (value instanceof ArrayBuffer) return show(new Uint8Array(value))
  if (ArrayBuffer.isView(value)) return value.constructor.name + ' [' + Array.from(value) + ']'
  if (value instanceof Map) return 'Map ' + show([...value])
  if (value instanceof Set) return 'Set ' + show([...value])
  if (Array.isArray(value)) return '[' + Array.from(value, show).join(', ') + ']'
  if (typeof value === 'object' && value !== null) return '{' + Object.keys(value).sort().map((key) => key + ': ' + show(value[key])).join(', ') + '}'
  if (Object.is(value, -0)) return '-0'
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
const fail = (text) => { throw new Error(text) }
const equal = (found, wanted) => { if (show(found) !== show(wanted)) fail('found ' + show(found) + ', wanted ' + show(wanted)) }
const ok = (value, what = 'it') => { if (!value) fail(what + ' is ' + show(value)) }
const judge = (error, wanted) => {
  const name = typeof wanted === 'string' ? error.name : error.constructor
  if (name !== wanted) fail('threw ' + show(error) + ', wanted ' + (wanted.name ?? wanted))
}
const throws = (run, wanted) => { try { run() } catch (error) { return judge(error, wanted) } fail('did not throw') }
const rejects = async (promise, wanted) => { try { await (typeof promise === 'function' ? promise() : promise) } catch (error) { return judge(error, wanted) } fail('did not reject') }
const streamOf = (...chunks) => new ReadableStream({ start(c) { for (const chunk of chunks) c.enqueue(chunk); c.close() } })
const collect = async (stream) => { const chunks = []; for await (const chunk of stream) chunks.push(chunk); return chunks }
const bytesOf = (...bytes) => new Uint8Array(bytes.flat())
const later = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms))
`

/** A value function: the name of a row in, what failed out. */
export function programOf(cases: Cases): string {
  const rows = Object.entries(cases).map(([row, each]) => {
    const runs = Object.entries(each).map(([name, body]) => `[${JSON.stringify(name)}, async () => { ${body}\n}]`)
    return `${JSON.stringify(row)}: [${runs.join(',\n')}]`
  })
  return `${KIT}
const ROWS = { ${rows.join(',\n')} }
export default async (row) => {
  const failed = []
  for (const [name, run] of ROWS[row]) {
    try { await Promise.race([run(), later(1000).then(() => fail('it did not end'))]) } catch (error) { failed.push(name + ': ' + show(error)) }
  }
  return failed
}`
}
