// Which containers are nobody's any more: told from labels and from what lies on this host, and never guessed.
import test from 'ava'
import {fateOf, isOurs, type Seen} from '../../../scripts/tools/leavings.ts'

const seen = (over: Partial<Seen> = {}): Seen => ({
  id: 'c',
  labels: {'ostler.state': 's', 'ostler.worker': 'w', 'ostler.build': '7'},
  isRunning: true,
  createdAtMs: 0,
  attempt: '/state/attempts/1/box',
  ...over,
})
const fate = (over: Partial<Seen>, folder: 'there' | 'gone' | 'hidden' = 'gone', now = 10_000) =>
  fateOf(seen(over), {look: () => folder, now, olderThanMs: 5000})

const truths: readonly (readonly [string, Partial<Seen>, 'there' | 'gone' | 'hidden', boolean])[] = [
  ['a running build is spared', {}, 'there', false],
  ['so is one whose worker is stopped, which finds it again', {isRunning: false}, 'there', false],
  ['one whose attempt is gone is removed, though it runs', {}, 'gone', true],
  ['what cannot be looked at is spared', {}, 'hidden', false],
  ['a container of no build that runs is spared', {attempt: null}, 'gone', false],
  ['one that has ended is removed', {attempt: null, isRunning: false}, 'gone', true],
  ['what is young is spared', {createdAtMs: 6000}, 'gone', false],
]

for (const [truth, over, folder, remove] of truths)
  test(truth, (t) => {
    t.is(fate(over, folder).remove, remove)
  })

test('only our labels make a container ours', (t) => {
  t.false(isOurs({labels: {}}))
  t.false(isOurs({labels: {'com.docker.compose.project': 'ostler'}}))
  t.true(isOurs({labels: {'ostler.tool': 'create-image'}}))
  t.true(isOurs(seen()))
})
