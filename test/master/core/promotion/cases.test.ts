// Those of the numbered cases of promotion that the judge alone decides; the others lie in test/scenarios/promotion-cases.
import test from 'ava'
import fc from 'fast-check'
import type {FastForward, Freeze, Green} from '../../../../config/config.ts'
import {frozenUntil} from '../../../../config/terms/freezes.ts'
import type {Facts, GateBuild, OpenBuild, Place} from '../../../../master/core/promotion/facts.ts'
import {lineageOf, revertsOf} from '../../../../master/core/promotion/graph.ts'
import {judge} from '../../../../master/core/promotion/judge.ts'
import {basisOf, isReplayed} from '../../../../master/core/promotion/replay.ts'
import {control, factsAbout, gateBuild} from '../../../support/judging.ts'
import {fastForward, gate, greenOf, merge} from '../../../support/promoting.ts'

const newestGreen = (over: Partial<Green> = {}, rule: Partial<FastForward> = {}) =>
  fastForward({...rule, green: greenOf({policy: 'newestGreen', ...over})})

/** `gate r2 failure 5`: builder, revision, result, when it finished. */
const built = (...texts: readonly string[]): GateBuild[] =>
  texts.map((text, n) => {
    const [builder = '', revision = '', result, at = '0'] = text.split(' ')
    return gateBuild({
      ...{id: String(n), number: n + 1, builder, revision, finishedAt: Number(at)},
      result: result as GateBuild['result'],
    })
  })

/** A line, newest first, before a target at r0. */
const lineOf = (revisions: readonly string[], over: Partial<Facts> = {}): Facts => {
  const builds = over.builds ?? []
  const byBuilder = new Map(builds.map((build) => [build.builder, build]))
  return factsAbout({
    fromTip: revisions[0] ?? 'r0',
    toTip: 'r0',
    relation: 'ahead',
    candidates: revisions.map((revision) => ({revision, descends: true})),
    newest: [...byBuilder.values()],
    places: Object.fromEntries(revisions.map((revision): [string, Place] => [revision, 'candidate'])),
    ...over,
  })
}
const running = (revision: string, builder = 'gate'): OpenBuild => ({builder, revision, state: 'running'})
const excuse = (facts: Facts, rule: FastForward, revision: string) =>
  judge(rule, facts).evidence?.excuses.find((each) => each.revision === revision)?.because ?? ''

test('case 2: a tip that is being built lets its green predecessor pass, or makes it wait, by policy; it is never promoted itself', (t) => {
  const facts = lineOf(['r2', 'r1'], {builds: built('gate r1 success'), open: [running('r2')]})
  t.like(judge(fastForward(), facts), {verdict: 'promote', candidate: 'r1'})
  const waiting = fastForward({green: greenOf({running: 'wait'})})
  t.like(judge(waiting, facts), {verdict: 'wait', candidate: null})
  t.is(excuse(facts, waiting, 'r1'), 'a newer commit is being built')
  t.is(judge(waiting, {...facts, open: []}).candidate, 'r1')
})

test('case 3: a red tip lets its green predecessor pass with newestGreen, and blocks it with latestFinished', (t) => {
  const facts = lineOf(['r2', 'r1'], {builds: built('gate r1 success', 'gate r2 failure')})
  t.is(judge(newestGreen(), facts).candidate, 'r1')
  t.is(judge(fastForward(), facts).verdict, 'wait')
})

test('case 4: when no commit has every build, those that the newest without a red one lacks are asked for, once nothing is on its way', (t) => {
  const rule = fastForward({green: greenOf({builders: ['a', 'b'], fillIn: true})})
  const facts = lineOf(['r4', 'r3', 'r2', 'r1'], {
    builds: built('a r1 success', 'b r2 success', 'a r3 success', 'b r4 success'),
  })
  const wanted = {order: 'build', revision: 'r4', builders: ['a']} as const
  t.like(judge(rule, facts), {verdict: 'wait', candidate: null, orders: [wanted]})
  t.deepEqual(judge(rule, {...facts, open: [running('r4', 'a')]}).orders, [])
  t.deepEqual(judge(rule, {...facts, isAwaited: true}).orders, [])
  t.deepEqual(judge(fastForward({green: greenOf({builders: ['a', 'b']})}), facts).orders, [])
  const red = {...facts, builds: [...facts.builds, ...built('a r4 failure')]}
  t.deepEqual(judge(newestGreen({builders: ['a', 'b'], fillIn: true}), red).orders, [
    {order: 'build', revision: 'r3', builders: ['b']},
  ])
  const filled = lineOf(['r4', 'r3', 'r2', 'r1'], {builds: [...facts.builds, ...built('a r4 success')]})
  t.is(judge(rule, filled).candidate, 'r4')
})

