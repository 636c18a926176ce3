/** `osiris token create --join`: what lets nodes into a universe. Signed here, with a key that stays here. */
import {
  allows,
  formatJoinToken,
  type Identity,
  type Invited,
  invite,
  issueTokenBy,
  type JoinToken,
  parseJoinToken,
  universeId,
  USES_MAX,
} from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { type Role, ROLES } from '#protocols/lifecycle'
import { wholeNumber } from './arguments.ts'
import type { Context } from './context.ts'
import { expiryFrom, wordsOf } from './granting.ts'
import { timeOf } from './table.ts'
import { localNodes, stateDirOf } from './target.ts'

/** Who signs; of the root's key the universe is known by itself. */
export interface Signer {
  name: string
  identity: Identity
  universe: string | undefined
  isRoot: boolean
}

export interface InviteWords {
  expires?: string
  key?: string
  roles?: string
  uses?: string
}

/** What `osiris node start` runs when it is told nothing. */
export const INVITED_ROLES: readonly Role[] = ['router', 'catalog', 'builder', 'executor']
/** How long the token is good for with which the node is asked for its door. */
const ASK_MS = 60_000

export async function createInvitation(words: InviteWords, signer: Signer, context: Context): Promise<void> {
  const roles = rolesFrom(words.roles)
  const uses = wholeNumber(words.uses ?? '1', '--uses', 1, USES_MAX)
  const expiresAtMs = expiryFrom(words.expires ?? '1h', Date.now())
  const door = await doorOf(signer, context)
  const universe = universeId(door.universe)
  if (signer.universe !== undefined && signer.universe !== universe)
    throw new OsirisError(
      'invalid_argument',
      `Cannot create the join token: the node that answers is of universe ${universe}, the key of ${signer.universe}`,
    )
  const invited = invite(signer.identity, universe, { roles: [...roles], uses, expiresAtMs })
  tell({ universe: door.universe, bootstrap: door.bootstrap, invited }, invited, context)
}

function tell(token: JoinToken, { invitation }: Invited, context: Context): void {
  const { id, issuer, roles, uses, expiresAtMs } = invitation
  const join = formatJoinToken(token)
  if (context.globals().json === true)
    return context.json({ join, id, key: issuer, universe: invitation.universe, roles, uses, expiresAtMs })
  const nodes = uses === 1 ? 'one node' : `${uses} nodes`
  context.io.err(
    `Lets ${nodes} into universe "${token.universe.name}" as ${roles.join(', ')} until ${timeOf(expiresAtMs)}; its id is ${id}\n`,
  )
  context.io.out(`${join}\n`)
}

function rolesFrom(text: string | undefined): readonly Role[] {
  if (text === undefined) return INVITED_ROLES
  const words = wordsOf(text)
  const wrong = words.find((word) => !ROLES.some((role) => role === word))
  if (wrong !== undefined || words.length === 0)
    throw new OsirisError('invalid_argument', `--roles: expected some of ${ROLES.join(', ')}, got "${wrong ?? ''}"`)
  return ROLES.filter((role) => words.includes(role))
}

/** The mesh's key and addresses: of a node on this machine from its own file, else asked for as whom the key makes us. */
async function doorOf(signer: Signer, context: Context): Promise<JoinToken> {
  const url = new URL(context.target().url).origin
  const local = localNodes(stateDirOf(context.io.env)).find((each) => new URL(each.http).origin === url)
  const universe =
    signer.universe ?? (local === undefined ? await universeAt(context) : universeId(parseJoinToken(local.joinToken).universe))
  const grants = [{ can: ['admin' as const], namespaces: ['*'] }]
  const token = await issueTokenBy(signer.identity, universe, signer.name, grants, Date.now() + ASK_MS)
  try {
    const node = await context.connectTo({ url: context.target().url, token })
    if (!signer.isRoot) await assertMayInvite(signer, () => node.grants.list({ key: signer.identity.id }))
    return parseJoinToken(await node.joinToken())
  } catch (error) {
    const known = OsirisError.from(error, 'Cannot ask the node')
    if (known.code !== 'unauthenticated' && known.code !== 'forbidden') throw known
    throw cannotInvite(signer, error)
  }
}

async function universeAt(context: Context): Promise<string> {
  return (await (await context.connect()).network()).universe.id
}

async function assertMayInvite(signer: Signer, held: () => Promise<{ grants: Parameters<typeof allows>[0]['grants'] }[]>): Promise<void> {
  const grants = (await held()).flatMap((each) => each.grants)
  if (!allows({ subject: '', grants }, 'admin', '*')) throw cannotInvite(signer)
}

function cannotInvite({ name, identity }: Signer, cause?: unknown): OsirisError {
  return new OsirisError(
    'forbidden',
    `Cannot create the join token: key "${name}" does not hold admin on "*"; whoever does gives it: osiris grant add ${identity.id} --can admin --namespace "*"`,
    { cause },
  )
}
