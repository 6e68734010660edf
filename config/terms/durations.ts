// Durations as people write them (`30s`, `10m`, `1h30m`, `400d`), and the milliseconds they come to.
import {z} from 'zod'

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}
const whole = /^(?:\d{1,12}(?:ms|s|m|h|d|w))+$/
const part = /(\d+)(ms|s|m|h|d|w)/g

/** Ten thousand days: what is longer is a slip, and timers must fit into a number. */
const longestMs = 10_000 * 86_400_000

/** The milliseconds of a duration such as `1h30m`; null for anything else. */
export function parseDuration(text: string): number | null {
  if (!whole.test(text)) return null
  let ms = 0
  for (const [, count, unit] of text.matchAll(part)) ms += Number(count) * (unitMs[unit ?? ''] ?? NaN)
  return ms <= longestMs ? ms : null
}

const term = (least: number, expected: string) =>
  z
    .string({error: expected})
    .meta({title: 'duration'})
    .transform((text, context) => {
      const ms = parseDuration(text)
      if (ms !== null && ms >= least) return ms
      context.addIssue({code: 'custom', message: expected, input: text})
      return z.NEVER
    })

/** A duration above zero, as milliseconds. */
export const duration = (such = '20m') => term(1, `expected a duration such as ${such}`)

/** A duration that may be zero, as milliseconds. */
export const durationOrZero = (such = '10s') => term(0, `expected a duration such as ${such} or 0s`)
