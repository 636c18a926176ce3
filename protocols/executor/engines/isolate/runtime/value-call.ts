/** One call of a value function, from the text of its arguments to the text of its result; all of it inside the timed section. */
import { ARGUMENTS_MAX, RESULT_DEPTH_MAX } from '../../../bounds.ts'
import { apply, isArray, parse, PromiseThen, resolved, split, startsWith, stringify } from './primordials.ts'
import { isDeeperThan } from './depth.ts'
import { failureText, thrownText } from './errors.ts'
import { OUT } from './codes.ts'
import { hasMail, say } from './outbox.ts'
import { end, enter, register } from './state.ts'
import { isLongerThan } from './text.ts'
import { refusedIn } from './unserializable.ts'

/** The function, and the longest result it may give in bytes. */
export interface ValueFunction {
  name: string
  run: (...args: never[]) => unknown
  resultMax: number
}

/** The result's text, `!` and an error, or nothing: then it comes by `OUT.value`. A leading `+` says that mail waits as well. */
export function callValue(fn: ValueFunction, id: number, text: string): string | undefined {
  let args: unknown
  try {
    args = parse(text)
  } catch {
    return failureText('invalid_argument', `Cannot call "${fn.name}": the arguments are not JSON`)
  }
  if (!isArray(args)) return failureText('invalid_argument', `Cannot call "${fn.name}": the arguments are not a JSON array`)
  const answer = tooMany(fn.name, args) ?? startValue(fn, id, args)
  return answer !== undefined && hasMail() ? `+${answer}` : answer
}

/** What to say to more arguments than a function takes. */
export function tooMany(name: string, args: unknown[]): string | undefined {
  if (args.length <= ARGUMENTS_MAX) return undefined
  return failureText('invalid_argument', `Cannot call "${name}": ${args.length} arguments are too many (at most ${ARGUMENTS_MAX})`)
}

export function startValue(fn: ValueFunction, id: number, args: unknown[]): string | undefined {
  enter(id)
  let answer: string
  try {
    const result = apply(fn.run, undefined, args)
    if (isThenable(result)) {
      waitFor(fn, id, result)
      return undefined
    }
    answer = resultText(fn, result)
  } catch (error) {
    answer = thrownText(error)
  }
  end(id)
  return answer
}

export function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

function waitFor(fn: ValueFunction, id: number, promise: unknown): void {
  register({ id })
  const settle = (answer: string) => {
    if (end(id)) say(OUT.value, id, answer)
  }
  void PromiseThen(
    resolved(promise),
    (value: unknown) => settle(safely(() => resultText(fn, value))),
    (error: unknown) => settle(safely(() => thrownText(error))),
  )
}

function safely(make: () => string): string {
  try {
    return make()
  } catch (error) {
    return thrownText(error)
  }
}

export function resultText(fn: ValueFunction, value: unknown): string {
  if (value === undefined) return 'null'
  let text: unknown
  try {
    text = stringify(value)
  } catch (error) {
    return notSerializable(fn, value, error)
  }
  if (typeof text !== 'string')
    return failureText('result_not_serializable', `Cannot return the result of "${fn.name}": result is a ${typeof value}`)
  if (isLongerThan(text, fn.resultMax))
    return failureText(
      'result_too_large',
      `Cannot return the result of "${fn.name}": it is longer than ${fn.resultMax} bytes (execution.result)`,
      'result',
    )
  if (isDeeperThan(text, RESULT_DEPTH_MAX))
    return failureText('result_too_large', `Cannot return the result of "${fn.name}": it is nested deeper than ${RESULT_DEPTH_MAX} levels`)
  return text
}

/** What `toJSON` or a getter threw is the function's own error; what JSON itself refuses (a cycle, a BigInt) is not. */
function notSerializable(fn: ValueFunction, value: unknown, error: unknown): string {
  if (error instanceof RangeError)
    return failureText('result_too_large', `Cannot return the result of "${fn.name}": ${excessOf(messageOf(error))}`)
  const message = messageOf(error)
  const refused = error instanceof TypeError && (startsWith(message, 'Converting circular') || startsWith(message, 'Do not know how to'))
  if (!refused) return thrownText(error)
  return failureText('result_not_serializable', `Cannot return the result of "${fn.name}": ${refusedIn(value) ?? firstLine(message)}`)
}

function excessOf(message: string): string {
  return startsWith(message, 'Maximum call stack') ? 'it is nested too deeply' : message
}

function messageOf(error: unknown): string {
  const { message } = error as { message?: unknown }
  return typeof message === 'string' ? message : ''
}

function firstLine(text: string): string {
  return split(text, '\n')[0] as string
}
