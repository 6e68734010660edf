// Freezes: spans of local time in which nothing moves, such as `fri 16:00` to `mon 08:00` or `2026-12-20` to `2027-01-04`.
// Read in a named zone. An hour that the clock repeats or skips never makes a freeze shorter. Pure: the caller brings the time.
import {z} from 'zod'
import {line} from './names.ts'
import {timezone} from './calendars.ts'

/** A span of local time: of every day (`18:00`), of every week (`fri 16:00`) or once (`2026-12-20 16:00`). */
export interface Freeze {
  readonly from: string
  /** The first moment that is free again; a date alone ends with that day. */
  readonly until: string
  readonly timezone: string
  readonly reason: string
}

const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const dayMs = 86_400_000
const minuteMs = 60_000

type Mark =
  | {readonly mark: 'daily'; readonly minutes: number}
  | {readonly mark: 'weekly'; readonly day: number; readonly minutes: number}
  /** Local time as if it were UTC. `isDay`: a date alone. */
  | {readonly mark: 'dated'; readonly wall: number; readonly isDay: boolean}

/** What a mark such as `fri 16:00` says; null for none. */
function parseMark(text: string): Mark | null {
  const found =
    /^(?:(?<day>sun|mon|tue|wed|thu|fri|sat) |(?<date>\d{4}-\d\d-\d\d)(?: |$))?(?:(?<hour>[01]\d|2[0-3]):(?<minute>[0-5]\d))?$/.exec(
      text,
    )?.groups
  if (!found) return null
  const {day, date, hour, minute} = found
  const minutes = hour === undefined ? null : Number(hour) * 60 + Number(minute)
  if (date !== undefined) {
    const start = Date.parse(`${date}T00:00:00Z`)
    if (Number.isNaN(start) || new Date(start).toISOString().slice(0, 10) !== date) return null
    return {mark: 'dated', wall: start + (minutes ?? 0) * minuteMs, isDay: minutes === null}
  }
  if (minutes === null) return null
  return day === undefined ? {mark: 'daily', minutes} : {mark: 'weekly', day: days.indexOf(day), minutes}
}

const expected = 'expected a moment such as "fri 16:00", "18:00" or "2026-12-20 16:00"'
const moment = () => {
  const text = z.string({error: expected})
  return text.refine((given) => parseMark(given) !== null, {error: expected})
}

/** One freeze as people write it. */
export const freeze = () =>
  z
    .strictObject(
      {
        from: moment().describe(
          'Its first moment: `18:00` of every day, `fri 16:00` of every week, or `2026-12-20 16:00` once.',
        ),
        until: moment().describe('When it is over, said in the same way. A date alone ends with that day.'),
        timezone: timezone()
          .nullable()
          .prefault(null)
          .describe("The zone of these times. `null`: the document's."),
        reason: line().prefault('freeze').describe('Why, for people.'),
      },
      {error: 'expected a freeze such as {from: "fri 16:00", until: "mon 08:00"}'},
    )
    .superRefine(({from, until}, context) => {
      const [first, last] = [parseMark(from), parseMark(until)]
      if (!first || !last) return
      if (first.mark !== last.mark)
        context.addIssue({
          code: 'custom',
          path: ['until'],
          message: 'expected a moment of the same form as `from`',
        })
      else if (first.mark === 'dated' && last.mark === 'dated' && endOf(last) <= first.wall)
        context.addIssue({code: 'custom', path: ['until'], message: 'this is not after `from`'})
    })

const endOf = (mark: Extract<Mark, {mark: 'dated'}>) => mark.wall + (mark.isDay ? dayMs : 0)

/** When the freeze that holds at `now` is over; null when none holds. */
export function frozenUntil(freeze: Freeze, now: number): number | null {
  const [first, last] = [parseMark(freeze.from), parseMark(freeze.until)]
  if (!first || !last) return null
  for (const [start, end] of spans(first, last, wallOf(now, freeze.timezone))) {
    const over = lastInstant(end, freeze.timezone)
    if (firstInstant(start, freeze.timezone) <= now && now < over) return over
  }
  return null
}

/** The spans of local time that may hold around a local time. */
function spans(first: Mark, last: Mark, wall: number): [number, number][] {
  if (first.mark === 'dated') return last.mark === 'dated' ? [[first.wall, endOf(last)]] : []
  if (last.mark !== first.mark) return []
  const midnight = Math.floor(wall / dayMs) * dayMs
  const period = first.mark === 'weekly' ? 7 : 1
  const found: [number, number][] = []
  for (let back = period + 1; back >= -1; back--) {
    const date = midnight - back * dayMs
    if (first.mark === 'weekly' && new Date(date).getUTCDay() !== first.day) continue
    const between = last.mark === 'weekly' && first.mark === 'weekly' ? (last.day - first.day + 7) % 7 : 0
    const wraps = between === 0 && last.minutes <= first.minutes
    found.push([
      date + first.minutes * minuteMs,
      date + (between + (wraps ? period : 0)) * dayMs + last.minutes * minuteMs,
    ])
  }
  return found
}

/** The local time of an instant, as if it were UTC. */
function wallOf(instant: number, zone: string): number {
  const parts = formatOf(zone).formatToParts(new Date(instant))
  const part = (type: string) => Number(parts.find((each) => each.type === type)?.value)
  return Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'))
}

const formats = new Map<string, Intl.DateTimeFormat>()
function formatOf(zone: string): Intl.DateTimeFormat {
  let made = formats.get(zone)
  if (made === undefined) {
    const number = '2-digit' as const
    made = new Intl.DateTimeFormat('en', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: number,
      day: number,
      hour: number,
      minute: number,
      second: number,
    })
    if (formats.size >= 100) formats.clear()
    formats.set(zone, made)
  }
  return made
}

/** The instants at which a local time may be meant: with the clock's offset of a day before and of a day after. */
function instants(wall: number, zone: string): number[] {
  const offsets = [wall - dayMs, wall + dayMs].map((near) => wallOf(near, zone) - near)
  const meant = offsets.map((offset) => wall - offset)
  const exact = meant.filter((instant) => wallOf(instant, zone) === wall)
  return exact.length > 0 ? exact : meant
}

const firstInstant = (wall: number, zone: string) => Math.min(...instants(wall, zone))
const lastInstant = (wall: number, zone: string) => Math.max(...instants(wall, zone))
