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
  'carried',
  'conflict',
  'resolved',
  'diverged',
  'refused',
  'held',
  'released',
] as const satisfies readonly ReportEvent[]

/** Options of every reporter; `usual` is what it reports unless told otherwise. */
export const reporterOptions = (usual: readonly ReportEvent[]) => ({
  name: thingName().describe('Its name.'),
  on: someOf(z.enum(reportEvents, {error: `expected one of ${reportEvents.join(', ')}`}), 'occasion')
    .prefault([...usual])
    .describe(
      'What to report. Of builds: `started`, `finished`, `success` (also with warnings), `failure` (also an exception), ' +
        '`problem` (from good to bad), `fixed` (from bad to good). Of promotions: `promoted`, `carried` (by a merge), ' +
        '`conflict` (once for two tips, then once a day), `resolved`, `diverged`, `refused` (by the server, or because somebody must look), `held`, `released`.',
    ),
  builders: list(thingName(), 'builders')
    .prefault([])
    .describe('Only builds of these builders. Empty: of all.'),
  rules: list(thingName(), 'promotion rules')
    .prefault([])
    .describe('Only promotions of these rules. Empty: of all.'),
})

/** The names that every reporter refers to. */
export const reporterReferences = {builders: 'builder', rules: 'rule'} as const

const isGood = (result: Result): boolean => result === 'success' || result === 'warnings'
const isBad = (result: Result): boolean => result === 'failure' || result === 'exception'

/** What an event of the log tells reporters. */
export interface Happening {
  readonly type: string
  /** Of a finished build. */
  readonly result: Result | null
  /** The result of the builder's last build of this branch that was good or bad; null for none. */
  readonly before: Result | null
  /** The kind of the rule, for a branch that moved. */
  readonly ruleKind: string | null
}

/** The events of promotions that are told, and as what. */
const ofPromotions: Readonly<Record<string, ReportEvent>> = {
  'promotion.conflict': 'conflict',
  'promotion.reminder': 'conflict',
  'promotion.resolved': 'resolved',
  'promotion.diverged': 'diverged',
  'promotion.refused': 'refused',
  'promotion.held': 'held',
  'promotion.released': 'released',
}

/** The types of the events that can be an occasion. */
export const reportedTypes: readonly string[] = [
  'build.started',
  'build.finished',
  'branch.promoted',
  ...Object.keys(ofPromotions),
]

/** What an event of the log is an occasion for. A first build that fails is a problem too. */
export function occasionsOf({type, result, before, ruleKind}: Happening): readonly ReportEvent[] {
  if (type === 'build.started') return ['started']
  if (type === 'branch.promoted') return [ruleKind === 'merge' ? 'carried' : 'promoted']
  const told = ofPromotions[type]
  if (told !== undefined) return [told]
  if (type !== 'build.finished' || result === null) return []
  const wasBad = before !== null && isBad(before)
  if (isGood(result)) return wasBad ? ['fixed', 'success', 'finished'] : ['success', 'finished']
  if (isBad(result)) return wasBad ? ['failure', 'finished'] : ['problem', 'failure', 'finished']
  return ['finished']
}

/** The occasion a reporter wants to tell of a builder or a rule, the most telling one; null for none. */
export function wanted(
  reporter: Reporter,
  occasions: readonly ReportEvent[],
  of: {readonly builder: string} | {readonly rule: string},
): ReportEvent | null {
  const [only, name] = 'builder' in of ? [reporter.builders, of.builder] : [reporter.rules, of.rule]
  if (only.length > 0 && !only.includes(name)) return null
  return reportEvents.find((event) => occasions.includes(event) && reporter.on.includes(event)) ?? null
}
