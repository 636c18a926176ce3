export { createLogger, logEvents, type Logger, type LoggerInit } from './logger.ts'
export { Metrics, type MetricsInit, type Probes } from './metrics.ts'
