// What a build does, decided without a build: tables of plans and endings, and that every plan comes to an end.
import test from 'ava'
import fc from 'fast-check'
import {fold, initial, isFinal, next, type BuildState, type Wishes} from '../../../worker/core/sequence.ts'
import {judge, worst} from '../../../worker/core/results.ts'
import type {Entry} from '../../../worker/protocol/journal.ts'
import type {Plan, PlanStep} from '../../../worker/protocol/plan.ts'
import type {Outcome, Result} from '../../../worker/protocol/results.ts'
import {plan, step} from '../../support/worker-process.ts'

const done: Outcome = {outcome: 'exited', code: 0}
const failed: Outcome = {outcome: 'exited', code: 1}
const temporary: Outcome = {outcome: 'temporary', text: 'away'}
const broken: Outcome = {outcome: 'broken', text: 'no image'}

interface Played {
  readonly result: Result
  /** `NAME:RESULT` of every final ending, in order. */
  readonly ends: readonly string[]
  readonly starts: readonly string[]
  readonly entries: readonly Entry[]
}

interface Play {
  /** How the tries end, in the order of their starts; then all is well. */
  readonly outcomes?: readonly Outcome[]
  readonly cancelAt?: number
  /** How long each try takes. */
  readonly tryMs?: number
}

/** Plays a plan to its end on a clock that jumps. */
function play(plan: Plan, {outcomes = [], cancelAt = Infinity, tryMs = 10}: Play = {}): Played {
  const entries: Entry[] = []
  const left = [...outcomes]
  let state: BuildState = initial(plan)
  let now = 1000
  const record = (entry: Entry): void => {
    entries.push(entry)
    state = fold(plan, state, entry)
  }
  for (let turns = 0; turns < 10_000; turns++) {
    const wishes: Wishes = {cancel: now >= cancelAt ? 'enough' : null}
    const order = next(plan, state, wishes, now)
    switch (order.order) {
      case 'nothing': {
        const ends = entries.flatMap((entry) =>
          entry.entry === 'stepEnded' && entry.final
            ? [`${plan.steps[entry.step]?.name}:${entry.result}`]
            : [],
        )
        const starts = entries.flatMap((entry) =>
          entry.entry === 'stepStarted' ? [`${plan.steps[entry.step]?.name}.${entry.try}`] : [],
        )
        return {result: state.result, ends, starts, entries}
      }
      case 'begin':
        record({entry: 'buildStarted', at: now, executor: 'host'})
        break
      case 'start':
        record({entry: 'stepStarted', at: now, step: order.step, try: order.try})
        break
      case 'follow': {
        now += tryMs
        const cancelled = now >= cancelAt && plan.steps[order.step]?.alwaysRun !== true
        const outcome: Outcome = cancelled ? {outcome: 'cancelled'} : (left.shift() ?? done)
        const final = isFinal(plan.steps[order.step] as PlanStep, order.try, outcome, wishes)
        const ended = {
          step: order.step,
          try: order.try,
          outcome,
          result: judge(outcome, 0),
          summary: '',
          warnings: 0,
        }
        record({entry: 'stepEnded', at: now, ...ended, final})
        break
      }
      case 'skip':
        record({
          entry: 'stepEnded',
          at: now,
          step: order.step,
          try: 1,
          outcome: null,
          result: 'skipped',
          summary: order.reason,
          warnings: 0,
          final: true,
        })
        break
      case 'end':
        record({
          entry: 'stepEnded',
          at: now,
          step: order.step,
          try: order.try,
          outcome: order.outcome,
          result: order.result,
          summary: order.reason,
          warnings: 0,
          final: true,
        })
        break
      case 'wait':
        now = order.until
        break
      case 'finish':
        record({entry: 'buildEnded', at: now, result: order.result, summary: order.summary})
        break
    }
  }
  throw new Error('the build does not end')
}

const a = (special: Partial<PlanStep> = {}): PlanStep => step('', {name: 'a', ...special})
const b = (special: Partial<PlanStep> = {}): PlanStep => step('', {name: 'b', ...special})
const c = (special: Partial<PlanStep> = {}): PlanStep => step('', {name: 'c', ...special})

