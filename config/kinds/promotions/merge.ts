// merge: carry a branch into another as a merge commit; a conflict leaves everything as it was and is told once.
import {z} from 'zod'
import {greenOf, greenShape} from '../green.ts'
import {defineRule, freezesIn, mergingOptions, ruleOptions, ruleFaults} from '../rule.ts'

const shape = z.strictObject({
  kind: z.literal('merge'),
  ...ruleOptions(),
  ...mergingOptions('Automatic merge from ${from} up to ${revision:12}'),
  green: greenShape()
    .nullable()
    .prefault(null)
    .describe(
      'What makes a commit green; only green commits are carried then. `null` carries the tip, tested or not.',
    ),
  tree: z
    .enum(['same', 'any'], {error: 'expected one of same, any'})
    .prefault('same')
    .describe(
      'With `green`: `same` refuses a merge whose files are not exactly those that were tested, which happens when both branches have something of their own; `any` lands it untested. The kind `gate` tests it.',
    ),
})

/** The promotion kind `merge`. */
export const merge = defineRule({
  kind: 'merge',
  summary: 'Carry a branch into another, always as a merge commit.',
  shape,
  example: `kind: merge
name: carry
source: project
from: stable
to: devel
message: Automatic merge from stable up to \${revision:12}
`,
  references: {source: 'gitSource', 'green.builders': 'builder'},
  check: ruleFaults,
  resolve: (options, timezone) => ({
    ...options,
    freeze: freezesIn(options.freeze, timezone),
    green: options.green === null ? null : greenOf(options.green),
  }),
})
