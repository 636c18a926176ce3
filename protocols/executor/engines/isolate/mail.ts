/** What the isolate said since the last turn, entry by entry, to where it belongs. */
import type { EngineReports } from '../engine.ts'
import { isSound } from './mail-shapes.ts'
import { OUT } from './runtime/codes.ts'

export interface MailSink {
  readonly id: number
  readonly reports: EngineReports
  /** The module is bound, or this text says why not. */
  loaded(failure: string | undefined): void
  settled(callId: number, text: string): void
  responded(callId: number, head: string, body: string | Uint8Array | undefined, open: boolean, closed: boolean): void
  closed(callId: number): void
  isOpen(callId: number): boolean
  wakeIn(delayMs: number): void
  /** `request` is whatever the isolate gave. */
  crypto(operationId: number, request: unknown, callId: number): void
}

const PLACES = 5

/** Whether the runtime wrote it: at the first entry that it never writes, reading ends. */
export function readMail(mail: unknown, sink: MailSink): boolean {
  if (!Array.isArray(mail)) return false
  const { reports } = sink
  for (let at = 0; at < mail.length; at += PLACES) {
    const id = mail[at + 1] as number
    const x = mail[at + 2] as unknown
    const y = mail[at + 3] as unknown
    if (!isSound(mail[at], id, x, y, mail[at + 4])) return false
    switch (mail[at]) {
      case OUT.value:
        sink.settled(id, x as string)
        break
      case OUT.response: {
        const flags = y as number
        sink.responded(id, x as string, mail[at + 4] as string | Uint8Array | undefined, (flags & 1) !== 0, (flags & 2) !== 0)
        break
      }
      case OUT.chunk:
        if (sink.isOpen(id)) reports.chunk(id, x as Uint8Array)
        break
      case OUT.end:
        if (sink.isOpen(id)) reports.end(id)
        break
      case OUT.broken:
        if (sink.isOpen(id)) reports.broken(id, (x as string).slice(1))
        break
      case OUT.credit:
        if (sink.isOpen(id)) reports.credit(id, x as number)
        break
      case OUT.closed:
        sink.closed(id)
        break
      case OUT.log:
        reports.log(sink.id, id, x as number, y as string)
        break
      case OUT.dropped:
        reports.log(sink.id, id, 2, `${x as number} more lines were dropped`)
        break
      case OUT.ask:
        reports.ask(sink.id, id, x as string, y as number)
        break
      case OUT.limit:
        reports.met(sink.id, id, x as string)
        break
      case OUT.fetch:
        reports.fetch(sink.id, id, x as string, y as string | Uint8Array | undefined)
        break
      case OUT.fetchChunk:
        reports.fetchChunk(sink.id, id, x as Uint8Array)
        break
      case OUT.fetchEnd:
        reports.fetchEnd(sink.id, id)
        break
      case OUT.fetchCancel:
        reports.fetchCancel(sink.id, id)
        break
      case OUT.fetchCredit:
        reports.fetchCredit(sink.id, id, x as number)
        break
      case OUT.crypto:
        sink.crypto(id, x, y as number)
        break
      case OUT.wake:
        sink.wakeIn(x as number)
        break
      case OUT.loaded:
        sink.loaded(x as string | undefined)
        break
    }
  }
  return true
}
