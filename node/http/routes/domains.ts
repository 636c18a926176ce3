/** `/v1/domains…`, `/v1/namespaces/{namespace}/domains/{host}`: hosts that are somebody's own. */
import { domainClaims, domainSetting, parseDomain } from '#protocols/domain'
import { OsirisError } from '#protocols/errors'
import { EVERY_NAMESPACE } from '#protocols/quota'
import type { AppParts } from '../app.ts'
import { bodyAs, type ManagementContext, type Route } from '../define.ts'
import { mayRead, requireAnywhere, requireToken } from '../guard.ts'
import { namespaceOf, paramOf, writeOptionsOf } from '../input.ts'
import { domainsSchema, newDomainSchema, writeQuerySchema, writtenSchema } from '../schemas.ts'

/** Two names. */
const BODY_BYTES_MAX = 4096
const WHOSE = 'a namespace, for who may deploy there, or * to grant it without DNS, for administrators of all namespaces'

export function listDomains({ access, domains }: AppParts): Route {
  return {
    summary: 'Domains that the namespaces the caller may read have claimed, and whether they count at this node',
    answers: { 200: { description: 'Granted ones first', schema: domainsSchema } },
    async handle(context) {
      const principal = await requireAnywhere(access, context.env.found, 'read', 'list domains')
      return context.json({ domains: (await domains?.list((each) => mayRead(principal, each.namespace))) ?? [] })
    },
  }
}

export function verifyDomain({ access, catalog, domains }: AppParts): Route {
  return {
    summary: 'Asks DNS now whose a domain is; every node does so by itself when a request for it comes',
    params: ['host'],
    answers: { 200: { description: 'Every claim of it that the caller may read', schema: domainsSchema } },
    async handle(context) {
      const principal = await requireAnywhere(access, context.env.found, 'read', 'verify a domain')
      const host = parseDomain(paramOf(context, 'host'))
      const claims = domainClaims(await catalog.settings()).filter((each) => each.host === host && mayRead(principal, each.namespace))
      if (claims.length === 0)
        throw new OsirisError('not_found', `Cannot verify "${host}": no namespace that the caller may read has claimed it`)
      const verified = (await domains?.verify(host)) ?? []
      return context.json({ domains: verified.filter((each) => mayRead(principal, each.namespace)) })
    },
  }
}

export function putDomain({ access, catalog, limits }: AppParts): Route {
  return {
    summary: `Claims a domain (${WHOSE}); it counts while the TXT record _osiris.HOST says so, or at once where it is granted`,
    params: ['namespace', 'host'],
    query: writeQuerySchema,
    body: newDomainSchema,
    answers: { 200: { description: 'Claimed', schema: writtenSchema } },
    async handle(context) {
      const caller = await requireToken(access, context.env.found, 'claim a domain')
      const body = await bodyAs(context, newDomainSchema, BODY_BYTES_MAX, 'the domain')
      const setting = settingOf(context, body.namespace, body.function ?? null)
      return context.json({ receipt: await catalog.amend({ type: 'set', ...setting }, writeOptionsOf(context, caller, limits)) })
    },
  }
}

export function deleteDomain({ access, catalog, limits }: AppParts): Route {
  return {
    summary: `Lets a domain go (${WHOSE})`,
    params: ['namespace', 'host'],
    query: writeQuerySchema,
    answers: { 200: { description: 'Let go', schema: writtenSchema } },
    async handle(context) {
      const caller = await requireToken(access, context.env.found, 'let a domain go')
      const { namespace, key } = settingOf(context, 'any', null)
      const options = writeOptionsOf(context, caller, limits)
      return context.json({ receipt: await catalog.amend({ type: 'set', namespace, key, value: null }, options) })
    },
  }
}

/** `owner`: whose it becomes where it is granted. */
function settingOf(context: ManagementContext, owner: string | undefined, name: string | null): ReturnType<typeof domainSetting> {
  const host = paramOf(context, 'host')
  if (paramOf(context, 'namespace') !== EVERY_NAMESPACE) return domainSetting({ host, namespace: namespaceOf(context), name }, false)
  if (owner === undefined) throw new OsirisError('invalid_argument', 'Cannot grant the domain: the body does not say to which namespace')
  return domainSetting({ host, namespace: owner, name }, true)
}
