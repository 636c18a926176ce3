/** `/v1/ledger/succession`, `/v1/ledger/entries`: replacing a root key that is lost or stolen. Open to everybody: what counts is signed by the recovery key. */
import { textOfSuccession } from '#protocols/management'
import type { AppParts } from '../app.ts'
import { bodyAs, type ManagementContext, type Route } from '../define.ts'
import { handedInSchema, handInSchema, successionSchema } from '../schemas.ts'

/** The longest entry in base64, and room. */
const BODY_BYTES_MAX = 96 * 1024

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

const senderOf = (context: ManagementContext): string => `http ${context.env.from ?? ''}`
