// What the promotion rules decided, with evidence.
import type {Property} from '../../../../worker/protocol/plan.ts'
import type {Sql} from '../store.ts'
import {beforeId, iso, isoOrNull, paged, type Page, type Paged} from './pages.ts'

export type Verdict = 'promote' | 'wait' | 'refuse' | 'current'

/** A decision as it is stored and shown. */
export interface DecisionRow {
  readonly id: string
  readonly rule: string
  readonly kind: 'fastForward' | 'merge'
  readonly from: string
  readonly to: string
  readonly fromTip: string | null
  readonly toTip: string | null
  readonly candidate: string | null
  readonly landed: string | null
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
  p.candidate, p.landed, p.verdict, p.reasons, p.evidence, p.state, p.error, p.actor, p.decided_at, p.checked_at, p.settled_at,
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
