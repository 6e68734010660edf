// What reporters share: which occasions they report.
import {z} from 'zod'
import type {Result} from '../../worker/protocol/results.ts'
import type {Reporter, ReportEvent} from '../config.ts'
import {list, someOf, thingName} from '../terms/names.ts'
import type {Kind} from './kind.ts'

export interface ReporterKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  /** The reporter as the master reads it. */
  resolve(options: z.output<S>): Reporter
}

/** Defines a reporter kind, with its options typed by its schema. */
export const defineReporter = <S extends z.ZodObject>(kind: ReporterKind<S>): ReporterKind<S> => kind

/** Every occasion, in the order in which one is named when several apply: the most telling first. */
export const reportEvents = [
  'problem',
  'fixed',
  'failure',
  'success',
  'finished',
  'started',
  'promoted',
  'conflict',
] as const satisfies readonly ReportEvent[]

/** Options of every reporter. */
export const reporterOptions = () => ({
  name: thingName().describe('Its name.'),
  on: someOf(z.enum(reportEvents, {error: `expected one of ${reportEvents.join(', ')}`}), 'occasion')
    .prefault(['problem', 'fixed', 'promoted', 'conflict'])
    .describe(
      'What to report: `started`, `finished`, `success` (also with warnings), `failure` (also an exception), `problem` (from good to bad), ' +
        '`fixed` (from bad to good), `promoted`, `conflict`.',
    ),
  builders: list(thingName(), 'builders')
    .prefault([])
    .describe('Only builds of these builders. Empty: of all.'),
})

const isGood = (result: Result): boolean => result === 'success' || result === 'warnings'
const isBad = (result: Result): boolean => result === 'failure' || result === 'exception'

/**
 * What an event of the log is an occasion for. `before` is the result of the builder's last build of this branch that
 * was good or bad, null for none: a first build that fails is a problem too.
 */
export function occasionsOf(
  type: string,
  result: Result | null,
  before: Result | null,
): readonly ReportEvent[] {
  if (type === 'build.started') return ['started']
  if (type === 'branch.promoted') return ['promoted']
  if (type === 'promotion.conflict') return ['conflict']
  if (type !== 'build.finished' || result === null) return []
  const wasBad = before !== null && isBad(before)
  if (isGood(result)) return wasBad ? ['fixed', 'success', 'finished'] : ['success', 'finished']
  if (isBad(result)) return wasBad ? ['failure', 'finished'] : ['problem', 'failure', 'finished']
  return ['finished']
}

/** The occasion a reporter wants to tell, the most telling one; null for none. `builder` is null for a promotion. */
export function wanted(
  reporter: Reporter,
  occasions: readonly ReportEvent[],
  builder: string | null,
): ReportEvent | null {
  if (builder !== null && reporter.builders.length > 0 && !reporter.builders.includes(builder)) return null
  return reportEvents.find((event) => occasions.includes(event) && reporter.on.includes(event)) ?? null
}