const truths: readonly [truth: string, plan: Plan, play: Play, result: Result, ends: readonly string[]][] = [
  ['a build of good steps is a success', plan([a(), b()]), {}, 'success', ['a:success', 'b:success']],
  ['an empty plan is a success', plan([]), {}, 'success', []],
  ['a failure that halts skips what follows', plan([a(), b()]), {outcomes: [failed]}, 'failure', ['a:failure', 'b:skipped']],
  ['alwaysRun steps run after a failure', plan([a(), b(), c({alwaysRun: true})]), {outcomes: [failed]}, 'failure', ['a:failure', 'b:skipped', 'c:success']],
  ['a failure that does not halt lets the next run', plan([a({haltOnFailure: false}), b()]), {outcomes: [failed]}, 'failure', ['a:failure', 'b:success']],
  ['a failure that does not flunk leaves the build', plan([a({haltOnFailure: false, flunkOnFailure: false}), b()]), {outcomes: [failed]}, 'success', ['a:failure', 'b:success']],
  ['warnOnFailure makes a failure warnings', plan([a({haltOnFailure: false, flunkOnFailure: false, warnOnFailure: true}), b()]), {outcomes: [failed]}, 'warnings', ['a:failure', 'b:success']],
  ['flunkOnFailure outweighs warnOnFailure', plan([a({warnOnFailure: true})]), {outcomes: [failed]}, 'failure', ['a:failure']],
  ['haltOnFailure halts even a build that is not flunked', plan([a({flunkOnFailure: false}), b()]), {outcomes: [failed]}, 'success', ['a:failure', 'b:skipped']],
  ['an exception halts whatever the step says', plan([a({haltOnFailure: false, flunkOnFailure: false}), b()]), {outcomes: [broken]}, 'exception', ['a:exception', 'b:skipped']],
  ['a condition that does not hold skips', plan([a({when: "result != 'success'"}), b()]), {}, 'success', ['a:skipped', 'b:success']],
  ['a condition sees the build so far', plan([a({haltOnFailure: false}), b({when: "result == 'failure'"})]), {outcomes: [failed]}, 'failure', ['a:failure', 'b:success']],
  ['a condition sees an earlier step', plan([a(), b({when: "steps.a.result == 'success'"})]), {}, 'success', ['a:success', 'b:success']],
  ['a condition that is wrong is an exception', plan([a({when: 'props.none == 1'}), b()]), {}, 'exception', ['a:exception', 'b:skipped']],
  ['a condition that gives no boolean is an exception', plan([a({when: '1 + 1'})]), {}, 'exception', ['a:exception']],
  ['a condition reads properties', plan([a({when: 'props.n == 2 && "x" in props.l'})], {properties: {n: 2, l: ['x']}}), {}, 'success', ['a:success']],
  ['a temporary failure is tried again', plan([a({retry: {times: 2, delayMs: 50, on: ['temporary']}})]), {outcomes: [temporary, temporary]}, 'success', ['a:success']],
  ['tries run out', plan([a({retry: {times: 1, delayMs: 50, on: ['failure']}})]), {outcomes: [failed, failed]}, 'failure', ['a:failure']],
  ['a failure of another kind is not tried again', plan([a({retry: {times: 5, delayMs: 50, on: ['temporary']}})]), {outcomes: [failed]}, 'failure', ['a:failure']],
  ['exit code 75 is a temporary failure', plan([a({retry: {times: 1, delayMs: 0, on: ['temporary']}})]), {outcomes: [{outcome: 'exited', code: 75}]}, 'success', ['a:success']],
  ['a silent step may be tried again as a timeout', plan([a({retry: {times: 1, delayMs: 0, on: ['timeout']}})]), {outcomes: [{outcome: 'silent', seconds: 1}]}, 'success', ['a:success']],
  ['a cancelled build skips what follows but alwaysRun', plan([a(), b(), c({alwaysRun: true})]), {cancelAt: 1005}, 'cancelled', ['a:cancelled', 'b:skipped', 'c:success']],
  ['a cancel before anything skips all', plan([a(), b()]), {cancelAt: 0}, 'cancelled', ['a:skipped', 'b:skipped']],
  ['a cancel after all is done changes nothing', plan([a()]), {cancelAt: 1011}, 'success', ['a:success']],
  ['a cancel between tries ends the step', plan([a({retry: {times: 1, delayMs: 50, on: ['failure']}}), b()]), {outcomes: [failed], cancelAt: 1020}, 'cancelled', ['a:cancelled', 'b:skipped']],
  ['a build over its time skips what is left but alwaysRun', plan([a(), b(), c({alwaysRun: true})], {timeoutMs: 10}), {}, 'failure', ['a:success', 'b:skipped', 'c:success']],
  ['a build that ends in time is no failure', plan([a()], {timeoutMs: 10}), {}, 'success', ['a:success']],
] // prettier-ignore

