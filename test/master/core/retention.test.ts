import test from 'ava'
import {leastAgeMs, sentence, type AgedBuild} from '../../../master/core/retention.ts'

const day = 86_400_000
const rules = {buildsMs: 400 * day, logsMs: 90 * day, artifactsMs: 30 * day, keepLatest: 20}
const build = (days: number, more: Partial<AgedBuild> = {}): AgedBuild => ({
  id: '1',
  ageMs: days * day,
  newer: 50,
  isEvidence: false,
  ...more,
})

test('a young build keeps all it has', (t) => t.is(sentence(build(29), rules), null))

test('artifacts go first, then logs, then the build', (t) => {
  t.deepEqual(sentence(build(30), rules), {id: '1', goes: 'parts', logs: false, artifacts: true})
  t.deepEqual(sentence(build(90), rules), {id: '1', goes: 'parts', logs: true, artifacts: true})
  t.deepEqual(sentence(build(400), rules), {id: '1', goes: 'build', logs: true, artifacts: true})
})

test('the newest builds of a builder stay, though their logs go', (t) => {
  t.is(sentence(build(400, {newer: 19}), rules)?.goes, 'parts')
  t.is(sentence(build(400, {newer: 20}), rules)?.goes, 'build')
})

test('a build that a promotion rests on stays', (t) =>
  t.is(sentence(build(9999, {isEvidence: true}), rules)?.goes, 'parts'))

test('without ages nothing goes', (t) => {
  const never = {buildsMs: null, logsMs: null, artifactsMs: null, keepLatest: 0}
  t.is(sentence(build(9999), never), null)
  t.is(leastAgeMs(never), null)
  t.is(leastAgeMs(rules), 30 * day)
})
