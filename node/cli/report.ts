/** How a command's errors are shown: one sentence on standard error, the function's own stack below it. */
import { OsirisError } from '#protocols/errors'
import { exitCodeOf } from './exit-codes.ts'
import type { Io } from './io.ts'
import { printable, printableJson } from './printable.ts'

/** Returns the exit code. */
export function reportError(thrown: unknown, io: Pick<Io, 'err' | 'env'>, json: boolean): number {
  const error = OsirisError.from(thrown, 'Cannot go on')
  if (json) io.err(`${printableJson(error.toShape(), 0)}\n`)
  else {
    const [first = '', ...more] = printable(error.message).split('\n')
    io.err(`osiris: ${first}\n`)
    for (const line of more) io.err(`        ${line}\n`)
    if (error.functionStack !== undefined) io.err(`${stackOf(error)}\n`)
    if (error.code === 'internal' && io.env['OSIRIS_DEBUG'] === '1' && thrown instanceof Error) io.err(`${printable(thrown.stack ?? '')}\n`)
  }
  return exitCodeOf(error.code)
}

/** A stack begins with the message on most engines: it is said once. */
function stackOf(error: OsirisError): string {
  const lines = printable(error.functionStack ?? '').split('\n')
  const frames = lines.filter((each) => /^\s+at /.test(each))
  return (frames.length > 0 ? frames : lines).map((each) => `    ${each.trim()}`).join('\n')
}
