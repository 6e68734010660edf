// How builds and attempts end: with a result, lost with their worker and tried again, or withdrawn before they began.
import {completeBuildsets} from './buildsets.ts'
import {record, type NewEvent} from './events.ts'
import type {Sql} from './store.ts'
import {cleanText} from './text.ts'

export interface BuildEnd {
  readonly build: string
  readonly result: string
  readonly summary: string
  /** Milliseconds since 1970, or null for now. */
  readonly at: number | null
}

/**
 * Ends builds, their requests and what buildsets that completes. A terminal result never changes. `before` is what is
 * to be told before the ends.
 */
export async function finish(
  tx: Sql,
  ends: readonly BuildEnd[],
  before: readonly NewEvent[] = [],
): Promise<void> {
  if (ends.length === 0) return await record(tx, before)
  const rows = await tx.query<{
    id: string
    builder: string
    number: number
    result: string
    request_id: string
    buildset_id: string
  }>(
    `WITH ended AS (
       UPDATE builds SET state = 'finished', result = n.result, summary = n.summary,
              finished_at = greatest(coalesce(n.at, now()), coalesce(started_at, n.at, now()))
       FROM unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[]) AS n (id, result, summary, at)
       WHERE builds.id = n.id AND builds.state <> 'finished'
       RETURNING builds.id, builder, number, builds.result, request_id, buildset_id, attempt
     ), closed AS (
       UPDATE attempts SET state = 'finished', ended_at = now() FROM ended
       WHERE attempts.id = ended.attempt AND attempts.state IN ('offered', 'running') RETURNING attempts.id
     ), sealed AS (
       UPDATE logs SET complete = true FROM closed WHERE logs.attempt = closed.id AND NOT complete
     ), answered AS (
       UPDATE requests SET state = 'finished', result = ended.result, finished_at = now(), waiting = '[]'
       FROM ended WHERE requests.id = ended.request_id
     )
     SELECT id, builder, number, result, request_id, buildset_id FROM ended`,
    [
      ends.map((end) => end.build),
      ends.map((end) => end.result),
      ends.map((end) => cleanText(end.summary)),
      ends.map((end) => (end.at === null ? null : new Date(end.at))),
    ],
  )
  // What a statement returns has no order, and what is told of it shall have that of the ends.
  const place = new Map(ends.map(({build}, at) => [build, at]))
  rows.sort((a, b) => (place.get(a.id) ?? 0) - (place.get(b.id) ?? 0))
  const finished = rows.map((row) => ({
    type: 'build.finished',
    data: {
      build: row.id,
      builder: row.builder,
      number: row.number,
      result: row.result,
      request: row.request_id,
      buildset: row.buildset_id,
    },
  }))
  await record(tx, [...before, ...finished])
  await completeBuildsets(tx, [...new Set(rows.map((row) => row.buildset_id))])
}

/** How often a build may lose its worker before it is given up. */
const lostMax = 3

/**
 * Ends attempts as lost and puts their requests back into the queue, or gives the build up when it was lost too often.
 * Returns how many of the builds were lost for the first time.
 */
export async function retry(tx: Sql, attempts: readonly string[], reason: string): Promise<number> {
  const rows = await tx.query<{
    id: string
    build_id: string
    builder: string
    lost: number
    request_id: string
    cancel: object | null
  }>(
    `WITH lost AS (
       UPDATE attempts SET state = 'lost', ended_at = now()
       WHERE id = ANY($1::bigint[]) AND state IN ('offered', 'running') RETURNING id, build_id
     ), sealed AS (
       UPDATE logs SET complete = true FROM lost WHERE logs.attempt = lost.id AND NOT complete
     )
     UPDATE builds SET state = 'pending', attempt = NULL, attempts_lost = attempts_lost + 1
     FROM lost WHERE builds.id = lost.build_id AND builds.attempt = lost.id AND builds.state <> 'finished'
     RETURNING lost.id, builds.id AS build_id, builder, attempts_lost AS lost, request_id, cancel`,
    [attempts],
  )
  // What a statement returns has no order, and what is told of it shall have one.
  rows.sort((a, b) => Number(a.id) - Number(b.id))
  const over = rows.filter((row) => row.lost >= lostMax || row.cancel)
  const again = rows.filter((row) => !over.includes(row))
  await requeue(
    tx,
    again.map((row) => row.request_id),
    0,
  )
  await record(
    tx,
    again.map((row) => ({
      type: 'build.retried',
      data: {build: row.build_id, builder: row.builder, attempt: row.id, reason},
    })),
  )
  await finish(
    tx,
    over.map((row) => ({
      build: row.build_id,
      result: row.cancel ? 'cancelled' : 'exception',
      summary: row.cancel ? 'cancelled' : `given up after ${String(row.lost)} lost attempts: ${reason}`,
      at: null,
    })),
  )
  return rows.filter((row) => row.lost === 1).length
}

/** Takes back offers that were declined or not answered: nobody's fault, and nothing ran. */
export async function withdraw(tx: Sql, attempts: readonly string[], pauseMs: number): Promise<void> {
  const rows = await tx.query<{request_id: string}>(
    `WITH gone AS (
       UPDATE attempts SET state = 'declined', ended_at = now() WHERE id = ANY($1::bigint[]) AND state = 'offered'
       RETURNING id, build_id, worker
     ), counted AS (
       UPDATE workers SET declined = declined + 1 FROM gone WHERE workers.name = gone.worker
     )
     UPDATE builds SET attempt = NULL FROM gone WHERE builds.id = gone.build_id AND builds.attempt = gone.id
     RETURNING request_id`,
    [attempts],
  )
  await requeue(
    tx,
    rows.map((row) => row.request_id),
    pauseMs,
  )
}

async function requeue(tx: Sql, requests: readonly string[], pauseMs: number): Promise<void> {
  if (requests.length === 0) return
  await tx.query(
    `UPDATE requests SET state = 'pending', not_before = now() + $2 * interval '1 millisecond', waiting = DEFAULT
     WHERE id = ANY($1::bigint[]) AND state = 'claimed'`,
    [requests, pauseMs],
  )
}

/** Ends cancelled builds that no worker holds. */
export async function cancelUnheld(tx: Sql): Promise<number> {
  const rows = await tx.query<{id: string}>(
    `SELECT id FROM builds WHERE state <> 'finished' AND cancel IS NOT NULL AND attempt IS NULL ORDER BY id
     FOR UPDATE SKIP LOCKED`,
  )
  await finish(
    tx,
    rows.map((row) => ({build: row.id, result: 'cancelled', summary: 'cancelled', at: null})),
  )
  return rows.length
}
