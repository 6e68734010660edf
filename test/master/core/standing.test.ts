import test from 'ava'
import {clockComplaints, standingText} from '../../../master/core/standing.ts'

const standing = {workers: 2, building: 1, waiting: 3}

test('a master that is well tells what it does and where its database is', (t) => {
  t.is(
    standingText(standing, 'PostgreSQL on the local socket', []),
    '2 workers, 1 building, 3 waiting; PostgreSQL on the local socket',
  )
  t.is(
    standingText({workers: 1, building: 0, waiting: 0}, 'the embedded database', []),
    '1 worker, 0 building, 0 waiting; the embedded database',
  )
})

test('what ails a master comes first, and the rest is counted', (t) => {
  t.is(
    standingText(null, 'PostgreSQL at db', ['database: it does not answer', 'a', 'b']),
    'unwell: database: it does not answer (and 2 more); PostgreSQL at db',
  )
})

test('a clock a minute off is tolerated, one further off is told, ours and the workers', (t) => {
  t.deepEqual(clockComplaints(null), [])
  t.deepEqual(clockComplaints({skewMs: 60_000, skewed: 0}), [])
  t.regex(clockComplaints({skewMs: -5_400_000, skewed: 0})[0] ?? '', /1\.5 hours behind the database's/)
  t.regex(clockComplaints({skewMs: 61_000, skewed: 0})[0] ?? '', /1 minutes ahead of/)
  t.regex(clockComplaints({skewMs: 0, skewed: 1})[0] ?? '', /a worker's is more than a minute off/)
  t.regex(clockComplaints({skewMs: 0, skewed: 3})[0] ?? '', /3 workers' are/)
})
