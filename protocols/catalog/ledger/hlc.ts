/**
 * Hybrid logical clock (Kulkarni, Demirbas, Madappa, Avva, Leone: "Logical Physical Clocks", 2014): wall time that never goes back and
 * orders causes before effects. Pure: state in, state out.
 */
export interface Hlc {
  /** Milliseconds since the epoch. */
  wallMs: number
  /** Orders what happened within one millisecond; 16 bits. */
  counter: number
}

export const COUNTER_MAX = 0xffff
/** How far ahead of this node's wall clock a foreign time may be: above what NTP-kept hosts differ by, below what an attacker gains from. */
export const DRIFT_MS_MAX = 500
export const HLC_ZERO: Hlc = Object.freeze({ wallMs: 0, counter: 0 })

export function compareHlc(a: Hlc, b: Hlc): number {
  return a.wallMs - b.wallMs || a.counter - b.counter
}

/** The time of an event here, later than everything seen. */
export function tick(last: Hlc, nowMs: number): Hlc {
  if (nowMs > last.wallMs) return { wallMs: nowMs, counter: 0 }
  if (last.counter < COUNTER_MAX) return { wallMs: last.wallMs, counter: last.counter + 1 }
  return { wallMs: last.wallMs + 1, counter: 0 }
}

/** Whether a foreign time lies so far ahead that taking it would drag this clock along. */
export function drifts(remote: Hlc, nowMs: number, driftMsMax: number = DRIFT_MS_MAX): boolean {
  return remote.wallMs > nowMs + driftMsMax
}

/** This clock after seeing `remote`: the later of the two. */
export function observe(last: Hlc, remote: Hlc): Hlc {
  return compareHlc(remote, last) > 0 ? { wallMs: remote.wallMs, counter: remote.counter } : last
}
