/** atob and btoa (HTML Standard, forgiving-base64). */
import { DOMException } from './dom-exception.ts'
import { stringOf } from './text.ts'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const PLACES = new Map(ALPHABET.split('').map((character, index) => [character, index]))

export function btoa(data: unknown): string {
  const text = stringOf(data)
  let out = ''
  for (let at = 0; at < text.length; at += 3) {
    const codes = [text.charCodeAt(at), text.charCodeAt(at + 1), text.charCodeAt(at + 2)] as const
    if (codes.some((code) => code > 255)) throw new DOMException('The string has characters outside Latin-1', 'InvalidCharacterError')
    const bits = (codes[0] << 16) | ((codes[1] || 0) << 8) | (codes[2] || 0)
    out += (ALPHABET[bits >> 18] as string) + (ALPHABET[(bits >> 12) & 63] as string)
    out += at + 1 < text.length ? (ALPHABET[(bits >> 6) & 63] as string) : '='
    out += at + 2 < text.length ? (ALPHABET[bits & 63] as string) : '='
  }
  return out
}

export function atob(data: unknown): string {
  let text = stringOf(data).replace(/[\t\n\f\r ]+/g, '')
  if (text.length % 4 === 0) text = text.replace(/==?$/, '')
  let out = ''
  let bits = 0
  let held = 0
  for (const character of text) {
    const place = PLACES.get(character)
    if (place === undefined) throw malformed()
    bits = (bits << 6) | place
    held += 6
    if (held < 8) continue
    held -= 8
    out += String.fromCharCode((bits >> held) & 255)
    bits &= (1 << held) - 1
  }
  if (text.length % 4 === 1) throw malformed()
  return out
}

function malformed(): DOMException {
  return new DOMException('The string is not base64', 'InvalidCharacterError')
}
