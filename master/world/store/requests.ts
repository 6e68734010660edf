// Build requests: the queue, and the claim that turns a request into an attempt on a worker.
import type {Hold, PendingRequest, Wait} from '../../core/assign.ts'
import type {Plan, Property, SourceStamp} from '../../../worker/protocol/plan.ts'
import {completeBuildsets} from './buildsets.ts'
import type {Sql} from './store.ts'

/** How many waiting requests of one builder are looked at; those behind them could not start before them anyway. */
export const lookPerBuilder = 50

/** The head of the queue, and when it was looked at: by the database's clock, as are the times in it. */
export interface Queue {
  readonly requests: PendingRequest[]
  readonly now: number
}

/** The waiting requests at the head of each builder's queue, in the order of the whole queue. `most` counts each. */
export async function queue(
  sql: Sql,
  builders: readonly {readonly name: string; readonly most: number}[],
): Promise<Queue> {
  const rows = await sql.query<{
    now: Date
    id: string
    builder: string
    submitted_at: Date
    not_before: Date | null
    waiting: Wait[]
    is_begun: boolean
    stamp_key: string | null
  }>(
    `SELECT now() AS now, r.id, r.builder, r.submitted_at, r.not_before, r.waiting,
            EXISTS (SELECT 1 FROM builds WHERE builds.request_id = r.id) AS is_begun,
            -- What a promotion asked for is of one revision, and no newer one stands for it.
            CASE WHEN b.origin = 'promotion' THEN concat('request ', r.id) ELSE
              (SELECT string_agg(concat(s->>'repository', ' ', s->>'branch'), ',')
               FROM jsonb_array_elements(b.source_stamps) s) END AS stamp_key
     FROM unnest($1::text[], $2::int[]) AS n (builder, most)
     CROSS JOIN LATERAL (
       SELECT * FROM requests WHERE requests.builder = n.builder AND state = 'pending'
       ORDER BY priority DESC, submitted_at, id LIMIT n.most
     ) r JOIN buildsets b ON b.id = r.buildset_id
     ORDER BY r.priority DESC, r.submitted_at, r.id`,
    [builders.map(({name}) => name), builders.map(({most}) => most)],
  )
  const requests = rows.map((row) => ({
    id: row.id,
    builder: row.builder,
    submittedAt: row.submitted_at.getTime(),
    notBefore: row.not_before?.getTime() ?? null,
    waiting: row.waiting,
    isBegun: row.is_begun,
    stampKey: row.stamp_key ?? '',
  }))
  // Of an empty queue nothing is asked that a clock decides.
  return {requests, now: rows[0]?.now.getTime() ?? 0}
}

/** Explains requests of builders that are not configured (any more): they wait until one of the name is. */
export async function explainOrphans(sql: Sql, builders: readonly string[]): Promise<void> {
  await sql.query(
    `UPDATE requests SET waiting = jsonb_build_array(jsonb_build_object('code', 'no-builder', 'text',
       'no builder ' || builder || ' is configured any more'))
     WHERE state = 'pending' AND builder <> ALL($1::text[]) AND waiting->0->>'code' IS DISTINCT FROM 'no-builder'`,
    [builders],
  )
}

/** The holds of paused builders, by name. */
export async function pausedBuilders(sql: Sql): Promise<Map<string, Hold>> {
  const rows = await sql.query<{name: string; paused: Hold}>(
    'SELECT name, paused FROM builders WHERE paused IS NOT NULL',
  )
  return new Map(rows.map((row) => [row.name, row.paused]))
}

/** Stores why requests wait: only of those whose reasons are news. */
export async function explain(sql: Sql, news: ReadonlyMap<string, readonly Wait[]>): Promise<void> {
  if (news.size === 0) return
  await sql.query(
    `UPDATE requests SET waiting = w.waiting::jsonb FROM unnest($1::bigint[], $2::text[]) AS w (id, waiting)
     WHERE requests.id = w.id AND state = 'pending'`,
    [[...news.keys()], [...news.values()].map((waits) => JSON.stringify(waits))],
  )
}

/** Ends requests that gave way to a newer one: skipped, and nothing was built. */
export async function collapseRequests(tx: Sql, old: readonly string[]): Promise<void> {
  const rows = await tx.query<{buildset_id: string}>(
    `UPDATE requests SET state = 'finished', result = 'skipped', finished_at = now(), waiting = '[]'
     WHERE id = ANY($1::bigint[]) AND state = 'pending'
       AND NOT EXISTS (SELECT 1 FROM builds b WHERE b.request_id = requests.id) RETURNING buildset_id`,
    [old],
  )
  await completeBuildsets(tx, [...new Set(rows.map((row) => row.buildset_id))])
}

/** A request under the claim's lock, with the build it already is if an attempt of it was lost. */
export interface LockedRequest {
  readonly id: string
  readonly builder: string
  readonly buildset: string
  readonly reason: string
  readonly origin: string
  readonly scheduler: string | null
  readonly sourceStamps: SourceStamp[]
  readonly properties: Record<string, Property>
  readonly build: string | null
  readonly number: number | null
}

