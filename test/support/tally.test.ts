import test from 'ava'
import {countsLine, emptyTally, exitCode, hear, skipsLine, type Tally} from './tally.ts'

const heard = (lines: readonly string[], succeeded: boolean): Tally => ({
  ...lines.reduce((tally, line) => hear(tally, line).tally, emptyTally),
  succeeded,
})

test('passed, failed and skipped tests are counted apart', (t) => {
  const tally = heard(
    ['TAP version 13', 'ok 1 - a', 'not ok 2 - b › c', 'ok 3 - d # SKIP', '1..3', '# fail 1'],
    false,
  )
  t.is(countsLine(tally), '1 passed, 1 failed, 1 skipped')
  t.is(exitCode(tally), 1)
})

test('a run whose tests all pass exits 0', (t) => {
  const tally = heard(['ok 1 - a', '# tests 1', '# pass 1', '# fail 0'], true)
  t.is(countsLine(tally), '1 passed, 0 failed')
  t.is(exitCode(tally), 0)
})

test('a run that broke off without a failing test has failed', (t) => {
  const tally = heard(['ok 1 - a'], false)
  t.is(countsLine(tally), '1 passed, 1 failed')
  t.is(exitCode(tally), 1)
})

test('tests that never ran count as failed', (t) => {
  t.is(countsLine(heard(['ok 1 - a', '# fail 3'], false)), '1 passed, 3 failed')
})

test('a run without a single test has failed', (t) => {
  t.is(exitCode(heard(['TAP version 13'], true)), 1)
})

test('a title that looks like a directive is still a title', (t) => {
  t.is(countsLine(heard(['ok 1 - a # SKIPPING stones'], true)), '1 passed, 0 failed')
})

test('each reason to skip is told once', (t) => {
  const records = [
    '{"why":"no Docker","file":"a"}',
    '{"why":"no Docker","file":"b"}',
    '{"why":"no Chromium","file":"c"}',
    '',
  ]
  t.is(skipsLine(records.join('\n'), 9), 'skipped 9: no Chromium; no Docker')
})

test('nothing skipped, nothing told', (t) => {
  t.is(skipsLine('', 0), null)
})
