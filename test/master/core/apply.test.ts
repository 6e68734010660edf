import test from 'ava'
import fc from 'fast-check'
import {JournalGap, fold} from '../../../master/core/apply.ts'
import type {AttemptState, Numbered} from '../../../master/core/apply.ts'
import type {Entry} from '../../../worker/protocol/journal.ts'

const state = (more: Partial<AttemptState> = {}): AttemptState => ({
  attempt: '7',
  build: '3',
  builder: 'b',
  number: 1,
  request: '2',
  buildset: '1',
  worker: 'w',
  applied: 0,
  steps: [{name: 'make', kind: 'shell'}],
  skewMs: 0,
  ...more,
})

const entries: readonly Entry[] = [
  {entry: 'buildStarted', at: 1000, executor: 'host'},
  {entry: 'stepStarted', at: 1001, step: 0, try: 1},
  {entry: 'segment', at: 1002, step: 0, log: 'stdio', offset: 0, bytes: 3, lines: 1, crc32: 9},
  {entry: 'propertySet', at: 1003, step: 0, name: 'version', value: '1.2'},
  {entry: 'logEnded', at: 1004, step: 0, log: 'stdio', bytes: 3, lines: 1, crc32: 9},
  {
    entry: 'stepEnded',
    at: 1005,
    step: 0,
    try: 1,
    outcome: {outcome: 'exited', code: 0},
    result: 'success',
    summary: 'ok',
    warnings: 0,
    final: true,
  },
  {entry: 'buildEnded', at: 1006, result: 'success', summary: ''},
]
const numbered = entries.map((entry, n): Numbered => ({seq: n + 1, entry, body: null}))

test('a whole journal folds into a finished build with its step, log, property and events', (t) => {
  const changes = fold(state(), numbered)
  t.is(changes.applied, entries.length)
  t.like(changes.steps.get(0), {
    name: 'make',
    kind: 'shell',
    state: 'finished',
    result: 'success',
    startedAt: 1001,
  })
  t.is(changes.logs.get('0/stdio')?.segments.length, 1)
  t.deepEqual(changes.properties, {version: '1.2'})
  t.like(changes.ended, {result: 'success'})
  t.deepEqual(
    changes.events.map((event) => event.type),
    ['build.started', 'step.started', 'step.finished'],
  )
})

test('entries sent again change nothing', (t) => {
  const changes = fold(state({applied: entries.length}), numbered)
  t.is(changes.applied, entries.length)
  t.deepEqual(changes.events, [])
  t.is(changes.steps.size + changes.logs.size, 0)
})

test('however a journal is cut, repeated and resumed, its effects are the same', (t) => {
  const whole = fold(state(), numbered)
  fc.assert(
    fc.property(fc.integer({min: 0, max: entries.length}), fc.integer({min: 0, max: 3}), (cut, again) => {
      const first = fold(state(), numbered.slice(0, cut))
      const rest = fold(state({applied: first.applied}), numbered.slice(Math.max(0, cut - again)))
      return (
        first.events.length + rest.events.length === whole.events.length && rest.applied === whole.applied
      )
    }),
  )
  t.pass()
})

test('a missing entry is noticed, and nothing after it is applied', (t) => {
  t.throws(() => fold(state(), [numbered[0] as Numbered, numbered[2] as Numbered]), {instanceOf: JournalGap})
})

test('times are corrected by the worker’s skew', (t) => {
  t.is(fold(state({skewMs: 500}), numbered).startedAt, 500)
})
