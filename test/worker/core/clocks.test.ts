import test from 'ava'
import {clockText} from '../../../worker/core/clocks.ts'

test('a clock that is a little off is not worth a word', (t) => {
  t.is(clockText(0), null)
  t.is(clockText(-60_000), null)
})

test('a clock far off says which way, how far, and what to do', (t) => {
  t.is(clockText(7_200_000), "its clock is 2 hours ahead of the master's: set it right (timedatectl)")
  t.is(clockText(-90 * 86_400_000), "its clock is 90 days behind the master's: set it right (timedatectl)")
})
