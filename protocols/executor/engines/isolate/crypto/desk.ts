/**
 * crypto.subtle of one instance: its keys, what it asked for, what it is to be told. While none of its calls is open nothing is begun and nothing is told,
 * so that nothing of it runs; what waited goes on with the next call.
 */
import { CRYPTO_OPEN_MAX } from '../../../bounds.ts'
import { EVENT } from '../runtime/codes.ts'
import type { CryptoRequest } from '../runtime/subtle/vocabulary.ts'
import { checkRequest, Refused } from './check.ts'
import type { Gate, Job, JobSource } from './gate.ts'
import { Keys } from './keys.ts'
import { perform } from './perform.ts'

const TEXT_MAX = 500

export interface DeskInit {
  gate: Gate
  /** Whether a call of the instance is open, or its module is being loaded. */
  isLive: () => boolean
  /** Counts processor time to a call: it may end the call. */
  spent: (callId: number, ms: number) => void
  /** Tells the isolate; `event` is EVENT.crypto or EVENT.cryptoFailed. */
  tell: (event: number, operationId: number, value: ArrayBuffer | string) => void
}

interface Waiting {
  id: number
  callId: number
  request: CryptoRequest
}

export class Desk implements JobSource {
  readonly #init: DeskInit
  readonly #keys = new Keys()
  #waiting: Waiting[] = []
  #untold: Parameters<DeskInit['tell']>[] = []
  #open = 0
  #heavy = 0
  #gone = false
  #whenLight: (() => void)[] = []

  constructor(init: DeskInit) {
    this.#init = init
  }

  ask(id: number, given: unknown, callId: number): void {
    if (this.#gone) return
    this.#open++
    try {
      if (this.#open > CRYPTO_OPEN_MAX) throw new Refused('OperationError', `More than ${CRYPTO_OPEN_MAX} operations are under way`)
      const request = checkRequest(given)
      this.#waiting.push({ id, callId, request })
      this.#init.gate.offer(this)
    } catch (error) {
      this.#failedLater(id, error)
    }
  }

  /** A call was opened: what was held back goes on, after the turn it came in. */
  resume(): void {
    if (this.#untold.length === 0 && this.#waiting.length === 0) return
    setImmediate(() => {
      if (this.#gone || !this.#init.isLive()) return
      const untold = this.#untold
      this.#untold = []
      for (const each of untold) this.#tell(...each)
      this.#init.gate.offer(this)
    })
  }

  /** A call is over: what it asked for and was not begun will not be. */
  callEnded(callId: number): void {
    if (this.#waiting.length === 0) return
    const over = this.#waiting.filter((each) => each.callId === callId)
    if (over.length === 0) return
    this.#waiting = this.#waiting.filter((each) => each.callId !== callId)
    for (const { id } of over) this.#failedLater(id, new Refused('AbortError', 'The call the operation belongs to is over'))
  }

  /** Runs now, or as soon as nothing is under way that may take seconds. */
  whenLight(run: () => void): void {
    if (this.#heavy === 0) run()
    else this.#whenLight.push(run)
  }

  dispose(): void {
    this.#gone = true
    this.#init.gate.forget(this)
    this.#waiting = []
    this.#untold = []
    this.#keys.clear()
  }

  // For the gate.

  get hasWork(): boolean {
    return this.#waiting.length > 0 && this.#init.isLive()
  }

  take(mayBeHeavy: boolean): Job | undefined {
    if (!this.#init.isLive()) return undefined
    const at = this.#waiting.findIndex((each) => mayBeHeavy || !isHeavy(each.request))
    const [next] = at < 0 ? [] : this.#waiting.splice(at, 1)
    return next === undefined ? undefined : { isHeavy: isHeavy(next.request), run: () => this.#run(next) }
  }

  async #run({ id, callId, request }: Waiting): Promise<void> {
    const startedAt = performance.now()
    const heavy = isHeavy(request) ? 1 : 0
    this.#heavy += heavy
    const done = await perform(request, this.#keys).then(
      (answer) => () => this.#answered(EVENT.crypto, id, answer),
      (error: unknown) => () => this.#answered(EVENT.cryptoFailed, id, failureText(error)),
    )
    // With no more at work than there are threads, the time it took is what it cost. Before its answer, which may be the end of the call.
    this.#init.spent(callId, performance.now() - startedAt)
    done()
    this.#heavy -= heavy
    if (this.#heavy === 0) for (const run of this.#whenLight.splice(0)) run()
  }

  /** Not in the turn that asked: a function that asks again in its answer would never come back. */
  #failedLater(id: number, error: unknown): void {
    this.#untold.push([EVENT.cryptoFailed, id, failureText(error)])
    this.resume()
  }

  #answered(event: number, id: number, value: ArrayBuffer | string): void {
    if (this.#gone) return
    if (this.#init.isLive()) this.#tell(event, id, value)
    else this.#untold.push([event, id, value])
  }

  #tell(event: number, id: number, value: ArrayBuffer | string): void {
    this.#open--
    this.#init.tell(event, id, value)
  }
}

function failureText(error: unknown): string {
  const { name, message } = error instanceof Error ? error : { name: 'OperationError', message: 'The operation failed' }
  return JSON.stringify({ name: nameFor(error, name), message: message.slice(0, TEXT_MAX) })
}

function isHeavy({ op, alg }: CryptoRequest): boolean {
  return op === 'generateKey' && alg?.['modulusLength'] !== undefined
}

/** DOMExceptions keep their names; what else Node throws for bad input is an OperationError unless it says that it is a TypeError. */
function nameFor(error: unknown, name: string): string {
  return error instanceof DOMException || error instanceof Refused || name === 'TypeError' ? name : 'OperationError'
}
