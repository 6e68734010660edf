// The promotions' rows: what was decided, what it was made on, what was pushed and how that ended; each with its events.
import type {PromotionRule} from '../../../config/config.ts'
import type {Decision, Relation} from '../../core/promotion/facts.ts'
import type {Basis} from '../../core/promotion/replay.ts'
import {record} from './events.ts'
import type {NewEvent} from './events.ts'
import type {Sql} from './store.ts'

export type PromotionState = 'decided' | 'pushing' | 'done' | 'raced' | 'failed' | 'conflict'

export interface PromotionRow {
  readonly id: string
  readonly rule: string
  readonly kind: PromotionRule['kind'] | 'rollback'
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
  /** Another word for what is done than the rule's kind. */
  readonly kind?: 'rollback'
  readonly fromTip: string | null
  readonly toTip: string | null
  readonly relation: Relation | null
  readonly decision: Decision
  readonly landed: string | null
  readonly evidence: object
  /** What it was made on; asked only when it is stored. */
  readonly basis: (() => Basis) | null
  readonly state: PromotionState
  readonly actor: string
  readonly lag: Lag
}

const columns = `id, rule, kind, source, from_branch AS "from", to_branch AS "to", from_tip AS "fromTip", to_tip AS "toTip", candidate, landed,
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
       state, actor, lag_commits, lag_seconds, basis, would, settled_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::jsonb, $12::jsonb, $13, $14, $15, $16, $17::jsonb, $18, CASE WHEN $13 = 'pushing' THEN NULL ELSE now() END)
     RETURNING id`,
    [
      rule.name,
      p.kind ?? rule.kind,
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
      p.basis === null ? null : JSON.stringify(p.basis()),
      decision.would,
    ],
  )
  const id = (row as {id: string}).id
  const events: NewEvent[] = [
    {type: 'promotion.decided', data: {rule: rule.name, verdict: decision.verdict, promotion: id}},
  ]
  if (decision.verdict === 'refuse' && p.kind !== 'rollback') events.push(refusalEvent(p, id))
  await record(tx, events)
  return id
}

/** A branch that has gone its own way is told as that, every other refusal with its words. */
const refusalEvent = ({rule, relation, decision}: NewPromotion, promotion: string) =>
  relation === 'diverged' && rule.kind === 'fastForward'
    ? {type: 'promotion.diverged', data: {rule: rule.name, promotion}}
    : {type: 'promotion.refused', data: {rule: rule.name, promotion, error: decision.reasons.join('; ')}}

export interface StandingDecision {
  readonly id: string
  readonly lag: Lag
}

/** Notes that these decisions still hold. */
export async function touchPromotions(sql: Sql, standing: readonly StandingDecision[]): Promise<void> {
  if (standing.length === 0) return
  await sql.query(
    `UPDATE promotions p SET checked_at = now(), lag_commits = s.commits, lag_seconds = s.seconds
     FROM unnest($1::bigint[], $2::integer[], $3::double precision[]) AS s (id, commits, seconds) WHERE p.id = s.id`,
    [standing.map(({id}) => id), standing.map(({lag}) => lag.commits), standing.map(({lag}) => lag.seconds)],
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

/** What is said of a push that found all there. */
export const promotedMeanwhile = 'it was promoted by another decision meanwhile'

/** Ends a push that landed, with its event; one that found all there (`wasThere`) is no promotion if another was, and `raced`. Null when somebody else has ended it. */
export async function settleDone(
  tx: Sql,
  row: {
    readonly id: string
    readonly rule: string
    readonly from: string
    readonly to: string
    readonly kind: PromotionRow['kind']
    readonly revision: string
    readonly landed: string
  },
  wasThere = false,
): Promise<'done' | 'raced' | null> {
  const {id, rule, kind, from, to, revision, landed} = row
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 72))', [`${rule} ${to}`])
  // Of several that pushed the same, one moved the branch; for the others it was there already.
  const [settled] = await tx.query<{state: 'done' | 'raced'}>(
    `UPDATE promotions p SET settled_at = now(), checked_at = now(), (state, error) = (
       SELECT CASE WHEN o.id IS NULL THEN 'done' ELSE 'raced' END,
              CASE WHEN o.id IS NOT NULL THEN $3 END
       FROM (SELECT 1) one LEFT JOIN LATERAL (
         SELECT id FROM promotions o WHERE o.rule = p.rule AND o.state = 'done' AND o.landed = p.landed
           AND o.to_tip IS NOT DISTINCT FROM p.to_tip AND ($2 OR o.settled_at >= p.decided_at) LIMIT 1) o ON true)
     WHERE p.id = $1 AND p.state = 'pushing' RETURNING p.state`,
    [id, wasThere, promotedMeanwhile],
  )
  if (settled?.state !== 'done') return settled?.state ?? null
  const type = kind === 'rollback' ? 'branch.rolledBack' : 'branch.promoted'
  await record(tx, [{type, data: {rule, kind, from, to, revision, landed, promotion: id}}])
  if (kind !== 'rollback') await resolveConflicts(tx, rule)
  return 'done'
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
    await record(tx, [{type: 'promotion.refused', data: {rule: row.rule, promotion: row.id, error}}])
}

/** Notes that the conflicts of a rule are over, with the event that tells of it, once. */
export async function resolveConflicts(tx: Sql, rule: string): Promise<void> {
  const over = await tx.query<{id: string}>(
    `UPDATE promotions SET resolved_at = now() WHERE rule = $1 AND state = 'conflict' AND resolved_at IS NULL RETURNING id`,
    [rule],
  )
  const newest = over.map(({id}) => BigInt(id)).reduce((one, other) => (one > other ? one : other), 0n)
  if (newest > 0n) await record(tx, [{type: 'promotion.resolved', data: {rule, promotion: String(newest)}}])
}

/** The conflict that each rule still has. */
export async function openConflicts(
  sql: Sql,
  rules: readonly string[],
): Promise<Map<string, {candidate: string; toTip: string; files: readonly string[]}>> {
  const rows = await sql.query<{rule: string; candidate: string; toTip: string; files: string[] | null}>(
    `SELECT DISTINCT ON (rule) rule, coalesce(candidate, from_tip) AS candidate, to_tip AS "toTip", evidence->'files' AS files
     FROM promotions WHERE rule = ANY($1::text[]) AND state = 'conflict' AND resolved_at IS NULL ORDER BY rule, id DESC`,
    [rules],
  )
  return new Map(rows.map(({rule, files, ...row}) => [rule, {...row, files: files ?? []}]))
}

/** What was promoted last to each branch of a source, or brought back to it. */
export async function lastLanded(
  sql: Sql,
  source: string,
): Promise<Map<string, {id: string; landed: string}>> {
  const rows = await sql.query<{to: string; id: string; landed: string}>(
    `SELECT DISTINCT ON (to_branch) to_branch AS to, id, landed FROM promotions
     WHERE source = $1 AND state = 'done' AND landed IS NOT NULL ORDER BY to_branch, id DESC`,
    [source],
  )
  return new Map(rows.map((row) => [row.to, row]))
}

/** The promotion that brought a branch to a revision; null when none did. */
export async function promotionTo(
  sql: Sql,
  source: string,
  branch: string,
  landed: string,
): Promise<PromotionRow | null> {
  const [row] = await sql.query<PromotionRow>(
    `SELECT ${columns} FROM promotions WHERE source = $1 AND to_branch = $2 AND landed = $3 AND state = 'done'
       AND kind <> 'rollback' ORDER BY id DESC LIMIT 1`,
    [source, branch, landed],
  )
  return row ?? null
}
