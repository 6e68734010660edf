// What promotion rules share: a source's branch that is carried into another.
import {z} from 'zod'
import type {Freeze, PromotionRule} from '../config.ts'
import {cron} from '../terms/calendars.ts'
import {branchName} from '../terms/globs.ts'
import {freeze} from '../terms/freezes.ts'
import {templateOf} from '../terms/interpolation.ts'
import {count, line, list, thingName} from '../terms/names.ts'
import {didYouMean} from '../terms/near.ts'
import type {Fault, Kind} from './kind.ts'

export interface RuleKind<S extends z.ZodObject = z.ZodObject> extends Kind<S> {
  /** The rule as the master reads it; times without a zone are of the document's. */
  resolve(options: z.output<S>, timezone: string): PromotionRule
}

/** Defines a promotion kind, with its options typed by its schema. */
export const defineRule = <S extends z.ZodObject>(kind: RuleKind<S>): RuleKind<S> => kind

/** What a message, tag or note may speak of. */
export const ruleHoles = ['revision', 'from', 'to', 'rule'] as const

const roles = ['developer', 'operator', 'admin'] as const
const reverts = ['veto', 'ignore'] as const
const runs = ['automatic', 'onDemand'] as const

/** Options of every rule. */
export const ruleOptions = () => ({
  name: thingName().describe('Its name.'),
  source: thingName().describe(
    'The git source whose branches these are; its pushCredentials must be allowed to push.',
  ),
  from: branchName().describe('The branch that is carried.'),
  to: branchName().describe('The branch that moves.'),
  freeze: list(freeze(), 'freezes')
    .prefault([])
    .describe('When the branch does not move. An administrator may lift a freeze for a while.'),
  approvals: z
    .strictObject(
      {
        count: count(1, 20).describe('How many people.'),
        role: z
          .enum(roles, {error: `expected one of ${roles.join(', ')}`})
          .prefault('operator')
          .describe('The role they need at least.'),
      },
      {error: 'expected approvals such as {count: 1, role: operator}'},
    )
    .nullable()
    .prefault(null)
    .describe('Who must approve first. An approval is of one revision and goes to no other. `null`: nobody.'),
  reverts: z
    .enum(reverts, {error: `expected one of ${reverts.join(', ')}`})
    .prefault('veto')
    .describe(
      '`veto`: what holds a commit that a later one reverts is passed over, and a revert made on a stable branch is not carried back. `ignore`: it is promoted all the same.',
    ),
  tag: templateOf(ruleHoles)
    .nullable()
    .prefault(null)
    .describe('A tag that each promotion sets with the branch, both or neither. Holes as in a message.'),
  note: templateOf(ruleHoles)
    .nullable()
    .prefault(null)
    .describe(
      'A git note (in `refs/notes/promotions`) on what landed, pushed with the branch. Holes as in a message.',
    ),
})

/** Options of rules that make merge commits. */
export const mergingOptions = (message: string) => ({
  message: templateOf(ruleHoles)
    .prefault(message)
    .describe("The merge commit's message. Holes: `revision`, `from`, `to`, `rule`."),
  committer: committer()
    .nullable()
    .prefault(null)
    .describe("Who makes its merge commits. `null`: the promotions' committer."),
})

/** The freezes with their zones. */
export const freezesIn = (
  freezes: readonly z.output<ReturnType<typeof freeze>>[],
  zone: string,
): readonly Freeze[] => freezes.map((each) => ({...each, timezone: each.timezone ?? zone}))

const committer = () =>
  z.strictObject(
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

interface Checked {
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly green?:
    | {
        readonly builders: readonly string[]
        readonly quarantine: readonly {readonly builder: string}[]
      }
    | null
    | undefined
}

/** What is wrong with the options of a rule beyond each of them. */
export const ruleFaults = ({from, to, green}: Checked): readonly Fault[] => [
  ...(from !== undefined && from === to
    ? [{path: ['to'], message: `a branch is not promoted to itself, ${to}`}]
    : []),
  ...(green?.quarantine ?? []).flatMap(({builder}, at) =>
    green?.builders.includes(builder)
      ? []
      : [
          {
            path: ['green', 'quarantine', at, 'builder'],
            message: `${builder} is none of the builders that must be green${didYouMean(builder, green?.builders ?? [])}`,
          },
        ],
  ),
]

/** All about promotions; the rules are of the given kinds. */
export const promotionShapeOf = <T extends z.ZodType>(rule: T) =>
  z.strictObject(
    {
      schedule: cron()
        .nullable()
        .prefault(null)
        .describe(
          "When to look for what can be promoted, beside every end of a build: a cron expression in the document's time zone.",
        ),
      run: z
        .enum(runs, {error: `expected one of ${runs.join(', ')}`})
        .prefault('automatic')
        .describe(
          '`automatic`: the master judges by itself, when a build has ended and when the schedule is due. `onDemand`: only when it is asked, by `ostler promote` or on the page.',
        ),
      committer: committer()
        .prefault({name: 'Ostler', email: 'ostler@localhost'})
        .describe('Who makes merge commits.'),
      rules: list(rule, 'promotion rules')
        .prefault([])
        .describe('Which branches are carried where, in this order.'),
    },
    {error: 'expected promotions such as {schedule: "*/5 * * * *", rules: [...]}'},
  )
