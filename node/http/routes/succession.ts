/** `/v1/ledger/succession`, `/v1/ledger/entries`: replacing a root key that is lost or stolen. Open to everybody: what counts is signed by the recovery key. `/v1/ledger/rotation`: replacing a healthy one, for the root alone. `/v1/keys/rotation`: a person's key. `/v1/rotation`: this node's own. */
import { givingOfText, textOfSuccession } from '#protocols/management'
import type { AppParts } from '../app.ts'
import { bodyAs, type ManagementContext, type Route } from '../define.ts'
import { requireIn, requireToken } from '../guard.ts'
import { writeOptionsOf } from '../input.ts'
import {
  givingSchema,
  handedInSchema,
  handInSchema,
  nodeRotatedSchema,
  rotatedSchema,
  rotateSchema,
  successionSchema,
  writeQuerySchema,
} from '../schemas.ts'

/** The longest entry in base64, and room. */
const BODY_BYTES_MAX = 96 * 1024
const ROTATION_BYTES_MAX = 1024

export function getSuccession({ catalog }: AppParts): Route {
  return {
    summary: 'The keys above all others (root, recovery) with the entries that prove them: what signing a rotation takes. Needs no token',
    answers: { 200: { description: 'Public keys and signed entries', schema: successionSchema } },
    async handle(context) {
      return context.json(textOfSuccession(await catalog.succession.tell(senderOf(context))))
    },
  }
}

export function handInEntry({ catalog }: AppParts): Route {
  return {
    summary:
      'Takes in a rotation of the root that the recovery key signed. Needs no token: the entry itself is judged; the same one again changes nothing',
    body: handInSchema,
    answers: { 200: { description: 'On disk, and with how many others', schema: handedInSchema } },
    async handle(context) {
      const { entry } = await bodyAs(context, handInSchema, BODY_BYTES_MAX, 'the entry')
      return context.json(await catalog.succession.handIn(new Uint8Array(Buffer.from(entry, 'base64')), senderOf(context)))
    },
  }
}

export function rotateRoot({ access, catalog, limits }: AppParts): Route {
  return {
    summary:
      'Replaces the root key, on the node that holds it, by one that this node makes; takes a token that the root signed, which ends with it',
    query: writeQuerySchema,
    body: rotateSchema,
    answers: { 200: { description: 'The new key holds the root', schema: rotatedSchema } },
    async handle(context) {
      const caller = await requireToken(access, context.env.found, 'rotate the root key')
      const { from } = await bodyAs(context, rotateSchema, ROTATION_BYTES_MAX, 'the rotation')
      return context.json(await catalog.succession.rotate({ ...writeOptionsOf(context, caller, limits), from }))
    },
  }
}

export function giveKey({ catalog, limits }: AppParts): Route {
  return {
    summary:
      "Gives a person's key on to another one: grants and namespaces follow, tokens of the old one end. Needs no token: both keys have signed; the same again changes nothing",
    query: writeQuerySchema,
    body: givingSchema,
    answers: { 200: { description: 'The new key holds what the old one held', schema: rotatedSchema } },
    async handle(context) {
      const giving = givingOfText(await bodyAs(context, givingSchema, ROTATION_BYTES_MAX, 'the rotation'))
      const { ack, timeoutMs } = writeOptionsOf(context, { subject: 'anonymous' }, limits)
      return context.json(await catalog.succession.give(giving, senderOf(context), { ack, timeoutMs }))
    },
  }
}

export function rotateNode({ access, rotateNode: rotate, limits }: AppParts): Route {
  return {
    summary: "Replaces this node's own key by one that it makes; it stays a member, and starts again with it at the same address",
    query: writeQuerySchema,
    answers: { 200: { description: 'The old key has ended', schema: nodeRotatedSchema } },
    async handle(context) {
      await requireIn(access, context.env.found, 'admin', '*')
      const { ack, timeoutMs } = writeOptionsOf(context, { subject: 'anonymous' }, limits)
      return context.json(await rotate({ ack, timeoutMs }))
    },
  }
}

const senderOf = (context: ManagementContext): string => `http ${context.env.from ?? ''}`
