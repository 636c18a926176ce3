/** `osiris key rotate`: the node that holds the root key makes the next one; nothing secret is on this machine. */
import { OsirisError } from '#protocols/errors'
import { ackOf, type AckWords, sentenceOf } from './acknowledging.ts'
import type { Context } from './context.ts'

export interface RotateWords extends AckWords {
  from?: string
}

export async function rotate(words: RotateWords, context: Context): Promise<void> {
  const choice = await ackOf(words)
  const node = await context.connect()
  const from = words.from ?? (await holderAt(node))
  const { to, changed, receipt } = await node.rotateRoot(from, choice)
  if (context.globals().json === true) return context.json({ from, to, changed, receipt })
  context.io.err(
    `${changed ? 'Rotated' : 'It was rotated before'}: ${to} holds the root, ${from} ended with entry ${receipt.seq}
${sentenceOf(receipt)}
The node keeps the new key in successor.key of its data directory: copy it to where you keep such things. Tokens and join tokens that the old key
signed have no effect any more: sign new ones; the nodes of a local universe take the next one by themselves. Destroy what copies there are of the old key.
`,
  )
  context.io.out(`${to}\n`)
}

async function holderAt(node: Awaited<ReturnType<Context['connect']>>): Promise<string> {
  const holder = (await node.succession()).keys.findLast(({ of }) => of === 'root')
  if (holder === undefined) throw new OsirisError('unavailable', 'Cannot rotate the root key: the node does not know yet who holds it')
  return holder.key
}
