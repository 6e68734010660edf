// The step sequence of a build, with Buildbot's semantics, as a fold over the journal and one decision.
//
// `fold` tells where a build stands from what its journal says; `next` tells what to do then. Nothing else decides
// what a build does, so a worker that starts again and a simulation reach the same orders from the same journal.
//
//   haltOnFailure   a failure skips all later steps but those with alwaysRun
//   flunkOnFailure  a failure makes the build a failure;  warnOnFailure  makes it warnings;  neither leaves it
//   an exception or a cancelled step halts too; a lost host (result retry) ends the build at once, nothing can run there
//   cancel          the running step ends cancelled, the rest is skipped but alwaysRun; the build is cancelled
//   timeout         of the whole build: the running step ends as overtime, the rest is skipped but alwaysRun; a failure.
//                   alwaysRun steps are held by their own limits only, or they could not clean up.
import type {Entry} from '../protocol/journal.ts'
import type {Plan, PlanStep, Property} from '../protocol/plan.ts'
import type {Outcome, Result} from '../protocol/results.ts'
import {holds} from './conditions.ts'
import {failureKind, judge, worst} from './results.ts'

export type StepState =
  | {readonly state: 'waiting'}
  | {readonly state: 'running'; readonly try: number; readonly since: number}
  /** A try is over and another may follow. */
  | {
      readonly state: 'between'
      readonly try: number
      readonly since: number
      readonly result: Result
      readonly outcome: Outcome | null
    }
  | {readonly state: 'ended'; readonly try: number; readonly result: Result}

export interface BuildState {
  readonly startedAt: number | null
  readonly steps: readonly StepState[]
  readonly props: Readonly<Record<string, Property>>
  /** What the ended steps make of the build. */
  readonly result: Result
  /** Only alwaysRun steps may still start. */
  readonly halted: boolean
  readonly timedOut: boolean
  readonly endedAt: number | null
}

/** What people and policies want of a build, beside its plan. */
export interface Wishes {
  /** Why the build is to be cancelled; null when it is not. */
  readonly cancel: string | null
}

export type Order =
  | {readonly order: 'begin'}
  | {readonly order: 'start'; readonly step: number; readonly try: number}
  /** A try was started and has not ended: see how its command stands. */
  | {readonly order: 'follow'; readonly step: number; readonly try: number}
  | {readonly order: 'skip'; readonly step: number; readonly reason: string}
  /** End a step without running it (again). */
  | {
      readonly order: 'end'
      readonly step: number
      readonly try: number
      readonly outcome: Outcome | null
      readonly result: Result
      readonly reason: string
    }
  | {readonly order: 'wait'; readonly until: number}
  | {readonly order: 'finish'; readonly result: Result; readonly summary: string}
  | {readonly order: 'nothing'}

/** A build before its first entry. */
export const initial = (plan: Plan): BuildState => ({
  startedAt: null,
  steps: plan.steps.map(() => ({state: 'waiting'})),
  props: plan.properties,
  result: 'success',
  halted: false,
  timedOut: false,
  endedAt: null,
})

/** Where the build stands after one more entry. */
export function fold(plan: Plan, state: BuildState, entry: Entry): BuildState {
  switch (entry.entry) {
    case 'buildStarted':
      return {...state, startedAt: entry.at}
    case 'stepStarted':
      return withStep(state, entry.step, {state: 'running', try: entry.try, since: entry.at})
    case 'propertySet':
      return {...state, props: {...state.props, [entry.name]: entry.value}}
    case 'stepEnded': {
      const step = plan.steps[entry.step]
      if (step === undefined) return state
      const {result, outcome} = entry
      if (!entry.final)
        return withStep(state, entry.step, {
          state: 'between',
          try: entry.try,
          since: entry.at,
          result,
          outcome,
        })
      const late =
        result !== 'success' && result !== 'warnings' && !step.alwaysRun && isOverdue(plan, state, entry.at)
      const ended = withStep(state, entry.step, {state: 'ended', try: entry.try, result})
      return {
        ...ended,
        result: worst([state.result, contribution(step, result)]),
        halted: state.halted || halts(step, result),
        timedOut: state.timedOut || late,
      }
    }
    case 'buildEnded':
      return {...state, endedAt: entry.at, result: entry.result}
    case 'segment':
    case 'logEnded':
    case 'testsCounted':
    case 'artifactKept':
      return state
  }
}

/** What to do next. The same state, wishes and time always give the same order. */
export function next(plan: Plan, state: BuildState, wishes: Wishes, now: number): Order {
  if (state.endedAt !== null) return {order: 'nothing'}
  if (state.startedAt === null) return {order: 'begin'}
  const at = state.steps.findIndex(({state}) => state !== 'ended')
  const step = plan.steps[at]
  const standing = state.steps[at]
  if (step === undefined || standing === undefined) return finish(plan, state, wishes)
  const barred = bar(plan, state, wishes, step, now)
  switch (standing.state) {
    case 'running':
      return {order: 'follow', step: at, try: standing.try}
    case 'between':
      return again(step, at, standing, barred, wishes, now)
    default:
      return first(plan, state, step, at, barred)
  }
}

