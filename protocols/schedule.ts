/**
 * When a cron line is due. Five fields (minute, hour, day of month, month, day of week), or six with seconds before them; `@hourly`, `@daily` and so on;
 * names, ranges, steps, lists, `L`, `W` and `#` as croner reads them. Day of month and day of week are either-or where both are given, as in cron(8).
 *
 * In a time zone that changes its clocks, a line with one hour, one minute and one second comes once on such a day, whatever happens to its time; any other
 * line comes in both of the hours that happen twice and in none of the hour that does not happen.
 */
import { Cron } from 'croner'
import { OsirisError } from './errors.ts'

const CRON_CHARACTERS_MAX = 256
const FIELDS = /^(?:@[a-z]+|\S+(?: +\S+){4,5})$/
/** How far away the next tick may be: leap days are eight years apart at most. */
const AHEAD_MS = 9 * 366 * 86_400_000

/** The times of one line, as milliseconds since the epoch. */
export class Ticks {
  readonly #cron: Cron

  constructor(cron: Cron) {
    this.#cron = cron
  }

  /** The first after that time; undefined when there is none for years. */
  after(ms: number): number | undefined {
    const next = this.#cron.nextRun(new Date(ms))?.getTime()
    return next !== undefined && next - ms <= AHEAD_MS ? next : undefined
  }

  /** Those after `afterMs` and not after `untilMs`, oldest first; of more than `max` the last. */
  between(afterMs: number, untilMs: number, max: number): number[] {
    // What is asked for comes before a time.
    const found = this.#cron.previousRuns(max, new Date(untilMs + 1000)).map((each) => each.getTime())
    return found.filter((each) => each > afterMs && each <= untilMs).toSorted((a, b) => a - b)
  }
}

/** `timezone`: a name of the IANA database, e.g. `Europe/Berlin`. Throws `invalid_argument`. */
export function parseCron(line: string, timezone = 'UTC'): Ticks {
  const text = line.trim()
  const refuse = (reason: string) =>
    new OsirisError('invalid_argument', `Cannot read ${JSON.stringify(text.slice(0, CRON_CHARACTERS_MAX))} as a schedule: ${reason}`)
  if (text.length > CRON_CHARACTERS_MAX) throw refuse(`it is longer than ${CRON_CHARACTERS_MAX} characters`)
  if (!FIELDS.test(text)) throw refuse('expected five fields as in "*/5 * * * *", six with seconds, or @daily')
  assertTimezone(timezone, refuse)
  const cron = parsed(text, timezone, refuse)
  const ticks = new Ticks(cron)
  if (ticks.after(0) === undefined) throw refuse('no such time comes within nine years')
  return ticks
}

function parsed(text: string, timezone: string, refuse: (reason: string) => OsirisError): Cron {
  try {
    return new Cron(text, { timezone, mode: '5-or-6-parts', paused: true })
  } catch (error) {
    throw refuse((error as Error).message.replace(/^CronPattern: /, ''))
  }
}

function assertTimezone(timezone: string, refuse: (reason: string) => OsirisError): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone }).format(0)
  } catch {
    throw refuse(`${JSON.stringify(timezone.slice(0, 80))} is no time zone`)
  }
}
