/** The numbers both sides of the isolate's wall use: the runtime inside, the engine outside. No code of either. */

/** Events the host brings in. */
export const EVENT = { chunk: 1, end: 2, broken: 3, credit: 4, cancel: 5, answer: 6, failure: 7, tick: 8 } as const

/** Entries of the isolate's outbox, five places each: code, id, x, y, z. */
export const OUT = {
  /** call; x: JSON text, or failure text. */
  value: 1,
  /** call; x: head JSON, y: 1 open | 2 closed, z: whole body or nothing. */
  response: 2,
  /** call; x: bytes. */
  chunk: 3,
  /** call. */
  end: 4,
  /** call; x: failure text. */
  broken: 5,
  /** call; x: bytes of the request's body taken. */
  credit: 6,
  /** call. */
  closed: 7,
  /** call or 0; x: level, y: text. */
  log: 8,
  /** request; x: JSON. */
  ask: 9,
  /** x: milliseconds until the next timer, or -1. */
  wake: 10,
  /** x: undefined, or failure text. */
  loaded: 11,
  /** call or 0; x: lines not kept. */
  dropped: 12,
} as const
