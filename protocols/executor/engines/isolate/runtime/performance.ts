/** performance (High Resolution Time, User Timing): whole milliseconds that only grow, too coarse to time a neighbour with. */
import { DOMException } from './dom-exception.ts'
import { EventTarget } from './events.ts'
import { max, now } from './primordials.ts'
import { stringOf } from './text.ts'

/** The oldest go first. */
const ENTRIES_MAX = 1_000
const KEY = Symbol('Performance')

interface Entry {
  name: string
  entryType: 'mark' | 'measure'
  startTime: number
  duration: number
  detail: unknown
}

export class Performance extends EventTarget {
  #origin = 0
  #last = 0
  #entries: Entry[] = []

  constructor(key?: symbol) {
    super()
    if (key !== KEY) throw new TypeError('There is one performance, and nobody makes another')
  }

  get timeOrigin(): number {
    return (this.#origin ||= now())
  }

  now(): number {
    this.#last = max(this.#last, now() - this.timeOrigin)
    return this.#last
  }

  toJSON(): { timeOrigin: number } {
    return { timeOrigin: this.timeOrigin }
  }

  mark(name: string, options?: { startTime?: number; detail?: unknown }): Entry {
    const startTime = options?.startTime ?? this.now()
    return this.#add({ name: stringOf(name), entryType: 'mark', startTime, duration: 0, detail: options?.detail ?? null })
  }

  measure(name: string, from?: string | { start?: string | number; end?: string | number; detail?: unknown }, to?: string): Entry {
    const { start, end, detail } = typeof from === 'object' && from !== null ? from : { start: from, end: to, detail: null }
    const startTime = start === undefined ? 0 : this.#time(start)
    const duration = (end === undefined ? this.now() : this.#time(end)) - startTime
    return this.#add({ name: stringOf(name), entryType: 'measure', startTime, duration, detail: detail ?? null })
  }

  getEntries(): Entry[] {
    return this.#entries.toSorted((a, b) => a.startTime - b.startTime)
  }

  getEntriesByType(type: string): Entry[] {
    return this.getEntries().filter((each) => each.entryType === type)
  }

  getEntriesByName(name: string, type?: string): Entry[] {
    return this.getEntries().filter((each) => each.name === name && (type === undefined || each.entryType === type))
  }

  clearMarks(name?: string): void {
    this.#clear('mark', name)
  }

  clearMeasures(name?: string): void {
    this.#clear('measure', name)
  }

  override get [Symbol.toStringTag](): string {
    return 'Performance'
  }

  #add(entry: Entry): Entry {
    if (this.#entries.length >= ENTRIES_MAX) this.#entries.shift()
    this.#entries.push(entry)
    return entry
  }

  #clear(type: string, name: string | undefined): void {
    this.#entries = this.#entries.filter((each) => each.entryType !== type || (name !== undefined && each.name !== name))
  }

  #time(at: string | number): number {
    if (typeof at === 'number') return at
    const mark = this.#entries.findLast((each) => each.entryType === 'mark' && each.name === at)
    if (mark === undefined) throw new DOMException(`There is no mark ${JSON.stringify(at)}`, 'SyntaxError')
    return mark.startTime
  }
}

export const performance = new Performance(KEY)
