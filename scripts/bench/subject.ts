/** The function every contender serves, and the one request it is measured with. */
export const NAMESPACE = 'bench'
export const NAME = 'greet'
export const PATH = `/v1/call/${NAMESPACE}/${NAME}`
export const BODY = '["Ada",2]'
export const EXPECTED = { hello: 'Ada', times: 2 }

/** JavaScript that is TypeScript too: workerd and Osiris take this text, Hono and bare Node the function below. */
export const SOURCE = `${greet.toString().replace(/^function/, 'export default function')}\n`

export function greet(name: unknown, times: unknown) {
  return { hello: name, times }
}

/** Throws unless a contender answers as it must. */
export async function assertServes(base: string): Promise<Response> {
  const response = await fetch(base + PATH, { method: 'POST', body: BODY, headers: { 'content-type': 'application/json' } })
  const text = await response.text()
  if (response.status !== 200 || text !== JSON.stringify(EXPECTED)) throw new Error(`${base + PATH} answered ${response.status}: ${text}`)
  return response
}
