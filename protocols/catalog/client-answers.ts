/** What is made of the answers of catalogs on peers. */
import { OsirisError } from '#protocols/errors'
import { formatRef, type FunctionRef } from '#protocols/function'
import { versionOf } from '#protocols/manifest'
import type { FunctionRecord } from './catalog.ts'
import { isTrouble } from './catalog-members.ts'

/** What has become of a question to the catalogs: an answer is a record, or the word that there is none; not that nobody could be asked. */
export function follow(asked: Promise<unknown>): { isAnswer: boolean; settled: Promise<void> } {
  const said = { isAnswer: false, settled: Promise.resolve() }
  said.settled = asked.then(
    () => void (said.isAnswer = true),
    (error: unknown) => void (said.isAnswer = !(error instanceof OsirisError && isTrouble(error))),
  )
  return said
}

/** What is known, when no catalog could be asked. */
export function unlessNobody<T>(error: unknown, known: T): T {
  if (error instanceof OsirisError && isTrouble(error)) return known
  throw error
}

/** What a member answers is believed as far as it proves itself: the record must be of the function asked for, its version that of its manifest. */
export function checked(record: FunctionRecord, ref: FunctionRef): FunctionRecord {
  const { namespace, name } = ref
  const isAsked = [record, record.manifest].every((each) => each.namespace === namespace && each.name === name)
  if (isAsked && versionOf(record.manifest) === record.version) return record
  throw new OsirisError('unavailable', `Cannot use the record of "${formatRef(ref)}": the member's answer contradicts itself`)
}
