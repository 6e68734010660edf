// fastForward: move a branch forward to a commit that was tested, and only to such a one.
import {z} from 'zod'
import {someOf, thingName} from '../../terms/names.ts'
import {defineRule, ruleOptions, sameBranch} from '../rule.ts'

const policies = ['latestFinished', 'newestGreen'] as const
const greens = ['success', 'warnings'] as const
const origins = ['scheduler', 'force', 'rebuild', 'trigger', 'api'] as const

const green = z.strictObject(
  {
    builders: someOf(thingName(), 'builder').describe('The builders that must be green at the revision.'),
    policy: z
      .enum(policies, {error: `expected one of ${policies.join(', ')}`})
      .prefault('latestFinished')
      .describe(
        '`latestFinished`: the newest finished build decides, so a red one blocks. `newestGreen`: the newest green commit, whatever came later.',
      ),
    accept: someOf(z.enum(greens, {error: `expected one of ${greens.join(', ')}`}), 'result')
      .prefault(['success'])
      .describe('Which results are green.'),
    origins: someOf(z.enum(origins, {error: `expected one of ${origins.join(', ')}`}), 'origin')
      .prefault(['scheduler', 'rebuild'])
      .describe(
        'Whose builds count. A forced build may have any parameters, so it does not count unless named here.',
      ),
  },
  {error: 'expected what must be green, such as {builders: [check]}'},
)

const shape = z.strictObject({
  kind: z.literal('fastForward'),
  ...ruleOptions(),
  green: green.describe('What makes a commit green.'),
})

/** The promotion kind `fastForward`. */
export const fastForward = defineRule({
  kind: 'fastForward',
  summary: 'Move a branch forward to a commit that was tested green; never to another, never by force.',
  shape,
  example: `kind: fastForward
name: stable
source: project
from: main
to: stable
green: {builders: [check]}
`,
  references: {source: 'gitSource', 'green.builders': 'builder'},
  check: sameBranch,
  resolve: (options) => options,
})
