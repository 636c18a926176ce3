/** The numbers both sides of the isolate's wall use: the runtime inside, the engine outside. No code of either. */

/** About a fetch, whose id they carry. `fetchHead`: head JSON, `fetchBroken`: JSON of why, `fetchCredit`: bytes of the request's body taken. */
const fetchEvents = { fetchHead: 30, fetchChunk: 31, fetchEnd: 32, fetchBroken: 33, fetchCredit: 34 } as const

/** About a cryptographic operation, whose id they carry. `crypto`: the result's bytes, or JSON text; `cryptoFailed`: JSON text of `{ name, message }`. */
const cryptoEvents = { crypto: 20, cryptoFailed: 21 } as const

/** Events the host brings in. */
export const EVENT = {
  chunk: 1,
  end: 2,
  broken: 3,
  credit: 4,
  cancel: 5,
  answer: 6,
  failure: 7,
  tick: 8,
  /** What web functions need is evaluated, ahead of the first of their calls. */
  furnish: 9,
  ...cryptoEvents,
  ...fetchEvents,
} as const

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
  /** request; x: JSON, y: the call that asks, or 0. */
  ask: 9,
  /** x: milliseconds until the next timer, or -1. */
  wake: 10,
  /** x: undefined, or failure text. */
  loaded: 11,
  /** call or 0; x: lines not kept. */
  dropped: 12,
  /** operation; x: `CryptoRequest`, y: the call it belongs to, or 0. */
  crypto: 20,
  /** fetch; x: head JSON (`WireFetch`), y: whole body or nothing. */
  fetch: 30,
  /** fetch; x: bytes of the request's body. */
  fetchChunk: 31,
  /** fetch. */
  fetchEnd: 32,
  /** fetch: nobody waits for it any more. */
  fetchCancel: 33,
  /** fetch; x: bytes of the response's body taken. */
  fetchCredit: 34,
  /** call or 0; x: name of the limit that was met. */
  limit: 16,
} as const
