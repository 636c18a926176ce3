/** Every fault, in the order they are run. */
import type { Fault } from './fault.ts'
import { killCatalogs } from './kill-catalogs.ts'

export const FAULTS: readonly Fault[] = [killCatalogs]
