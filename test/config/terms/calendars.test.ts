import test from 'ava'
import fc from 'fast-check'
import {decideCalendar, dueTimes, isTimezone, lastDue, nextDue} from '../../../config/terms/calendars.ts'

const at = (text: string): number => Date.parse(text)
const iso = (times: readonly number[]): readonly string[] => times.map((time) => new Date(time).toISOString())
const zone = 'Europe/Berlin'

test('a time that daylight saving leaves out comes due once, when the clock has moved', (t) => {
  t.deepEqual(iso(dueTimes('30 2 * * *', zone, at('2026-03-28T12:00Z'), at('2026-03-30T12:00Z'))), [
    '2026-03-29T01:00:00.000Z',
    '2026-03-30T00:30:00.000Z',
  ])
})

test('a time that daylight saving repeats comes due once', (t) => {
  t.deepEqual(iso(dueTimes('30 2 * * *', zone, at('2026-10-24T12:00Z'), at('2026-10-26T12:00Z'))), [
    '2026-10-25T00:30:00.000Z',
    '2026-10-26T01:30:00.000Z',
  ])
})

test('every half hour goes on through both changes of the clock', (t) => {
  for (const day of ['2026-03-29', '2026-10-25'])
    t.is(dueTimes('*/30 * * * *', zone, at(`${day}T00:00Z`), at(`${day}T06:00Z`)).length, 12, day)
})

const question = {cron: '0 3 * * *', timezone: 'UTC', missed: 'once' as const}

test('on first sight a calendar only notes when it is due', (t) => {
  t.deepEqual(decideCalendar({...question, dueAtMs: null, nowMs: at('2026-01-01T12:00Z')}), {
    fireFor: null,
    nextDueAtMs: at('2026-01-02T03:00Z'),
  })
})

test('a calendar fires when it is due, and not before', (t) => {
  const dueAtMs = at('2026-01-02T03:00Z')
  t.deepEqual(decideCalendar({...question, dueAtMs, nowMs: dueAtMs - 1}), {
    fireFor: null,
    nextDueAtMs: dueAtMs,
  })
  t.deepEqual(decideCalendar({...question, dueAtMs, nowMs: dueAtMs}), {
    fireFor: dueAtMs,
    nextDueAtMs: at('2026-01-03T03:00Z'),
  })
})

test('however many due times were missed, they are made up for once, or skipped', (t) => {
  const missed = {dueAtMs: at('2026-01-02T03:00Z'), nowMs: at('2026-01-09T12:00Z')}
  t.deepEqual(decideCalendar({...question, ...missed}), {
    fireFor: at('2026-01-09T03:00Z'),
    nextDueAtMs: at('2026-01-10T03:00Z'),
  })
  t.deepEqual(decideCalendar({...question, ...missed, missed: 'skip'}), {
    fireFor: null,
    nextDueAtMs: at('2026-01-10T03:00Z'),
  })
})

test('a due time seen a little late is not a missed one', (t) => {
  const dueAtMs = at('2026-01-02T03:00Z')
  t.is(decideCalendar({...question, missed: 'skip', dueAtMs, nowMs: dueAtMs + 60_000}).fireFor, dueAtMs)
})

test('after any look the next due time lies ahead', (t) => {
  const crons = fc.constantFrom('*/5 * * * *', '30 2 * * *', '0 0 1 * *', '0 3 * * 1')
  const zones = fc.constantFrom('UTC', zone, 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu')
  const base = at('2026-01-01T00:00Z')
  fc.assert(
    fc.property(crons, zones, fc.nat(400 * 24 * 60), fc.nat(400 * 24 * 60), (cron, timezone, due, now) => {
      const nowMs = base + now * 60_000
      const {fireFor, nextDueAtMs} = decideCalendar({
        cron,
        timezone,
        missed: 'once',
        dueAtMs: base + due * 60_000,
        nowMs,
      })
      const last = lastDue(cron, timezone, nowMs)
      return (
        (nextDueAtMs ?? 0) > nowMs &&
        (fireFor === null || fireFor <= nowMs) &&
        (last ?? 0) <= nowMs &&
        nextDue(cron, timezone, nowMs) !== null
      )
    }),
    {numRuns: 200},
  )
  t.pass()
})

test('time zones are known by name', (t) => {
  t.deepEqual(['Europe/London', 'UTC', 'Nope/Zone', ''].map(isTimezone), [true, true, false, false])
})
