/** `osiris key recover`: signs on this machine, with a key that is on no node; what was signed is kept beside the key, for a second signing would freeze it. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { SignedRotation } from '#node/recovery'
import { OsirisError } from '#protocols/errors'
import { wholeNumber } from './arguments.ts'
import type { Context } from './context.ts'
import { identityIn, keyPathOf } from './keys.ts'

export interface RecoverWords {
  key: string
  to: string
  from?: string
  pin?: string
}

export async function recover(words: RecoverWords, context: Context): Promise<void> {
  const { prepareRecovery } = await import('#node/recovery')
  const [keyPath, toPath] = [keyPathOf(context.io.env, words.key), keyPathOf(context.io.env, words.to)]
  const recovery = await identityIn(keyPath)
  const to = await identityIn(toPath)
  const pin = words.pin === undefined ? undefined : wholeNumber(words.pin, '--pin', 0, Number.MAX_SAFE_INTEGER)
  const node = await context.connect()
  const prepared = prepareRecovery(await node.succession(), recovery)
  const before = await savedBeside(keyPath, recovery.id)
  const isWaiting = before !== undefined && before.seq >= prepared.next
  const isSame =
    before !== undefined && before.to === to.id && (pin ?? before.pin) === before.pin && (words.from ?? before.from) === before.from
  if (isWaiting && !isSame)
    throw new OsirisError(
      'conflict',
      `Cannot sign another rotation: entry ${before.seq} of the recovery key was signed already (${before.to.slice(0, 8)} takes over from ${before.from.slice(0, 8)} at ${before.pin}) and is not in the ledger; hand that in first, a second one in its place would freeze the key`,
    )
  const signed = isSame ? before : sign()
  const answer = await node.handIn(Buffer.from(signed.bytes).toString('base64'))
  const { bytes: _bytes, ...told } = signed
  if (context.globals().json === true) return context.json({ universe: prepared.universe, ...told, ...answer })
  context.io.err(
    `${answer.changed ? 'Took over' : 'It stands already'}: ${signed.to} holds the root of universe ${prepared.universe}; of ${signed.from} the entries up to ${signed.pin} count, and nothing after them
${answer.holders} of ${answer.catalogs} nodes that keep the ledger have it on disk
Now, on a member that keeps the ledger: copy ${toPath} to successor.key in its data directory (mode 600), take root.key away if it is there, and restart it. Tokens and join tokens that the old key signed have no effect any more: sign new ones.
`,
  )
  context.io.out(`${signed.hash}\n`)

  function sign(): SignedRotation {
    const from = words.from ?? prepared.roots.at(-1)?.key ?? ''
    const last = prepared.roots.find(({ key }) => key === from)?.last
    assertSignable({ from, to: to.id, pin, last }, prepared.roots)
    const rotation = prepared.sign(to, from, pin ?? last ?? 0, Date.now())
    save(keyPath, rotation)
    return rotation
  }
}

/** What every node would refuse is not signed: it would stand in the way of what is right. */
function assertSignable(
  { from, to, pin, last }: { from: string; to: string; pin: number | undefined; last: number | undefined },
  roots: readonly { key: string }[],
): void {
  const act = 'Cannot sign the rotation'
  if (!roots.some(({ key }) => key === from))
    throw new OsirisError('invalid_argument', `${act}: ${from} never held the root of this universe; ${roots.at(-1)?.key ?? ''} does`)
  if (roots.some(({ key }) => key === to)) throw new OsirisError('invalid_argument', `${act}: ${to} held the root before; make a new key`)
  if (last === undefined && pin === undefined)
    throw new OsirisError('invalid_argument', `${act}: ${from} wrote nothing; name the last entry of it that counts (--pin SEQ)`)
  if (pin !== undefined && pin > (last ?? 0))
    throw new OsirisError(
      'conflict',
      `${act}: there are ${last ?? 0} entries of ${from}, and --pin would let ${pin} count; whoever has the old key could write the rest`,
    )
}

const ENDING = '.rotation-'

/** The last that was signed, if any. Throws `invalid_argument` for a file that is none of this key. */
async function savedBeside(keyPath: string, key: string): Promise<SignedRotation | undefined> {
  const prefix = basename(keyPath) + ENDING
  const seqs = readdirSync(dirname(keyPath)).flatMap((each) => (each.startsWith(prefix) ? [Number(each.slice(prefix.length))] : []))
  const last = Math.max(0, ...seqs.filter(Number.isSafeInteger))
  if (last === 0) return undefined
  const { openSigned } = await import('#node/recovery')
  const path = join(dirname(keyPath), prefix + String(last))
  const saved = openSigned(new Uint8Array(Buffer.from(readFileSync(path, 'utf8').trim(), 'base64')))
  if (saved.author !== key || saved.seq !== last)
    throw new OsirisError('invalid_argument', `Cannot use the rotation in ${path}: it is not entry ${last} of this key`)
  return saved
}

/** On disk before anybody hears of it. */
function save(keyPath: string, { seq, bytes }: { seq: number; bytes: Uint8Array }): void {
  const path = `${keyPath}${ENDING}${seq}`
  try {
    writeFileSync(path, `${Buffer.from(bytes).toString('base64')}\n`, { flag: 'wx', mode: 0o600, flush: true })
  } catch (error) {
    throw new OsirisError('unavailable', `Cannot keep what is signed in ${path}, so nothing is handed in: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
