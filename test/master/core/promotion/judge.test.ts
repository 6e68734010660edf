// The verdicts of promotion rules: the edge cases one by one, and what must hold for every history and every builds.
import test from 'ava'
import fc from 'fast-check'
import type {FastForward, Green, PromotionRule} from '../../../../config/config.ts'
import {branchMatcher, nextPollMs} from '../../../../master/core/branches.ts'
import type {Facts, GateBuild, Place} from '../../../../master/core/promotion/facts.ts'
import {judge} from '../../../../master/core/promotion/judge.ts'
import {fillMessage, orderRules} from '../../../../master/core/promotion/order.ts'
import {fastForward, greenOf, merge} from '../../../support/promoting.ts'
import {factsAbout, gateBuild} from '../../../support/judging.ts'

const rule = (green: Partial<Green> = {}): FastForward => fastForward({green: greenOf(green)})
const carry = merge()

/** Finished builds in the order they finished: `gate r2 success`. */
function facts(line: readonly string[], finished: readonly string[], over: Partial<Facts> = {}): Facts {
  const builds = finished.map((text, n): GateBuild => {
    const [builder, revision, result] = text.split(' ') as [string, string, GateBuild['result']]
    return gateBuild({id: String(n), builder, number: n + 1, revision, result})
  })
  const last = (key: (build: GateBuild) => string) => [
    ...new Map(builds.map((build) => [key(build), build])).values(),
  ]
  return factsAbout({
    fromTip: line[0] ?? 'r0',
    toTip: 'r0',
    relation: line.length === 0 ? 'same' : 'ahead',
    candidates: line.map((revision) => ({revision, descends: true})),
    newest: last((build) => build.builder),
    builds: last((build) => `${build.builder} ${build.revision}`),
    places: Object.fromEntries([
      ...line.map((revision): [string, Place] => [revision, 'candidate']),
      ['r0', 'contained'],
    ]),
    ...over,
  })
}

const verdicts: readonly [
  truth: string,
  line: string[],
  finished: string[],
  verdict: 'promote' | 'wait' | 'refuse' | 'current',
  candidate: string | null,
  green?: Partial<Green>,
][] = [
  ['a green tip is promoted', ['r2', 'r1'], ['gate r1 success', 'gate r2 success'], 'promote', 'r2'],
  [
    'an untested tip leaves its green predecessor to promote',
    ['r2', 'r1'],
    ['gate r1 success'],
    'promote',
    'r1',
  ],
  [
    'a red newest build blocks an older green one',
    ['r2', 'r1'],
    ['gate r1 success', 'gate r2 failure'],
    'wait',
    null,
  ],
  [
    'with newestGreen an older green one passes a red tip',
    ['r2', 'r1'],
    ['gate r1 success', 'gate r2 failure'],
    'promote',
    'r1',
    {policy: 'newestGreen'},
  ],
  ['a commit between two greens is not green', ['r3', 'r2', 'r1'], ['gate r1 success'], 'promote', 'r1'],
  ['no finished build waits', ['r1'], [], 'wait', null],
  ['no builders refuse', ['r1'], ['gate r1 success'], 'refuse', null, {builders: []}],
  ['no accepted result refuses', ['r1'], ['gate r1 success'], 'refuse', null, {accept: []}],
  ['warnings are not green', ['r1'], ['gate r1 warnings'], 'wait', null],
  [
    'warnings are green when accepted',
    ['r1'],
    ['gate r1 warnings'],
    'promote',
    'r1',
    {accept: ['success', 'warnings']},
  ],
  ['a green rerun supersedes a red', ['r1'], ['gate r1 failure', 'gate r1 success'], 'promote', 'r1'],
  ['a red rerun supersedes a green', ['r1'], ['gate r1 success', 'gate r1 failure'], 'wait', null],
  [
    'a red rerun supersedes a green also with newestGreen',
    ['r1'],
    ['gate r1 success', 'gate r1 failure'],
    'wait',
    null,
    {policy: 'newestGreen'},
  ],
  [
    'two gates must agree on one commit',
    ['r2', 'r1'],
    ['gate r1 success', 'other r2 success'],
    'wait',
    null,
    {builders: ['gate', 'other']},
  ],
  [
    'two gates promote the newest commit green on both',
    ['r3', 'r2', 'r1'],
    ['gate r2 success', 'other r2 success', 'gate r3 success'],
    'promote',
    'r2',
    {builders: ['gate', 'other']},
  ],
  [
    'one gate that never ran is not green',
    ['r1'],
    ['gate r1 success'],
    'wait',
    null,
    {builders: ['gate', 'renamed']},
  ],
  ['a green build of what the target has promotes nothing', ['r1'], ['gate r0 success'], 'wait', null],
  [
    'a revision that was rewound away refuses',
    ['r1'],
    ['gate r1 success', 'gate r9 success'],
    'refuse',
    null,
  ],
]
for (const [truth, line, finished, verdict, candidate, green] of verdicts) {
  test(truth, (t) => {
    const places = {...facts(line, finished).places, r9: 'elsewhere' as const}
    const decision = judge(rule(green), facts(line, finished, {places}))
    t.is(decision.verdict, verdict)
    t.is(decision.candidate, candidate)
    t.true(decision.reasons.length > 0 && decision.reasons.every((reason) => reason.length > 10))
  })
}

