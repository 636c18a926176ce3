/** `/v1/functions…`: what exists, and every change to it. */
import { canaryPlanSchema } from '#protocols/canary'
import { assertName } from '#protocols/function'
import type { Deploy, SelectorTargets, WriteChoice } from '#protocols/management'
import type { AppParts } from '../app.ts'
import { bodyAs, queryAs, type Route } from '../define.ts'
import { mayRead, requireIn, requireReader } from '../guard.ts'
import { choiceOf, paramOf, plainRefOf, refOfPath } from '../input.ts'
import {
  canaryWrittenSchema,
  deployedSchema,
  deploySchema,
  functionSchema,
  functionsSchema,
  listQuerySchema,
  pointedSchema,
  pointSchema,
  removedSchema,
  versionsSchema,
  writeQuerySchema,
} from '../schemas.ts'

const PARAMS = ['namespace', 'name']

export function listFunctions({ access, functions }: AppParts): Route {
  return {
    summary: 'All functions the caller may read',
    query: listQuerySchema,
    answers: { 200: { description: 'By namespace and name', schema: functionsSchema } },
    async handle(context) {
      const { namespace } = queryAs(context, listQuerySchema)
      const principal = await requireReader(access, context.env.found, namespace, 'list functions')
      const all = await functions.list(namespace === undefined ? {} : { namespace })
      return context.json({ functions: all.filter((each) => mayRead(principal, each.namespace)) })
    },
  }
}

export function getFunction({ access, functions }: AppParts): Route {
  return {
    summary: 'One function; {name} may carry @VERSION or @ALIAS',
    params: PARAMS,
    answers: { 200: { description: 'The version asked for', schema: functionSchema } },
    async handle(context) {
      const ref = refOfPath(context)
      await requireIn(access, context.env.found, 'read', ref.namespace)
      return context.json(await functions.get(ref))
    },
  }
}

export function putFunction({ access, functions, limits }: AppParts): Route {
  return {
    summary: 'Builds and publishes a version, and points live at it',
    params: PARAMS,
    query: writeQuerySchema,
    body: deploySchema,
    answers: {
      200: { description: 'This very version was live already', schema: deployedSchema },
      201: { description: 'A new version', schema: deployedSchema },
    },
    async handle(context) {
      const { namespace, name } = plainRefOf(context)
      const { found } = context.env
      await requireIn(access, found, 'deploy', namespace)
      const choice = choiceOf(context)
      const body = (await bodyAs(context, deploySchema, limits.managementBytesMax, 'the deploy')) as Omit<
        Deploy,
        'namespace' | 'name' | keyof WriteChoice
      >
      const deployed = await functions.deploy({ ...body, ...choice, namespace, name }, found.caller)
      return context.json(deployed, deployed.changed ? 201 : 200)
    },
  }
}

export function deleteFunction({ access, functions }: AppParts): Route {
  return {
    summary: 'Takes a function out of service; its versions stay provable',
    params: PARAMS,
    query: writeQuerySchema,
    answers: { 200: { description: 'The receipt of the entry', schema: removedSchema } },
    async handle(context) {
      const ref = plainRefOf(context)
      const { found } = context.env
      await requireIn(access, found, 'deploy', ref.namespace)
      const choice = choiceOf(context)
      return context.json({ receipt: await functions.remove(ref, found.caller, choice) })
    },
  }
}

export function listVersions({ access, functions }: AppParts): Route {
  return {
    summary: 'All versions of a function',
    params: PARAMS,
    answers: { 200: { description: 'Oldest first', schema: versionsSchema } },
    async handle(context) {
      const { namespace, name } = plainRefOf(context)
      await requireIn(access, context.env.found, 'read', namespace)
      return context.json({ versions: await functions.versions(namespace, name) })
    },
  }
}

export function putAlias({ access, functions, limits }: AppParts): Route {
  return {
    summary: 'Points an alias at a version, or at several with weights; rollback and promote are this',
    params: [...PARAMS, 'alias'],
    query: writeQuerySchema,
    body: pointSchema,
    answers: { 200: { description: 'The function after the write', schema: pointedSchema } },
    async handle(context) {
      const ref = plainRefOf(context)
      const alias = paramOf(context, 'alias')
      assertName(alias, 'an alias')
      const { found } = context.env
      await requireIn(access, found, 'deploy', ref.namespace)
      const choice = choiceOf(context)
      const body = await bodyAs(context, pointSchema, limits.managementBytesMax, 'the alias')
      const targets: SelectorTargets = 'version' in body ? [{ version: body.version, weight: 100 }] : body.targets
      return context.json(await functions.point(ref, alias, targets, found.caller, choice))
    },
  }
}

export function putPromotion({ access, functions, limits }: AppParts): Route {
  return {
    summary: 'Starts a canary: a version gets a share of an alias, and more of it as long as it does no worse; else it is turned back',
    params: PARAMS,
    query: writeQuerySchema,
    body: canaryPlanSchema,
    answers: { 200: { description: 'It has its first share', schema: canaryWrittenSchema } },
    async handle(context) {
      const ref = plainRefOf(context)
      const { found } = context.env
      const { subject } = await requireIn(access, found, 'deploy', ref.namespace)
      const plan = await bodyAs(context, canaryPlanSchema, limits.managementBytesMax, 'the canary')
      return context.json(await functions.startCanary(ref, plan, subject, found.caller, choiceOf(context)))
    },
  }
}

export function deletePromotion({ access, functions }: AppParts): Route {
  return {
    summary: 'Ends the canary that runs: its alias means what it meant before',
    params: PARAMS,
    query: writeQuerySchema,
    answers: { 200: { description: 'Ended', schema: canaryWrittenSchema } },
    async handle(context) {
      const ref = plainRefOf(context)
      const { found } = context.env
      await requireIn(access, found, 'deploy', ref.namespace)
      return context.json(await functions.abortCanary(ref, found.caller, choiceOf(context)))
    },
  }
}