test('case 5: a commit between two green ones is not green', (t) => {
  const facts = lineOf(['r3', 'r2', 'r1'], {builds: built('gate r1 success', 'gate r3 success')})
  const without = {...facts, candidates: facts.candidates.slice(1), fromTip: 'r2'}
  t.is(judge(newestGreen(), without).candidate, 'r1')
  t.is(excuse(without, newestGreen(), 'r2'), 'gate has not built it')
})

test('case 6: a required builder that never ran or was renamed is not green, and is named', (t) => {
  const rule = newestGreen({builders: ['gate', 'renamed']})
  const facts = lineOf(['r1'], {builds: built('gate r1 success')})
  t.like(judge(rule, facts), {verdict: 'wait', candidate: null})
  t.regex(judge(rule, facts).reasons.join(), /renamed has not built it/)
})

test('case 7: a rule without builders, with all of them in quarantine, or without an accepted result refuses everything', (t) => {
  const facts = lineOf(['r1'], {builds: built('gate r1 success')})
  const quarantine = [{builder: 'gate', until: '2100-01-01', reason: 'x'}]
  for (const green of [{builders: []}, {accept: []}, {quarantine}])
    for (const rule of [fastForward({green: greenOf(green)}), gate({green: greenOf(green)})])
      t.like(judge(rule, facts), {verdict: 'refuse', candidate: null})
})

test('case 8: warnings count only where they are accepted, and nothing else but success ever does', (t) => {
  const warned = lineOf(['r1'], {builds: built('gate r1 warnings')})
  t.is(judge(fastForward(), warned).verdict, 'wait')
  t.is(judge(fastForward({green: greenOf({accept: ['success', 'warnings']})}), warned).candidate, 'r1')
  for (const state of ['skipped', 'retry', 'cancelled', 'exception'] as const) {
    const facts = lineOf(['r1'], {open: [{builder: 'gate', revision: 'r1', state}]})
    const rule = newestGreen({accept: ['success', 'warnings']})
    t.is(judge(rule, facts).verdict, 'wait')
    t.is(excuse(facts, rule, 'r1'), `gate has not judged it: its last build ended as ${state}`)
  }
})

test('case 9: the newest run of a commit decides, either way, and a builder that has judged both ways is told', (t) => {
  const [flaky] = built('gate r1 success')
  const green = {...(flaky as GateBuild), runs: 2, reds: 1}
  t.like(judge(fastForward(), lineOf(['r1'], {builds: [green]})), {
    verdict: 'promote',
    evidence: {flaky: ['gate']},
  })
  const red = {...green, result: 'failure' as const}
  for (const rule of [fastForward(), newestGreen()])
    t.is(judge(rule, lineOf(['r1'], {builds: [red]})).verdict, 'wait')
})

test('case 12: a green build from before its builder was changed counts, or does not, by policy', (t) => {
  const builds = built('gate r1 success').map((build) => ({...build, isStale: true}))
  t.is(judge(newestGreen(), lineOf(['r1'], {builds})).candidate, 'r1')
  const strict = newestGreen({staleEvidence: 'refuse'})
  t.is(judge(strict, lineOf(['r1'], {builds})).verdict, 'wait')
  t.regex(excuse(lineOf(['r1'], {builds}), strict, 'r1'), /made before its builder was changed/)
})

test('case 32: a candidate that holds what a later commit reverts is passed over, or not, by policy; who allows it overrules', (t) => {
  const reverts = [{reverted: 'r2', by: 'r4', since: 'r2', until: 'r4'}]
  const builds = built('gate r1 success', 'gate r2 success', 'gate r3 success')
  const facts = lineOf(['r4', 'r3', 'r2', 'r1'], {builds, reverts})
  t.is(judge(newestGreen(), facts).candidate, 'r1')
  t.is(excuse(facts, newestGreen(), 'r3'), 'it holds r2, which r4 reverts on main')
  t.is(judge(newestGreen({}, {reverts: 'ignore'}), facts).candidate, 'r3')
  const allowed = {...facts, controls: [control({kind: 'allowance', revision: 'r3'})]}
  t.is(judge(newestGreen(), allowed).candidate, 'r3')
  const withRevert = {...facts, builds: [...builds, ...built('gate r4 success')]}
  t.is(judge(newestGreen(), withRevert).candidate, 'r4')
})

