// What is drawn of a rule: marks, the chosen commit, and why newer ones were passed over.
import test from 'ava'
import type {Facts} from '../../../../master/core/promotion/facts.ts'
import {judge} from '../../../../master/core/promotion/judge.ts'
import {pictureOf} from '../../../../master/core/promotion/picture.ts'
import {fastForward, greenOf, merge} from '../../../support/promoting.ts'
import {control, factsAbout, gateBuild} from '../../../support/judging.ts'

const rule = fastForward({green: greenOf({builders: ['unit', 'lint'], policy: 'newestGreen'})})
const line = (...revisions: string[]) => revisions.map((revision) => ({revision, descends: true}))

const facts = factsAbout({
  fromTip: 'r4',
  toTip: 'r0',
  relation: 'ahead',
  candidates: line('r4', 'r3', 'r2', 'r1'),
  builds: [
    gateBuild({id: '31', builder: 'unit', number: 3, revision: 'r3', result: 'failure'}),
    gateBuild({id: '32', builder: 'lint', number: 3, revision: 'r3', result: 'success'}),
    gateBuild({id: '21', builder: 'unit', number: 2, revision: 'r2', result: 'success'}),
    gateBuild({id: '22', builder: 'lint', number: 2, revision: 'r2', result: 'success'}),
  ],
  open: [
    {builder: 'unit', revision: 'r4', state: 'running'},
    {builder: 'lint', revision: 'r2', state: 'running'},
  ],
})

function draw(about: Facts, most = 30) {
  const decision = judge(rule, about)
  const excuses = decision.evidence?.excuses ?? []
  return pictureOf({rule, facts: about, decision}, {would: decision.would, excuses}, most)
}

test('each commit has a mark per required builder; a finished build says more than one that runs again', (t) => {
  const {builders, commits} = draw(facts)
  t.deepEqual(builders, ['unit', 'lint'])
  t.deepEqual(
    commits.map(({revision, marks}) => `${revision} ${marks.map(({state}) => state).join(' ')}`),
    ['r4 running none', 'r3 failure success', 'r2 success success', 'r1 none none'],
  )
  t.like(commits[1]?.marks[0], {builder: 'unit', build: '31', number: 3})
})

test('the commit that moves is chosen, newer ones say why they were passed over, older ones nothing', (t) => {
  const {commits} = draw(facts)
  t.deepEqual(
    commits.map(({isChosen}) => isChosen),
    [false, false, true, false],
  )
  t.regex(commits[0]?.because ?? '', /unit is building it, lint has not built it/)
  t.regex(commits[1]?.because ?? '', /unit #3: failed/)
  t.is(commits[2]?.because, null)
  t.is(commits[3]?.because, null)
})

test('what would move if nothing held the rule is chosen, too', (t) => {
  const held = factsAbout({
    ...facts,
    controls: [control({kind: 'hold'})],
  })
  t.deepEqual(
    draw(held).commits.flatMap(({revision, isChosen}) => (isChosen ? [revision] : [])),
    ['r2'],
  )
})

test('a long line is cut, but never before the chosen commit', (t) => {
  t.deepEqual(
    draw(facts, 1).commits.map(({revision}) => revision),
    ['r4', 'r2'],
  )
})

test('a rule that asks for no builds has no marks; a merge under test is drawn with those of its own', (t) => {
  const carry = merge()
  const {builders, commits} = pictureOf(
    {rule: carry, facts, decision: judge(carry, facts)},
    {would: null, excuses: []},
    30,
  )
  t.deepEqual([builders, commits[0]?.marks], [[], []])
  const gated = factsAbout({
    ...facts,
    gate: {candidate: 'r2', base: 'r0', commit: 'm', tree: 't', isSameTree: false},
    open: [{builder: 'lint', revision: 'm', state: 'waiting'}],
  })
  t.deepEqual(
    draw(gated).gate?.marks.map(({state}) => state),
    ['none', 'waiting'],
  )
})
