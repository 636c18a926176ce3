/** The parts used here of packages that have no types of their own. */
declare module 'autocannon' {
  interface Options {
    url: string
    method: 'POST'
    body: string
    headers: { [name: string]: string }
    connections: number
    /** Seconds. */
    duration: number
  }
  interface Result {
    errors: number
    timeouts: number
  }
  interface Running extends Promise<Result> {
    on(event: 'response', listener: (client: unknown, status: number, bytes: number, latencyMs: number) => void): void
  }
  export default function autocannon(options: Options): Running
}

declare module 'workerd' {
  /** CommonJS: its default export is where the program is. */
  const workerd: { default: string }
  export default workerd
}
