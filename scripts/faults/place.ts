/** Where a node runs. */
export interface Place {
  /** What stands before its command; nothing for a process like any other. */
  inside: readonly string[]
  /** Where it listens. Port 0: the kernel picks one at the first start, and it is kept. */
  http: { host: string; port: number }
  p2p: { host: string; port: number }
  /** Where this process finds its HTTP door, if not where it says. */
  url?: string
}

export const HERE: Place = { inside: [], http: { host: '127.0.0.1', port: 0 }, p2p: { host: '127.0.0.1', port: 0 } }
