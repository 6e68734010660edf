// Attempts: what workers report of them, applied in order and once.
import type {AttemptState, Changes} from '../../core/apply.ts'
import type {StoredLog} from '../logs.ts'
import {finish, retry} from './ends.ts'
import type {Sql} from './store.ts'
import {cleanJson, cleanText} from './text.ts'
import {blame} from './workers.ts'

const number = (text: string | number) => Number(text)
const time = (ms: number | null) => (ms === null ? null : new Date(ms))

/** The state of effective attempts among those named; one that is not (any more) effective is left out. */
export async function effectiveAttempts(
  sql: Sql,
  ids: readonly string[],
): Promise<Omit<AttemptState, 'steps'>[]> {
  const rows = await sql.query<Omit<AttemptState, 'steps'>>(
    `SELECT a.id AS attempt, a.build_id AS build, b.builder, b.number, b.request_id AS request,
            b.buildset_id AS buildset, a.worker, a.applied, w.skew_ms AS "skewMs"
     FROM attempts a JOIN builds b ON b.id = a.build_id AND b.attempt = a.id AND b.state <> 'finished'
     LEFT JOIN workers w ON w.name = a.worker
     WHERE a.id = ANY($1::bigint[]) AND a.state IN ('offered', 'running')`,
    [ids],
  )
  return rows.map((row) => ({...row, skewMs: row.skewMs || 0}))
}

/** The names and kinds of the steps that attempts were opened with, by attempt: these never change. */
export async function plannedSteps(
  sql: Sql,
  ids: readonly string[],
): Promise<Map<string, AttemptState['steps']>> {
  if (ids.length === 0) return new Map()
  const rows = await sql.query<{id: string; steps: AttemptState['steps'] | null}>(
    `SELECT id, (SELECT jsonb_agg(jsonb_build_object('name', s->'name', 'kind', s->'kind'))
                 FROM jsonb_array_elements(plan->'steps') s) AS steps
     FROM attempts WHERE id = ANY($1::bigint[])`,
    [ids],
  )
  return new Map(rows.map((row) => [row.id, row.steps ?? []]))
}

/** Marks offers as accepted. */
export async function accept(tx: Sql, attempts: readonly string[]): Promise<void> {
  if (attempts.length === 0) return
  await tx.query(
    `UPDATE attempts SET state = 'running', accepted_at = now() WHERE id = ANY($1::bigint[]) AND state = 'offered'`,
    [attempts],
  )
}

/**
 * The rows of logs that changes speak of; those that are new are made. Of an attempt of which more was applied since it
 * was read none is given: where its log ends is another master's to say.
 */
export async function logsOf(
  sql: Sql,
  changes: readonly Changes[],
): Promise<Map<string, StoredLog & {id: string}>> {
  const wanted = changes.flatMap((change) =>
    [...change.logs.values()].map((log) => ({
      build: change.state.build,
      attempt: change.state.attempt,
      applied: change.state.applied,
      ...log,
    })),
  )
  if (wanted.length === 0) return new Map()
  const rows = await sql.query<Record<keyof StoredLog, string> & {id: string; step: number; name: string}>(
    `WITH wanted AS (
       SELECT w.* FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::text[], $5::int[])
         AS w (build, attempt, step, name, applied) JOIN attempts a ON a.id = w.attempt AND a.applied = w.applied
     ), made AS (
       INSERT INTO logs (build_id, attempt, step, name) SELECT build, attempt, step, name FROM wanted
       ON CONFLICT (attempt, step, name) DO NOTHING RETURNING *
     )
     SELECT id, attempt, step, name, bytes, lines, segments, stored_bytes AS "storedBytes", crc32, complete FROM made
     UNION ALL
     SELECT l.id, l.attempt, l.step, l.name, l.bytes, l.lines, l.segments, l.stored_bytes, l.crc32, l.complete
     FROM logs l JOIN wanted w ON (l.attempt, l.step, l.name) = (w.attempt, w.step, w.name)`,
    [
      wanted.map((log) => log.build),
      wanted.map((log) => log.attempt),
      wanted.map((log) => log.step),
      wanted.map((log) => cleanText(log.name)),
      wanted.map((log) => log.applied),
    ],
  )
  return new Map(
    rows.map((row) => [
      `${row.attempt}/${String(row.step)}/${row.name}`,
      {
        id: row.id,
        attempt: row.attempt,
        step: row.step,
        name: row.name,
        bytes: number(row.bytes),
        lines: number(row.lines),
        segments: number(row.segments),
        storedBytes: number(row.storedBytes),
        crc32: number(row.crc32),
        complete: Boolean(row.complete),
      },
    ]),
  )
}

/**
 * Applies changes under their guard: an attempt that is not effective any more, or of which more was applied
 * meanwhile, changes nothing and is left out of the answer.
 */
