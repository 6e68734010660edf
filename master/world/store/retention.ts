// What the retention rules remove from the tables. Files go first: a row whose file is gone is removed by the next run,
// a file whose row is gone would lie there for ever.
import type {AgedBuild} from '../../core/retention.ts'
import type {Sql} from './store.ts'

/** Who holds this lease removes old builds and their files; while a backup is made, it holds it. */
export const retentionLease = 'retention'

/** Finished builds, oldest id first from after `after`, that are at least this old and still have something to lose. */
export async function agedBuilds(
  sql: Sql,
  {after, leastAgeMs, limit}: {after: string; leastAgeMs: number; limit: number},
): Promise<AgedBuild[]> {
  const rows = await sql.query<{id: string; age: number; newer: number; evidence: boolean}>(
    `WITH landed AS (
       SELECT DISTINCT ON (rule) candidate, landed FROM promotions WHERE state = 'done' ORDER BY rule, id DESC
     )
     SELECT b.id, extract(epoch FROM now() - b.finished_at)::float8 * 1000 AS age,
            coalesce(n.last_number, b.number) - b.number AS newer,
            b.got_revision IN (SELECT candidate FROM landed UNION SELECT landed FROM landed) IS TRUE AS evidence
     FROM builds b LEFT JOIN builders n ON n.name = b.builder
     WHERE b.state = 'finished' AND b.id > $1 AND b.finished_at <= now() - $2 * interval '1 millisecond'
     ORDER BY b.id LIMIT $3`,
    [after, leastAgeMs, limit],
  )
  return rows.map(({id, age, newer, evidence}) => ({id, ageMs: age, newer, isEvidence: evidence}))
}

/** The attempts of these builds whose logs have not gone yet. */
export async function attemptsWithLogs(sql: Sql, builds: readonly string[]): Promise<string[]> {
  const rows = await sql.query<{attempt: string}>(
    'SELECT DISTINCT attempt FROM logs WHERE build_id = ANY($1::bigint[]) AND NOT deleted',
    [builds],
  )
  return rows.map(({attempt}) => attempt)
}

/** Notes that the logs and artifacts of builds that stay are gone; returns how many. */
export async function markGone(
  tx: Sql,
  {logs, artifacts}: {readonly logs: readonly string[]; readonly artifacts: readonly string[]},
): Promise<{logs: number; artifacts: number}> {
  const mark = async (table: 'logs' | 'artifacts', builds: readonly string[]) =>
    (
      await tx.query(
        `UPDATE ${table} SET deleted = true WHERE build_id = ANY($1::bigint[]) AND NOT deleted RETURNING id`,
        [builds],
      )
    ).length
  return {logs: await mark('logs', logs), artifacts: await mark('artifacts', artifacts)}
}

/** Removes builds, then their requests, then buildsets that have none left; returns how many builds. */
export async function removeBuilds(tx: Sql, builds: readonly string[]): Promise<number> {
  if (builds.length === 0) return 0
  const gone = await tx.query<{request_id: string}>(
    `DELETE FROM builds WHERE id = ANY($1::bigint[]) AND state = 'finished' RETURNING request_id`,
    [builds],
  )
  const sets = await tx.query<{buildset_id: string}>(
    `DELETE FROM requests r WHERE id = ANY($1::bigint[]) AND state = 'finished'
       AND NOT EXISTS (SELECT 1 FROM builds b WHERE b.request_id = r.id)
     RETURNING buildset_id`,
    [gone.map((row) => row.request_id)],
  )
  // Requests that never became builds (collapsed, cancelled) go with the buildset's last build.
  await tx.query(
    `DELETE FROM buildsets s WHERE id = ANY($1::bigint[]) AND completed_at IS NOT NULL AND NOT EXISTS (
       SELECT 1 FROM requests r JOIN builds b ON b.request_id = r.id WHERE r.buildset_id = s.id)`,
    [[...new Set(sets.map((row) => row.buildset_id))]],
  )
  return gone.length
}

/** Of these contents, those that a build still has. */
export async function keptContents(sql: Sql, hashes: readonly string[]): Promise<Set<string>> {
  const rows = await sql.query<{sha256: string}>(
    'SELECT DISTINCT sha256 FROM artifacts WHERE sha256 = ANY($1::text[]) AND NOT deleted',
    [hashes],
  )
  return new Set(rows.map(({sha256}) => sha256))
}

/** A reader of the event log with the events it must not miss. */
export interface EventReader {
  readonly reader: string
  readonly types: readonly string[]
}

/** What is not configured: how long the river's own notes are kept. */
const noteDays = {events: 30, deliveries: 7, reports: 30, masters: 1}

/** Removes old notes: events that every reader has read, hook deliveries, letters that are settled, ended sessions. */
export async function removeNotes(tx: Sql, readers: readonly EventReader[]): Promise<void> {
  await tx.query(
    `DELETE FROM events e WHERE at < now() - $1 * interval '1 day' AND NOT EXISTS (
       SELECT 1 FROM unnest($2::text[], $3::text[]) AS r (reader, types) LEFT JOIN cursors c ON c.reader = r.reader
       WHERE e.type = ANY(string_to_array(r.types, ',')) AND (c.reader IS NULL OR e.id > c.id))`,
    [noteDays.events, readers.map(({reader}) => reader), readers.map(({types}) => types.join(','))],
  )
  await tx.query(`DELETE FROM hook_deliveries WHERE at < now() - $1 * interval '1 day'`, [
    noteDays.deliveries,
  ])
  await tx.query(`DELETE FROM outbox WHERE coalesce(sent_at, given_up_at) < now() - $1 * interval '1 day'`, [
    noteDays.reports,
  ])
  await tx.query('DELETE FROM sessions WHERE until < now()')
  await tx.query(`DELETE FROM masters WHERE seen_at < now() - $1 * interval '1 day'`, [noteDays.masters])
}
