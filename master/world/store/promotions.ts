// The promotions' rows: what was decided, what was pushed, and the builds that are the evidence for it.
import type {PromotionRule} from '../../../config/config.ts'
import type {Decision, GateBuild} from '../../core/promotion.ts'
import {record} from './events.ts'
import type {Sql} from './store.ts'

export type PromotionState = 'decided' | 'pushing' | 'done' | 'raced' | 'failed' | 'conflict'

export interface PromotionRow {
  readonly id: string
  readonly rule: string
  readonly source: string
  readonly from: string
  readonly to: string
  readonly fromTip: string | null
  readonly toTip: string | null
  readonly candidate: string | null
  readonly landed: string | null
  readonly verdict: Decision['verdict']
  readonly reasons: readonly string[]
  readonly evidence: {readonly files?: readonly string[]} | null
  readonly state: PromotionState
  readonly error: string | null
  /** Milliseconds since it was settled, by the database's clock. */
  readonly settledMsAgo: number | null
}

export interface Lag {
  readonly commits: number | null
  readonly seconds: number | null
}

/** A decision with what it was made on. */
export interface NewPromotion {
  readonly rule: PromotionRule
  readonly fromTip: string | null
  readonly toTip: string | null
  readonly decision: Decision
  readonly landed: string | null
  readonly evidence: object
  readonly state: PromotionState
  readonly actor: string
  readonly lag: Lag
}

const columns = `id, rule, source, from_branch AS "from", to_branch AS "to", from_tip AS "fromTip", to_tip AS "toTip", candidate, landed,
  verdict, reasons, evidence, state, error, (extract(epoch FROM now() - settled_at) * 1000)::double precision AS "settledMsAgo"`

/** The newest row of each rule. */
export async function lastPromotions(sql: Sql, rules: readonly string[]): Promise<Map<string, PromotionRow>> {
  const rows = await sql.query<PromotionRow>(
    `SELECT p.* FROM unnest($1::text[]) AS r (rule)
     CROSS JOIN LATERAL (SELECT ${columns} FROM promotions WHERE promotions.rule = r.rule ORDER BY id DESC LIMIT 1) AS p`,
    [rules],
  )
  return new Map(rows.map((row) => [row.rule, row]))
}

/** Pushes to a source that nobody has seen the end of. */
export async function pushingPromotions(sql: Sql, source: string): Promise<PromotionRow[]> {
  return await sql.query<PromotionRow>(
    `SELECT ${columns} FROM promotions WHERE state = 'pushing' AND source = $1 ORDER BY id`,
    [source],
  )
}

/** Makes this transaction the only one that begins or settles a push to that branch, of all masters. */
export async function holdTarget(tx: Sql, source: string, branch: string): Promise<void> {
  await tx.query("SELECT pg_advisory_xact_lock(hashtextextended('promotions ' || $1 || ' ' || $2, 0))", [
    source,
    branch,
  ])
}

/** Writes a decision with its event. */
export async function addPromotion(tx: Sql, p: NewPromotion): Promise<string> {
  const {rule, decision, lag} = p
  const [row] = await tx.query<{id: string}>(
    `INSERT INTO promotions (rule, kind, source, from_branch, to_branch, from_tip, to_tip, candidate, landed, verdict, reasons, evidence,
       state, actor, lag_commits, lag_seconds, settled_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::jsonb, $12::jsonb, $13, $14, $15, $16, CASE WHEN $13 = 'pushing' THEN NULL ELSE now() END)
     RETURNING id`,
    [
      rule.name,
      rule.kind,
      rule.source,
      rule.from,
      rule.to,
      p.fromTip,
      p.toTip,
      decision.candidate,
      p.landed,
      decision.verdict,
      JSON.stringify(decision.reasons),
      JSON.stringify(p.evidence),
      p.state,
      p.actor,
      lag.commits,
      lag.seconds,
    ],
  )
  const id = (row as {id: string}).id
  await record(tx, [
    {type: 'promotion.decided', data: {rule: rule.name, verdict: decision.verdict, promotion: id}},
  ])
  return id
}

/** Notes that the decision still holds. */
export async function touchPromotion(sql: Sql, id: string, lag: Lag): Promise<void> {
  await sql.query(
    'UPDATE promotions SET checked_at = now(), lag_commits = $2, lag_seconds = $3 WHERE id = $1',
    [id, lag.commits, lag.seconds],
  )
}

/** Takes a failed push up again in its own row, so that a server that keeps refusing makes one row and one alarm. */
export async function pushAgain(
  tx: Sql,
  id: string,
  landed: string,
  evidence: object,
  actor: string,
): Promise<void> {
  await tx.query(
    `UPDATE promotions SET state = 'pushing', landed = $2, evidence = $3::jsonb, actor = $4, checked_at = now(), settled_at = NULL WHERE id = $1 AND state = 'failed'`,
    [id, landed, JSON.stringify(evidence), actor],
  )
}

