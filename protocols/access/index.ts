export * from './access.ts'
export * from './identity.ts'
export * from './policy.ts'
export * from './universe.ts'