test('case 32: a revert that is reverted itself vetoes nothing, and short names and merged topics are understood', (t) => {
  const commit = (revision: string, ...parents: string[]) => ({
    revision,
    side: 'from' as const,
    committedAt: 0,
    parents,
  })
  const listed = [
    commit('d', 'c'),
    commit('c', 'b', 'topic'),
    commit('topic', 'a'),
    commit('b', 'a'),
    commit('a', 'base'),
    {...commit('base'), side: 'base' as const},
  ]
  const lineage = lineageOf('d', 'base', listed)
  t.deepEqual(
    lineage.candidates.map(({revision}) => revision),
    ['d', 'c', 'b', 'a'],
  )
  t.is(lineage.since.get('topic'), 'c')
  t.deepEqual(revertsOf(lineage, [{revision: 'd', reverted: 'top'}]).within, [
    {reverted: 'topic', by: 'd', since: 'c', until: 'd'},
  ])
  const twice = [
    {revision: 'c', reverted: 'a'},
    {revision: 'd', reverted: 'c'},
  ]
  t.deepEqual(
    revertsOf(lineage, twice).within.map(({reverted}) => reverted),
    ['c'],
  )
  t.deepEqual(revertsOf(lineage, [{revision: 'd', reverted: 'older'}]).outside, [
    {revision: 'd', reverted: 'older'},
  ])
})

test('case 33: a carry that would take back what its target brought is refused, with and without green, unless it is allowed or ignored', (t) => {
  const taken = [{reverted: 'r0', by: 'r1'}]
  const facts = lineOf(['r1'], {builds: built('gate r1 success'), taken})
  const allowed = {...facts, controls: [control({kind: 'allowance', revision: 'r1'})]}
  for (const green of [null, greenOf()]) {
    const back = merge({from: 'stable', to: 'main', green})
    t.like(judge(back, facts), {verdict: 'refuse', candidate: null, would: 'r1'})
    t.is(judge(back, allowed).verdict, 'promote')
    t.is(judge({...back, reverts: 'ignore'}, facts).verdict, 'promote')
  }
})

test('a denied revision is passed over with all that holds it until its revert, or alone when exactly it was denied', (t) => {
  const builds = built('gate r1 success', 'gate r2 success', 'gate r3 success')
  const denial = control({kind: 'denial', revision: 'r2', since: 'r2'})
  const facts = lineOf(['r3', 'r2', 'r1'], {builds, controls: [denial]})
  t.is(judge(newestGreen(), facts).candidate, 'r1')
  t.regex(excuse(facts, newestGreen(), 'r3'), /it holds r2, which ann denied: she knows why/)
  t.is(judge(newestGreen(), {...facts, controls: [{...denial, isExact: true}]}).candidate, 'r3')
  const reverts = [{reverted: 'r2', by: 'r3', since: 'r2', until: 'r3'}]
  t.is(judge(newestGreen(), {...facts, reverts}).candidate, 'r3')
  t.is(judge(newestGreen(), {...facts, now: 10, controls: [{...denial, until: 10}]}).candidate, 'r3')
})

const freeze = (over: Partial<Freeze> & Pick<Freeze, 'from' | 'until'>): Freeze => ({
  timezone: 'Europe/London',
  reason: 'freeze',
  ...over,
})
const at = (text: string) => Date.parse(text)

test('case 41: a freeze is evaluated in its zone, in summer and winter, over the week’s end and the year’s', (t) => {
  const weekend = freeze({from: 'fri 16:00', until: 'mon 08:00'})
  // In July London is an hour ahead of UTC.
  t.is(frozenUntil(weekend, at('2026-07-03T14:59:59Z')), null)
  t.is(frozenUntil(weekend, at('2026-07-03T15:00:00Z')), at('2026-07-06T07:00:00Z'))
  t.is(frozenUntil(weekend, at('2026-12-04T15:59:59Z')), null)
  t.is(frozenUntil(weekend, at('2026-12-06T12:00:00Z')), at('2026-12-07T08:00:00Z'))
  t.is(frozenUntil(weekend, at('2026-12-07T08:00:00Z')), null)
  const holidays = freeze({from: '2026-12-20', until: '2027-01-03'})
  t.is(frozenUntil(holidays, at('2026-12-19T23:59:59Z')), null)
  t.is(frozenUntil(holidays, at('2027-01-03T23:59:59Z')), at('2027-01-04T00:00:00Z'))
  t.is(frozenUntil(holidays, at('2027-01-04T00:00:00Z')), null)
  const nights = freeze({from: '22:00', until: '06:00', timezone: 'Asia/Tokyo'})
  t.is(frozenUntil(nights, at('2026-03-01T13:00:00Z')), at('2026-03-01T21:00:00Z'))
  t.is(frozenUntil(nights, at('2026-03-01T21:00:00Z')), null)
})

