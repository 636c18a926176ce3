/** `osiris token create`: what a program shows to a node. Signed here, with a key that stays here. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { allows, type Grant, isJoinToken, issueTokenBy, parseJoinToken, tokenNameOf, universeId } from '#protocols/access'
import { OsirisError } from '#protocols/errors'
import { ackOf, type AckWords, sentenceOf, withAck } from '../acknowledging.ts'
import type { Context } from '../context.ts'
import { capabilitiesFrom, expiryFrom, patternsFrom, textOfGrants } from '../granting.ts'
import { createInvitation, INVITED_ROLES, type InviteWords, type Signer } from '../inviting.ts'
import { chosenKey, DEFAULT_KEY, identityIn, keyNames, publicKeyFrom, readKey } from '../keys.ts'
import { printableLine } from '../printable.ts'
import { timeOf } from '../table.ts'
import { localNodes, stateDirOf } from '../target.ts'

interface Words extends InviteWords {
  can?: string
  join?: boolean
  key?: string
  subject?: string
  universe?: string
}

export function register(program: Command, context: Context): void {
  const noun = program.command('token').description('Tokens: what a program shows to a node, in OSIRIS_TOKEN or the header Osiris-Token.')
  noun
    .command('create')
    .description(
      'Sign a token for --namespace with one of your keys, and print it. It gives what the key holds and it names, as long as both do.',
    )
    .option('--can <list>', 'comma-separated: invoke, read, deploy, admin')
    .option('--join', 'a join token instead: it lets nodes in; takes a key that holds "admin" on "*"')
    .option('--roles <list>', `with --join: what the nodes may be (default: ${INVITED_ROLES.join()})`)
    .option('--uses <count>', 'with --join: how many nodes (default: 1)')
    .option('--expires <duration>', 'how long it is good for (default: 30d; with --join: 1h)')
    .option(
      '--key <name>',
      `the key that signs (default: "${DEFAULT_KEY}", or the only one; without any, in a universe on this machine, its root key)`,
    )
    .option('--subject <name>', 'whom the ledger and the logs name (default: the name of the key)')
    .option('--universe <id>', 'which universe it is for, where no node that knows you can be asked')
    .addHelpText(
      'after',
      `
Examples:
  $ osiris token create --can deploy,invoke --namespace demo --expires 30d
  $ OSIRIS_TOKEN=$(osiris token create --can invoke --namespace demo) osiris call demo/greet
  $ osiris token create --join --roles router,executor --uses 3 --expires 1h
  $ osiris node start --join osiris1.…                        on each of the three`,
    )
    .action((words: Words) => (words.join === true ? invitation(words, context) : create(words, context)))
  withAck(noun.command('revoke <token>'))
    .description('End a token or a join token before its time: nobody takes it any more. What was done with it stays.')
    .option('--key <key>', 'with an id instead of the token: the key that signed it, or the name of one of yours')
    .action((token: string, words: AckWords & { key?: string }) => revoke(token, words, context))
}

async function revoke(text: string, words: AckWords & { key?: string }, context: Context): Promise<void> {
  const { issuer, id } = await namedBy(text, words.key, context)
  const choice = await ackOf(words)
  const receipt = await (await context.connect()).tokens.revoke(issuer, id, choice)
  if (context.globals().json === true) return context.json({ issuer, id, receipt })
  context.io.err(`Revoked token ${id.slice(0, 12)}\n${sentenceOf(receipt)}\n`)
}

/** The token itself, or its id beside whose it is. */
async function namedBy(text: string, key: string | undefined, context: Context): Promise<{ issuer: string; id: string }> {
  const { env } = context.io
  if (/^[0-9a-f]{32,64}$/.test(text)) return { issuer: await publicKeyFrom(env, key ?? chosenKey(env, '--key NAME')), id: text }
  const invitation = isJoinToken(text) ? parseJoinToken(text).invited?.invitation : undefined
  const named = invitation ?? tokenNameOf(text)
  if (named !== undefined) return { issuer: named.issuer, id: named.id }
  throw new OsirisError(
    'invalid_argument',
    'Cannot tell which token that is: give the whole of it, or its id (32 to 64 hex characters) and --key',
  )
}

async function invitation(words: Words, context: Context): Promise<void> {
  if (words.can !== undefined || words.subject !== undefined)
    throw new OsirisError('invalid_argument', '--join: it lets nodes in, and gives nobody rights; leave out --can and --subject')
  await createInvitation(words, await signerFrom(words.key, context), context)
}

