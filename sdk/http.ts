/** Reaching one node over HTTP with `fetch`. No dependencies; runs in browsers. */
import type { AuthorityChange } from '#protocols/catalog'
import { OsirisError } from '#protocols/errors'
import { formatRef, type FunctionRef } from '#protocols/function'
import type { Deploy, WriteChoice } from '#protocols/management'
import { errorOf, isProblem, unreached } from './http-errors.ts'
import { callsOverHttp } from './http-calls.ts'
import { topicsOver } from './http-topics.ts'
import type { Transport } from './transport.ts'

export interface HttpOptions {
  /** Base URL of a node. */
  url: string | URL
  /** Sent as `Osiris-Token`. */
  token?: string
  /** Longest wait for the head of an answer; default: as long as the node takes. */
  timeoutMs?: number
  /** Another `fetch`, for tests or special connections. */
  fetch?: typeof fetch
}

interface Sent {
  method: string
  body?: BodyInit | null
  headers?: HeadersInit
  signal?: AbortSignal
}

/** Throws `invalid_argument` for what is not the URL of a node. */
export function httpTransport(options: HttpOptions): Transport {
  const base = baseOf(options.url)
  const { token, timeoutMs } = options
  const doFetch = options.fetch ?? globalThis.fetch.bind(globalThis)

  const send = async (act: string, path: string, sent: Sent): Promise<Response> => {
    const headers = new Headers(sent.headers)
    if (token !== undefined) headers.set('osiris-token', token)
    const timeout = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs)
    const signals = [sent.signal, timeout].filter((each) => each !== undefined)
    const signal = signals.length === 0 ? {} : { signal: AbortSignal.any(signals) }
    try {
      // `duplex` is what streams ask for; it is not in the DOM's types yet.
      const init: RequestInit & { duplex: 'half' } = { ...sent, headers, redirect: 'manual', duplex: 'half', ...signal }
      return await doFetch(base + path, init)
    } catch (error) {
      if (sent.signal?.aborted === true) throw error
      throw unreached(error, act, base, timeout?.aborted === true ? timeoutMs : undefined)
    }
  }

  const json = async <T>(act: string, method: string, path: string, body?: unknown): Promise<T> => {
    return jsonOf<T>(act, method, path, body === undefined ? undefined : JSON.stringify(body))
  }

  const jsonOf = async <T>(act: string, method: string, path: string, text?: string, headers: Record<string, string> = {}): Promise<T> => {
    const sent = text === undefined ? { method } : { method, body: text, headers: { 'content-type': 'application/json', ...headers } }
    return JSON.parse(await textOf(await send(act, path, sent), act, base)) as T
  }

  return {
    async call(ref, args, { idempotencyKey } = {}) {
      const act = `call "${formatRef(ref)}"`
      return textOf(
        await send(act, `/v1/call/${formatRef(ref)}`, {
          method: 'POST',
          body: args,
          headers: { 'content-type': 'application/json', ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }) },
        }),
        act,
        base,
      )
    },
    async fetch(ref, request) {
      const act = `reach "${formatRef(ref)}"`
      const { pathname, search } = new URL(request.url)
      const body = request.body === null ? {} : { body: await bodyOf(request) }
      const { method, headers, signal } = request
      const response = await send(act, `/v1/fetch/${formatRef(ref)}${pathname}${search}`, { method, headers, signal, ...body })
      if (isProblem(response)) throw await errorOf(response, act, base)
      return response
    },
    ...topicsOver(jsonOf),
    ...callsOverHttp(jsonOf, timeoutMs),
    deploy({ namespace, name, ack, timeoutMs, ...body }: Deploy) {
      const query = queryOf({ ack, timeoutMs })
      return json(`deploy "${namespace}/${name}"`, 'PUT', pathOf({ namespace, name }) + query, body)
    },
    async list(namespace) {
      const path = `/v1/functions${queryOf({ namespace })}`
      return (await json<{ functions: Awaited<ReturnType<Transport['list']>> }>('list functions', 'GET', path)).functions
    },
    get: (ref) => json(`read "${formatRef(ref)}"`, 'GET', pathOf(ref)),
    async versions(ref) {
      const act = `list the versions of "${formatRef(ref)}"`
      return (await json<{ versions: Awaited<ReturnType<Transport['versions']>> }>(act, 'GET', `${pathOf(ref)}/versions`)).versions
    },
    point(ref, alias, targets, choice) {
      const path = `${pathOf(ref)}/aliases/${encodeURIComponent(alias)}`
      return json(`point "${formatRef(ref)}@${alias}"`, 'PUT', path + queryOf(choice), { targets })
    },
    startCanary: (ref, plan, choice) => json(`promote "${formatRef(ref)}"`, 'PUT', `${pathOf(ref)}/promotion${queryOf(choice)}`, plan),
    abortCanary: (ref, choice) => json(`end the canary of "${formatRef(ref)}"`, 'DELETE', `${pathOf(ref)}/promotion${queryOf(choice)}`),
    async remove(ref, choice) {
      const act = `remove "${formatRef(ref)}"`
      return (await json<{ receipt: Awaited<ReturnType<Transport['remove']>> }>(act, 'DELETE', pathOf(ref) + queryOf(choice))).receipt
    },
    async namespaces() {
      return (await json<{ namespaces: Awaited<ReturnType<Transport['namespaces']>> }>('list namespaces', 'GET', '/v1/namespaces'))
        .namespaces
    },
    scale: (ref) => json(`read the scale of "${formatRef(ref)}"`, 'GET', `${pathOf(ref)}/scale`),
    async quotas() {
      return (await json<{ quotas: Awaited<ReturnType<Transport['quotas']>> }>('list quotas', 'GET', '/v1/quotas')).quotas
    },
    async domains(verify) {
      type Answer = { domains: Awaited<ReturnType<Transport['domains']>> }
      if (verify === undefined) return (await json<Answer>('list domains', 'GET', '/v1/domains')).domains
      return (await json<Answer>('verify a domain', 'POST', `/v1/domains/${encodeURIComponent(verify)}/verification`)).domains
    },
    async grants({ key, namespace }) {
      const path = `/v1/grants${queryOf({ key, namespace })}`
      return (await json<{ grants: Awaited<ReturnType<Transport['grants']>> }>('list grants', 'GET', path)).grants
    },
    async amend(change, choice) {
      const { act, method, path, body } = amending(change)
      return (await json<{ receipt: Awaited<ReturnType<Transport['amend']>> }>(act, method, path + queryOf(choice), body)).receipt
    },
    async schedules(namespace) {
      const path = `/v1/schedules${queryOf({ namespace })}`
      return (await json<{ schedules: Awaited<ReturnType<Transport['schedules']>> }>('list schedules', 'GET', path)).schedules
    },
    rotateNode: (choice) => json("rotate the node's key", 'POST', `/v1/rotation${queryOf({ ...choice })}`),
    drain: (timeoutMs) => json('drain the node', 'POST', `/v1/drain${queryOf({ timeoutMs })}`),
    async nodes() {
      return (await json<{ nodes: Awaited<ReturnType<Transport['nodes']>> }>('list nodes', 'GET', '/v1/nodes')).nodes
    },
    network: () => json('read the network', 'GET', '/v1/network'),
    async joinToken() {
      return (await json<{ join: string }>('read the join token', 'GET', '/v1/network/join')).join
    },
    ledger: ({ after, limit }) => json('read the ledger', 'GET', `/v1/ledger${queryOf({ after, limit })}`),
    ledgerConflicts: () => json('read the conflicts', 'GET', '/v1/ledger/conflicts'),
    ledgerRecords: (from) => json('read the ledger', 'GET', `/v1/ledger/records${queryOf({ ...from })}`),
    succession: () => json('read the keys of the universe', 'GET', '/v1/ledger/succession'),
    handIn: (entry) => json('hand in the rotation', 'POST', '/v1/ledger/entries', { entry }),
    rotateKey: (giving, choice) => json('give on the key', 'POST', `/v1/keys/rotation${queryOf({ ...choice })}`, giving),
    rotateRoot: (from, choice) => json('rotate the root key', 'POST', `/v1/ledger/rotation${queryOf({ ...choice })}`, { from }),
    async close() {},
  }
}

