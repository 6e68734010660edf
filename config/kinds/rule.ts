// What promotion rules share: a source's branch that is carried into another.
import {z} from 'zod'
import type {PromotionRule} from '../config.ts'
import {cron} from '../terms/calendars.ts'
import {branchName} from '../terms/globs.ts'
import {line, list, thingName} from '../terms/names.ts'
import type {Fault, Kind} from './kind.ts'

export interface RuleKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  /** The rule as the master reads it. */
  resolve(options: z.output<S>): PromotionRule
}

/** Defines a promotion kind, with its options typed by its schema. */
export const defineRule = <S extends z.ZodObject>(kind: RuleKind<S>): RuleKind<S> => kind

/** Options of every rule. */
export const ruleOptions = () => ({
  name: thingName().describe('Its name.'),
  source: thingName().describe(
    'The git source whose branches these are; its pushCredentials must be allowed to push.',
  ),
  from: branchName().describe('The branch that is carried.'),
  to: branchName().describe('The branch that moves.'),
})

/** A branch cannot be carried into itself. */
export const sameBranch = ({from, to}: {readonly from?: string; readonly to?: string}): readonly Fault[] =>
  from !== undefined && from === to
    ? [{path: ['to'], message: `a branch is not promoted to itself, ${to}`}]
    : []

/** All about promotions; the rules are of the given kinds. */
export const promotionShapeOf = <T extends z.ZodType>(rule: T) =>
  z.strictObject(
    {
      schedule: cron()
        .nullable()
        .prefault(null)
        .describe(
          "When to look for what can be promoted: a cron expression in the document's time zone. `null`: only by command.",
        ),
      committer: z
        .strictObject(
          {
            name: line().describe('The name in merge commits.'),
            email: z
              .string({error: 'expected an address such as ostler@example.org'})
              .regex(/^[^\s<>@]{1,100}@[^\s<>@]{1,200}$/, {
                error: 'expected an address such as ostler@example.org',
              })
              .describe('The address in merge commits.'),
          },
          {error: 'expected a committer such as {name: Ostler, email: ostler@example.org}'},
        )
        .prefault({name: 'Ostler', email: 'ostler@localhost'})
        .describe('Who makes merge commits.'),
      rules: list(rule, 'promotion rules')
        .prefault([])
        .describe('Which branches are carried where, in this order.'),
    },
    {error: 'expected promotions such as {schedule: "*/5 * * * *", rules: [...]}'},
  )