for (const [truth, plan, given, result, ends] of truths)
  test(truth, (t) => {
    const played = play(plan, given)
    t.deepEqual({result: played.result, ends: played.ends}, {result, ends})
  })

test('a lost host ends the build as retry, without cleaning up there', (t) => {
  const lost = plan([a(), b({alwaysRun: true})])
  let state = fold(lost, initial(lost), {entry: 'buildStarted', at: 0, executor: 'host'})
  state = fold(lost, state, {entry: 'stepStarted', at: 0, step: 0, try: 1})
  state = fold(lost, state, {
    entry: 'stepEnded',
    at: 1,
    step: 0,
    try: 1,
    outcome: broken,
    result: 'retry',
    summary: '',
    warnings: 0,
    final: true,
  })
  t.like(next(lost, state, {cancel: null}, 2), {order: 'skip', step: 1})
})

test('a property set by a step is in the state', (t) => {
  const simple = plan([a()])
  const state = fold(simple, initial(simple), {
    entry: 'propertySet',
    at: 0,
    step: 0,
    name: 'version',
    value: '1.2',
  })
  t.deepEqual(state.props, {version: '1.2'})
})

test('a skipped step never hides a success, and of nothing the worst is success', (t) => {
  t.deepEqual([worst(['skipped', 'success']), worst(['skipped', 'skipped']), worst([]), worst(['failure', 'retry', 'exception'])],
    ['success', 'skipped', 'success', 'retry']) // prettier-ignore
})

const someOutcome = fc.oneof(
  fc.constantFrom<Outcome>(
    done,
    failed,
    temporary,
    broken,
    {outcome: 'silent', seconds: 1},
    {outcome: 'overtime', seconds: 2},
  ),
)
const someStep = fc
  .record({
    alwaysRun: fc.boolean(), haltOnFailure: fc.boolean(), flunkOnFailure: fc.boolean(), warnOnFailure: fc.boolean(),
    when: fc.constantFrom(null, "result == 'success'", 'props.none', "steps.s0.result == 'failure'", 'true', '((('),
    retry: fc.record({times: fc.nat(3), delayMs: fc.nat(100), on: fc.subarray(['failure', 'timeout', 'temporary', 'exception'] as const)}),
  })
  .map((special) => special as Partial<PlanStep>) // prettier-ignore

test('every plan comes to an end, each step ends for good exactly once, and the journal alone tells the result', (t) => {
  fc.assert(
    fc.property(
      fc.array(someStep, {maxLength: 6}),
      fc.array(someOutcome, {maxLength: 30}),
      fc.option(fc.integer({min: 990, max: 1400})),
      fc.option(fc.integer({min: 1, max: 200})),
      (specials, outcomes, cancelAt, timeoutMs) => {
        const some = plan(
          specials.map((special, at) => step('', {...special, name: `s${at}`})),
          {timeoutMs},
        )
        const played = play(some, {outcomes, cancelAt: cancelAt ?? Infinity})
        const finals = some.steps.map(
          (_, at) =>
            played.entries.filter((entry) => entry.entry === 'stepEnded' && entry.final && entry.step === at)
              .length,
        )
        t.true(finals.every((count) => count === 1))
        t.is(new Set(played.starts).size, played.starts.length)
        const told = played.entries.reduce((state, entry) => fold(some, state, entry), initial(some))
        t.is(told.result, played.result)
        t.is(played.entries.at(-1)?.entry, 'buildEnded')
      },
    ),
    {numRuns: 500},
  )
})
