export type * from './management.ts'
export * from './functions.ts'
export * from './records.ts'
export * from './summaries.ts'
