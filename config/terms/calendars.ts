// Calendars: when a cron expression comes due in a time zone, across daylight saving, and what to do about the due
// times that passed while nobody looked. Pure: the caller brings the time.
import {Cron} from 'croner'
import {z} from 'zod'

/** What is wrong with a cron expression; null when nothing is. */
export function cronFault(text: string): string | null {
  const fields = text.trim().split(/\s+/).length
  if (!text.trim().startsWith('@') && fields !== 5)
    return `expected a cron expression of five fields such as "0 3 * * *"`
  try {
    const due = new Cron(text, {timezone: 'UTC', paused: true, mode: '5-or-6-parts'}).nextRun(new Date(0))
    return due === null ? 'this cron expression never comes due' : null
  } catch (error) {
    return `not a cron expression: ${error instanceof Error ? error.message.replace(/^CronPattern: /, '') : 'it cannot be read'}`
  }
}

/** A cron expression's text. */
export const cron = () =>
  z.string({error: 'expected a cron expression such as "0 3 * * *"'}).superRefine((text, context) => {
    const message = cronFault(text)
    if (message !== null) context.addIssue({code: 'custom', message, input: text})
  })

/** Whether this machine knows the time zone. */
export function isTimezone(text: string): boolean {
  try {
    new Intl.DateTimeFormat('en', {timeZone: text})
    return text !== ''
  } catch {
    return false
  }
}

/** A time zone's name. */
export const timezone = () => {
  const error = 'expected a time zone such as Europe/London'
  return z.string({error}).refine(isTimezone, {error})
}

/** The first due time after an instant, in milliseconds; null when there is none. */
export function nextDue(expression: string, zone: string, afterMs: number): number | null {
  return new Cron(expression, {timezone: zone, paused: true}).nextRun(new Date(afterMs))?.getTime() ?? null
}

/** The newest due time up to and with an instant; null when there is none. */
export function lastDue(expression: string, zone: string, nowMs: number): number | null {
  const calendar = new Cron(expression, {timezone: zone, paused: true})
  return calendar.previousRuns(1, new Date(nowMs + 1))[0]?.getTime() ?? null
}

/** The due times in (after, until], oldest first, at most `most`. */
export function dueTimes(
  expression: string,
  zone: string,
  afterMs: number,
  untilMs: number,
  most = 1000,
): number[] {
  const calendar = new Cron(expression, {timezone: zone, paused: true})
  const due: number[] = []
  let at = afterMs
  while (due.length < most) {
    const next = calendar.nextRun(new Date(at))?.getTime() ?? null
    if (next === null || next > untilMs) break
    // A calendar that does not move on would never end.
    if (next <= at) break
    due.push(next)
    at = next
  }
  return due
}

export interface CalendarQuestion {
  readonly cron: string
  readonly timezone: string
  /** The stored due time; null on first sight. */
  readonly dueAtMs: number | null
  readonly nowMs: number
  readonly missed: 'once' | 'skip'
  /** How late a due time may be seen without counting as missed. */
  readonly toleranceMs?: number
}

export interface CalendarAnswer {
  /** The due time to act for, or null. However many passed, it fires once. */
  readonly fireFor: number | null
  /** What to store as the next due time; null: never again. */
  readonly nextDueAtMs: number | null
}

/** Whether to fire now, and when to look again. */
export function decideCalendar({
  cron: expression,
  timezone: zone,
  dueAtMs,
  nowMs,
  missed,
  toleranceMs = 120_000,
}: CalendarQuestion): CalendarAnswer {
  if (dueAtMs === null || nowMs < dueAtMs) {
    return {fireFor: null, nextDueAtMs: dueAtMs ?? nextDue(expression, zone, nowMs)}
  }
  const latest = Math.max(dueAtMs, lastDue(expression, zone, nowMs) ?? dueAtMs)
  const isMissed = nowMs - latest > toleranceMs
  return {
    fireFor: isMissed && missed === 'skip' ? null : latest,
    nextDueAtMs: nextDue(expression, zone, nowMs),
  }
}
