/** Every fault, in the order they are run. */
import { chaos } from './chaos.ts'
import { churn } from './churn.ts'
import { coldStart } from './cold-start.ts'
import type { Fault } from './fault.ts'
import { killCatalogs } from './kill-catalogs.ts'
import { fewFiles } from './few-files.ts'
import { killOne } from './kill-one.ts'
import { killRouter } from './kill-router.ts'
import { killWorkers } from './kill-workers.ts'
import { PARTITIONS } from './partitions.ts'
import { pauseOne } from './pause-one.ts'
import { slowOne } from './slow-one.ts'
import { stallOne } from './stall-one.ts'
import { starveOne } from './starve-one.ts'
import { swizzle } from './swizzle.ts'
import { WEATHER } from './weather.ts'

export const FAULTS: readonly Fault[] = [
  ...[killCatalogs, killOne, killRouter, killWorkers, pauseOne, stallOne, slowOne, starveOne],
  ...[...PARTITIONS, swizzle, ...WEATHER, fewFiles, coldStart, churn, chaos],
]
