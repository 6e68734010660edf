// fastForward: move a branch forward to a commit that was tested, and only to such a one.
import {z} from 'zod'
import {greenOf, greenShape} from '../green.ts'
import {defineRule, freezesIn, ruleOptions, ruleFaults} from '../rule.ts'

const shape = z.strictObject({
  kind: z.literal('fastForward'),
  ...ruleOptions(),
  green: greenShape().describe('What makes a commit green.'),
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
  check: ruleFaults,
  resolve: (options, timezone) => ({
    ...options,
    freeze: freezesIn(options.freeze, timezone),
    green: greenOf(options.green),
  }),
})
