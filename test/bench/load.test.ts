import test from 'ava'
import {judge, load, readOptions} from './load.ts'
import {numberIn} from './grounds.ts'

const look = (seconds: number, more: object = {}) => ({
  seconds,
  memoryMb: 150,
  heapMb: 50,
  blockedMs: 20,
  cpu: 1,
  pending: 5000,
  running: 500,
  waterfallMs: 30,
  ...more,
})
const asked = {queued: 5000, running: 500}
const broken = (looks: Parameters<typeof judge>[0]) =>
  judge(looks, asked)
    .filter(({isHeld}) => !isHeld)
    .map(({what}) => what.replace(/\d+(\.\d+)?/g, 'N'))

test('what was not held is named', (t) => {
  const calm = Array.from({length: 9}, (_, n) => look(10 * n))
  t.deepEqual(broken(calm), [])
  t.deepEqual(broken([...calm.slice(0, 8), look(80, {pending: 4999})]), ['N requests waited all the while'])
  t.deepEqual(broken([...calm.slice(0, 8), look(80, {running: 499})]), ['N builds ran all the while'])
  t.deepEqual(broken([...calm.slice(0, 8), look(80, {blockedMs: 61})]), [
    'the event loop was never blocked for longer than N ms',
  ])
  const growing = calm.map((each, n) => ({...each, memoryMb: 150 + 5 * n}))
  t.deepEqual(broken(growing), ['memory N MB in the middle third, N MB in the last'])
})

test('a measurement is found in what Prometheus reads, over all its labels', (t) => {
  const text = '# HELP a b\nqueue{builder="a"} 2\nqueue{builder="b"} 3\nlag_max 0.012\nqueue_other 9\n'
  t.is(numberIn(text, 'queue'), 5)
  t.is(numberIn(text, 'lag_max'), 0.012)
  t.is(numberIn(text, 'nothing'), Number.NaN)
})

test('the options are understood, or it is said what is wrong with them', async (t) => {
  t.deepEqual(readOptions(['--minutes', '0.5', '--running', '20']), {
    minutes: 0.5,
    queued: 5000,
    running: 20,
    json: null,
  })
  t.is(readOptions(['--help']), null)
  t.throws(() => readOptions(['--queued', '1.5']), {
    message: '--queued wants a whole number of at least 1, not 1.5',
  })
  t.throws(() => readOptions(['--minutes', 'x']), {message: '--minutes wants a number above 0, not x'})
  t.is(await load(['--minute', '3']), 2)
})
