/** Why a fetch does not come to its end: in sentences, and as its function gets told. */
import { OsirisError } from '#protocols/errors'
import { limitMet } from '../limits/function-limits.ts'

/** The network's doing; `cause` brings the system's word along. */
export function broken({ url }: { url: URL }, state: string, cause?: unknown): OsirisError {
  return new OsirisError('unavailable', `${actOf(url)}: ${state}`, cause === undefined ? {} : { cause })
}

export function denied({ url }: { url: URL }, state: string): OsirisError {
  return new OsirisError('egress_denied', `${actOf(url)}: ${state}`)
}

/** More bytes than one fetch, one call or one namespace may move. */
export function exceeded(state: string): OsirisError {
  return limitMet('quota_exceeded', 'egressBytes', `Cannot fetch: ${state}`)
}

/** The system's word for it, or else the error's. */
export function wordOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown }
  return typeof code === 'string' ? code : String(message).slice(0, 200)
}

/** As its function gets told. */
export function brokenBytes({ code, message, details, cause }: OsirisError): Uint8Array {
  const limit = details?.['limit']
  const word = (cause as { code?: unknown } | undefined)?.code
  return Buffer.from(
    JSON.stringify({
      code,
      message,
      ...(typeof limit === 'string' ? { limit } : {}),
      ...(typeof word === 'string' && /^[A-Z_0-9]{1,64}$/.test(word) ? { cause: word } : {}),
    }),
  )
}

function actOf(url: URL): string {
  return `Cannot fetch from "${url.host.slice(0, 300)}"`
}
