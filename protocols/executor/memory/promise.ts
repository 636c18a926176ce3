/** What an instance is promised while it runs, what it counts while it does not, and whether another promise fits. Pure. */

export interface MemoryNeed {
  /** What its isolate may have at most. */
  limitMb: number
  /** The most an instance of this version was ever seen to use; 0 while no call of it has ended. */
  peakMb: number
  isShared: boolean
}

/** A version that was seen gets half more than it ever used, and this: what looks at its heap could miss. */
const HEADROOM = 1.5
/** What an isolate holds outside its heap. */
const BESIDE_MB = 1
const LEAST_MB = 4
/** An instance with nothing but its code, alone and where it shares an isolate (README.md, "Memory of an instance"). */
const CODE_MB = 2.5
const SHARED_CODE_MB = 0.65

/** While it has calls, or loads: its limit until it was seen, then what it is known to use. Those that share an isolate are known to be small, and part when they are not. */
export function promisedMb({ limitMb, peakMb, isShared }: MemoryNeed): number {
  if (isShared) return Math.min(limitMb, LEAST_MB)
  if (peakMb === 0) return limitMb
  return Math.min(limitMb, Math.max(LEAST_MB, peakMb * HEADROOM + BESIDE_MB))
}

/** While it has none. Never more than it is promised, so that a call beginning on it asks for the rest. */
export function idleMb(need: MemoryNeed): number {
  const code = need.isShared ? SHARED_CODE_MB : CODE_MB
  return Math.min(promisedMb(need), need.isShared ? code : Math.max(code, need.peakMb + BESIDE_MB))
}

export interface WorkerHolding {
  /** When it was ready and held nothing. */
  restingMb: number
  /** Now. */
  residentMb: number
  /** Sums over its instances, of those without and with calls. */
  idleMb: number
  promisedMb: number
}

/** What a worker may come to hold if every promise is taken up; at least what it holds. */
export function worstMb({ restingMb, residentMb, idleMb: idle, promisedMb: promised }: WorkerHolding): number {
  const held = Math.min(idle, Math.max(0, residentMb - restingMb))
  return Math.max(residentMb, restingMb + held + promised)
}

/** Nobody else runs: then it fits, whatever else is there, or a node with a small budget could do nothing at all. */
export function fits(budgetMb: number, worst: number, moreMb: number, isAlone: boolean): boolean {
  return isAlone || worst + moreMb <= budgetMb
}
