import test from 'ava'
import {nightly} from '../../../../config/kinds/schedulers/nightly.ts'
import {checkKind, problemsOf} from '../check.ts'

test('the example of nightly loads, and each option is described', (t) => {
  const surroundings = {timezone: 'Europe/London', sources: [], builders: []}
  t.like(nightly.resolve(checkKind(t, nightly), surroundings), {
    timezone: 'Europe/London',
    missed: 'once',
    onlyIfChanged: true,
    source: null,
  })
})

test('a calendar that cannot be read, or never comes due, is a problem', (t) => {
  for (const cron of ['61 * * * *', '* * * *', '0 0 31 2 *', 'hello', '* * * * * *', '']) {
    t.true(problemsOf(nightly, {name: 'n', builders: ['check'], cron}).length > 0, cron)
  }
  for (const cron of ['*/5 * * * *', '0 3 * * 1-5', '@daily', '30 2 1 jan *'])
    t.deepEqual(problemsOf(nightly, {name: 'n', builders: ['check'], cron}), [])
})
