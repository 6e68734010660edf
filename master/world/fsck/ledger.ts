// How each broken truth of the ledger is mended, by the check's name: only what follows from the other rows, while no
// master runs. What is not here is left to a person.
import {completeBuildsets} from '../store/buildsets.ts'
import {record} from '../store/events.ts'
import type {Sql} from '../store/store.ts'

export interface Mend {
  /** What is done, for people, before it is done. */
  readonly says: string
  readonly run: (tx: Sql, rows: readonly string[]) => Promise<unknown>
}

const toQueue = `state = 'pending', not_before = NULL, waiting = DEFAULT`
const byIds = (sql: string) => (tx: Sql, rows: readonly string[]) => tx.query(sql, [rows])

export const mends: Readonly<Record<string, Mend>> = {
  'claimed-without-build': {
    says: 'put it back into the queue',
    run: byIds(`UPDATE requests SET ${toQueue} WHERE id = ANY($1::bigint[]) AND state = 'claimed'`),
  },
  'build-without-attempt': {says: 'put its request back into the queue', run: requeueBuilds},
  'effective-attempt-over': {says: 'put its request back into the queue', run: requeueBuilds},
  'attempt-of-pending-request': {
    says: 'count its request as claimed',
    run: byIds(`UPDATE requests SET state = 'claimed', waiting = '[]' FROM builds b
                WHERE b.id = ANY($1::bigint[]) AND b.request_id = requests.id AND requests.state = 'pending'`),
  },
  'build-of-finished-request': {says: 'end it with its request’s result', run: endBuilds},
  'request-of-finished-build': {says: 'end it with its build’s result', run: endRequests},
  'attempt-not-effective': {
    says: 'end it as lost, with its logs',
    run: byIds(`WITH lost AS (
                  UPDATE attempts SET state = 'lost', ended_at = now()
                  WHERE id = ANY($1::bigint[]) AND state IN ('offered', 'running') RETURNING id
                ) UPDATE logs SET complete = true FROM lost WHERE logs.attempt = lost.id AND NOT complete`),
  },
  'buildset-not-completed': {says: 'end it with its requests’ worst result', run: endBuildsets},
  'log-left-open': {
    says: 'end it where it is',
    run: byIds('UPDATE logs SET complete = true WHERE id = ANY($1::bigint[])'),
  },
  'request-without-reason': {
    says: 'say that it is in the queue',
    run: byIds(`UPDATE requests SET waiting = DEFAULT WHERE id = ANY($1::bigint[]) AND state = 'pending'`),
  },
  'cursor-ahead': {
    says: 'set it to the newest event',
    run: byIds(
      'UPDATE cursors SET id = (SELECT last_value FROM events_id_seq) WHERE reader = ANY($1::text[])',
    ),
  },
  'lease-too-long': {
    says: 'end it now',
    run: byIds('UPDATE leases SET until = now() WHERE name = ANY($1::text[])'),
  },
  'builder-number-behind': {
    says: 'count on from the greatest number',
    run: byIds(`UPDATE builders SET last_number = (SELECT max(number) FROM builds b WHERE b.builder = builders.name)
                WHERE name = ANY($1::text[])`),
  },
  'numbers-behind': {
    says: 'count on from the greatest number',
    run: (tx) =>
      tx.query(`SELECT setval('attempts_id_seq', greatest(a.last_value, (SELECT max(id) FROM attempts))),
                       setval('events_id_seq', greatest(e.last_value, (SELECT max(id) FROM events)))
                FROM attempts_id_seq a, events_id_seq e`),
  },
}

async function requeueBuilds(tx: Sql, builds: readonly string[]): Promise<void> {
  const rows = await tx.query<{request_id: string}>(
    `UPDATE builds SET state = 'pending', attempt = NULL WHERE id = ANY($1::bigint[]) AND state <> 'finished'
     RETURNING request_id`,
    [builds],
  )
  await tx.query(`UPDATE requests SET ${toQueue} WHERE id = ANY($1::bigint[]) AND state = 'claimed'`, [
    rows.map((row) => row.request_id),
  ])
}

async function endBuilds(tx: Sql, builds: readonly string[]): Promise<void> {
  const rows =
    await tx.query<{build: string; builder: string; number: number; result: string; request: string; buildset: string}>( // prettier-ignore
      `UPDATE builds SET state = 'finished', result = coalesce(r.result, 'exception'), finished_at = now(),
            summary = 'ended by ostler fsck: its request was finished'
     FROM requests r WHERE builds.id = ANY($1::bigint[]) AND r.id = builds.request_id AND builds.state <> 'finished'
     RETURNING builds.id AS build, builds.builder, number, builds.result, request_id AS request, builds.buildset_id AS buildset`,
      [builds],
    )
  await record(
    tx,
    rows.map((data) => ({type: 'build.finished', data})),
  )
}

async function endRequests(tx: Sql, requests: readonly string[]): Promise<void> {
  const rows = await tx.query<{buildset_id: string}>(
    `UPDATE requests SET state = 'finished', result = b.result, finished_at = now(), waiting = '[]'
     FROM (SELECT DISTINCT ON (request_id) request_id, result FROM builds WHERE request_id = ANY($1::bigint[])
           ORDER BY request_id, id DESC) b
     WHERE requests.id = b.request_id AND requests.state <> 'finished' RETURNING buildset_id`,
    [requests],
  )
  await completeBuildsets(tx, [...new Set(rows.map((row) => row.buildset_id))])
}

async function endBuildsets(tx: Sql, buildsets: readonly string[]): Promise<void> {
  await completeBuildsets(tx, buildsets)
  await tx.query(
    `UPDATE buildsets SET completed_at = now(), result = 'skipped' WHERE id = ANY($1::bigint[]) AND completed_at IS NULL
       AND NOT EXISTS (SELECT 1 FROM requests r WHERE r.buildset_id = buildsets.id)`,
    [buildsets],
  )
}
