/** Rows for people. Pure. */
import { printableLine } from './printable.ts'

/** Columns as wide as their widest cell, two spaces apart; no trailing spaces; every cell on one line. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => head.map((_, column) => printableLine(row[column] ?? '')))
  const widths = head.map((_, column) => Math.max(...cells.map((row) => (row[column] as string).length)))
  return cells
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] as number))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}
