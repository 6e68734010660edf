import test from 'ava'
import fc from 'fast-check'
import type {SingleBranch} from '../../../../config/config.ts'
import {settle, singleBranch, wants} from '../../../../config/kinds/schedulers/singleBranch.ts'
import {checkKind} from '../check.ts'

const scheduler = (more: Partial<SingleBranch>): SingleBranch => ({
  kind: 'singleBranch',
  name: 's',
  builders: ['check'],
  properties: {},
  priority: 0,
  reason: null,
  source: 'project',
  branch: 'main',
  treeStableTimerMs: 30_000,
  files: [],
  onRed: 'build',
  testfixMarker: '[testfix]',
  ...more,
})
const change = (more: object) => ({
  source: 'project',
  branch: 'main',
  files: ['src/a.ts'],
  filesMore: 0,
  ...more,
})
const held = (id: string, heldAtMs: number, branch = 'main') => ({id, branch, revision: `r${id}`, heldAtMs})
const nowhere = {timezone: 'UTC', sources: [], builders: []}

test('the example of singleBranch loads, and each option is described', (t) => {
  t.like(singleBranch.resolve(checkKind(t, singleBranch), nowhere), {
    treeStableTimerMs: 30_000,
    branch: 'main',
  })
})

test('a scheduler wants changes of its source, its branches and its files', (t) => {
  t.true(wants(scheduler({}), change({})))
  t.false(wants(scheduler({}), change({branch: 'devel'})))
  t.false(wants(scheduler({}), change({source: 'other'})))
  t.true(wants(scheduler({branch: 'release/*'}), change({branch: 'release/1'})))
  t.false(wants(scheduler({files: ['docs/**']}), change({})))
  t.false(wants(scheduler({files: ['**', '!src/**']}), change({})))
  t.true(wants(scheduler({files: ['!docs/**']}), change({files: ['docs/a', 'b']})))
  t.false(wants(scheduler({files: ['**']}), change({files: []})))
})

test('a change whose files are not all known is built rather than missed', (t) => {
  t.true(wants(scheduler({files: ['docs/**']}), change({filesMore: 1})))
})

test('without a timer each change is built for itself, in order', (t) => {
  t.deepEqual(settle(scheduler({treeStableTimerMs: null}), [held('1', 0), held('2', 0)], 0), {
    builds: [
      {branch: 'main', revision: 'r1', changes: ['1']},
      {branch: 'main', revision: 'r2', changes: ['2']},
    ],
    lookAtMs: null,
  })
})

test('with a timer the changes wait until the branch was quiet, then are built together at the newest', (t) => {
  const changes = [held('1', 0), held('2', 20_000)]
  t.deepEqual(settle(scheduler({}), changes, 49_999), {builds: [], lookAtMs: 50_000})
  t.deepEqual(settle(scheduler({}), changes, 50_000), {
    builds: [{branch: 'main', revision: 'r2', changes: ['1', '2']}],
    lookAtMs: null,
  })
})

test('a busy branch does not hold up a quiet one', (t) => {
  t.deepEqual(settle(scheduler({branch: '*'}), [held('1', 0, 'a'), held('2', 25_000, 'b')], 30_000), {
    builds: [{branch: 'a', revision: 'r1', changes: ['1']}],
    lookAtMs: 55_000,
  })
})

test('every held change is either built or looked at again', (t) => {
  const changes = fc.array(fc.record({branch: fc.constantFrom('a', 'b', 'c'), at: fc.nat(100_000)}), {
    maxLength: 20,
  })
  fc.assert(
    fc.property(changes, fc.nat(150_000), (given, now) => {
      const list = given.map(({branch, at}, index) => held(String(index), at, branch))
      const {builds, lookAtMs} = settle(scheduler({branch: '*'}), list, now)
      const built = builds.flatMap((build) => build.changes)
      return (
        new Set(built).size === built.length &&
        (built.length === list.length ? lookAtMs === null : lookAtMs !== null && lookAtMs > now)
      )
    }),
  )
  t.pass()
})
