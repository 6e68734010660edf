// The bench's arithmetic, pure: samples to medians, medians to ratios, and the form in which both are told.

export type MeasureName = 'P1' | 'P2' | 'P3' | 'P4' | 'P5' | 'P5b' | 'P7' | 'P8' | 'P11'

export interface Measure {
  readonly name: MeasureName
  readonly title: string
  readonly unit: string
  readonly better: 'more' | 'less'
  /** How many times better than the peer Ostler must be; null where only `bound` counts. */
  readonly goal: number | null
  /** What Ostler must reach by itself, in the measure's unit, where it does not depend on the machine so much. */
  readonly bound?: number
  /** How much of the limit beside it Ostler must reach, 1 for all of it. */
  readonly ofLimit?: number
}

export const measures: readonly Measure[] = [
  {name: 'P1', title: 'one-step builds, 8 at once', unit: 'builds/s', better: 'more', goal: 5},
  {name: 'P2', title: 'a step of a build of 200', unit: 'ms', better: 'less', goal: 5},
  {name: 'P3', title: 'lines of one step, stored', unit: 'lines/s', better: 'more', goal: 5},
  {name: 'P4', title: 'change to running command', unit: 'ms', better: 'less', goal: 2},
  {name: 'P5', title: 'idle worker, on the master', unit: 'kB', better: 'less', goal: null, bound: 40},
  {name: 'P5b', title: 'a burst of workers, all attached', unit: 's', better: 'less', goal: null, bound: 10},
  {name: 'P7', title: 'restart to next command', unit: 's', better: 'less', goal: null, bound: 1},
  {name: 'P8', title: 'builds of two masters', unit: 'builds/s', better: 'more', goal: null, ofLimit: 1},
  {name: 'P11', title: 'look at 50 branches 10,000 behind', unit: 's', better: 'less', goal: null, bound: 1},
]

/** Who is measured: Ostler on a server and embedded, the peer, and the machine alone. */
export type Side = 'postgresql' | 'embedded' | 'peer' | 'limit'

/** One turn's figure, and whatever else it saw, such as seconds of CPU. */
export interface Sample {
  readonly value: number
  readonly details: Readonly<Record<string, number>>
}

export type Samples = Readonly<Partial<Record<Side, readonly Sample[]>>>

/** One measure as the JSON file tells it. */
export interface Figure {
  /** Ostler's median, on PostgreSQL where there is one. */
  readonly ostler: number | null
  readonly peer: number | null
  readonly limit: number | null
  /** How many times better than the peer Ostler is; null without the peer. */
  readonly ratio: number | null
  readonly unit: string
  readonly database: 'postgresql' | 'embedded' | null
  readonly embedded: number | null
  /** How many times better than Ostler the machine alone is. */
  readonly fromLimit: number | null
  readonly goal: number | null
  /** What was asked for, in words. */
  readonly asked: string
  /** Whether it was reached; null when there was nothing to compare. */
  readonly reached: boolean | null
  /** Every turn, in order. */
  readonly samples: Samples
}

/** The middle one; between the two in the middle of an even number. Null of none. */
export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? 0
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2
}

/** How many times better one is than the other, whichever direction is better; null when there is nothing to compare. */
export function times(better: Measure['better'], one: number | null, other: number | null): number | null {
  if (one === null || other === null || one <= 0 || other <= 0) return null
  return better === 'more' ? one / other : other / one
}

/** All turns of a measure in one figure. */
export function figureOf(measure: Measure, samples: Samples): Figure {
  const of = (side: Side) => median((samples[side] ?? []).map(({value}) => value))
  const [server, embedded, peer, limit] = [of('postgresql'), of('embedded'), of('peer'), of('limit')]
  const ostler = server ?? embedded
  const ratio = times(measure.better, ostler, peer)
  const fromLimit = times(measure.better, limit, ostler)
  return {
    ostler,
    peer,
    limit,
    ratio,
    unit: measure.unit,
    database: server !== null ? 'postgresql' : embedded !== null ? 'embedded' : null,
    embedded,
    fromLimit,
    goal: measure.goal,
    asked: asked(measure),
    reached: isReached(measure, {ostler, ratio, fromLimit}),
    samples,
  }
}

function isReached(
  {goal, bound, ofLimit}: Measure,
  {ostler, ratio, fromLimit}: Pick<Figure, 'ostler' | 'ratio' | 'fromLimit'>,
): boolean | null {
  if (bound !== undefined) return ostler === null ? null : ostler <= bound
  if (ofLimit !== undefined) return fromLimit === null ? null : 1 / fromLimit >= ofLimit
  return ratio === null || goal === null ? null : ratio >= goal
}

function asked({goal, bound, ofLimit, unit}: Measure): string {
  if (bound !== undefined) return `at most ${bound} ${unit}`
  if (ofLimit !== undefined) return `off by ${1 / ofLimit} x at most`
  return `${goal ?? 0} x better`
}

const headings = [
  '',
  '',
  'unit',
  'PostgreSQL',
  'embedded',
  'Buildbot',
  'better by',
  'the machine',
  'off it by',
  'asked',
  '',
]

/** The table that people read. */
export function table(figures: ReadonlyMap<Measure, Figure>): string {
  const rows = [...figures].map(([{name, title, unit}, each]) => [
    name,
    title,
    unit,
    plain(each.database === 'postgresql' ? each.ostler : null),
    plain(each.embedded),
    plain(each.peer),
    fold(each.ratio),
    plain(each.limit),
    fold(each.fromLimit),
    each.asked,
    each.reached === null ? '' : each.reached ? 'reached' : 'missed',
  ])
  const all = [headings, ...rows]
  const widths = headings.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return all
    .map((row) =>
      row
        .map((cell, column) =>
          column < 3 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Three digits that matter, with thousands set apart. */
export function plain(value: number | null): string {
  if (value === null) return '-'
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2
  return value.toLocaleString('en', {minimumFractionDigits: digits, maximumFractionDigits: digits})
}

const fold = (value: number | null): string => (value === null ? '-' : `${plain(value)} x`)
