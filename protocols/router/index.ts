export type * from './router.ts'
