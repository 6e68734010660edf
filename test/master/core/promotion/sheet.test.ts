// Which stored builds count for a rule, and what they say of a commit.
import test from 'ava'
import {fault, requiredBuilders, tally} from '../../../../master/core/promotion/greens.ts'
import {askOf, sheetOf} from '../../../../master/core/promotion/sheet.ts'
import type {StoredBuild} from '../../../../master/core/promotion/sheet.ts'
import {factsAbout, gateBuild} from '../../../support/judging.ts'
import {fastForward, greenOf} from '../../../support/promoting.ts'

const stored = (over: Partial<StoredBuild>): StoredBuild => ({
  id: '1',
  builder: 'gate',
  number: 1,
  revision: 'r1',
  state: 'finished',
  result: 'success',
  branch: 'main',
  repository: 'repo',
  origin: 'scheduler',
  properties: {},
  stamps: null,
  finishedAt: 1,
  isStale: false,
  ...over,
})
const ask = (green = greenOf({origins: ['scheduler']})) =>
  askOf({...fastForward(), green}, ['repo'], ['r1', 'r2'])
const counted = (build: Partial<StoredBuild>, green = greenOf({origins: ['scheduler']})) =>
  sheetOf(ask(green), [stored(build)], []).builds.length

test('case 11: builds of one revision beside different revisions of another repository are not one evidence', (t) => {
  const green = greenOf({builders: ['gate', 'other']})
  const stamps = (revision: string) => [
    {repository: 'repo', branch: 'main', revision: 'r1'},
    {repository: 'lib', branch: 'main', revision},
  ]
  const sheet = (one: string, other: string) =>
    sheetOf(
      ask(green),
      [stored({stamps: stamps(one)}), stored({id: '2', builder: 'other', stamps: stamps(other)})],
      [],
    )
  const standing = (one: string, other: string) =>
    tally(green, green.builders, factsAbout({...sheet(one, other)}))('r1')
  t.is(standing('l1', 'l1').standing, 'green')
  const differing = standing('l1', 'l2')
  t.is(differing.standing, 'open')
  t.regex('because' in differing ? differing.because : '', /gate #1 lib@l1, other #1 lib@l2/)
  // What was checked out outweighs what was asked for.
  const got = stored({stamps: stamps('l1'), properties: {'gotRevision.lib': 'l9'}})
  t.is(sheetOf(ask(green), [got], []).builds[0]?.beside, 'lib@l9')
})

test('case 11: a build with another property than the rule demands is no evidence', (t) => {
  const full = greenOf({origins: ['scheduler'], properties: {flavour: 'full'}})
  t.is(counted({properties: {flavour: 'full'}}, full), 1)
  t.is(counted({properties: {flavour: 'quick'}}, full), 0)
  t.is(counted({}, full), 0)
  t.is(counted({properties: {flavour: 'quick'}}), 1)
})

test('case 13: a build on another branch or of a foreign origin does not count, unless the policy says so', (t) => {
  t.is(counted({branch: 'topic'}), 0)
  t.is(counted({branch: 'topic'}, greenOf({branches: ['topic']})), 1)
  t.is(counted({origin: 'force'}), 0)
  t.is(counted({origin: 'force'}, greenOf({origins: ['force']})), 1)
  t.is(counted({origin: 'promotion'}), 1)
  t.is(counted({repository: 'fork'}), 0)
  t.is(counted({builder: 'other'}), 0)
})

test('the newest run decides, all runs are counted, and one under way is told beside it', (t) => {
  const {builds, open} = sheetOf(
    ask(),
    [
      stored({id: '3', number: 3, finishedAt: 30}),
      stored({id: '2', number: 2, finishedAt: 20, result: 'failure'}),
      stored({id: '4', number: 4, state: 'running', result: null, finishedAt: null}),
      stored({id: '5', revision: 'r2', result: 'exception'}),
      stored({id: '6', revision: 'r2', state: 'waiting', result: null, finishedAt: null, number: 0}),
    ],
    [],
  )
  t.like(builds, [{number: 3, runs: 2, reds: 1}])
  t.deepEqual(open, [
    {builder: 'gate', revision: 'r1', state: 'running'},
    {builder: 'gate', revision: 'r2', state: 'waiting'},
  ])
})

test('case 36: each rule asks for its own builders', (t) => {
  const other = {...fastForward({name: 'db-stable'}), green: greenOf({builders: ['db']})}
  t.deepEqual(askOf(other, ['repo'], []).builders, ['db'])
  t.is(sheetOf(askOf(other, ['repo'], ['r1']), [stored({})], []).builds.length, 0)
})

test('a builder in quarantine is required again on its day, and a fault is said in words', (t) => {
  const green = greenOf({
    builders: ['a', 'b'],
    quarantine: [{builder: 'a', until: '2026-07-01', reason: 'x'}],
  })
  t.deepEqual(requiredBuilders(green, Date.parse('2026-06-30T23:59:59Z')), ['b'])
  t.deepEqual(requiredBuilders(green, Date.parse('2026-07-01')), ['a', 'b'])
  t.is(fault(green, gateBuild({result: 'failure'})), 'failed')
  t.is(fault(green, gateBuild({})), null)
})
