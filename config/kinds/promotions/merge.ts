// merge: carry a branch into another as a merge commit; a conflict leaves everything as it was and is told once.
import {z} from 'zod'
import {templateOf} from '../../terms/interpolation.ts'
import {defineRule, ruleOptions, sameBranch} from '../rule.ts'

/** What a merge's message may speak of. */
export const messageHoles = ['revision', 'from', 'to', 'rule'] as const

const shape = z.strictObject({
  kind: z.literal('merge'),
  ...ruleOptions(),
  message: templateOf(messageHoles)
    .prefault('Automatic merge from ${from} up to ${revision:12}')
    .describe("The merge commit's message. Holes: `revision`, `from`, `to`, `rule`."),
})

/** The promotion kind `merge`. */
export const merge = defineRule({
  kind: 'merge',
  summary: 'Carry a branch into another as a merge commit.',
  shape,
  example: `kind: merge
name: carry
source: project
from: stable
to: devel
message: Automatic merge from stable up to \${revision:12}
`,
  references: {source: 'gitSource'},
  check: sameBranch,
  resolve: (options) => options,
})