export async function applyChanges(
  tx: Sql,
  changes: readonly Changes[],
  logs: readonly (StoredLog & {id: string})[],
): Promise<Set<string>> {
  const guarded = await tx.query<{id: string}>(
    `WITH guarded AS (UPDATE attempts a SET applied = c.upto, state = CASE WHEN c.ended THEN 'finished' ELSE 'running' END,
            accepted_at = coalesce(a.accepted_at, now()), ended_at = CASE WHEN c.ended THEN now() END
     FROM unnest($1::bigint[], $2::int[], $3::int[], $4::bool[]) AS c (id, applied, upto, ended), builds b
     WHERE a.id = c.id AND a.applied = c.applied AND a.state IN ('offered', 'running')
       AND b.id = a.build_id AND b.attempt = a.id AND b.state <> 'finished' RETURNING a.id, a.worker, c.ended
     ), absolved AS (
       UPDATE workers SET failures = 0 FROM guarded WHERE workers.name = guarded.worker AND guarded.ended AND failures > 0
     )
     SELECT id FROM guarded`,
    [
      changes.map((change) => change.state.attempt),
      changes.map((change) => change.state.applied),
      changes.map((change) => change.applied),
      // What ends to be tried again is ended by `retry`, as every attempt that is lost.
      changes.map((change) => change.ended !== null && change.ended.result !== 'retry'),
    ],
  )
  const standing = new Set(guarded.map((row) => row.id))
  const mine = changes.filter((change) => standing.has(change.state.attempt))
  await sealLogs(
    tx,
    changes.flatMap(({state}) => (standing.has(state.attempt) ? [] : [state.attempt])),
  )
  await writeSteps(tx, mine)
  await writeLogs(
    tx,
    logs.filter((log) => standing.has(log.attempt)),
  )
  await writeArtifacts(tx, mine)
  await writeBuilds(tx, mine)
  await finishBuilds(tx, mine)
  return standing
}

/** A log whose row was made while its attempt ended elsewhere gets no more, and whoever follows it is told so. */
async function sealLogs(tx: Sql, attempts: readonly string[]): Promise<void> {
  if (attempts.length === 0) return
  await tx.query(
    `UPDATE logs SET complete = true FROM attempts a
     WHERE a.id = logs.attempt AND a.id = ANY($1::bigint[]) AND a.state NOT IN ('offered', 'running') AND NOT complete`,
    [attempts],
  )
}

async function writeSteps(tx: Sql, changes: readonly Changes[]): Promise<void> {
  const rows = changes.flatMap(({state, steps}) =>
    [...steps.values()].map((step) => ({build: state.build, attempt: state.attempt, ...step})),
  )
  if (rows.length === 0) return
  await tx.query(
    `INSERT INTO steps AS s (build_id, attempt, number, name, kind, state, result, summary, tries, warnings, tests,
                             started_at, finished_at)
     SELECT build, attempt, number, name, kind, state, result, coalesce(summary, ''), coalesce(tries, 0),
            coalesce(warnings, 0), tests::jsonb, started, finished
     FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                 $9::int[], $10::int[], $11::text[], $12::timestamptz[], $13::timestamptz[])
       AS n (build, attempt, number, name, kind, state, result, summary, tries, warnings, tests, started, finished)
     ON CONFLICT (build_id, attempt, number) DO UPDATE SET state = excluded.state, result = excluded.result,
       summary = CASE WHEN excluded.summary = '' THEN s.summary ELSE excluded.summary END,
       tries = greatest(s.tries, excluded.tries), warnings = greatest(s.warnings, excluded.warnings),
       tests = coalesce(excluded.tests, s.tests), started_at = coalesce(s.started_at, excluded.started_at),
       finished_at = excluded.finished_at`,
    [
      rows.map((row) => row.build),
      rows.map((row) => row.attempt),
      rows.map((row) => row.number),
      rows.map((row) => row.name),
      rows.map((row) => row.kind),
      rows.map((row) => row.state),
      rows.map((row) => row.result),
      rows.map((row) => (row.summary === null ? null : cleanText(row.summary))),
      rows.map((row) => row.tries),
      rows.map((row) => row.warnings),
      rows.map((row) => (row.tests ? cleanJson(row.tests) : null)),
      rows.map((row) => time(row.startedAt)),
      rows.map((row) => time(row.finishedAt)),
    ],
  )
}

async function writeLogs(tx: Sql, logs: readonly (StoredLog & {id: string})[]): Promise<void> {
  if (logs.length === 0) return
  await tx.query(
    `UPDATE logs SET bytes = n.bytes, lines = n.lines, segments = n.segments, stored_bytes = n.stored,
            crc32 = n.crc, complete = n.complete
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::int[], $5::bigint[], $6::bigint[], $7::bool[])
       AS n (id, bytes, lines, segments, stored, crc, complete) WHERE logs.id = n.id`,
    [
      logs.map((log) => log.id),
      logs.map((log) => log.bytes),
      logs.map((log) => log.lines),
      logs.map((log) => log.segments),
      logs.map((log) => log.storedBytes),
      logs.map((log) => log.crc32),
      logs.map((log) => log.complete),
    ],
  )
}

