/**
 * What an entry of an isolate's outbox must be, whoever wrote it. An isolate that was taken over writes its own: a text where bytes belong would be longer
 * on the pipe than it says, and what follows would be read as frames of its making.
 */
import { OUT } from './runtime/codes.ts'

type Shape = (x: unknown, y: unknown, z: unknown) => boolean

const isText = (value: unknown) => typeof value === 'string'
const isBytes = (value: unknown) => value instanceof Uint8Array
const isBody = (value: unknown) => value === undefined || isText(value) || isBytes(value)
const isCount = (value: unknown) => typeof value === 'number' && value >= 0 && value <= 0xffff_ffff && Number.isInteger(value)
const nothing: Shape = () => true

const SHAPES: { readonly [code in (typeof OUT)[keyof typeof OUT]]: Shape } = {
  [OUT.value]: isText,
  [OUT.response]: (head, flags, body) => isText(head) && isCount(flags) && isBody(body),
  [OUT.chunk]: isBytes,
  [OUT.end]: nothing,
  [OUT.broken]: isText,
  [OUT.credit]: isCount,
  [OUT.closed]: nothing,
  [OUT.log]: (level, text) => isCount(level) && (level as number) <= 3 && isText(text),
  [OUT.ask]: (json, call) => isText(json) && isCount(call),
  [OUT.wake]: (delayMs) => typeof delayMs === 'number' && delayMs >= -1 && delayMs < 2 ** 31,
  [OUT.loaded]: (failure) => failure === undefined || isText(failure),
  [OUT.dropped]: isCount,
  // The request is checked by who takes it (crypto/check.ts).
  [OUT.crypto]: (_, call) => isCount(call),
  [OUT.fetch]: (head, body) => isText(head) && isBody(body),
  [OUT.fetchChunk]: isBytes,
  [OUT.fetchEnd]: nothing,
  [OUT.fetchCancel]: nothing,
  [OUT.fetchCredit]: isCount,
  [OUT.limit]: isText,
}

export function isSound(code: unknown, id: unknown, x: unknown, y: unknown, z: unknown): boolean {
  if (typeof code !== 'number' || !isCount(id) || !Object.hasOwn(SHAPES, code)) return false
  return SHAPES[code as keyof typeof SHAPES](x, y, z)
}
