/** Every path of management on one screen. Calls, web functions and health are answered before hono (server.ts); here they are only described. */
import type { IncomingMessage } from 'node:http'
import { getRequestListener, RequestError } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { OpenAPIHono } from '@hono/zod-openapi'
import type { FoundCaller } from '#node/access'
import { OsirisError } from '#protocols/errors'
import type { MaybePromise } from '#protocols/lifecycle'
import type { Functions } from '#protocols/management'
import { define, type ManagementEnv, problemResponse } from './define.ts'
import { describeDirectPaths } from './described.ts'
import type { HttpLimits } from './limits.ts'
import { createUnknown } from './unknown.ts'
import { reportUnexpected } from './report.ts'
import { cancelCall, getCall, listCalls, listDeadCallbacks, removeCallback, replayCallback } from './routes/calls.ts'
import {
  deleteFunction,
  deletePromotion,
  getFunction,
  listFunctions,
  listVersions,
  putAlias,
  putFunction,
  putPromotion,
} from './routes/functions.ts'
import { getConflicts, getLedger, getRecords } from './routes/ledger.ts'
import { getSuccession, giveKey, handInEntry, rotateNode, rotateRoot } from './routes/succession.ts'
import { addGrant, listGrants, revokeGrant } from './routes/grants.ts'
import { createNamespace, listNamespaces, putOwner } from './routes/namespaces.ts'
import { getJoinToken, getNetwork } from './routes/network.ts'
import { drainNode } from './routes/drain.ts'
import { listNodes } from './routes/nodes.ts'
import { getScale, putScale } from './routes/scale.ts'
import { deleteDomain, listDomains, putDomain, verifyDomain } from './routes/domains.ts'
import { deleteQuota, listQuotas, putQuota } from './routes/quotas.ts'
import { listSchedules } from './routes/schedules.ts'
import { revokeToken } from './routes/tokens.ts'
import { getDeadLetter, listDeadLetters, listSubscriptions, publishMessage, removeDeadLetter, replayDeadLetter } from './routes/topics.ts'
import type { HttpServerInit } from './server.ts'

export interface AppParts extends Omit<HttpServerInit, 'limits'> {
  functions: Functions
  /** Base URL of this server. */
  url: () => string
  limits: HttpLimits
}

export type App = OpenAPIHono<ManagementEnv>

const DOCUMENT = {
  openapi: '3.1.0',
  info: {
    title: 'Osiris',
    version: '1',
    description: 'One node of an Osiris universe. Errors are problem documents (RFC 9457) with a stable `code`.',
  },
}

