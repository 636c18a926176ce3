/** The table for people and the JSON that is kept beside the benchmarks. */
import { availableParallelism, cpus, totalmem } from 'node:os'
import { isMet, type Row } from './bench.ts'

/** The machine by what it can do; no names, no paths. */
export interface Machine {
  cpu: string
  cores: number
  memoryGiB: number
  node: string
  platform: string
}

/** One figure as it was measured last. */
export interface Measured {
  commit: string
  date: string
  machine: Machine
  load: string
  rounds: number
  rows: Row[]
}

/** By the name of the figure. */
export type Results = { [figure: string]: Measured }

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
  }
}

/** Figure, measured, bar, met or not. */
export function table(rows: readonly Row[]): string {
  const cells = [
    ['figure', 'measured', 'bar', 'met'],
    ...rows.map((row) => [row.what, shown(row.measured, row), bar(row), isMet(row) ? 'yes' : 'NO']),
  ]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((line) => line[column]!.length)))
  return cells
    .map((line) => line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '))
    .join('\n')
}

function bar(row: Row): string {
  return `${row.bar.kind === 'least' ? '≥' : '≤'} ${shown(row.bar.value, row)}`
}

function shown(value: number, row: Row): string {
  return row.unit === '×' ? `${value} ×` : `${value.toLocaleString('en')} ${row.unit}`
}
