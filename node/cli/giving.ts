/** `osiris key rotate --key`: a person's key is given on to another one. Both sign on this machine; nothing secret leaves it. */
import { ackOf, type AckWords, sentenceOf } from './acknowledging.ts'
import type { Context } from './context.ts'
import { identityIn, keyIn, keyPathOf, replaceKey } from './keys.ts'
import { printableLine } from './printable.ts'

export interface GiveWords extends AckWords {
  key: string
  to?: string
}

/**
 * The next key is on disk before anybody hears of it, and in its place once the ledger says that it took over: a command that was ended on the way, run
 * again, goes on where it was.
 */
export async function giveKey(words: GiveWords, context: Context): Promise<void> {
  const { signGivingFor } = await import('#node/recovery')
  const { env } = context.io
  const choice = await ackOf(words)
  const path = keyPathOf(env, words.key)
  const old = await identityIn(path)
  const nextPath = words.to === undefined ? `${path}.next` : keyPathOf(env, words.to)
  const node = await context.connect()
  const said = await node.succession()
  const next = words.to === undefined ? await keyIn(nextPath) : await identityIn(nextPath)
  const { from, to, changed, receipt } = await node.rotateKey(signGivingFor(said, old, next), choice)
  const copy = words.to === undefined ? replaceKey(path, old, nextPath) : undefined
  if (context.globals().json === true) return context.json({ from, to, changed, receipt, file: copy === undefined ? nextPath : path })
  context.io.err(
    `${changed ? 'Gave on' : 'It was given on before'}: ${to} holds what ${from} held
${sentenceOf(receipt)}
${
  copy === undefined
    ? ''
    : `The new key is in ${printableLine(path)}; the old one, which holds nothing in this universe any more, in ${printableLine(copy)}: remove it once no other universe knows it
`
}Tokens and join tokens that the old key signed have no effect any more: sign new ones.
`,
  )
  context.io.out(`${to}\n`)
}
