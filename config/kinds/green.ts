// What makes a commit green: which builders must have built it, which of their builds count, and how.
import {z} from 'zod'
import type {Green} from '../config.ts'
import {durationOrZero} from '../terms/durations.ts'
import {branchName} from '../terms/globs.ts'
import {count, flag, line, list, properties, someOf, thingName} from '../terms/names.ts'

const policies = ['latestFinished', 'newestGreen'] as const
const greens = ['success', 'warnings'] as const
const origins = ['scheduler', 'force', 'rebuild', 'trigger', 'api', 'promotion'] as const
const oneOf = <const T extends readonly [string, ...string[]]>(words: T) =>
  z.enum(words, {error: `expected one of ${words.join(', ')}`})

const date = () => {
  const error = 'expected a date such as 2026-12-31'
  return z
    .string({error})
    .regex(/^\d{4}-\d\d-\d\d$/, {error})
    .refine((text) => !Number.isNaN(Date.parse(text)), {error})
}

/** The option `green`. */
export const greenShape = () =>
  z.strictObject(
    {
      builders: someOf(thingName(), 'builder').describe('The builders that must be green at the revision.'),
      policy: oneOf(policies)
        .prefault('latestFinished')
        .describe(
          '`latestFinished`: the newest finished build decides, so a red one blocks. `newestGreen`: the newest green commit, whatever came later.',
        ),
      accept: someOf(oneOf(greens), 'result').prefault(['success']).describe('Which results are green.'),
      origins: someOf(oneOf(origins), 'origin')
        .prefault(['scheduler', 'rebuild'])
        .describe(
          'Whose builds count, beside those that a promotion asked for. A forced build may have any parameters, so it does not count unless named here.',
        ),
      branches: list(branchName(), 'branches')
        .prefault([])
        .describe('Other branches on which a build of the same revision counts as well.'),
      properties: properties()
        .prefault({})
        .describe('Properties that a build must have had to count, with their values.'),
      soak: durationOrZero('2h').prefault('0s').describe('How long a commit must have been green.'),
      fillIn: flag()
        .prefault(false)
        .describe(
          'Ask once for the builds that the newest commit without a red one lacks, when no commit has them all and none is on its way.',
        ),
      running: oneOf(['pass', 'wait'])
        .prefault('pass')
        .describe(
          'While a newer commit is being built: `pass` promotes the older one, `wait` waits for the newer.',
        ),
      staleEvidence: oneOf(['accept', 'refuse'])
        .prefault('accept')
        .describe(
          "`refuse`: a build does not count once its builder's steps, environment or container were changed.",
        ),
      runsMax: count(1, 100)
        .nullable()
        .prefault(null)
        .describe(
          'How often a builder may have built a commit, with a red one among them, for its green to count. `null`: as often as wanted.',
        ),
      quarantine: list(
        z.strictObject(
          {
            builder: thingName().describe('The builder.'),
            until: date().describe('The day (in UTC) from which it counts again.'),
            reason: line().describe('Why, for people.'),
          },
          {
            error:
              'expected a quarantine such as {builder: flaky, until: 2026-12-31, reason: it is unreliable}',
          },
        ),
        'quarantines',
      )
        .prefault([])
        .describe('Builders that need not be green until a day. At least one builder must always be.'),
    },
    {error: 'expected what must be green, such as {builders: [check]}'},
  )

/** What is green, as the master reads it. */
export const greenOf = ({soak, ...green}: z.output<ReturnType<typeof greenShape>>): Green => ({
  ...green,
  soakMs: soak,
})