test('case 41: an hour that the clock repeats or skips makes no freeze shorter', (t) => {
  // 2026-10-25: 02:00 in London happens twice, at 00:59Z/01:00Z the clock goes back to 01:00.
  const repeated = freeze({from: 'sat 22:00', until: 'sun 01:30'})
  t.is(frozenUntil(repeated, at('2026-10-25T00:45:00Z')), at('2026-10-25T01:30:00Z'))
  t.is(frozenUntil(repeated, at('2026-10-25T01:29:00Z')), at('2026-10-25T01:30:00Z'))
  t.is(
    frozenUntil(freeze({from: 'sun 01:30', until: 'sun 04:00'}), at('2026-10-25T00:30:00Z')),
    at('2026-10-25T04:00:00Z'),
  )
  // 2026-03-29: 01:30 in London does not happen.
  const skipped = freeze({from: 'sun 01:30', until: 'sun 05:00'})
  t.is(frozenUntil(skipped, at('2026-03-29T00:29:00Z')), null)
  t.is(frozenUntil(skipped, at('2026-03-29T00:30:00Z')), at('2026-03-29T04:00:00Z'))
  t.is(
    frozenUntil(freeze({from: 'sat 22:00', until: 'sun 01:30'}), at('2026-03-29T01:29:00Z')),
    at('2026-03-29T01:30:00Z'),
  )
})

test('case 42: a freeze that was lifted holds nothing until the lifting ends, and who lifted it is among the facts', (t) => {
  const rule = fastForward({
    freeze: [freeze({from: '00:00', until: '00:00', timezone: 'UTC', reason: 'always'})],
  })
  const facts = lineOf(['r1'], {builds: built('gate r1 success'), now: at('2026-07-01T12:00:00Z')})
  const frozen = judge(rule, facts)
  t.like(frozen, {verdict: 'wait', would: 'r1', lookAt: at('2026-07-02T00:00:00Z')})
  t.regex(frozen.reasons[0] ?? '', /^frozen until 2026-07-02 00:00 UTC \(UTC time\): always/)
  const until = facts.now + 60_000
  const lifted = {...facts, controls: [control({kind: 'override', role: 'admin', until})]}
  t.like(judge(rule, lifted), {verdict: 'promote', lookAt: until})
  t.is(judge(rule, {...lifted, now: until}).verdict, 'wait')
})

test('case 43: an approval is of one revision, by people of the role, each counted once', (t) => {
  const rule = newestGreen({}, {approvals: {count: 2, role: 'operator'}})
  const builds = built('gate r1 success', 'gate r2 success')
  const approved = (revision: string, ...people: readonly (readonly [string, 'developer' | 'operator'])[]) =>
    people.map(([by, role]) => control({kind: 'approval', revision, by, role}))
  const on = (...controls: Facts['controls']) => judge(rule, lineOf(['r2', 'r1'], {builds, controls}))
  t.like(on(), {verdict: 'wait', would: 'r2'})
  t.regex(on().reasons.join(), /awaits approval of r2: 0 of 2 by operators/)
  t.is(on(...approved('r1', ['ann', 'operator'], ['ann', 'operator'])).verdict, 'wait')
  t.is(on(...approved('r1', ['ann', 'operator'], ['bob', 'developer'])).verdict, 'wait')
  const both = approved('r1', ['ann', 'operator'], ['bob', 'operator'])
  t.like(on(...both), {verdict: 'promote', candidate: 'r1'})
  t.regex(on(...both).evidence?.excuses[0]?.because ?? '', /awaits approval of r2/)
})

