/** How a command's errors are shown: one sentence on standard error, the function's own stack below it. */
import { OsirisError } from '#protocols/errors'
import { exitCodeOf } from './exit-codes.ts'
import type { Io } from './io.ts'
import { printable, printableJson } from './printable.ts'
import { stackLines } from './stack.ts'

/** Returns the exit code. */
export function reportError(thrown: unknown, io: Pick<Io, 'err' | 'env' | 'cwd'>, json: boolean): number {
  const error = OsirisError.from(thrown, 'Cannot go on')
  if (json) io.err(`${printableJson(error.toShape(), 0)}\n`)
  else {
    const [first = '', ...more] = printable(error.message).split('\n')
    io.err(`osiris: ${first}\n`)
    for (const line of more) io.err(`        ${line}\n`)
    if (error.functionStack !== undefined) for (const line of stackLines(error.functionStack, io.cwd)) io.err(`${line}\n`)
    if (error.code === 'internal' && io.env['OSIRIS_DEBUG'] === '1' && thrown instanceof Error) io.err(`${printable(thrown.stack ?? '')}\n`)
  }
  return exitCodeOf(error.code)
}
