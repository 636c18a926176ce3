export type * from './management.ts'
export * from './functions.ts'
export * from './summaries.ts'
