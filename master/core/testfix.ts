// When changes wait because their branch is red: a scheduler with `onRed: testfix` builds nothing new on a branch whose last
// finished build failed, until a change says that it mends it (or a forced build is green). Pure: from what landed and how
// the last builds ended to what is built now, what waits, and for which build's sake.
import type {Scheduler, SingleBranch} from '../../config/config.ts'
import {
  settle,
  type HeldChange,
  type Settled,
  type Settlement,
} from '../../config/kinds/schedulers/singleBranch.ts'

/** A builder's newest finished build of a branch. */
export interface BranchBuild {
  readonly id: string
  readonly builder: string
  readonly number: number
  readonly branch: string
  readonly result: 'success' | 'warnings' | 'failure'
}

export interface LandedChange extends HeldChange {
  readonly message: string
}

/** Changes of one branch that wait for its mending. */
export interface RedBranch {
  readonly branch: string
  readonly because: BranchBuild
  readonly changes: readonly string[]
}

export interface Sifted extends Settlement {
  readonly red: readonly RedBranch[]
}

/** While changes wait, the branch is looked at this often, should the word of a build's end be lost. */
const lookAgainMs = 60_000

/** Whether a scheduler cares how builds end. */
export const mindsRed = (scheduler: Scheduler): scheduler is SingleBranch =>
  scheduler.kind === 'singleBranch' && scheduler.onRed === 'testfix'

/** Whether a change says that it mends the branch. */
export const isTestfix = ({testfixMarker}: Pick<SingleBranch, 'testfixMarker'>, message: string): boolean =>
  message.toLowerCase().includes(testfixMarker.toLowerCase())

/** The build that makes a branch red: the first of the builders whose last finished build of it failed; null when none did. */
export const redBecause = (
  {builders}: Pick<SingleBranch, 'builders'>,
  last: readonly BranchBuild[],
  branch: string,
): BranchBuild | null =>
  builders
    .map((builder) => last.find((build) => build.builder === builder && build.branch === branch))
    .find((build) => build?.result === 'failure') ?? null

/**
 * Which changes of a scheduler without a tree-stable timer are built at once, each for itself, as they come. The others
 * are held: their branch is red, or some are held on it already and go first.
 */
export function comeIn<C extends {readonly branch: string}>(
  scheduler: SingleBranch,
  arrived: readonly C[],
  heldBranches: ReadonlySet<string>,
  last: readonly BranchBuild[],
): {readonly now: readonly C[]; readonly held: readonly C[]} {
  const waits = ({branch}: C) => heldBranches.has(branch) || redBecause(scheduler, last, branch) !== null
  return {now: arrived.filter((change) => !waits(change)), held: arrived.filter(waits)}
}

/**
 * Which held changes (in the order they were recorded) are built now: on a red branch none, until one of them mends it; then
 * all that landed are one build, at the newest, as are those that were held when the branch is green again.
 */
export function sift(
  scheduler: SingleBranch,
  held: readonly LandedChange[],
  last: readonly BranchBuild[],
  nowMs: number,
): Sifted {
  const together = {...scheduler, treeStableTimerMs: scheduler.treeStableTimerMs ?? 0}
  const builds: Settled[] = []
  const red: RedBranch[] = []
  const looks: number[] = []
  for (const branch of new Set(held.map((change) => change.branch))) {
    const changes = held.filter((change) => change.branch === branch)
    const because = redBecause(scheduler, last, branch)
    if (because !== null && !changes.some(({message}) => isTestfix(scheduler, message))) {
      red.push({branch, because, changes: changes.map(({id}) => id)})
      looks.push(nowMs + lookAgainMs)
      continue
    }
    const settled = settle(together, changes, nowMs)
    builds.push(...settled.builds)
    if (settled.lookAtMs !== null) looks.push(settled.lookAtMs)
  }
  return {builds, red, lookAtMs: looks.length === 0 ? null : Math.min(...looks)}
}

/** Why changes of a red branch wait, for people. */
export const redText = (
  {testfixMarker}: Pick<SingleBranch, 'testfixMarker'>,
  {because}: Pick<RedBranch, 'because'>,
): string => `held since ${because.builder} #${String(because.number)}; needs ${testfixMarker} or a force`
