/** Errors nobody planned for, told to who runs the node. What a client did wrong is the client's to know. */
import { OsirisError } from '#protocols/errors'
import type { Events } from '#protocols/events'

export function reportUnexpected(events: Events, what: string, error: unknown): void {
  if (error instanceof OsirisError && error.code !== 'internal') return
  report(events, what, error)
}

/** So much of what a function says about its own end goes into the node's log for each answer that broke: anybody may call it again and again. */
const TEXT_MAX = 300

/** An answer that broke after its head: its client sees a cut connection and no reason, so the log has it. The stack is told only where it is the node's fault. */
export function reportBroken(events: Events, what: string, error: unknown): void {
  if (!(error instanceof OsirisError) || error.code === 'internal') return report(events, what, error)
  const text = `Cannot finish ${what.slice(0, 200)}: ${error.message.slice(0, TEXT_MAX)}`
  events.emit('log', { level: 'warn', room: 'http', text, data: { code: error.code } })
}

function report(events: Events, what: string, error: unknown): void {
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined }
  events.emit('log', {
    level: 'error',
    room: 'http',
    text: `Cannot finish ${what.slice(0, 200)}: ${message}`,
    ...(stack === undefined ? {} : { data: { stack } }),
  })
}
