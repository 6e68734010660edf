import test from 'ava'
import {merge} from '../../../../config/kinds/promotions/merge.ts'
import {fill} from '../../../../config/terms/interpolation.ts'
import {checkKind, problemsOf} from '../check.ts'

test('the example of merge loads, and each option is described', (t) => {
  const {message} = checkKind(t, merge)
  t.is(fill(message, {revision: '0123456789abcdef'}), 'Automatic merge from stable up to 0123456789ab')
})

test('a message speaks of the merge and of nothing else', (t) => {
  const rule = {name: 'm', source: 'project', from: 'a', to: 'b'}
  t.deepEqual(problemsOf(merge, rule), [])
  t.deepEqual(problemsOf(merge, {...rule, message: '${rev}'}), [
    '${rev} is not known here; there are revision, from, to, rule',
  ])
  t.deepEqual(problemsOf(merge, {...rule, message: '${secret.x}'}), [
    '${secret.x}: no secret may be used here',
  ])
  t.deepEqual(problemsOf(merge, {...rule, to: 'a'}), ['a branch is not promoted to itself, a'])
})
