import test from 'ava'
import fc from 'fast-check'
import {
  chunkBetween,
  heldBy,
  mergeable,
  parseChunk,
  piecesOf,
  wholeChunk,
  type Chunk,
  type LogState,
} from '../../../master/core/chunks.ts'

const state = (storedBytes: number, story = 0): LogState => ({
  storedBytes,
  segments: storedBytes / 10,
  crc32: storedBytes === 0 ? 0 : storedBytes * 7 + story,
})
const chunk = (begin: number, end: number, stories: readonly [number, number] = [0, 0]) =>
  chunkBetween(state(begin, stories[0]), state(end, stories[1]))
const shown = (chunks: readonly Chunk[], log: LogState) =>
  piecesOf(chunks, log)?.map(({chunk: {begin, end}, from, to}) =>
    from === begin && to === end ? `${begin}-${end}` : `${from}-${to} of ${begin}-${end}`,
  ) ?? null

test('a chunk’s name holds everything about it', (t) => {
  const some = chunkBetween(
    {storedBytes: 10, segments: 1, crc32: 5},
    {storedBytes: 123_456_789_012, segments: 70_000, crc32: 0xffffffff},
  )
  t.deepEqual(parseChunk(some.name), some)
  const whole = wholeChunk({storedBytes: 77, segments: 3, crc32: 9})
  t.deepEqual(parseChunk(whole.name), whole)
  for (const name of ['', 'whole', `${some.name}x`, chunk(20, 10).name]) t.is(parseChunk(name), null, name)
})

test('the names of chunks sort as they lie in the log', (t) => {
  const names = [0, 10, 90, 100, 1000, 99_990, 100_000].map((at) => chunk(at, at + 10).name)
  t.deepEqual(names.toSorted(), names)
})

test('a log is the row of chunks that leads to where the database says it stands', (t) => {
  const row = [chunk(0, 10), chunk(10, 30), chunk(30, 40)]
  t.deepEqual(shown(row, state(40)), ['0-10', '10-30', '30-40'])
  t.deepEqual(shown(row, state(30)), ['0-10', '10-30'])
  t.deepEqual(shown(row, state(0)), [])
  t.is(shown(row, state(50)), null)
  t.is(shown(row.slice(1), state(40)), null)
})

test('a chunk that tells another story, since a worker lost its journal, leads nowhere and is not read', (t) => {
  const row = [chunk(0, 10), chunk(10, 60, [0, 1]), chunk(10, 20, [0, 1]), chunk(10, 30), chunk(30, 60)]
  t.deepEqual(shown(row, state(60)), ['0-10', '10-30', '30-60'])
})

test('who knows only where a log stood before a merge reads it out of the merged chunk', (t) => {
  t.deepEqual(shown([chunk(0, 30), chunk(30, 50)], state(20)), ['0-20 of 0-30'])
  t.deepEqual(shown([chunk(0, 30), chunk(20, 50)], state(40)), ['0-30', '30-40 of 20-50'])
})

test('only what one chunk holds all of may go', (t) => {
  const merged = chunk(10, 40)
  const others = [chunk(0, 10), chunk(0, 20), chunk(10, 20), chunk(20, 40), chunk(30, 50), merged]
  t.deepEqual(
    heldBy(merged, others).map(({begin, end}) => [begin, end]),
    [
      [10, 20],
      [20, 40],
    ],
  )
})

test('many small chunks in a row are worth a merge, few or large ones are not', (t) => {
  const pieces = (cuts: readonly number[]) =>
    piecesOf(
      cuts.slice(1).map((end, n) => chunk(cuts[n] ?? 0, end)),
      state(cuts.at(-1) ?? 0),
    ) ?? []
  t.is(mergeable(pieces([0, 10, 20, 30]), 4), null)
  t.is(mergeable(pieces([0, 10, 20, 30, 40]), 4)?.length, 4)
  t.is(mergeable(pieces([0, 10, 20, 1_000_020, 1_000_030, 1_000_040]), 4), null)
  t.is(mergeable(pieces([0, 1_000_000, 1_000_010, 1_000_020]), 2)?.[0]?.from, 1_000_000)
})

test('whatever masters append, merge and remove, and in whatever order, a log’s every byte stays readable', (t) => {
  const act = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({act: fc.constant('append' as const), length: fc.integer({min: 1, max: 4})}),
    },
    fc.record({act: fc.constant('late' as const), back: fc.nat(5), length: fc.integer({min: 1, max: 8})}),
    fc.record({
      act: fc.constant('plan' as const),
      who: fc.nat(2),
      skip: fc.nat(4),
      take: fc.integer({min: 2, max: 6}),
    }),
    fc.record({act: fc.constant('remove' as const), who: fc.nat(2)}),
  )
  fc.assert(
    fc.property(fc.array(act, {minLength: 5, maxLength: 60}), (acts) => {
      const there = new Map<string, Chunk>()
      const put = (one: Chunk) => there.set(one.name, one)
      const states = [state(0)]
      const plans = new Map<number, {merged: Chunk; listed: readonly Chunk[]}>()
      for (const each of acts) {
        const log = states.at(-1) as LogState
        if (each.act === 'append') {
          const next = state(log.storedBytes + each.length * 10)
          put(chunkBetween(log, next))
          states.push(next)
        } else if (each.act === 'late') {
          const from = states.at(-1 - each.back)
          if (from) put(chunkBetween(from, state(from.storedBytes + each.length * 10)))
        } else if (each.act === 'plan') {
          const listed = [...there.values()]
          const run = (piecesOf(listed, log) ?? [])
            .filter(({chunk: one, from, to}) => one.begin === from && one.end === to)
            .slice(each.skip, each.skip + each.take)
          const [first, last] = [run[0]?.chunk, run.at(-1)?.chunk]
          if (first && last && run.every((one, n) => n === 0 || one.from === run[n - 1]?.to))
            plans.set(each.who, {merged: chunk(first.begin, last.end), listed})
        } else {
          const plan = plans.get(each.who)
          if (!plan) continue
          put(plan.merged)
          for (const {name} of heldBy(plan.merged, plan.listed)) there.delete(name)
        }
        for (const known of states) {
          const pieces = piecesOf([...there.values()], known)
          if (!pieces) return false
          let at = 0
          for (const piece of pieces) {
            if (piece.from !== at || piece.chunk.begin > at || piece.chunk.end < piece.to) return false
            at = piece.to
          }
          if (at !== known.storedBytes) return false
        }
      }
      return true
    }),
    {numRuns: 500},
  )
  t.pass()
})