export function createApp(parts: AppParts): App {
  const app = new OpenAPIHono<ManagementEnv>()
  app.openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'apiKey', in: 'header', name: 'Osiris-Token' })

  define(app, 'get', '/v1/functions', listFunctions(parts))
  define(app, 'get', '/v1/functions/{namespace}/{name}', getFunction(parts))
  define(app, 'put', '/v1/functions/{namespace}/{name}', putFunction(parts))
  define(app, 'delete', '/v1/functions/{namespace}/{name}', deleteFunction(parts))
  define(app, 'get', '/v1/functions/{namespace}/{name}/versions', listVersions(parts))
  define(app, 'put', '/v1/functions/{namespace}/{name}/aliases/{alias}', putAlias(parts))
  define(app, 'put', '/v1/functions/{namespace}/{name}/promotion', putPromotion(parts))
  define(app, 'delete', '/v1/functions/{namespace}/{name}/promotion', deletePromotion(parts))
  define(app, 'get', '/v1/namespaces', listNamespaces(parts))
  define(app, 'post', '/v1/namespaces', createNamespace(parts))
  define(app, 'put', '/v1/namespaces/{namespace}', putOwner(parts))
  define(app, 'get', '/v1/functions/{namespace}/{name}/scale', getScale(parts))
  define(app, 'put', '/v1/functions/{namespace}/{name}/scale', putScale(parts))
  define(app, 'get', '/v1/quotas', listQuotas(parts))
  define(app, 'get', '/v1/domains', listDomains(parts))
  define(app, 'post', '/v1/domains/{host}/verification', verifyDomain(parts))
  define(app, 'put', '/v1/namespaces/{namespace}/domains/{host}', putDomain(parts))
  define(app, 'delete', '/v1/namespaces/{namespace}/domains/{host}', deleteDomain(parts))
  define(app, 'put', '/v1/namespaces/{namespace}/quota', putQuota(parts))
  define(app, 'delete', '/v1/namespaces/{namespace}/quota', deleteQuota(parts))
  define(app, 'get', '/v1/grants', listGrants(parts))
  define(app, 'post', '/v1/grants', addGrant(parts))
  define(app, 'delete', '/v1/grants/{hash}', revokeGrant(parts))
  define(app, 'delete', '/v1/tokens/{issuer}/{id}', revokeToken(parts))
  define(app, 'get', '/v1/schedules', listSchedules(parts))
  define(app, 'get', '/v1/topics/{namespace}', listSubscriptions(parts))
  define(app, 'post', '/v1/topics/{namespace}/{topic}', publishMessage(parts))
  define(app, 'get', '/v1/topics/{namespace}/dead', listDeadLetters(parts))
  define(app, 'get', '/v1/topics/{namespace}/dead/{id}', getDeadLetter(parts))
  define(app, 'post', '/v1/topics/{namespace}/dead/{id}/replay', replayDeadLetter(parts))
  define(app, 'delete', '/v1/topics/{namespace}/dead/{id}', removeDeadLetter(parts))
  define(app, 'get', '/v1/calls', listCalls(parts))
  define(app, 'get', '/v1/calls/{id}', getCall(parts))
  define(app, 'delete', '/v1/calls/{id}', cancelCall(parts))
  define(app, 'get', '/v1/callbacks/dead', listDeadCallbacks(parts))
  define(app, 'post', '/v1/callbacks/dead/{id}/replay', replayCallback(parts))
  define(app, 'delete', '/v1/callbacks/dead/{id}', removeCallback(parts))
  define(app, 'get', '/v1/nodes', listNodes(parts))
  define(app, 'post', '/v1/drain', drainNode(parts))
  define(app, 'get', '/v1/network', getNetwork(parts))
  define(app, 'get', '/v1/network/join', getJoinToken(parts))
  define(app, 'get', '/v1/ledger', getLedger(parts))
  define(app, 'get', '/v1/ledger/conflicts', getConflicts(parts))
  define(app, 'get', '/v1/ledger/records', getRecords(parts))
  define(app, 'get', '/v1/ledger/succession', getSuccession(parts))
  define(app, 'post', '/v1/ledger/entries', handInEntry(parts))
  define(app, 'post', '/v1/ledger/rotation', rotateRoot(parts))
  define(app, 'post', '/v1/keys/rotation', giveKey(parts))
  define(app, 'post', '/v1/rotation', rotateNode(parts))
  describeDirectPaths(app)
  app.doc31('/v1/openapi.json', DOCUMENT)

  app.notFound(createUnknown(app.routes))
  app.onError((error, context) => {
    reportUnexpected(parts.events, `${context.req.method} ${context.req.path}`, error)
    return problemResponse(error)
  })
  return app
}

/** The app as a listener of `node:http`; `callerOf` may reject with what is wrong with the token. */
export function createManage(
  app: App,
  callerOf: (request: IncomingMessage) => MaybePromise<FoundCaller>,
): ReturnType<typeof getRequestListener> {
  return getRequestListener(
    async (request, { incoming, outgoing }) => {
      try {
        const answer = await app.fetch(request, { found: await callerOf(incoming as IncomingMessage), from: incoming.socket.remoteAddress })
        // A body that did not come in time was answered meanwhile.
        return outgoing.headersSent ? RESPONSE_ALREADY_SENT : answer
      } catch (error) {
        return problemResponse(error)
      }
    },
    {
      // The process's own Request and Response stay what they are.
      overrideGlobalObjects: false,
      errorHandler: (error) =>
        problemResponse(
          error instanceof RequestError ? new OsirisError('invalid_argument', `Cannot read the request: ${error.message}`) : error,
        ),
    },
  )
}