async function create(words: Words, context: Context): Promise<void> {
  if (words.can === undefined) throw new OsirisError('invalid_argument', '--can: say what the token shall give, such as deploy,invoke')
  if (words.roles !== undefined || words.uses !== undefined)
    throw new OsirisError('invalid_argument', '--roles, --uses: these are for tokens that let nodes in; add --join')
  const grant: Grant = { can: capabilitiesFrom(words.can), namespaces: patternsFrom(context.globals().namespace) }
  const expiresAtMs = expiryFrom(words.expires ?? '30d', Date.now())
  const signer = await signerFrom(words.key, context)
  const subject = words.subject ?? signer.name
  const universe = words.universe ?? signer.universe ?? (await universeOf(context))
  const token = await issueTokenBy(signer.identity, universe, subject, [grant], expiresAtMs)
  if (!signer.isRoot) await assertHeld(signer, grant, token, words.universe !== undefined, context)
  if (context.globals().json === true)
    return context.json({ token, key: signer.identity.id, subject, grants: [grant], expiresAtMs, universe })
  context.io.err(`"${printableLine(subject)}" may ${textOfGrants([grant])} until ${timeOf(expiresAtMs)}\n`)
  context.io.out(`${token}\n`)
}

async function signerFrom(name: string | undefined, context: Context): Promise<Signer> {
  const { env } = context.io
  const root = name === undefined && keyNames(env).length === 0 ? rootKeyHere(context) : undefined
  if (root !== undefined) return { name: 'developer', identity: await identityIn(root.path), universe: root.universe, isRoot: true }
  const chosen = name ?? chosenKey(env, '--key NAME')
  return { name: chosen, identity: await readKey(env, chosen), universe: undefined, isRoot: false }
}

/** Of the universe the command talks to, where one of its nodes on this machine has its root key: the one that took over, else the first. */
function rootKeyHere(context: Context): { path: string; universe: string } | undefined {
  const nodes = localNodes(stateDirOf(context.io.env))
  const url = new URL(context.target().url).origin
  const targeted = nodes.find((each) => new URL(each.http).origin === url)
  if (targeted === undefined) return undefined
  const dirs = nodes.filter((each) => each.universe === targeted.universe).map(({ dataDir }) => dataDir)
  const paths = ['successor.key', 'root.key'].flatMap((name) => dirs.map((each) => join(each, name)))
  const path = paths.find((each) => existsSync(each))
  return path === undefined ? undefined : { path, universe: universeId(parseJoinToken(targeted.joinToken).universe) }
}

async function universeOf(context: Context): Promise<string> {
  try {
    return (await (await context.connect()).network()).universe.id
  } catch (error) {
    const { code, message } = OsirisError.from(error, 'Cannot ask the node')
    throw new OsirisError(code, `Cannot tell which universe the token is for; name it with --universe: ${message}`, { cause: error })
  }
}

/** Asks a node as whom the token makes it. Throws `forbidden`, saying what is missing; where no node answers, only an explicit universe goes on. */
async function assertHeld({ name, identity }: Signer, grant: Grant, token: string, offline: boolean, context: Context): Promise<void> {
  const held = await grantsHeld(identity.id, token, context).catch((error: unknown) => {
    const known = OsirisError.from(error, 'Cannot ask the node')
    if (known.code === 'unauthenticated') return []
    if (!offline || known.code !== 'unavailable') throw known
    context.io.err(`No node answered: what key "${name}" holds was not checked\n`)
    return undefined
  })
  if (held === undefined) return
  const missing = grant.namespaces.flatMap((namespace) =>
    grant.can.filter((can) => !allows({ subject: '', grants: held }, can, namespace)).map((can) => ({ can, namespace })),
  )
  if (missing.length === 0) return
  const [first] = missing
  const lacks = missing.map((each) => `${each.can} on ${each.namespace}`).join(', ')
  const has = held.length === 0 ? 'it holds nothing here' : `it holds ${textOfGrants(held)}`
  const ask = `whoever owns the namespace gives it: osiris grant add ${identity.id} --can ${first?.can ?? ''} --namespace "${first?.namespace ?? ''}"`
  throw new OsirisError('forbidden', `Cannot create the token: key "${name}" does not hold ${lacks} (${has}); ${ask}`)
}

async function grantsHeld(key: string, token: string, context: Context): Promise<Grant[]> {
  const node = await context.connectTo({ url: context.target().url, token })
  return (await node.grants.list({ key })).flatMap((each) => each.grants)
}
