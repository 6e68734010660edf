// How a master is, in one line for `systemctl status`: what ails it first, then what it does.
import {apart, isFarApart} from '../../worker/core/clocks.ts'

export interface Standing {
  readonly workers: number
  readonly building: number
  readonly waiting: number
}

/** `2 workers, 1 building, 3 waiting; PostgreSQL at db.example.org`; `unwell: … (and 2 more); 2 workers, …`. */
export function standingText(
  standing: Standing | null,
  database: string,
  complaints: readonly string[],
): string {
  const [first, ...others] = complaints
  const more = others.length === 0 ? '' : ` (and ${String(others.length)} more)`
  return [
    ...(first === undefined ? [] : [`unwell: ${first}${more}`]),
    ...(standing === null ? [] : [countsText(standing)]),
    database,
  ].join('; ')
}

function countsText({workers, building, waiting}: Standing): string {
  return `${String(workers)} worker${workers === 1 ? '' : 's'}, ${String(building)} building, ${String(waiting)} waiting`
}

export interface Clocks {
  /** By how many milliseconds this master's clock is ahead of the database's. */
  readonly skewMs: number
  /** How many connected workers' clocks are too far from their master's. */
  readonly skewed: number
}

/** What is wrong with the clocks, without a name: anybody may ask for the health. */
export function clockComplaints(clocks: Clocks | null): string[] {
  if (clocks === null) return []
  const {skewMs, skewed} = clocks
  const where = skewMs > 0 ? 'ahead of' : 'behind'
  return [
    ...(isFarApart(skewMs)
      ? [`clock: this master's is ${apart(skewMs)} ${where} the database's: set it right (timedatectl)`]
      : []),
    ...(skewed > 0
      ? [
          `clock: ${skewed === 1 ? "a worker's is" : `${String(skewed)} workers' are`} more than a minute off: the workers page tells which`,
        ]
      : []),
  ]
}
