/** What another keeper has this router remember. */
import type { Peer } from '#protocols/network'
import type { Answers } from './answers.ts'
import type { Note, Reply } from './messages.ts'

export function remember(answers: Answers, note: Note, from: Peer, now: number): Reply {
  const { id, digest, namespace } = note
  const found = answers.find(id, digest, now)
  if (note.do === 'begin') {
    if (found.kind !== 'none') return found.kind === 'ended' ? { state: 'ended', outcome: found.outcome } : { state: found.kind }
    return { state: answers.begin(id, { namespace, digest }, { kind: 'begun', at: from }, now + note.restMs, now) ? 'none' : 'full' }
  }
  // Only who began it ends it.
  if (found.kind !== 'begun' || found.at !== from) return { state: 'none' }
  if (note.do === 'forget') answers.forget(id)
  else answers.end(id, note.outcome, now)
  return { state: 'none' }
}
