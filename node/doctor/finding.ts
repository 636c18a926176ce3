/** What `osiris doctor` says, one line each. */

export interface Finding {
  check: string
  /** `weaker`: it works, with less. */
  state: 'ok' | 'weaker' | 'missing'
  /** What was found. */
  found: string
  /** What to do about it. */
  fix?: string
  /** Nothing runs without it. */
  required: boolean
}

/** Whether everything is there that a node needs. */
export function isFit(findings: readonly Finding[]): boolean {
  return findings.every((each) => !each.required || each.state !== 'missing')
}

export function ok(check: string, found: string): Finding {
  return { check, state: 'ok', found, required: false }
}

export function weaker(check: string, found: string, fix: string): Finding {
  return { check, state: 'weaker', found, fix, required: false }
}

/** Something without which no node runs. */
export function missing(check: string, found: string, fix: string): Finding {
  return { check, state: 'missing', found, fix, required: true }
}
