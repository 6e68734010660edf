import test from 'ava'
import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {figureOf, measures, median, type Sample, table, times} from './figures.ts'
import {bench, readOptions} from './main.ts'

const measure = (name: string) => measures.find((each) => each.name === name)!
const samples = (...values: readonly number[]): Sample[] => values.map((value) => ({value, details: {}}))

test('a median is the middle one, or the middle between two', (t) => {
  t.is(median([9, 1, 5]), 5)
  t.is(median([4, 1, 3, 2]), 2.5)
  t.is(median([]), null)
})

test('a ratio tells how many times better, whichever direction is better', (t) => {
  t.is(times('more', 140, 7), 20)
  t.is(times('less', 5, 100), 20)
  t.is(times('less', 100, 5), 0.05)
  t.is(times('more', 140, null), null)
})

test('a figure is of the medians, on PostgreSQL where there is one', (t) => {
  const whole = figureOf(measure('P2'), {
    postgresql: samples(6, 5, 40),
    embedded: samples(4),
    peer: samples(120),
    limit: samples(2),
  })
  t.like(whole, {
    ostler: 6,
    embedded: 4,
    peer: 120,
    limit: 2,
    ratio: 20,
    fromLimit: 3,
    database: 'postgresql',
    unit: 'ms',
  })
  const alone = figureOf(measure('P1'), {embedded: samples(70), limit: samples(700)})
  t.like(alone, {ostler: 70, embedded: 70, peer: null, ratio: null, fromLimit: 10, database: 'embedded'})
})

test('what is asked of a measure is reached, missed, or cannot be told', (t) => {
  const reached = (name: string, given: Parameters<typeof figureOf>[1]) =>
    figureOf(measure(name), given).reached
  t.true(reached('P1', {postgresql: samples(50), peer: samples(10)}))
  t.false(reached('P1', {postgresql: samples(49), peer: samples(10)}))
  t.is(reached('P1', {postgresql: samples(50)}), null)
  t.true(reached('P5', {postgresql: samples(40)}))
  t.false(reached('P5', {postgresql: samples(41)}))
  t.true(reached('P8', {postgresql: samples(70), limit: samples(70)}))
  t.false(reached('P8', {postgresql: samples(69), limit: samples(70)}))
  t.is(reached('P8', {postgresql: samples(69)}), null)
})

test('the table says what is not there', (t) => {
  const figure = figureOf(measure('P3'), {embedded: samples(1_234_567), limit: samples(2_000_000)})
  const lines = table(new Map([[measure('P3'), figure]])).split('\n')
  t.is(lines.length, 2)
  t.regex(lines[1]!, /^P3 .* lines\/s +- +1,234,567 +- +- +2,000,000 +1\.62 x +5 x better$/)
})

test('the options are understood, or it is said what is wrong with them', (t) => {
  t.deepEqual(readOptions(['--only', 'p1,P5B', '--reps', '5']), {
    only: ['P1', 'P5b'],
    reps: 5,
    json: null,
    peer: true,
  })
  t.is(readOptions(['--help']), null)
  t.throws(() => readOptions(['--only', 'P9']), {
    message: /--only knows P1, P2, P3, P4, P5, P5b, P7, P8, P11, not P9/,
  })
  t.throws(() => readOptions(['--reps', '0']), {message: /--reps wants a whole number/})
  t.throws(() => readOptions(['--rep', '2']), {message: /--rep/})
})

test('one measure runs without the peer and is told as JSON', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-bench-test-'))
  try {
    const file = join(folder, 'figures.json')
    t.is(await bench(['--only', 'P2', '--reps', '1', '--no-peer', '--json', file]), 0)
    const told = JSON.parse(readFileSync(file, 'utf8'))
    t.deepEqual(Object.keys(told.measures), ['P2'])
    const {ostler, embedded, peer, limit, ratio, unit} = told.measures.P2
    t.true(ostler > 0 && embedded > 0 && limit > 0)
    t.deepEqual({peer, ratio, unit}, {peer: null, ratio: null, unit: 'ms'})
    t.true(told.machine.cpus > 0 && told.idle.embedded > 0)
  } finally {
    rmSync(folder, {recursive: true, force: true})
  }
})
