/** A place in a source as people are shown it. Pure. */
const FRAME_WIDTH = 120

/** The line and the one on either side, with a caret under the column; long lines are cut around it. */
export function codeFrame(text: string, line: number, column: number): string {
  const lines = text.split(/\r\n|[\n\r\u2028\u2029]/)
  const from = Math.max(0, column - FRAME_WIDTH / 2)
  const width = String(Math.min(line + 1, lines.length)).length
  const rows: string[] = []
  for (let number = Math.max(1, line - 1); number <= Math.min(line + 1, lines.length); number++) {
    const shown = (lines[number - 1] as string).slice(from, from + FRAME_WIDTH).replaceAll('\t', ' ')
    rows.push(`${number === line ? '>' : ' '} ${String(number).padStart(width)} | ${shown}`.trimEnd())
    if (number === line) rows.push(`  ${' '.repeat(width)} | ${' '.repeat(column - 1 - from)}^`)
  }
  return rows.join('\n')
}
