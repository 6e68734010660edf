import test from 'ava'
import fc from 'fast-check'
import type {SingleBranch} from '../../../config/config.ts'
import {
  comeIn,
  isTestfix,
  mindsRed,
  redBecause,
  redText,
  sift,
  type BranchBuild,
} from '../../../master/core/testfix.ts'

const scheduler = (more: Partial<SingleBranch> = {}): SingleBranch => ({
  kind: 'singleBranch',
  name: 's',
  builders: ['check', 'lint'],
  properties: {},
  priority: 0,
  reason: null,
  source: 'project',
  branch: '*',
  treeStableTimerMs: null,
  files: [],
  onRed: 'testfix',
  testfixMarker: '[testfix]',
  ...more,
})
const last = (result: BranchBuild['result'], builder = 'check', branch = 'main'): BranchBuild => ({
  id: '7',
  builder,
  number: 12,
  branch,
  result,
})
const landed = (id: string, message = 'work', heldAtMs = 0, branch = 'main') => ({
  id,
  branch,
  revision: `r${id}`,
  heldAtMs,
  message,
})

test('only a scheduler that is told to minds red', (t) => {
  t.true(mindsRed(scheduler()))
  t.false(mindsRed(scheduler({onRed: 'build'})))
})

test('the marker is found anywhere and in any case', (t) => {
  for (const message of ['[testfix] x', 'x [TestFix]', 'x\n\n[TESTFIX]'])
    t.true(isTestfix(scheduler(), message))
  t.false(isTestfix(scheduler(), 'testfix'))
  t.true(isTestfix(scheduler({testfixMarker: 'Mends'}), 'this mends it'))
})

test('a branch is red while the last verdict of one of its builders is a failure', (t) => {
  t.is(redBecause(scheduler(), [], 'main'), null)
  t.is(redBecause(scheduler(), [last('success'), last('warnings', 'lint')], 'main'), null)
  t.is(redBecause(scheduler(), [last('success'), last('failure', 'lint')], 'main')?.builder, 'lint')
  t.is(redBecause(scheduler(), [last('failure')], 'other'), null)
  t.is(redBecause(scheduler(), [last('failure', 'elsewhere')], 'main'), null)
})

test('on a green branch each change is built for itself as it comes; on a red one it is held', (t) => {
  const arrived = [landed('1'), landed('2', 'work', 0, 'other')]
  const green = comeIn(scheduler(), arrived, new Set(), [last('success')])
  t.deepEqual([green.now.length, green.held.length], [2, 0])
  const red = comeIn(scheduler(), arrived, new Set(), [last('failure')])
  t.deepEqual([red.now.map(({id}) => id), red.held.map(({id}) => id)], [['2'], ['1']])
})

test('what comes to a branch on which changes are held goes with them', (t) => {
  t.is(comeIn(scheduler(), [landed('1')], new Set(['main']), [last('success')]).held.length, 1)
})

test('a red branch builds nothing, says because of which build, and is looked at again', (t) => {
  const sifted = sift(scheduler(), [landed('1'), landed('2')], [last('failure')], 1000)
  t.deepEqual(sifted.builds, [])
  t.deepEqual(sifted.red, [{branch: 'main', because: last('failure'), changes: ['1', '2']}])
  t.is(sifted.lookAtMs, 61_000)
  t.is(redText(scheduler(), {because: last('failure')}), 'held since check #12; needs [testfix] or a force')
})

test('a marked change takes everything landed so far with it, in one build at the newest', (t) => {
  const held = [landed('1'), landed('2', 'mend [TestFix]'), landed('3')]
  t.deepEqual(sift(scheduler(), held, [last('failure')], 1000), {
    builds: [{branch: 'main', revision: 'r3', changes: ['1', '2', '3']}],
    red: [],
    lookAtMs: null,
  })
})

test('when the branch is green again what was held is one build', (t) => {
  const {builds, red} = sift(scheduler(), [landed('1'), landed('2')], [last('success')], 1000)
  t.deepEqual(builds, [{branch: 'main', revision: 'r2', changes: ['1', '2']}])
  t.deepEqual(red, [])
})

test('a tree-stable timer holds for a test fix as for anything else', (t) => {
  const timed = scheduler({treeStableTimerMs: 30_000})
  const held = [landed('1', '[testfix]', 0), landed('2', 'work', 20_000)]
  t.deepEqual(sift(timed, held, [last('failure')], 49_999).builds, [])
  t.is(sift(timed, held, [last('failure')], 49_999).lookAtMs, 50_000)
  t.is(sift(timed, held, [last('failure')], 50_000).builds.length, 1)
})

test('a red branch does not hold up another', (t) => {
  const held = [landed('1'), landed('2', 'work', 0, 'other')]
  const {builds, red} = sift(scheduler(), held, [last('failure')], 1000)
  t.deepEqual([builds.map(({branch}) => branch), red.map(({branch}) => branch)], [['other'], ['main']])
})

test('every held change is built, or red, or looked at again; none is built twice', (t) => {
  const change = fc.record({
    branch: fc.constantFrom('main', 'other'),
    at: fc.nat(100_000),
    message: fc.constantFrom('work', '[testfix]'),
  })
  const result = fc.constantFrom('success' as const, 'failure' as const, 'warnings' as const)
  fc.assert(
    fc.property(
      fc.array(change, {maxLength: 12}),
      fc.array(fc.record({result, branch: fc.constantFrom('main', 'other')}), {maxLength: 3}),
      fc.constantFrom(null, 30_000),
      (given, ends, treeStableTimerMs) => {
        const held = given.map(({branch, at, message}, n) => landed(String(n), message, at, branch))
        const builds = ends.map(({result, branch}) => last(result, 'check', branch))
        const sifted = sift(scheduler({treeStableTimerMs}), held, builds, 100_000)
        const gone = sifted.builds.flatMap(({changes}) => changes)
        const kept = held.length - gone.length
        return new Set(gone).size === gone.length && (kept === 0) === (sifted.lookAtMs === null)
      },
    ),
  )
  t.pass()
})