function amending(change: AuthorityChange): { act: string; method: string; path: string; body?: unknown } {
  switch (change.type) {
    case 'create': {
      const { namespace: name, owner } = change
      return { act: `create namespace "${name}"`, method: 'POST', path: '/v1/namespaces', body: { name, owner } }
    }
    case 'transfer': {
      const { namespace, owner } = change
      const path = `/v1/namespaces/${encodeURIComponent(namespace)}`
      return { act: `hand over namespace "${namespace}"`, method: 'PUT', path, body: { owner } }
    }
    case 'grant': {
      const { subject: key, can, namespaces, expiresAtMs } = change
      return { act: 'give a grant', method: 'POST', path: '/v1/grants', body: { key, can, namespaces, expiresAtMs } }
    }
    case 'cancel': {
      const path = `/v1/tokens/${encodeURIComponent(change.issuer)}/${encodeURIComponent(change.token)}`
      return { act: 'revoke a token', method: 'DELETE', path }
    }
    case 'set': {
      const { namespace, key, value } = change
      if (key.startsWith('domain/')) return amendingDomain(namespace, key.slice('domain/'.length), value)
      const [what = '', name] = key.split('/')
      const path = name === undefined ? `/v1/namespaces/${encodeURIComponent(namespace)}/${key}` : `${pathOf({ namespace, name })}/${what}`
      const act = `set the ${what} of "${name === undefined ? namespace : `${namespace}/${name}`}"`
      if (what === 'scale') return { act, method: 'PUT', path, body: value === null ? {} : (JSON.parse(value) as unknown) }
      return value === null ? { act, method: 'DELETE', path } : { act, method: 'PUT', path, body: JSON.parse(value) as unknown }
    }
    case 'revoke':
      return { act: 'revoke a grant', method: 'DELETE', path: `/v1/grants/${encodeURIComponent(change.grant)}` }
  }
}

