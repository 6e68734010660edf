// Crash points, a few of them: `npm run crash-points` does them all. And the gate that finds them: what it takes for a
// commit is one.
import test from 'ava'
import pg from 'pg'
import {startCluster} from '../support/cluster.ts'
import {needs} from '../support/needs.ts'
import {crashPoints, enumerate, readOptions} from './crash-points.ts'
import {DatabaseGate} from './database-gate.ts'

const postgres = needs('postgresql')

postgres('the gate counts what is committed, and nothing else', async (t) => {
  const cluster = await startCluster()
  t.teardown(() => cluster.stop())
  const gate = await DatabaseGate.to(t, cluster.url)
  const client = new pg.Client({connectionString: gate.url})
  await client.connect()
  t.teardown(() => client.end())
  await client.query('CREATE TABLE t (n int)')
  await client.query('INSERT INTO t VALUES ($1)', [1])
  await client.query('SELECT n FROM t FOR UPDATE')
  await client.query('UPDATE t SET n = 2 WHERE n = 7')
  await client.query('BEGIN')
  await client.query('INSERT INTO t VALUES (3)')
  await client.query('SELECT n FROM t')
  await client.query('COMMIT')
  await client.query('BEGIN')
  await client.query('DELETE FROM t')
  await client.query('ROLLBACK')
  await t.throwsAsync(client.query('INSERT INTO nowhere VALUES (1)'))
  await client.query('WITH gone AS (DELETE FROM t RETURNING n) SELECT count(*) FROM gone')
  t.deepEqual(
    gate.commits.map((what) => what.split(' ')[0]),
    ['CREATE', 'INSERT', 'INSERT', 'WITH'],
  )
})

postgres('a commit whose answer is held back is committed, and nobody learns it', async (t) => {
  const cluster = await startCluster()
  t.teardown(() => cluster.stop())
  const gate = await DatabaseGate.to(t, cluster.url)
  let isSprung = false
  gate.set(2, 'unanswered', () => (isSprung = true))
  const client = new pg.Client({connectionString: gate.url})
  client.on('error', () => undefined)
  await client.connect()
  await client.query('CREATE TABLE t (n int)')
  await t.throwsAsync(client.query('INSERT INTO t VALUES (1)'))
  t.true(isSprung)
  const other = new pg.Client({connectionString: cluster.url})
  await other.connect()
  t.teardown(() => other.end())
  t.is((await other.query('SELECT n FROM t')).rowCount, 1)
})

test('the options are understood, or it is said what is wrong with them', async (t) => {
  t.deepEqual(readOptions(['--only', 'worker', '--every', '3']), {
    every: 3,
    from: 1,
    jobs: 2,
    only: 'worker',
    json: null,
  })
  t.is(readOptions(['--help']), null)
  t.throws(() => readOptions(['--every', '0']), {
    message: '--every wants a whole number of at least 1, not 0',
  })
  t.throws(() => readOptions(['--only', 'wrker']), {message: '--only knows master and worker, not wrker'})
  t.is(await crashPoints(['--evry', '3']), 2)
})

postgres.serial('wherever master or worker is killed, everything comes to the same', async (t) => {
  t.timeout(300_000)
  const table = await enumerate({every: 1, from: 1, most: 10, jobs: 2, only: null, json: null})
  t.true(table.rows.filter(({point}) => point !== null).length >= 8)
  t.deepEqual(
    table.rows.filter(({differs}) => differs.length > 0),
    [],
  )
})
