// The waterfall's decisions: the elastic axis, lanes, rails, columns, moves, the address, and joining windows.
import test from 'ava'
import fc from 'fast-check'
import {
  groupBuilders,
  parseFilter,
  showsBuild,
  showsBuilder,
  worstOf,
} from '../../../master/web/core/columns.ts'
import {layLanes} from '../../../master/web/core/lanes.ts'
import {move, type Cell} from '../../../master/web/core/moves.ts'
import {bunch, stepsToShow} from '../../../master/web/core/rail.ts'
import {layTime, ticks, type Need, type ScaleInput} from '../../../master/web/core/scale.ts'
import {detailOf, formatView, nextSpan, parseView, plainView} from '../../../master/web/core/view.ts'
import {joinWindows} from '../../../master/web/core/window.ts'

const axis = (input: Partial<ScaleInput>) =>
  layTime({to: 10_000, from: 0, pixelsPerMs: 0.01, gapPixelsMax: null, needs: [], moments: [], ...input})

const needs = fc.array(
  fc.record({
    from: fc.integer({min: -500, max: 9999}),
    long: fc.integer({min: 0, max: 5000}),
    height: fc.integer({min: 1, max: 200}),
  }),
  {maxLength: 30},
)
const toNeeds = (list: {from: number; long: number; height: number}[]): Need[] =>
  list.map(({from, long, height}) => ({from, to: from + long, height}))

test('an empty axis is one straight line', (t) => {
  const scale = axis({})
  t.is(scale.y(10_000), 0)
  t.is(scale.y(5000), 50)
  t.is(scale.height, 100)
  t.is(scale.timeAt(25), 7500)
})

test('an older moment never lies above a newer one, and every build has the height it needs', (t) => {
  fc.assert(
    fc.property(needs, fc.boolean(), (list, squeeze) => {
      const all = toNeeds(list)
      const scale = axis({needs: all, gapPixelsMax: squeeze ? 3 : null})
      for (let at = 10_000; at > 0; at -= 250) if (scale.y(at - 250) < scale.y(at) - 1e-6) return false
      return all.every(
        ({from, to, height}) =>
          to <= 0 ||
          scale.y(Math.min(from, Math.min(to, 10_000) - 1)) - scale.y(Math.min(to, 10_000)) >= height - 1e-6,
      )
    }),
  )
  t.pass()
})

test('from a moment to pixels and back is the same moment', (t) => {
  fc.assert(
    fc.property(needs, fc.integer({min: 0, max: 10_000}), (list, at) => {
      const scale = axis({needs: toNeeds(list)})
      return Math.abs(scale.timeAt(scale.y(at)) - at) < 1
    }),
  )
  t.pass()
})

test('an idle stretch is squeezed, a busy one is not', (t) => {
  const scale = axis({needs: [{from: 2000, to: 4000, height: 1}], gapPixelsMax: 10})
  t.is(scale.gaps.length, 2)
  t.is(scale.y(4000), 10)
  t.is(scale.y(2000), 30)
  t.is(scale.height, 40)
})

test('moments of one rail never cover one another, those of two rails may', (t) => {
  const moments = [
    {at: 9000, rail: 'changes', height: 40},
    {at: 8900, rail: 'changes', height: 40},
    {at: 8900, rail: 'promotions', height: 40},
  ]
  const scale = axis({moments})
  t.is(scale.y(8900) - scale.y(9000), 40)
  t.is(axis({moments: [moments[0]!, moments[2]!]}).y(8900), 11)
})

test('ticks are round in the reader’s time and keep apart', (t) => {
  const minute = 60_000
  const input = {from: 0, to: 180 * minute, pixelsPerMs: 200 / (180 * minute)}
  const scale = layTime({...input, gapPixelsMax: null, needs: [], moments: []})
  const found = ticks(scale, {...input, apart: 50, offsetMs: 30 * minute})
  t.true(found.length > 1)
  t.true(found.every(({at}) => (at + 30 * minute) % (60 * minute) === 0))
})

test('builds that overlap stand side by side, others have the whole width', (t) => {
  const placed = layLanes([
    {id: 'a', top: 0, bottom: 10},
    {id: 'b', top: 5, bottom: 15},
    {id: 'c', top: 20, bottom: 30},
  ])
  t.deepEqual(
    placed.map(({id, lane, lanes}) => [id, lane, lanes]),
    [
      ['a', 0, 2],
      ['b', 1, 2],
      ['c', 0, 1],
    ],
  )
})

test('no two blocks of one lane overlap', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({min: 0, max: 100}), fc.integer({min: 1, max: 40}))),
      (pairs) => {
        const placed = layLanes(
          pairs.map(([top, high], index) => ({id: String(index), top, bottom: top + high})),
        )
        return (
          placed.length === pairs.length &&
          placed.every((a) =>
            placed.every((b) => a.id === b.id || a.lane !== b.lane || a.bottom <= b.top || b.bottom <= a.top),
          )
        )
      },
    ),
  )
  t.pass()
})

test('300 changes of one push are one bunch with three shown', (t) => {
  const items = Array.from({length: 300}, (_, index) => ({id: String(index), at: 1000 + index}))
  const [one, ...others] = bunch(items, 60_000, 3)
  t.is(others.length, 0)
  t.deepEqual(
    one?.shown.map(({id}) => id),
    ['299', '298', '297'],
  )
  t.is(one?.hidden.length, 297)
})

test('a bunch hides nothing when that would save no room', (t) => {
  t.is(
    bunch(
      [1, 2, 3, 4].map((at) => ({id: String(at), at})),
      100,
      3,
    )[0]?.shown.length,
    4,
  )
})

