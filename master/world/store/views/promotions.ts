// What the promotion rules decided, with evidence.
import type {Property} from '../../../../worker/protocol/plan.ts'
import type {Sql} from '../store.ts'
import {beforeId, iso, isoOrNull, paged, type Page, type Paged} from './pages.ts'

export type Verdict = 'promote' | 'wait' | 'refuse' | 'current'

/** A decision as it is stored and shown. */
export interface DecisionRow {
  readonly id: string
  readonly rule: string
  readonly kind: 'fastForward' | 'merge' | 'gate' | 'rollback'
  readonly from: string
  readonly to: string
  readonly fromTip: string | null
  readonly toTip: string | null
  readonly candidate: string | null
  readonly landed: string | null
  /** What would have been promoted if nothing had held it. */
  readonly would: string | null
  readonly verdict: Verdict
  readonly reasons: string[]
  readonly evidence: Property
  readonly state: 'decided' | 'pushing' | 'done' | 'raced' | 'failed' | 'conflict'
  readonly error: string | null
  readonly actor: string
  readonly decidedAt: string
  readonly settledAt: string | null
}

type Stored = Omit<DecisionRow, 'decidedAt' | 'settledAt'> & {
  readonly decided_at: Date
  readonly checked_at: Date
  readonly settled_at: Date | null
  readonly lag_commits: number | null
  readonly lag_seconds: number | null
}

const columns = `p.id, p.rule, p.kind, p.from_branch AS "from", p.to_branch AS "to", p.from_tip AS "fromTip", p.to_tip AS "toTip",
  p.candidate, p.landed, p.would, p.verdict, p.reasons, p.evidence, p.state, p.error, p.actor, p.decided_at, p.checked_at, p.settled_at,
  p.lag_commits, p.lag_seconds`

const asDecision = (row: Stored): DecisionRow => {
  const {
    decided_at,
    checked_at: _checked,
    settled_at,
    lag_commits: _commits,
    lag_seconds: _seconds,
    ...rest
  } = row
  return {...rest, decidedAt: iso(decided_at), settledAt: isoOrNull(settled_at)}
}

/** The decisions of one rule, newest first; null for a cursor that is none of ours. */
export async function listDecisions(sql: Sql, rule: string, page: Page): Promise<Paged<DecisionRow> | null> {
  const before = beforeId(page.cursor)
  if (before === null) return null
  const rows = await sql.query<Stored>(
    `SELECT ${columns} FROM promotions p WHERE p.rule = $3 AND p.id < $1 ORDER BY p.id DESC LIMIT $2`,
    [before, page.limit + 1, rule],
  )
  return paged(rows, page.limit, asDecision)
}

export async function readDecision(sql: Sql, id: string): Promise<DecisionRow | null> {
  const [row] = await sql.query<Stored>(`SELECT ${columns} FROM promotions p WHERE p.id = $1`, [id])
  return row ? asDecision(row) : null
}

/** Where a rule stands: its newest decision and the last one that moved its branch. */
export interface RuleStanding {
  readonly rule: string
  readonly latest:
    | (DecisionRow & {
        readonly checkedAt: string
        readonly lag: {commits: number | null; seconds: number | null}
      })
    | null
  readonly lastAction: {id: string; at: string; revision: string; landed: string | null} | null
}

/** Where each named rule stands, in the order of the names. */
export async function readStandings(sql: Sql, rules: readonly string[]): Promise<RuleStanding[]> {
  const latest = await sql.query<Stored>(
    `SELECT p.* FROM unnest($1::text[]) AS n(rule)
       JOIN LATERAL (SELECT ${columns} FROM promotions p WHERE p.rule = n.rule ORDER BY p.id DESC LIMIT 1) p ON true`,
    [rules],
  )
  const actions = await sql.query<{
    rule: string
    id: string
    at: Date
    revision: string
    landed: string | null
  }>(
    `SELECT n.rule, p.* FROM unnest($1::text[]) AS n(rule)
       JOIN LATERAL (
         SELECT p.id, coalesce(p.settled_at, p.decided_at) AS at, coalesce(p.candidate, '') AS revision, p.landed
           FROM promotions p WHERE p.rule = n.rule AND p.state = 'done' ORDER BY p.id DESC LIMIT 1
       ) p ON true`,
    [rules],
  )
  return rules.map((rule) => {
    const row = latest.find((one) => one.rule === rule)
    const action = actions.find((one) => one.rule === rule)
    return {
      rule,
      latest: row
        ? {
            ...asDecision(row),
            checkedAt: iso(row.checked_at),
            lag: {commits: row.lag_commits, seconds: row.lag_seconds},
          }
        : null,
      lastAction: action
        ? {id: action.id, at: iso(action.at), revision: action.revision, landed: action.landed}
        : null,
    }
  })
}

/** A decision with what it was made on; null for none of that rule. */
export async function readBasis(
  sql: Sql,
  rule: string,
  id: string,
): Promise<{readonly decision: DecisionRow; readonly basis: Property} | null> {
  const [row] = await sql.query<Stored & {readonly basis: Property}>(
    `SELECT ${columns}, p.basis FROM promotions p WHERE p.rule = $1 AND p.id = $2`,
    [rule, id],
  )
  if (!row) return null
  const {basis, ...decision} = row
  return {decision: asDecision(decision), basis}
}

/** Why, at one look, the newer commits were not promoted. */
export interface Excuses {
  readonly decision: string
  readonly decidedAt: string
  readonly checkedAt: string
  readonly verdict: Verdict
  readonly candidate: string | null
  readonly reasons: string[]
  readonly excuses: {revision: string; because: string}[]
}

/** The excuses of a rule's last decisions, newest first; of one revision, or of all. */
export async function readExcuses(
  sql: Sql,
  rule: string,
  decisions: number,
  revision: string | null,
): Promise<Excuses[]> {
  const rows = await sql.query<
    Omit<Excuses, 'decidedAt' | 'checkedAt'> & {readonly decided_at: Date; readonly checked_at: Date}
  >(
    `SELECT p.id AS decision, p.decided_at, p.checked_at, p.verdict, p.candidate, p.reasons,
       coalesce(p.evidence->'excuses', '[]') AS excuses
     FROM promotions p WHERE p.rule = $1 ORDER BY p.id DESC LIMIT $2`,
    [rule, decisions],
  )
  return rows.map(({decided_at, checked_at, excuses, ...row}) => ({
    ...row,
    decidedAt: iso(decided_at),
    checkedAt: iso(checked_at),
    excuses: revision === null ? excuses : excuses.filter((each) => each.revision.startsWith(revision)),
  }))
}

/** The whole names of the revisions that a short one may mean, among a source's changes and what the rule decided last. */
export async function revisionsLike(
  sql: Sql,
  rule: {readonly name: string; readonly source: string},
  short: string,
): Promise<string[]> {
  const rows = await sql.query<{revision: string}>(
    `SELECT DISTINCT revision FROM (
       SELECT revision FROM changes WHERE source = $1
       UNION ALL SELECT unnest(ARRAY[p.candidate, p.would, p.from_tip, p.landed]) FROM promotions p WHERE p.rule = $2
     ) AS known WHERE starts_with(revision, $3) LIMIT 2`,
    [rule.source, rule.name, short],
  )
  return rows.map(({revision}) => revision)
}
