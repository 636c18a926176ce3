/** Text of others (functions, peers, files) on a terminal: nothing in it may move the cursor, change colours or turn the direction of reading. */

/** Control characters, line and paragraph separators, bidirectional controls (Unicode TR 36, 3.1), the byte-order mark. */
const UNSAFE = /[\p{Cc}\p{Bidi_Control}\u2028\u2029\ufeff]/gu

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** One line: every control character as `\uXXXX`, line ends included. */
export function printableLine(text: string): string {
  return text.replace(UNSAFE, escaped)
}

/** Several lines: line feeds and tabs stay. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (each) => (each === '\n' || each === '\t' ? each : escaped(each)))
}

/** JSON that is safe to show and still the same value: such characters occur inside its strings only. */
export function printableJson(value: unknown, indent: number): string {
  return printable(JSON.stringify(value, null, indent) ?? 'null')
}
