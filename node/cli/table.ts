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

/** Milliseconds since the epoch as a cell: UTC, to the second. Nothing for what is no time. */
export function timeOf(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? '' : `${date.toISOString().slice(0, 19)}Z`
}

/** Why something failed, as a cell. */
export function whyOf({ code, message }: { code: string; message: string }): string {
  return `${code}: ${message.slice(0, 120)}`
}
