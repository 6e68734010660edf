// What is done about output that nobody takes: nothing while it fits, then the step is held, or its output is cut.
import test from 'ava'
import {keptAtEnds, measuresFor, type Backlog} from '../../../worker/core/backlog.ts'

const backlog = (more: Partial<Backlog>): Backlog => ({
  unread: 0,
  room: 1000,
  isStalled: false,
  isHeld: false,
  policy: 'truncate',
  ...more,
})
const truths: readonly [string, Partial<Backlog>, {cuts: boolean; holds: boolean}][] = [
  ['output that fits is left alone', {unread: 1000, isStalled: true}, {cuts: false, holds: false}],
  [
    'a step that is faster than a master that takes output is held',
    {unread: 1001},
    {cuts: false, holds: true},
  ],
  ['output that nobody takes is cut', {unread: 1001, isStalled: true}, {cuts: true, holds: false}],
  [
    'a step that prints faster than its output can be cut is held meanwhile',
    {unread: 2001, isStalled: true},
    {cuts: true, holds: true},
  ],
  [
    'nothing is cut by a worker that blocks',
    {unread: 9000, isStalled: true, policy: 'block'},
    {cuts: false, holds: true},
  ],
  ['a held step goes on when there is room again', {unread: 750, isHeld: true}, {cuts: false, holds: false}],
  ['a held step does not go on for a little room', {unread: 751, isHeld: true}, {cuts: false, holds: true}],
  [
    'a step that is held when the master takes nothing any more is cut and goes on',
    {unread: 751, isHeld: true, isStalled: true},
    {cuts: true, holds: false},
  ],
]
for (const [title, given, measures] of truths)
  test(title, (t) => {
    t.deepEqual(measuresFor(backlog(given)), measures)
  })

test('what a cut keeps is calm enough for a held step to go on', (t) => {
  const unread = 2 * keptAtEnds(1000)
  t.deepEqual(measuresFor(backlog({unread, isHeld: true, isStalled: true})), {cuts: false, holds: false})
})