/** Whether no other try follows one that ended so. */
export function isFinal(step: PlanStep, tries: number, outcome: Outcome, wishes: Wishes): boolean {
  const kind = failureKind(outcome)
  return kind === null || tries > step.retry.times || !step.retry.on.includes(kind) || wishes.cancel !== null
}

/** When the whole build is over time; null when it has no limit or has not begun. */
export function deadline(plan: Plan, state: BuildState): number | null {
  return plan.timeoutMs === null || state.startedAt === null ? null : state.startedAt + plan.timeoutMs
}

/** Why a step that waits may not start; null when it may. */
function bar(plan: Plan, state: BuildState, wishes: Wishes, step: PlanStep, now: number): string | null {
  if (state.result === 'retry') return 'the build will be tried again'
  if (step.alwaysRun) return null
  if (wishes.cancel !== null || state.result === 'cancelled') return 'the build was cancelled'
  if (state.timedOut || isOverdue(plan, state, now)) return 'the build ran out of time'
  return state.halted ? 'an earlier step failed' : null
}

function first(plan: Plan, state: BuildState, step: PlanStep, at: number, barred: string | null): Order {
  if (barred !== null) return {order: 'skip', step: at, reason: barred}
  if (step.when === null) return {order: 'start', step: at, try: 1}
  const verdict = holds(step.when, scene(plan, state, resultSoFar(state)))
  if ('error' in verdict) {
    const outcome: Outcome = {outcome: 'broken', text: verdict.error}
    return {order: 'end', step: at, try: 1, outcome, result: judge(outcome, 0), reason: verdict.error}
  }
  if (verdict.holds) return {order: 'start', step: at, try: 1}
  return {order: 'skip', step: at, reason: `condition "${step.when}" does not hold`}
}

function again(
  step: PlanStep,
  at: number,
  standing: Extract<StepState, {state: 'between'}>,
  barred: string | null,
  wishes: Wishes,
  now: number,
): Order {
  const {try: tries, result, outcome, since} = standing
  const cancelled = wishes.cancel !== null
  if (cancelled)
    return {
      order: 'end',
      step: at,
      try: tries,
      outcome: {outcome: 'cancelled'},
      result: 'cancelled',
      reason: 'cancelled before the next try',
    }
  if (barred !== null) return {order: 'end', step: at, try: tries, outcome, result, reason: barred}
  const until = since + step.retry.delayMs
  // A clock that was set back to before the last try's end tells nothing: better too soon than hours too late.
  return now >= since && now < until ? {order: 'wait', until} : {order: 'start', step: at, try: tries + 1}
}

function finish(plan: Plan, state: BuildState, wishes: Wishes): Order {
  const skippedSome = state.steps.some((step) => step.state === 'ended' && step.result === 'skipped')
  const cancelled = wishes.cancel !== null && (skippedSome || state.result === 'cancelled')
  const result = cancelled ? worst([state.result, 'cancelled']) : resultSoFar(state)
  return {order: 'finish', result, summary: summary(plan, state, wishes, result)}
}

const resultSoFar = (state: BuildState): Result =>
  state.timedOut ? worst([state.result, 'failure']) : state.result

function summary(plan: Plan, state: BuildState, wishes: Wishes, result: Result): string {
  if (result === 'cancelled') return wishes.cancel ? `cancelled: ${wishes.cancel}` : 'cancelled'
  if (state.timedOut && plan.timeoutMs !== null) return `ran longer than ${plan.timeoutMs / 1000} s`
  const bad = plan.steps.filter((_, at) => {
    const step = state.steps[at]
    return step?.state === 'ended' && worst([step.result, 'warnings']) === step.result
  })
  if (result === 'success' || bad.length === 0) return result === 'success' ? 'done' : result
  return `${result}: ${bad.map(({name}) => name).join(', ')}`
}

function contribution(step: PlanStep, result: Result): Result {
  if (result !== 'failure') return result
  if (step.flunkOnFailure) return 'failure'
  return step.warnOnFailure ? 'warnings' : 'success'
}

const halts = (step: PlanStep, result: Result): boolean =>
  result === 'failure'
    ? step.haltOnFailure
    : result === 'exception' || result === 'retry' || result === 'cancelled'

function isOverdue(plan: Plan, state: BuildState, now: number): boolean {
  const due = deadline(plan, state)
  return due !== null && now >= due
}

function withStep(state: BuildState, at: number, step: StepState): BuildState {
  if (state.steps[at] === undefined) return state
  return {...state, steps: state.steps.with(at, step)}
}

function scene(plan: Plan, state: BuildState, result: Result) {
  const ended = plan.steps.flatMap(({name}, at) => {
    const step = state.steps[at]
    return step?.state === 'ended' ? [[name, {result: step.result}] as const] : []
  })
  const [stamp] = plan.sourceStamps
  return {
    result,
    props: state.props,
    steps: Object.fromEntries(ended),
    branch: stamp?.branch ?? '',
    revision: stamp?.revision ?? '',
  }
}
