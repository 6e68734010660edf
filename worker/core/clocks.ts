// When the clock of a worker and its master's are so far apart that somebody must set one right.

/** Further apart than this, in milliseconds, is told. */
const toleratedMs = 60_000

const units = [
  ['days', 86_400_000],
  ['hours', 3_600_000],
  ['minutes', 60_000],
] as const

/** What to say of a worker's clock that is ahead of its master's by `skewMs` (or behind, below zero); null when all is well. */
export function clockText(skewMs: number): string | null {
  if (Math.abs(skewMs) <= toleratedMs) return null
  return `its clock is ${apart(skewMs)} ${skewMs > 0 ? 'ahead of' : 'behind'} the master's: set it right (timedatectl)`
}

/** How far two clocks are apart, for people: `2.5 hours`. */
export function apart(skewMs: number): string {
  const ms = Math.abs(skewMs)
  const [unit, size] = units.find(([, size]) => ms >= size) ?? ['minutes', 60_000]
  return `${String(Math.round((ms / size) * 10) / 10)} ${unit}`
}

/** Whether two clocks are too far apart. */
export const isFarApart = (skewMs: number): boolean => Math.abs(skewMs) > toleratedMs
