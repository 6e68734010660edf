import test from 'ava'
import {gate} from '../../../../config/kinds/promotions/gate.ts'
import {checkKind, problemsOf} from '../check.ts'

test('the example of gate loads, and each option is described', (t) => {
  t.like(gate.resolve(checkKind(t, gate), 'Europe/London'), {
    kind: 'gate',
    partial: false,
    green: {builders: ['check'], soakMs: 0},
  })
})

test('only a builder that must be green can be in quarantine', (t) => {
  const quarantine = [{builder: 'chek', until: '2026-12-31', reason: 'flaky'}]
  const green = {builders: ['check'], quarantine}
  t.deepEqual(problemsOf(gate, {name: 'g', source: 'project', from: 'a', to: 'b', green}), [
    'chek is none of the builders that must be green; did you mean check?',
  ])
})

test('a freeze is of one form, ends after it begins, and is in the document’s zone unless it says another', (t) => {
  const rule = {name: 'g', source: 'project', from: 'a', to: 'b', green: {builders: ['check']}}
  const frozen = (...freeze: readonly object[]) => problemsOf(gate, {...rule, freeze})
  t.deepEqual(frozen({from: 'fri 16:00', until: 'mon 08:00'}, {from: '2026-12-20', until: '2026-12-20'}), [])
  t.deepEqual(frozen({from: 'fri 16:00', until: '08:00'}), ['expected a moment of the same form as `from`'])
  t.deepEqual(frozen({from: '2026-12-20', until: '2026-12-19'}), ['this is not after `from`'])
  for (const from of ['fri', '25:00', '2026-02-30', 'someday 10:00', ''])
    t.deepEqual(frozen({from, until: '08:00'}), [
      'expected a moment such as "fri 16:00", "18:00" or "2026-12-20 16:00"',
    ])
  t.deepEqual(frozen({from: '18:00', until: '08:00', timezone: 'Mars'}), [
    'expected a time zone such as Europe/London',
  ])
  const options = gate.shape.parse({kind: 'gate', ...rule, freeze: [{from: '18:00', until: '08:00'}]})
  t.like(gate.resolve(options, 'Asia/Tokyo').freeze[0], {timezone: 'Asia/Tokyo', reason: 'freeze'})
})