function amendingDomain(namespace: string, host: string, value: string | null): ReturnType<typeof amending> {
  const path = `/v1/namespaces/${encodeURIComponent(namespace)}/domains/${encodeURIComponent(host)}`
  const act = value === null ? `let domain "${host}" go` : `claim domain "${host}"`
  return value === null ? { act, method: 'DELETE', path } : { act, method: 'PUT', path, body: JSON.parse(value) as unknown }
}

/** With its question mark; nothing where nothing is said. */
function queryOf(words: {
  [K in keyof WriteChoice | 'namespace' | 'key' | 'after' | 'limit' | 'author' | 'seq']?: string | number | undefined
}): string {
  const said = Object.entries(words).flatMap(([key, value]): [string, string][] => (value === undefined ? [] : [[key, String(value)]]))
  return said.length === 0 ? '' : `?${new URLSearchParams(said).toString()}`
}

function pathOf(ref: FunctionRef): string {
  return `/v1/functions/${encodeURIComponent(ref.namespace)}/${encodeURIComponent(ref.name)}${ref.selector === undefined ? '' : `@${ref.selector}`}`
}

async function textOf(response: Response, act: string, base: string): Promise<string> {
  if (!response.ok) throw await errorOf(response, act, base)
  try {
    return await response.text()
  } catch (error) {
    throw new OsirisError('outcome_unknown', `Cannot ${act}: the connection to ${base} ended before its answer did`, { cause: error })
  }
}

/** Browsers do not stream uploads over HTTP/1.1. */
async function bodyOf(request: Request): Promise<BodyInit | null> {
  return 'document' in globalThis ? request.arrayBuffer() : request.body
}

function baseOf(url: string | URL): string {
  const parsed = URL.parse(String(url))
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    throw new OsirisError(
      'invalid_argument',
      `Cannot connect to ${JSON.stringify(String(url).slice(0, 200))}: expected a URL such as http://127.0.0.1:4747`,
    )
  }
  return parsed.origin + parsed.pathname.replace(/\/+$/, '')
}
