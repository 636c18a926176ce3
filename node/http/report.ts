/** Errors nobody planned for, told to who runs the node. What a client did wrong is the client's to know. */
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'

export function reportUnexpected(events: Events, what: string, error: unknown): void {
  if (error instanceof OsirisError && error.code !== 'internal') return
  report(events, what, error)
}

export function report(events: Events, what: string, error: unknown): void {
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined }
  events.emit('log', {
    level: 'error',
    room: 'http',
    text: `Cannot finish ${what.slice(0, 200)}: ${message}`,
    ...(stack === undefined ? {} : { data: { stack } }),
  })
}