test('tips alone can decide', (t) => {
  const on = (over: Partial<Facts>) => judge(rule(), facts(['r1'], ['gate r1 success'], over))
  t.is(on({relation: 'same'}).verdict, 'current')
  t.is(on({relation: 'behind'}).verdict, 'current')
  t.regex(on({relation: 'diverged'}).reasons[0] ?? '', /diverged/)
  t.regex(on({relation: 'unrelated'}).reasons[0] ?? '', /no commit in common/)
  t.regex(on({fromTip: null, relation: null}).reasons[0] ?? '', /no branch main/)
  t.regex(on({toTip: null, relation: null}).reasons[0] ?? '', /no branch stable/)
  for (const over of [
    {relation: 'diverged'},
    {relation: 'unrelated'},
    {fromTip: null},
    {toTip: null},
  ] as const)
    t.is(on(over).verdict, 'refuse')
})

test('a revision that the repository does not know refuses', (t) => {
  const decision = judge(rule(), facts(['r1'], ['gate r1 success', 'gate lost success']))
  t.is(decision.verdict, 'refuse')
  t.regex(decision.reasons[0] ?? '', /gate #2.*does not know/)
})

test('a red reason names the build and its revision', (t) => {
  t.regex(judge(rule(), facts(['r1'], ['gate r1 failure'])).reasons[0] ?? '', /gate #1.*r1: failed/)
})

test('a candidate that does not contain the target is passed over', (t) => {
  const candidates = [
    {revision: 'r2', descends: true},
    {revision: 'r1', descends: false},
  ]
  const decision = judge(
    rule({policy: 'newestGreen'}),
    facts(['r2', 'r1'], ['gate r1 success'], {candidates}),
  )
  t.is(decision.verdict, 'wait')
  t.deepEqual(
    decision.evidence?.excuses.map(({because}) => because),
    ['gate has not built it', 'it does not contain all of stable'],
  )
})

test('each newer candidate has its excuse', (t) => {
  const open = [{builder: 'gate', revision: 'r4', state: 'running'}] as const
  const decision = judge(
    rule({policy: 'newestGreen'}),
    facts(['r4', 'r3', 'r2', 'r1'], ['gate r1 success', 'gate r2 failure', 'gate r3 warnings'], {open}),
  )
  t.is(decision.candidate, 'r1')
  t.deepEqual(
    decision.evidence?.excuses.map(({because}) => because),
    ['gate is building it', 'gate #3: warnings, which do not count as green', 'gate #2: failed'],
  )
  t.deepEqual(
    decision.evidence?.builds.map(({id}) => id),
    ['0'],
  )
})

test('a carry merges what is missing, and is silent about the conflict it already met', (t) => {
  const tips = {
    fromTip: 's2',
    toTip: 'd1',
    relation: 'diverged',
    candidates: [{revision: 's2', descends: false}],
  } as const
  const on = (over: Partial<Facts>) => judge(carry, factsAbout({...tips, ...over}))
  t.like(on({}), {verdict: 'promote', candidate: 's2'})
  t.is(on({relation: 'ahead'}).verdict, 'promote')
  t.is(on({relation: 'behind'}).verdict, 'current')
  t.is(on({relation: 'unrelated'}).verdict, 'refuse')
  const conflict = {candidate: 's2', toTip: 'd1', files: ['a', 'b']}
  t.like(on({conflict}), {verdict: 'wait', reasons: ['still conflicting: a, b']})
  t.is(on({toTip: 'd2', conflict}).verdict, 'promote')
})

test('copies run before carries, and feeders before what they feed', (t) => {
  const named = (kind: 'fastForward' | 'merge', name: string, from: string, to: string): PromotionRule => ({
    ...(kind === 'merge' ? carry : rule()),
    name,
    from,
    to,
  })
  const rules = [
    named('merge', 'carry', 'stable', 'devel'),
    named('fastForward', 'lts', 'stable', 'lts'),
    named('fastForward', 'stable', 'main', 'stable'),
  ]
  t.deepEqual(
    orderRules(rules).map(({name}) => name),
    ['stable', 'lts', 'carry'],
  )
  const circle = [named('merge', 'there', 'a', 'b'), named('merge', 'back', 'b', 'a')]
  t.deepEqual(
    orderRules(circle).map(({name}) => name),
    ['there', 'back'],
  )
})

test('a message is filled with what is known', (t) => {
  const template = [
    'up to ',
    {prop: 'revision', take: 4},
    ' of ',
    {prop: 'from'},
    {prop: 'toString'},
    {prop: 'x', otherwise: '!'},
  ]
  t.is(fillMessage(template, {revision: 'abcdef', from: 'stable'}), 'up to abcd of stable!')
})

test('branch patterns keep to their part of the name', (t) => {
  const watched = branchMatcher(['main', 'release/*', 'user/**', 'a+b'])
  t.deepEqual(['main', 'release/1', 'user/x/y', 'a+b'].filter(watched).length, 4)
  t.deepEqual(['main2', 'release', 'release/1/2', 'xmain', 'aab'].filter(watched), [])
})

test('a poll comes after its interval, a failing one ever later up to ten minutes', (t) => {
  t.deepEqual(
    [0, 1, 2, 3, 4, 5, 50].map((failures) => nextPollMs(60_000, failures, 0.5) / 60_000),
    [1, 2, 4, 8, 10, 10, 10],
  )
  t.is(nextPollMs(3_600_000, 9, 1), 3_600_000)
})

// What must hold whatever was built.
const gates = ['a', 'b', 'c']
const line = ['r5', 'r4', 'r3', 'r2', 'r1']
const history = fc.array(
  fc.record({
    builder: fc.constantFrom(...gates),
    revision: fc.constantFrom(...line, 'r0'),
    result: fc.constantFrom('success', 'warnings', 'failure'),
  }),
  {maxLength: 40},
)
const policies = fc.record({
  builders: fc.subarray(gates),
  policy: fc.constantFrom('latestFinished' as const, 'newestGreen' as const),
  accept: fc.subarray(['success', 'warnings'] as const),
  descends: fc.array(fc.boolean(), {minLength: line.length, maxLength: line.length}),
})
type Finished = {builder: string; revision: string; result: string}
const judgeAll = (
  {
    descends,
    ...green
  }: {
    builders: string[]
    policy: 'latestFinished' | 'newestGreen'
    accept: ('success' | 'warnings')[]
    descends: boolean[]
  },
  finished: Finished[],
) =>
  judge(
    rule(green),
    facts(
      line,
      finished.map(({builder, revision, result}) => `${builder} ${revision} ${result}`),
      {
        candidates: line.map((revision, n) => ({revision, descends: descends[n] as boolean})),
      },
    ),
  )

test('nothing is promoted without a green newest build of every gate on exactly that commit, which contains the target', (t) => {
  fc.assert(
    fc.property(policies, history, (policy, finished) => {
      const {verdict, candidate} = judgeAll(policy, finished)
      if (verdict !== 'promote') return candidate === null
      const blessed = policy.builders.every((gate) => {
        const last = finished.findLast((build) => build.builder === gate && build.revision === candidate)
        return last !== undefined && policy.accept.includes(last.result as 'success')
      })
      return (
        policy.builders.length > 0 && blessed && policy.descends[line.indexOf(candidate as string)] === true
      )
    }),
    {numRuns: 2000},
  )
  t.pass()
})

test('one more green never demotes', (t) => {
  fc.assert(
    fc.property(
      policies,
      history,
      fc.constantFrom(...gates),
      fc.constantFrom(...line),
      (policy, finished, builder, revision) => {
        const before = judgeAll(policy, finished)
        if (before.verdict !== 'promote' || !policy.accept.includes('success')) return true
        const after = judgeAll(policy, [...finished, {builder, revision, result: 'success'}])
        return (
          after.verdict === 'promote' &&
          line.indexOf(after.candidate as string) <= line.indexOf(before.candidate as string)
        )
      },
    ),
    {numRuns: 2000},
  )
  t.pass()
})

test('the same facts give the same decision', (t) => {
  fc.assert(
    fc.property(policies, history, (policy, finished) => {
      const stored = JSON.stringify(judgeAll(policy, finished))
      return JSON.stringify(judgeAll(structuredClone(policy), structuredClone(finished))) === stored
    }),
  )
  t.pass()
})