/** Ends a push that landed, with its event. False when somebody else has ended it. */
export async function settleDone(
  tx: Sql,
  row: {
    readonly id: string
    readonly rule: string
    readonly from: string
    readonly to: string
    readonly revision: string
  },
): Promise<boolean> {
  const {id, rule, from, to, revision} = row
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 72))', [`${rule} ${to}`])
  // Of several that pushed the same, one moved the branch; for the others it was there already.
  const [settled] = await tx.query<{state: string}>(
    `UPDATE promotions p SET settled_at = now(), checked_at = now(), (state, error) = (
       SELECT CASE WHEN o.id IS NULL THEN 'done' ELSE 'raced' END,
              CASE WHEN o.id IS NOT NULL THEN 'it was promoted by another decision meanwhile' END
       FROM (SELECT 1) one LEFT JOIN LATERAL (
         SELECT id FROM promotions o WHERE o.rule = p.rule AND o.state = 'done' AND o.landed = p.landed
           AND o.to_tip IS NOT DISTINCT FROM p.to_tip AND o.settled_at >= p.decided_at LIMIT 1) o ON true)
     WHERE p.id = $1 AND p.state = 'pushing' RETURNING p.state`,
    [id],
  )
  if (settled?.state !== 'done') return false
  await record(tx, [{type: 'branch.promoted', data: {rule, from, to, revision, promotion: id}}])
  return true
}

/** Ends a push that did not land. A failure is told once: not again while its words stay the same. */
export async function settleLost(
  tx: Sql,
  row: {readonly id: string; readonly rule: string},
  state: 'raced' | 'failed',
  error: string,
): Promise<void> {
  const rows = await tx.query<{told: boolean}>(
    `WITH before AS (SELECT id, error FROM promotions WHERE id = $1 AND state = 'pushing' FOR UPDATE)
     UPDATE promotions p SET state = $2, error = $3, settled_at = now(), checked_at = now() FROM before
     WHERE p.id = before.id RETURNING before.error IS NOT DISTINCT FROM $3 AS told`,
    [row.id, state, error],
  )
  if (state === 'failed' && rows[0]?.told === false)
    await record(tx, [
      {type: 'promotion.decided', data: {rule: row.rule, verdict: 'refuse', promotion: row.id, state, error}},
    ])
}

/** Which builds a rule asks about. */
export interface GateAsk {
  readonly rule: string
  readonly builders: readonly string[]
  readonly branch: string
  /** How builds may name the repository: by the source's name, or its address. */
  readonly repositories: readonly string[]
  readonly origins: readonly string[]
  readonly revisions: readonly string[]
}

export interface GateBuilds {
  readonly newest: GateBuild[]
  readonly builds: GateBuild[]
  readonly running: {builder: string; revision: string}[]
}

/** The builds of every gate of every rule, in one query. Only builds that came to a verdict on their commit count. */
export async function gateBuilds(sql: Sql, asks: readonly GateAsk[]): Promise<Map<string, GateBuilds>> {
  const found = new Map<string, GateBuilds>(
    asks.map(({rule}) => [rule, {newest: [], builds: [], running: []}]),
  )
  if (asks.length === 0) return found
  const rows = await sql.query<GateBuild & {rule: string; part: 'newest' | 'builds' | 'running'}>(
    `WITH asks AS (
       SELECT a.*, g.builder FROM jsonb_to_recordset($1::jsonb)
         AS a (rule text, builders text[], branch text, repositories text[], origins text[], revisions text[])
       CROSS JOIN LATERAL unnest(a.builders) AS g (builder)
     )
     SELECT a.rule, 'newest' AS part, b.* FROM asks a CROSS JOIN LATERAL (
       SELECT id, builder, number, got_revision AS revision, result FROM builds
       WHERE builder = a.builder AND state = 'finished' AND result IN ('success', 'warnings', 'failure') AND got_revision IS NOT NULL
         AND branch = a.branch AND repository = ANY(a.repositories) AND origin = ANY(a.origins)
       ORDER BY finished_at DESC, id DESC LIMIT 1) AS b
     UNION ALL
     SELECT a.rule, 'builds' AS part, b.* FROM asks a CROSS JOIN LATERAL (
       SELECT DISTINCT ON (got_revision) id, builder, number, got_revision AS revision, result FROM builds
       WHERE builder = a.builder AND state = 'finished' AND result IN ('success', 'warnings', 'failure') AND got_revision = ANY(a.revisions)
         AND branch = a.branch AND repository = ANY(a.repositories) AND origin = ANY(a.origins)
       ORDER BY got_revision, finished_at DESC, id DESC) AS b
     UNION ALL
     SELECT a.rule, 'running' AS part, b.id, b.builder, b.number, coalesce(b.got_revision, b.revision), NULL FROM asks a
       JOIN builds b ON b.builder = a.builder AND b.state <> 'finished' AND b.branch = a.branch
         AND coalesce(b.got_revision, b.revision) = ANY(a.revisions)`,
    [JSON.stringify(asks)],
  )
  for (const {rule, part, ...build} of rows) found.get(rule)?.[part].push(build)
  return found
}
