/** What happened in a run, as a hash of everything and the last lines of it: two runs of one seed must agree. */
import { mix } from './dice.ts'

/** Lines kept for the report of a failure. */
const KEPT = 60

export class Trace {
  readonly #print: ((line: string) => void) | undefined
  readonly #lines: string[] = []
  #low = 0
  #high = 0x9e3779b9
  #notes = 0
  #steps = 0

  constructor(print?: (line: string) => void) {
    this.#print = print
  }

  /** One step of the scheduler: when, and for which node. */
  step(atMs: number, label: string): void {
    this.#steps += 1
    this.#low = mix(this.#low ^ ((atMs * 1024) | 0), label)
    this.#high = Math.imul(this.#high ^ this.#low, 0x85ebca6b) >>> 0
  }

  /** Something a person would want to read. */
  note(atMs: number, who: string, text: string): void {
    const line = `${(atMs / 1000).toFixed(3).padStart(7)} ${who.padEnd(8)} ${text}`
    this.#low = mix(this.#low, line)
    this.#notes += 1
    this.#lines[this.#notes % KEPT] = line
    this.#print?.(line)
  }

  get steps(): number {
    return this.#steps
  }

  hash(): string {
    return [this.#low, this.#high, this.#steps].map((each) => each.toString(16).padStart(8, '0')).join('')
  }

  last(): string[] {
    const from = Math.max(1, this.#notes - KEPT + 1)
    return Array.from({ length: this.#notes - from + 1 }, (_, at) => this.#lines[(from + at) % KEPT] as string)
  }
}