test('a block too low for its steps names the failed one first', (t) => {
  const step = (number: number, result: string) => ({number, state: 'finished', result})
  const steps = [step(1, 'success'), step(2, 'failure'), step(3, 'success'), step(4, 'success')]
  t.deepEqual(
    stepsToShow(steps, 3).shown.map(({number}) => number),
    [2, 4],
  )
  t.is(stepsToShow(steps, 3).hidden, 2)
  t.is(stepsToShow(steps, 4).hidden, 0)
})

const builder = (name: string, tags: string[], lastResult: 'success' | 'failure' | null = 'success') => ({
  name,
  tags,
  lastResult,
})

test('builders stand under their first tag, in the order people count, untagged ones last', (t) => {
  const groups = groupBuilders(
    [builder('x', []), builder('b10', ['deb']), builder('b9', ['deb']), builder('a', ['web'])],
    false,
  )
  t.deepEqual(
    groups.map(({tag, builders}) => [tag, ...builders.map(({name}) => name)]),
    [
      ['deb', 'b9', 'b10'],
      ['web', 'a'],
      ['', 'x'],
    ],
  )
})

test('failing builders come first when asked for', (t) => {
  const groups = groupBuilders(
    [builder('a', ['x']), builder('b', ['y']), builder('c', ['y'], 'failure')],
    true,
  )
  t.is(groups[0]?.builders[0]?.name, 'c')
})

test('a folded group wears its worst result', (t) => {
  t.is(worstOf([builder('a', []), builder('b', [], 'failure'), builder('c', [], null)]), 'failure')
  t.is(worstOf([builder('c', [], null)]), 'pending')
})

test('a filter takes words, their absence, a branch and a result', (t) => {
  const filter = parseFilter('Node -lint branch:main is:fail')
  t.true(showsBuilder(filter, builder('node20', [])))
  t.false(showsBuilder(filter, builder('node-lint', [])))
  t.true(showsBuild(filter, {branch: 'main', result: 'failure', state: 'finished'}))
  t.false(showsBuild(filter, {branch: 'main', result: 'success', state: 'finished'}))
  t.false(showsBuild(filter, {branch: null, result: 'failure', state: 'finished'}))
})

const cells: Cell[] = [
  {id: 'a1', column: 0, startedAt: 100, bad: false},
  {id: 'a2', column: 0, startedAt: 200, bad: true},
  {id: 'b1', column: 2, startedAt: 110, bad: true},
  {id: 'b2', column: 2, startedAt: 190, bad: false},
]
const moves: readonly [string, string | null, Parameters<typeof move>[2], string | null][] = [
  ['j goes to the build before in the same builder', 'a2', 'older', 'a1'],
  ['k goes to the build after', 'a1', 'newer', 'a2'],
  ['l goes to the nearest in time of the next builder that has any', 'a2', 'right', 'b2'],
  ['h goes back', 'b1', 'left', 'a1'],
  ['n goes to the failure before, in any builder', 'a2', 'nextBad', 'b1'],
  ['p goes to the failure after', 'b1', 'previousBad', 'a2'],
  ['at the end one stays', 'a1', 'older', 'a1'],
  ['with nothing selected one begins at the newest', null, 'older', 'a2'],
]
for (const [truth, from, way, to] of moves) test(truth, (t) => t.is(move(cells, from, way), to))

test('with n every failure can be reached, also those that began in one instant', (t) => {
  const many = Array.from({length: 20}, (_, index) => ({
    id: String(index),
    column: index % 4,
    startedAt: 5,
    bad: true,
  }))
  const seen = new Set<string>()
  let at: string | null = null
  for (let i = 0; i < 25; i++) seen.add((at = move(many, at, 'nextBad'))!)
  t.is(seen.size, 20)
})

test('a view survives its address', (t) => {
  const view = {
    ...plainView,
    span: '3d' as const,
    filter: 'a b -c',
    squeeze: false,
    redFirst: true,
    folded: ['x', 'y z'],
    until: 1_700_000_000_000,
    build: '17',
  }
  t.deepEqual(parseView(new URLSearchParams(formatView(view))), view)
  t.deepEqual(formatView(plainView), [])
  t.deepEqual(parseView(new URLSearchParams('span=never&until=x')), plainView)
})

test('looking further and closer stops at both ends', (t) => {
  t.is(nextSpan('30m', -1), '30m')
  t.is(nextSpan('30d', 1), '30d')
  t.is(nextSpan('1h', 1), '2h')
  t.is(detailOf('30m'), 'steps')
  t.is(detailOf('30d'), 'strips')
})

test('a small fresh window replaces what it knows and keeps what is older', (t) => {
  const iso = (ms: number) => new Date(ms).toISOString()
  const build = (id: string, finished: number | null) => ({
    id,
    finishedAt: finished === null ? null : iso(finished),
    createdAt: iso(0),
  })
  const known = {
    from: iso(0),
    builds: [build('old', 1000), build('gone', 500), build('ran', null), build('vanished', null)],
    changes: [{id: 'c', recordedAt: iso(900)}],
    promotions: [],
    more: false,
  }
  const fresh = {...known, from: iso(5000), builds: [build('ran', 6000), build('new', null)], changes: []}
  const joined = joinWindows(known, fresh, iso(800))
  t.deepEqual(
    joined.builds.map(({id}) => id),
    ['ran', 'new', 'old'],
  )
  t.is(joined.builds[0]?.finishedAt, iso(6000))
  t.is(joined.changes.length, 1)
  t.is(joined.from, iso(800))
})
