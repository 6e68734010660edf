// gate: merge a branch and its target where nobody looks, test exactly that commit, and land exactly it.
import {z} from 'zod'
import {flag} from '../../terms/names.ts'
import {greenOf, greenShape} from '../green.ts'
import {defineRule, freezesIn, mergingOptions, ruleOptions, ruleFaults} from '../rule.ts'

const shape = z.strictObject({
  kind: z.literal('gate'),
  ...ruleOptions(),
  ...mergingOptions('Merge ${from} up to ${revision:12}'),
  green: greenShape().describe(
    'What the merge must be before it lands. Its builders are asked for by the rule itself.',
  ),
  partial: flag()
    .prefault(false)
    .describe(
      'When the merge of the newest commit is red: `true` tries older ones, `false` waits for a newer one.',
    ),
})

/** The promotion kind `gate`. */
export const gate = defineRule({
  kind: 'gate',
  summary:
    'Merge a branch into another on a scratch branch (`ostler/gate/RULE`), build exactly that commit, and land exactly it when it is green.',
  shape,
  example: `kind: gate
name: landing
source: project
from: next
to: main
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
