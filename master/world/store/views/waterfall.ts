// One window of the waterfall in a fixed number of queries, each by an index: no query for each row.
import type {Result} from '../../../../worker/protocol/results.ts'
import {cursorText, newestCursor} from '../events.ts'
import type {Sql} from '../store.ts'
import {buildColumns, type BuildRow, type State} from './builds.ts'
import {stateOf} from './builders.ts'
import {readHeld, type HeldAsk} from './held.ts'
import {iso, isoOrNull} from './pages.ts'
import {readStandings} from './promotions.ts'
import {readPending} from './requests.ts'

/** The most builds that one window shows. */
export const windowBuildsMax = 2000
const windowChangesMax = 1000
const windowPromotionsMax = 500
const pendingMax = 500
/** How many builds of one builder may overlap the beginning of the window. */
const overlapMax = 16

export interface Window {
  readonly from: Date
  readonly to: Date
  readonly builders: readonly {readonly name: string; readonly tags: readonly string[]}[]
  readonly rules: readonly {readonly name: string; readonly from: string; readonly to: string}[]
  /** The configuration's, for why changes wait. */
  readonly held: HeldAsk
  /** Leave the steps out: far away they are too small to see. */
  readonly steps: boolean
}

/** All that the page draws of a window. The cursor is read first, so that following events from it misses nothing. */
export async function readWaterfall(sql: Sql, window: Window) {
  const names = window.builders.map((builder) => builder.name)
  const cursor = cursorText(await newestCursor(sql))
  const [clock] = await sql.query<{now: Date}>('SELECT now()')
  const found = await readBuilds(sql, window, names)
  const shown = found.slice(0, windowBuildsMax)
  const steps = window.steps ? await readSteps(sql, shown) : new Map<string, StepView[]>()
  const changesOf = await readChangeIds(sql, shown)
  const standings = await readStandings(
    sql,
    window.rules.map((rule) => rule.name),
  )
  return {
    cursor,
    now: iso(clock?.now ?? window.to),
    from: iso(window.from),
    to: iso(window.to),
    builders: await readColumns(sql, window.builders),
    builds: shown.map((row) => asBox(row, steps.get(row.id) ?? [], changesOf.get(row.buildset_id) ?? [])),
    changes: await readChanges(sql, window, [...changesOf.values()].flat()),
    promotions: await readPromotions(sql, window),
    rules: window.rules.map((rule) => {
      const latest = standings.find((one) => one.rule === rule.name)?.latest
      return {
        name: rule.name,
        from: rule.from,
        to: rule.to,
        verdict: latest?.verdict ?? null,
        reasons: latest?.reasons ?? [],
      }
    }),
    pending: (await readPending(sql, pendingMax)).map(
      ({id, builder, submittedAt, reason, waiting, sourceStamps}) => ({
        id,
        builder,
        submittedAt,
        reason,
        waiting,
        sourceStamps,
      }),
    ),
    held: await readHeld(sql, window.held),
    more: found.length > windowBuildsMax,
  }
}

type Box = BuildRow & {readonly revision: string | null}

async function readBuilds(sql: Sql, window: Window, names: readonly string[]): Promise<Box[]> {
  return await sql.query<Box>(
    `WITH shown AS (
       SELECT id FROM builds WHERE state <> 'finished' AND created_at < $2
       UNION
       (SELECT id FROM builds WHERE started_at >= $1 AND started_at < $2 ORDER BY started_at DESC, id DESC LIMIT ${windowBuildsMax + 1})
       UNION
       SELECT o.id FROM unnest($3::text[]) AS n(name)
         CROSS JOIN LATERAL (
           SELECT id, started_at FROM builds
            WHERE builder = n.name AND state = 'finished' AND finished_at >= $1
            ORDER BY finished_at, id LIMIT ${overlapMax}
         ) o
        WHERE o.started_at < $1
     )
     SELECT ${buildColumns}, b.branch, b.revision
       FROM builds b WHERE b.id IN (SELECT id FROM shown) AND b.builder = ANY($3::text[])
      ORDER BY coalesce(b.started_at, b.created_at) DESC, b.id DESC LIMIT ${windowBuildsMax + 1}`,
    [window.from, window.to, names],
  )
}

const asBox = (row: Box, steps: StepView[], changes: string[]) => ({
  id: row.id,
  builder: row.builder,
  number: row.number,
  state: row.state,
  result: row.result,
  summary: row.summary,
  worker: row.worker,
  reason: row.reason,
  gotRevision: row.got_revision,
  createdAt: iso(row.created_at),
  startedAt: isoOrNull(row.started_at),
  finishedAt: isoOrNull(row.finished_at),
  branch: row.branch,
  revision: row.revision,
  changes,
  steps,
})

interface StepView {
  number: number
  name: string
  state: State
  result: Result | null
  summary: string
  startedAt: string | null
  finishedAt: string | null
  /** Its first log. */
  log: string | null
}

