import test from 'ava'
import {fastForward} from '../../../../config/kinds/promotions/fastForward.ts'
import {checkKind, problemsOf} from '../check.ts'

test('the example of fastForward loads, and each option is described', (t) => {
  t.like(fastForward.resolve(checkKind(t, fastForward), 'UTC'), {
    kind: 'fastForward',
    green: {
      builders: ['check'],
      policy: 'latestFinished',
      accept: ['success'],
      origins: ['scheduler', 'rebuild'],
    },
  })
})

test('a rule needs two branches and a builder', (t) => {
  const rule = {name: 's', source: 'project', from: 'main', to: 'stable', green: {builders: ['check']}}
  t.deepEqual(problemsOf(fastForward, rule), [])
  t.deepEqual(problemsOf(fastForward, {...rule, to: 'main'}), ['a branch is not promoted to itself, main'])
  t.deepEqual(problemsOf(fastForward, {...rule, green: {builders: []}}), [
    'expected a list of at least one builder',
  ])
  t.deepEqual(problemsOf(fastForward, {...rule, from: 'release/*'}), [
    'expected the name of one branch, not a glob',
  ])
})
