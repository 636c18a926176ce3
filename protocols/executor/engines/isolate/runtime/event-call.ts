/** One event: by the method of its name of a web function, or as the one argument of a value function. Answers as a call does, when all of it is done. */
import type { EventHandler } from '#protocols/invocation'
import { OUT } from './codes.ts'
import { uncaught } from './console.ts'
import { failureText, thrownText } from './errors.ts'
import { hasMail, say } from './outbox.ts'
import { apply, parse, PromiseThen, resolved } from './primordials.ts'
import { type Active, end, enter, register } from './state.ts'
import { isThenable, startValue, type ValueFunction } from './value-call.ts'
import { lacking, type WebFunction } from './web-call.ts'

/** What a handler gives back goes nowhere: nobody waits for it. */
const DONE = 'null'

/** As `callValue`. */
export function callEvent(
  web: WebFunction | undefined,
  value: ValueFunction | undefined,
  name: string,
  id: number,
  handler: string,
  text: string,
): string | undefined {
  let event: unknown
  try {
    event = parse(text)
  } catch {
    return failureText('invalid_argument', `Cannot run "${name}": the event is not JSON`)
  }
  const answer = value === undefined ? startHandler(web as WebFunction, id, handler as EventHandler, event) : startValue(value, id, [event])
  return answer !== undefined && hasMail() ? `+${answer}` : answer
}

function startHandler(web: WebFunction, id: number, handler: EventHandler, event: unknown): string | undefined {
  const method = web.methods[handler]
  if (method === undefined) return failureText('invalid_argument', lacking(web, handler))
  const call = new EventCall(id)
  register(call)
  enter(id)
  try {
    const result = apply(method, web.self, [event, web.env, call.context()])
    if (isThenable(result)) call.waitFor(result)
    return call.returned()
  } catch (error) {
    return call.threw(error)
  }
}

/** It is over when its handler and all it was told to wait for have settled: whoever hands out events then knows that none of it is left. */
class EventCall implements Active {
  readonly id: number
  #pledges = 0
  /** The handler's own turn is over: what settles now is its end. */
  #isReturned = false
  #failure: string | undefined

  constructor(id: number) {
    this.id = id
  }

  context(): object {
    return {
      waitUntil: (promise: unknown) => this.#pledge(promise, (error) => uncaught('waitUntil', error)),
      passThroughOnException: () => {},
      props: {},
    }
  }

  waitFor(result: unknown): void {
    this.#pledge(result, (error) => {
      this.#failure ??= thrownText(error)
    })
  }

  /** The answer, or nothing: then it comes by `OUT.value`. */
  returned(): string | undefined {
    this.#isReturned = true
    if (this.#pledges > 0) return undefined
    end(this.id)
    return DONE
  }

  /** As `returned`; what it was told to wait for goes on until then. */
  threw(error: unknown): string | undefined {
    this.#failure = thrownText(error)
    if (this.returned() === undefined) return undefined
    return this.#failure
  }

  #pledge(promise: unknown, failed: (error: unknown) => void): void {
    this.#pledges++
    const done = () => {
      if (--this.#pledges === 0 && this.#isReturned && end(this.id)) say(OUT.value, this.id, this.#failure ?? DONE)
    }
    void PromiseThen(resolved(promise), done, (error: unknown) => {
      failed(error)
      done()
    })
  }
}