async function readSteps(sql: Sql, builds: readonly Box[]): Promise<Map<string, StepView[]>> {
  type Row = Omit<StepView, 'startedAt' | 'finishedAt'> & {
    build_id: string
    started_at: Date | null
    finished_at: Date | null
  }
  const ran = builds.filter((build) => build.attempt !== null)
  const rows = await sql.query<Row>(
    `SELECT s.build_id, s.number, s.name, s.state, s.result, s.summary, s.started_at, s.finished_at, l.log::text AS log
       FROM unnest($1::bigint[], $2::bigint[]) AS n(build, attempt)
       JOIN steps s ON s.build_id = n.build AND s.attempt = n.attempt
       LEFT JOIN (
         SELECT attempt, step, min(id) AS log FROM logs WHERE build_id = ANY($1::bigint[]) AND NOT deleted GROUP BY attempt, step
       ) l ON l.attempt = s.attempt AND l.step = s.number
      ORDER BY s.build_id, s.number`,
    [ran.map((build) => build.id), ran.map((build) => build.attempt)],
  )
  const steps = new Map<string, StepView[]>()
  for (const {build_id, started_at, finished_at, ...row} of rows) {
    const step = {...row, startedAt: isoOrNull(started_at), finishedAt: isoOrNull(finished_at)}
    const list = steps.get(build_id)
    if (list) list.push(step)
    else steps.set(build_id, [step])
  }
  return steps
}

/** The changes that each build's buildset was made for. */
async function readChangeIds(sql: Sql, builds: readonly Box[]): Promise<Map<string, string[]>> {
  const rows = await sql.query<{id: string; change_ids: string[]}>(
    `SELECT id, change_ids::text[] AS change_ids FROM buildsets WHERE id = ANY($1::bigint[]) AND change_ids <> '{}'`,
    [[...new Set(builds.map((build) => build.buildset_id))]],
  )
  return new Map(rows.map((row) => [row.id, row.change_ids]))
}

/** Changes recorded in the window, and those that its builds were made for. */
async function readChanges(sql: Sql, window: Window, ids: readonly string[]) {
  type Row = {
    id: string
    source: string
    branch: string
    revision: string
    author: string
    subject: string
    link: string | null
    recorded_at: Date
  }
  const rows = await sql.query<Row>(
    `SELECT id, source, branch, revision, author, left(split_part(message, E'\\n', 1), 200) AS subject, link, recorded_at
       FROM changes
      WHERE id IN (
        (SELECT id FROM changes WHERE recorded_at >= $1 AND recorded_at < $2 ORDER BY recorded_at DESC, id DESC LIMIT ${windowChangesMax})
        UNION
        SELECT unnest($3::bigint[])
      )
      ORDER BY recorded_at DESC, id DESC LIMIT ${windowChangesMax}`,
    [window.from, window.to, [...new Set(ids)]],
  )
  return rows.map(({recorded_at, ...row}) => ({...row, recordedAt: iso(recorded_at)}))
}

/** Branches that moved in the window. */
async function readPromotions(sql: Sql, window: Window) {
  type Row = {id: string; rule: string; from: string; to: string; revision: string; at: Date}
  const rows = await sql.query<Row>(
    `SELECT id, rule, from_branch AS "from", to_branch AS "to", coalesce(landed, candidate, '') AS revision, settled_at AS at
       FROM promotions
      WHERE state = 'done' AND settled_at >= $1 AND settled_at < $2
      ORDER BY settled_at DESC LIMIT ${windowPromotionsMax}`,
    [window.from, window.to],
  )
  return rows.map(({at, ...row}) => ({...row, at: iso(at)}))
}

/** The heads of the columns: what each builder does, how its last build ended, and how long its good ones take. */
async function readColumns(sql: Sql, builders: Window['builders']) {
  type Row = {
    name: string
    pending: number
    running: number
    paused: boolean
    last: Result | null
    usual: number | null
  }
  const rows = await sql.query<Row>(
    `SELECT n.name, coalesce(p.pending, 0) AS pending, coalesce(r.running, 0) AS running,
            coalesce(o.paused IS NOT NULL, false) AS paused, f.last, f.usual
       FROM unnest($1::text[]) WITH ORDINALITY AS n(name, place)
       LEFT JOIN builders o ON o.name = n.name
       LEFT JOIN (SELECT builder, count(*)::int AS pending FROM requests WHERE state = 'pending' GROUP BY builder) p ON p.builder = n.name
       LEFT JOIN (SELECT builder, count(*)::int AS running FROM builds WHERE state <> 'finished' GROUP BY builder) r ON r.builder = n.name
       LEFT JOIN LATERAL (
         SELECT (array_agg(b.result ORDER BY b.finished_at DESC, b.id DESC))[1] AS last,
                percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM b.finished_at - b.started_at))
                  FILTER (WHERE b.result IN ('success', 'warnings')) AS usual
           FROM (SELECT id, result, started_at, finished_at FROM builds
                  WHERE builder = n.name AND state = 'finished' ORDER BY finished_at DESC, id DESC LIMIT 20) b
       ) f ON true
      ORDER BY n.place`,
    [builders.map((builder) => builder.name)],
  )
  return rows.map((row, place) => ({
    name: row.name,
    tags: [...(builders[place]?.tags ?? [])],
    state: stateOf(row),
    pending: row.pending,
    usualSeconds: row.usual,
    lastResult: row.last,
  }))
}