async function writeArtifacts(tx: Sql, changes: readonly Changes[]): Promise<void> {
  const rows = changes.flatMap(({state, artifacts}) => artifacts.map((artifact) => ({state, artifact})))
  if (rows.length === 0) return
  await tx.query(
    `INSERT INTO artifacts (build_id, attempt, step, name, path, bytes, sha256)
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::text[], $5::text[], $6::bigint[], $7::text[])`,
    [
      rows.map(({state}) => state.build),
      rows.map(({state}) => state.attempt),
      rows.map(({artifact}) => artifact.step),
      rows.map(({artifact}) => cleanText(artifact.name)),
      rows.map(({artifact}) => cleanText(artifact.path)),
      rows.map(({artifact}) => artifact.bytes),
      rows.map(({artifact}) => artifact.sha256),
    ],
  )
}

async function writeBuilds(tx: Sql, changes: readonly Changes[]): Promise<void> {
  const rows = changes.filter(
    (change) => change.startedAt !== null || Object.keys(change.properties).length > 0,
  )
  if (rows.length === 0) return
  await tx.query(
    `UPDATE builds SET state = 'running', started_at = coalesce(builds.started_at, n.started),
            executor = coalesce(n.executor, builds.executor), properties = builds.properties || n.properties::jsonb,
            got_revision = coalesce(n.properties::jsonb->>'gotRevision', got_revision)
     FROM unnest($1::bigint[], $2::timestamptz[], $3::text[], $4::text[]) AS n (id, started, executor, properties)
     WHERE builds.id = n.id`,
    [
      rows.map((change) => change.state.build),
      rows.map((change) => time(change.startedAt)),
      rows.map((change) => change.executor && cleanText(change.executor)),
      rows.map((change) => cleanJson(change.properties)),
    ],
  )
}

/** Tells what happened, and after it the ends of builds. */
async function finishBuilds(tx: Sql, changes: readonly Changes[]): Promise<void> {
  const ended = changes.flatMap(({state, ended}) =>
    ended && ended.result !== 'retry' ? [{...ended, build: state.build}] : [],
  )
  const lost = changes.flatMap(({state, ended}) => (ended?.result === 'retry' ? [{state, ended}] : []))
  await finish(
    tx,
    ended,
    changes.flatMap(({events}) => events),
  )
  for (const {state, ended} of lost) {
    const firstLosses = await retry(tx, [state.attempt], ended.summary)
    // A build that fails so again and again may be to blame itself: it counts once.
    if (firstLosses > 0) await blame(tx, [state.worker], ended.summary)
  }
}

/** Offers whose time to accept is over, but for those to another master's workers: that one may have the answer already. */
export async function unanswered(sql: Sql, master: string): Promise<{attempt: string; worker: string}[]> {
  return await sql.query(
    `SELECT a.id AS attempt, a.worker FROM attempts a LEFT JOIN workers w ON w.name = a.worker
     WHERE a.state = 'offered' AND a.accept_by < now() AND (w.connected IS NOT TRUE OR w.master = $1)`,
    [master],
  )
}

/** An attempt that is not over, with what a returning worker must be told. */
export interface OpenAttempt {
  readonly attempt: string
  readonly state: 'offered' | 'running'
  readonly applied: number
  readonly effective: boolean
  readonly cancel: object | null
}

/** The open attempts of a worker, oldest first. */
export async function openAttemptsOf(sql: Sql, worker: string): Promise<OpenAttempt[]> {
  return await sql.query(
    `SELECT a.id AS attempt, a.state, a.applied, coalesce(b.attempt = a.id AND b.state <> 'finished', false) AS effective,
            b.cancel
     FROM attempts a JOIN builds b ON b.id = a.build_id
     WHERE a.worker = $1 AND a.state IN ('offered', 'running') ORDER BY a.id`,
    [worker],
  )
}

/** Attempts whose build somebody wants cancelled, on the given workers. */
export async function cancelWishes(
  sql: Sql,
  workers: readonly string[],
): Promise<{attempt: string; worker: string; reason: string}[]> {
  return await sql.query(
    `SELECT a.id AS attempt, a.worker, b.cancel->>'reason' AS reason FROM builds b JOIN attempts a ON a.id = b.attempt
     WHERE b.state <> 'finished' AND b.cancel IS NOT NULL AND a.worker = ANY($1::text[])
       AND a.state IN ('offered', 'running')`,
    [workers],
  )
}

/** Counts messages that carried an old fencing number. */
export async function countRefused(sql: Sql, attempt: string): Promise<void> {
  await sql.query('UPDATE attempts SET refused = refused + 1 WHERE id = $1', [attempt])
}