/** Locks those of the requests that still wait; what another master claims at the same time is passed over. */
export async function lockPending(tx: Sql, ids: readonly string[]): Promise<LockedRequest[]> {
  return await tx.query<LockedRequest>(
    `SELECT r.id, r.builder, r.buildset_id AS buildset, s.reason, s.origin, s.scheduler,
            s.source_stamps AS "sourceStamps", s.properties, b.id AS build, b.number
     FROM requests r JOIN buildsets s ON s.id = r.buildset_id
     LEFT JOIN builds b ON b.request_id = r.id AND b.state <> 'finished'
     WHERE r.id = ANY($1::bigint[]) AND r.state = 'pending' ORDER BY r.id FOR UPDATE OF r SKIP LOCKED`,
    [ids],
  )
}

export interface Opened {
  readonly request: LockedRequest
  readonly build: string
  readonly number: number
}

/** Gives each locked request its build: the one it has, or a new one with the builder's next number. */
export async function openBuilds(
  tx: Sql,
  requests: readonly LockedRequest[],
  configVersion: string | null,
): Promise<Opened[]> {
  const kept = requests.flatMap((request) =>
    request.build !== null && request.number !== null
      ? [{request, build: request.build, number: request.number}]
      : [],
  )
  const fresh = requests.filter((request) => request.build === null)
  if (fresh.length === 0) return kept
  const numbers = await takeNumbers(tx, fresh)
  const rows = await tx.query<{id: string; request_id: string}>(
    `INSERT INTO builds (request_id, buildset_id, builder, number, repository, branch, revision, source_stamps, origin,
                         reason, config_version)
     SELECT request, buildset, builder, number, repository, branch, revision, stamps::jsonb, origin, reason, $11
     FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[],
                 $9::text[], $10::text[])
       AS n (request, buildset, builder, number, repository, branch, revision, stamps, origin, reason)
     RETURNING id, request_id`,
    [
      fresh.map((request) => request.id),
      fresh.map((request) => request.buildset),
      fresh.map((request) => request.builder),
      fresh.map((request) => numbers.get(request.id)),
      fresh.map((request) => request.sourceStamps[0]?.repository ?? null),
      fresh.map((request) => request.sourceStamps[0]?.branch ?? null),
      fresh.map((request) => request.sourceStamps[0]?.revision ?? null),
      fresh.map((request) => JSON.stringify(request.sourceStamps)),
      fresh.map((request) => request.origin),
      fresh.map((request) => request.reason),
      configVersion,
    ],
  )
  const builds = new Map(rows.map((row) => [row.request_id, row.id]))
  const opened = fresh.map((request) => ({
    request,
    build: builds.get(request.id) as string,
    number: numbers.get(request.id) as number,
  }))
  return [...kept, ...opened]
}

/** The next numbers of the builders, in the order of the requests. Rows are locked in name order: no deadlock. */
async function takeNumbers(tx: Sql, requests: readonly LockedRequest[]): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (const {builder} of requests) counts.set(builder, (counts.get(builder) ?? 0) + 1)
  const names = [...counts.keys()].sort()
  const rows = await tx.query<{name: string; last_number: number}>(
    `INSERT INTO builders (name, last_number)
     SELECT name, number FROM unnest($1::text[], $2::int[]) AS n (name, number) ORDER BY name
     ON CONFLICT (name) DO UPDATE SET last_number = builders.last_number + excluded.last_number
     RETURNING name, last_number`,
    [names, names.map((name) => counts.get(name))],
  )
  const next = new Map(rows.map((row) => [row.name, row.last_number - (counts.get(row.name) ?? 0) + 1]))
  return new Map(
    requests.map((request) => {
      const number = next.get(request.builder) ?? 1
      next.set(request.builder, number + 1)
      return [request.id, number]
    }),
  )
}

export interface NewAttempt {
  readonly request: string
  readonly build: string
  readonly worker: string
  readonly plan: Plan
}

/** Opens an attempt of each build on its worker, the build's only effective one. Returns the fencing numbers by build. */
export async function openAttempts(
  tx: Sql,
  attempts: readonly NewAttempt[],
  acceptMs: number,
): Promise<Map<string, string>> {
  if (attempts.length === 0) return new Map()
  const rows = await tx.query<{id: string; build_id: string}>(
    `WITH opened AS (
       INSERT INTO attempts (build_id, worker, plan, accept_by)
       SELECT build, worker, plan::jsonb, now() + $4 * interval '1 millisecond'
       FROM unnest($1::bigint[], $2::text[], $3::text[]) AS n (build, worker, plan) RETURNING id, build_id, worker
     ), claimed AS (
       UPDATE requests SET state = 'claimed', waiting = '[]' WHERE id = ANY($5::bigint[])
     ), effective AS (
       UPDATE builds SET attempt = opened.id, worker = opened.worker, properties = p.properties::jsonb
       FROM opened JOIN unnest($1::bigint[], $6::text[]) AS p (build, properties) ON p.build = opened.build_id
       WHERE builds.id = opened.build_id
     )
     SELECT id, build_id FROM opened`,
    [
      attempts.map((attempt) => attempt.build),
      attempts.map((attempt) => attempt.worker),
      attempts.map((attempt) => JSON.stringify(attempt.plan)),
      acceptMs,
      attempts.map((attempt) => attempt.request),
      attempts.map((attempt) => JSON.stringify(attempt.plan.properties)),
    ],
  )
  return new Map(rows.map((row) => [row.build_id, row.id]))
}