test('case 44: a commit soaks from when its last build ended, by the database’s clock, whatever the judge’s hour', (t) => {
  const rule = newestGreen({builders: ['a', 'b'], soakMs: 100})
  const builds = built('a r1 success 1000', 'b r1 success 1050')
  for (const [now, verdict] of [
    [0, 'wait'],
    [1149, 'wait'],
    [1150, 'promote'],
  ] as const)
    t.is(judge(rule, lineOf(['r1'], {builds, now})).verdict, verdict)
  t.like(judge(rule, lineOf(['r1'], {builds, now: 1100})), {would: 'r1', lookAt: 1150})
  const older = lineOf(['r2', 'r1'], {
    builds: [...builds, ...built('a r2 success 1140', 'b r2 success 1140')],
    now: 1200,
  })
  t.is(judge(rule, older).candidate, 'r1')
})

test('case 51: a flaky builder stays required, is green only within so many runs, or rests until a day, by policy', (t) => {
  const [build] = built('gate r1 success')
  const flaky = lineOf(['r1'], {
    builds: [{...(build as GateBuild), runs: 3, reds: 2}, ...built('other r1 success')],
  })
  const builders = ['gate', 'other']
  t.is(judge(newestGreen({builders}), flaky).candidate, 'r1')
  const capped = newestGreen({builders, runsMax: 2})
  t.is(judge(capped, flaky).verdict, 'wait')
  t.regex(excuse(flaky, capped, 'r1'), /green only in run 3, after 2 red; at most 2 count/)
  const red = {...flaky, builds: built('gate r1 failure', 'other r1 success'), now: at('2026-07-01')}
  const resting = newestGreen({
    builders,
    quarantine: [{builder: 'gate', until: '2026-07-02', reason: 'flaky'}],
  })
  t.like(judge(resting, red), {verdict: 'promote', candidate: 'r1', lookAt: at('2026-07-02')})
  t.is(judge(resting, {...red, now: at('2026-07-02')}).verdict, 'wait')
})

test('case 52: a build whose worker was lost is neither red nor green', (t) => {
  const open = [{builder: 'gate', revision: 'r2', state: 'retry'}] as const
  const facts = lineOf(['r2', 'r1'], {builds: built('gate r1 success'), open})
  t.is(judge(fastForward(), facts).candidate, 'r1')
  t.regex(excuse(facts, fastForward(), 'r2'), /ended as retry/)
})

test('case 56: a held rule is judged on and says what it would promote', (t) => {
  const facts = lineOf(['r1'], {
    builds: built('gate r1 success'),
    controls: [control({kind: 'hold', reason: 'release day'})],
  })
  t.like(judge(fastForward(), facts), {
    verdict: 'wait',
    candidate: null,
    would: 'r1',
    reasons: ['held by ann: release day', 'would promote r1'],
  })
  t.like(judge(merge({from: 'main'}), facts), {verdict: 'wait', would: 'r1'})
  t.is(
    judge(fastForward(), {...facts, now: 5, controls: [control({kind: 'hold', until: 5})]}).verdict,
    'promote',
  )
})

// What must hold whatever was built and said.
const line = ['r5', 'r4', 'r3', 'r2', 'r1']
const anyBuilds = fc.array(
  fc.record({
    builder: fc.constantFrom('a', 'b'),
    revision: fc.constantFrom(...line),
    result: fc.constantFrom('success' as const, 'warnings' as const, 'failure' as const),
    finishedAt: fc.nat(100),
    beside: fc.constantFrom('', 'lib@1'),
    isStale: fc.boolean(),
    runs: fc.integer({min: 1, max: 4}),
    reds: fc.nat(3),
  }),
  {maxLength: 20},
)
const anyControls = fc.array(
  fc.record({
    kind: fc.constantFrom(
      'hold' as const,
      'approval' as const,
      'denial' as const,
      'allowance' as const,
      'override' as const,
    ),
    revision: fc.constantFrom(...line),
    by: fc.constantFrom('ann', 'bob'),
    role: fc.constantFrom('developer' as const, 'operator' as const),
    isExact: fc.boolean(),
    until: fc.option(fc.nat(200)),
  }),
  {maxLength: 4},
)
const anyRule = fc.record({
  kind: fc.constantFrom('fastForward' as const, 'merge' as const, 'gate' as const),
  policy: fc.constantFrom('latestFinished' as const, 'newestGreen' as const),
  running: fc.constantFrom('pass' as const, 'wait' as const),
  staleEvidence: fc.constantFrom('accept' as const, 'refuse' as const),
  fillIn: fc.boolean(),
  soakMs: fc.nat(100),
  runsMax: fc.option(fc.integer({min: 1, max: 3})),
  approvals: fc.option(
    fc.record({
      count: fc.constantFrom(1, 2),
      role: fc.constantFrom('developer' as const, 'operator' as const),
    }),
  ),
})
const anyFacts = fc
  .record({builds: anyBuilds, controls: anyControls, now: fc.nat(300), gated: fc.boolean()})
  .map(({builds, controls, now, gated}) => {
    const made = [
      ...new Map(
        builds.map((build, n) => [
          `${build.builder} ${build.revision}`,
          gateBuild({...build, id: String(n), number: n + 1}),
        ]),
      ).values(),
    ]
    const commit = {candidate: 'r4', base: 'r0', commit: 'm4', tree: 't', isSameTree: false}
    return lineOf(line, {
      builds: [
        ...made,
        ...(gated
          ? made.filter(({revision}) => revision === 'r4').map((build) => ({...build, revision: 'm4'}))
          : []),
      ],
      controls: controls.map((each, n) =>
        control({...each, id: String(n), since: each.kind === 'denial' ? each.revision : null}),
      ),
      now,
      gate: gated ? commit : null,
    })
  })
