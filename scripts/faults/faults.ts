/** Every fault, in the order they are run. */
import type { Fault } from './fault.ts'
import { killCatalogs } from './kill-catalogs.ts'
import { killOne } from './kill-one.ts'
import { killWorkers } from './kill-workers.ts'
import { PARTITIONS } from './partitions.ts'
import { pauseOne } from './pause-one.ts'
import { slowOne } from './slow-one.ts'

export const FAULTS: readonly Fault[] = [killCatalogs, killOne, killWorkers, pauseOne, slowOne, ...PARTITIONS]
