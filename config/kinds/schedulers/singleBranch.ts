// singleBranch: build the changes of a branch, each at once or together when the tree has been quiet for a while.
import {z} from 'zod'
import type {SingleBranch} from '../../config.ts'
import {durationOrZero} from '../../terms/durations.ts'
import {passes, type Filterable} from '../../terms/filters.ts'
import {branchGlob, glob} from '../../terms/globs.ts'
import {line, list, thingName} from '../../terms/names.ts'
import {defineScheduler, schedulerOptions, sharedOf} from '../scheduler.ts'

const reactions = ['build', 'testfix'] as const

const shape = z.strictObject({
  kind: z.literal('singleBranch'),
  ...schedulerOptions(),
  source: thingName().describe('The source whose changes it builds.'),
  branch: branchGlob().describe(
    'The branch, by name or glob (`release/*`; each branch is settled for itself).',
  ),
  treeStableTimer: durationOrZero('30s')
    .nullable()
    .prefault(null)
    .describe(
      'Quiet time on the branch before its changes are built together, at the newest. `null` builds each change at once.',
    ),
  files: list(glob(), 'globs')
    .prefault([])
    .describe(
      'Only changes that touch a file matching one of these globs, and none that begins with `!`. Empty: all.',
    ),
  onRed: z
    .enum(reactions, {error: `expected one of ${reactions.join(', ')}`})
    .prefault('build')
    .describe(
      "While the last finished build of one of its builders on the branch is a failure: `build` new changes as ever, or `testfix`: hold them until one's " +
        'message has the marker, and build that with all that landed before it. A green build, such as a forced one, ends it.',
    ),
  testfixMarker: line(100)
    .prefault('[testfix]')
    .describe('What marks a change that mends the branch, in any case, anywhere in its message.'),
})

/** The scheduler kind `singleBranch`. */
export const singleBranch = defineScheduler({
  kind: 'singleBranch',
  summary:
    'Build the changes of a branch, each at once or together when the tree has been quiet for a while.',
  shape,
  example: `kind: singleBranch
name: devel
source: project
branch: main
treeStableTimer: 30s
builders: [check]
`,
  references: {builders: 'builder', source: 'source'},
  resolve: (options) => ({
    kind: 'singleBranch',
    ...sharedOf(options),
    source: options.source,
    branch: options.branch,
    treeStableTimerMs: options.treeStableTimer === 0 ? null : options.treeStableTimer,
    files: options.files,
    onRed: options.onRed,
    testfixMarker: options.testfixMarker,
  }),
})

/** Whether the scheduler builds such a change. */
export const wants = (scheduler: SingleBranch, change: Filterable): boolean =>
  passes(change, scheduler.source, scheduler.branch, scheduler.files)

/** A change that waits for the tree to be stable. */
export interface HeldChange {
  readonly id: string
  readonly branch: string
  readonly revision: string
  readonly heldAtMs: number
}

/** One decision to build: the changes, oldest first; the last one's revision is built. */
export interface Settled {
  readonly branch: string
  readonly revision: string
  readonly changes: readonly string[]
}

export interface Settlement {
  readonly builds: readonly Settled[]
  /** When to look again, in milliseconds; null when nothing waits. */
  readonly lookAtMs: number | null
}

/** Which held changes (given in the order they were recorded) are built now. Each branch is quiet or not for itself. */
export function settle(scheduler: SingleBranch, held: readonly HeldChange[], nowMs: number): Settlement {
  const quietMs = scheduler.treeStableTimerMs
  if (quietMs === null) {
    return {builds: held.map(({branch, revision, id}) => ({branch, revision, changes: [id]})), lookAtMs: null}
  }
  const builds: Settled[] = []
  let lookAtMs: number | null = null
  for (const branch of new Set(held.map((change) => change.branch))) {
    const changes = held.filter((change) => change.branch === branch)
    const newest = changes.at(-1)
    if (!newest) continue
    const stableAtMs = Math.max(...changes.map(({heldAtMs}) => heldAtMs)) + quietMs
    if (stableAtMs <= nowMs)
      builds.push({branch, revision: newest.revision, changes: changes.map(({id}) => id)})
    else lookAtMs = Math.min(lookAtMs ?? stableAtMs, stableAtMs)
  }
  return {builds, lookAtMs}
}