const ruleFrom = ({kind, approvals, ...green}: Parameters<Parameters<typeof anyRule.map>[0]>[0]) => {
  const made = {green: greenOf({...green, builders: ['a', 'b']}), approvals}
  return kind === 'fastForward' ? fastForward(made) : kind === 'merge' ? merge(made) : gate(made)
}

test('case 58: a stored decision is made again from what was stored with it, and comes out the same', (t) => {
  fc.assert(
    fc.property(anyRule, anyFacts, (options, facts) => {
      const rule = ruleFrom(options)
      const decision = judge(rule, facts)
      const basis = JSON.parse(JSON.stringify(basisOf(rule, facts, decision))) as ReturnType<typeof basisOf>
      return isReplayed(basis) && basis.facts.candidates.length <= facts.candidates.length
    }),
    {numRuns: 3000},
  )
  t.pass()
})

test('whatever was built and said, only green, ripe, approved and undenied commits go, while nothing holds the rule', (t) => {
  fc.assert(
    fc.property(anyRule, anyFacts, (options, facts) => {
      const rule = ruleFrom(options)
      const {verdict, candidate, reasons, evidence} = judge(rule, facts)
      if (reasons.length === 0 || reasons.some((reason) => reason === '')) return false
      if (verdict !== 'promote') return candidate === null
      const tested = rule.kind === 'gate' ? 'm4' : candidate
      const builds = evidence?.builds ?? []
      const inForce = facts.controls.filter(({until}) => until === null || facts.now < until)
      const of = (kind: string, revision: string | null) =>
        inForce.filter((each) => each.kind === kind && each.revision === revision)
      return (
        ['a', 'b'].every((builder) =>
          builds.some(
            (build) => build.builder === builder && build.revision === tested && build.result === 'success',
          ),
        ) &&
        builds.every(({finishedAt}) => facts.now >= finishedAt + options.soakMs) &&
        new Set(builds.map(({beside}) => beside)).size === 1 &&
        (options.staleEvidence === 'accept' || builds.every(({isStale}) => !isStale)) &&
        !inForce.some(({kind}) => kind === 'hold') &&
        (of('denial', candidate).length === 0 || of('allowance', candidate).length > 0) &&
        new Set(of('approval', tested).map(({by}) => by)).size >= (options.approvals?.count ?? 0)
      )
    }),
    {numRuns: 3000},
  )
  t.pass()
})

test('every commit that is newer than the chosen one has its excuse', (t) => {
  fc.assert(
    fc.property(anyRule, anyFacts, (options, facts) => {
      const rule = ruleFrom(options)
      const decision = judge(rule, facts)
      if (rule.kind === 'gate' || !decision.evidence) return true
      const at = decision.would === null || decision.verdict !== 'promote' ? -1 : line.indexOf(decision.would)
      const excuses = new Map(decision.evidence.excuses.map(({revision, because}) => [revision, because]))
      return line.slice(0, Math.max(at, 0)).every((revision) => (excuses.get(revision) ?? '') !== '')
    }),
    {numRuns: 1000},
  )
  t.pass()
})
