// What people and the calendar say to a rule: in force or over, and when to look again.
import test from 'ava'
import {
  conflictWords,
  holds,
  inForce,
  soonest,
  timeWords,
  unapproved,
  vetoes,
} from '../../../../master/core/promotion/words.ts'
import {control, factsAbout} from '../../../support/judging.ts'
import {fastForward, greenOf} from '../../../support/promoting.ts'

test('a word is in force until its end, not at it', (t) => {
  const hold = control({kind: 'hold', until: 10})
  t.is(inForce([hold], 9).length, 1)
  t.is(inForce([hold], 10).length, 0)
  t.is(inForce([control({kind: 'hold'})], 1e15).length, 1)
})

test('every hold is named with who and why', (t) => {
  const controls = [control({kind: 'hold'}), control({kind: 'hold', by: 'bob', reason: 'tests'})]
  t.deepEqual(holds(fastForward(), factsAbout({controls})).reasons, [
    'held by ann: she knows why',
    'held by bob: tests',
  ])
})

test('of all that time will change, the soonest is looked for, and nothing that is past', (t) => {
  const controls = [control({kind: 'hold', until: 50}), control({kind: 'denial', until: 5})]
  const green = greenOf({quarantine: [{builder: 'a', until: '1970-01-02', reason: 'x'}]})
  t.is(soonest(factsAbout({now: 10, controls}), green, [40], [9]), 40)
  t.is(soonest(factsAbout({now: 10}), green), 86_400_000)
  t.is(soonest(factsAbout({now: 10}), null), null)
})

test('a rule without approvals asks nobody, and without words vetoes nothing', (t) => {
  t.is(unapproved(fastForward(), factsAbout({}), 'r1'), null)
  t.is(vetoes(fastForward(), factsAbout({}))({revision: 'r1', descends: true}), null)
})

test('moments and files are said shortly', (t) => {
  t.is(timeWords(0), '1970-01-01 00:00 UTC')
  t.is(
    conflictWords(Array.from({length: 12}, (_, n) => `f${String(n)}`)),
    'f0, f1, f2, f3, f4, f5, f6, f7, f8, f9 and 2 more',
  )
})
