/** Encodings besides UTF-8 (Encoding Standard) that cost little: UTF-16 and windows-1252, which is what `latin1` and `ascii` mean on the web. */

const LABELS: Record<string, string> = {
  'utf-16le': 'utf-16le utf-16 ucs-2 unicode csunicode iso-10646-ucs-2 unicodefeff',
  'utf-16be': 'utf-16be unicodefffe',
  'windows-1252':
    'windows-1252 ascii us-ascii ansi_x3.4-1968 latin1 l1 cp1252 x-cp1252 cp819 ibm819 csisolatin1 iso-ir-100 iso-8859-1 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987',
}
const NAMES = new Map(Object.entries(LABELS).flatMap(([name, labels]) => labels.split(' ').map((label) => [label, name])))
/** What windows-1252 has at 0x80 to 0x9f; all else is the character of the same number. */
const WINDOWS_1252 =
  '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f' +
  '\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178'
/** Characters per `fromCharCode`: below the engine's limit on arguments. */
const PIECE = 8192

export function encodingOf(label: string): string {
  const name = NAMES.get(label)
  if (name === undefined) throw new RangeError(`The encoding ${JSON.stringify(label.slice(0, 100))} is not supported`)
  return name
}

export function decoderOf(encoding: string, fatal: boolean): { decode(bytes: Uint8Array, last: boolean): string } {
  return encoding === 'windows-1252' ? { decode: windows1252 } : new Utf16(encoding === 'utf-16be', fatal)
}

function windows1252(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += PIECE)
    text += Array.from(bytes.subarray(at, at + PIECE), (byte) =>
      byte >= 0x80 && byte < 0xa0 ? WINDOWS_1252[byte - 0x80] : String.fromCharCode(byte),
    ).join('')
  return text
}

class Utf16 {
  readonly #bigEndian: boolean
  readonly #fatal: boolean
  #odd: number | undefined
  /** The first half of a pair, whose second may come with the next bytes. */
  #high = ''

  constructor(bigEndian: boolean, fatal: boolean) {
    this.#bigEndian = bigEndian
    this.#fatal = fatal
  }

  decode(bytes: Uint8Array, last: boolean): string {
    let text = this.#high + this.#units(bytes)
    this.#high = ''
    if (!last && isHigh(text.charCodeAt(text.length - 1))) {
      this.#high = text.slice(-1)
      text = text.slice(0, -1)
    }
    if (last && this.#odd !== undefined) text += '\udfff'
    if (this.#fatal && !text.isWellFormed()) throw new TypeError('The bytes are not valid UTF-16')
    return text.toWellFormed()
  }

  #units(bytes: Uint8Array): string {
    let text = ''
    let units: number[] = []
    for (const byte of bytes) {
      if (this.#odd === undefined) {
        this.#odd = byte
        continue
      }
      units.push(this.#bigEndian ? (this.#odd << 8) | byte : (byte << 8) | this.#odd)
      this.#odd = undefined
      if (units.length < PIECE) continue
      text += String.fromCharCode(...units)
      units = []
    }
    return text + String.fromCharCode(...units)
  }
}

function isHigh(code: number): boolean {
  return code >= 0xd800 && code < 0xdc00
}
