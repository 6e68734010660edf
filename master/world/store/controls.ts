// What people say to promotion rules: holds, approvals, denied and allowed revisions, freezes that are lifted. Each with who,
// why, when and until; ended ones stay.
import type {Control, Role} from '../../core/promotion/facts.ts'
import {audit} from './audit.ts'
import type {Actor} from './audit.ts'
import {record} from './events.ts'
import type {Sql} from './store.ts'
import {cleanText} from './text.ts'

export type ControlKind = Control['kind']

/** A control as it is stored, in force or over. */
export interface ControlRow {
  readonly id: string
  readonly kind: ControlKind
  readonly rule: string
  readonly revision: string | null
  readonly exact: boolean
  readonly promotion: string | null
  readonly reason: string
  readonly by: string
  readonly role: Role
  readonly madeAt: number
  readonly until: number | null
  readonly endedAt: number | null
  readonly endedBy: string | null
  readonly endedReason: string | null
}

const ms = (column: string) => `(extract(epoch FROM ${column}) * 1000)::double precision`
const columns = `id, kind, rule, revision, exact, promotion, reason, made_by AS by, role, ${ms('made_at')} AS "madeAt", ${ms('until')} AS until,
  ${ms('ended_at')} AS "endedAt", ended_by AS "endedBy", ended_reason AS "endedReason"`

/** The controls of some rules that are in force. */
export async function standingControls(sql: Sql, rules: readonly string[]): Promise<ControlRow[]> {
  return await sql.query<ControlRow>(
    `SELECT ${columns} FROM promotion_controls WHERE rule = ANY($1::text[]) AND ended_at IS NULL
       AND (until IS NULL OR until > now()) ORDER BY id`,
    [rules],
  )
}

/** The newest controls of a rule, also those that are over. */
export async function recentControls(sql: Sql, rule: string, limit: number): Promise<ControlRow[]> {
  return await sql.query<ControlRow>(
    `SELECT ${columns} FROM promotion_controls WHERE rule = $1 ORDER BY id DESC LIMIT $2`,
    [rule, limit],
  )
}

export interface NewControl {
  readonly kind: ControlKind
  readonly rule: string
  readonly reason: string
  readonly role: Role
  readonly revision?: string
  readonly exact?: boolean
  readonly promotion?: string
  /** Milliseconds from now; null: until it is ended. */
  readonly forMs?: number | null
}

/** Says something to a rule, with its audit and, for a hold, its event. An approval that the same person gave before is that one. */
export async function addControl(tx: Sql, actor: Actor, control: NewControl): Promise<ControlRow> {
  const {kind, rule, reason, role, revision = null, exact = false, promotion = null, forMs = null} = control
  const [known] =
    kind === 'approval'
      ? await tx.query<ControlRow>(
          `SELECT ${columns} FROM promotion_controls WHERE kind = 'approval' AND rule = $1 AND revision = $2 AND made_by = $3 AND role = $4
             AND ended_at IS NULL LIMIT 1`,
          [rule, revision, actor.who, role],
        )
      : []
  if (known) return known
  const [row] = await tx.query<ControlRow>(
    `INSERT INTO promotion_controls (kind, rule, reason, made_by, role, revision, exact, promotion, until)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + $9::double precision * interval '1 millisecond') RETURNING ${columns}`,
    [kind, rule, cleanText(reason), actor.who, role, revision, exact, promotion, forMs],
  )
  const made = row as ControlRow
  const {id, until} = made
  await audit(tx, actor, `promotion.${kind}`, rule, {control: id, reason, revision, until})
  if (kind === 'hold')
    await record(tx, [{type: 'promotion.held', data: {rule, hold: id, by: actor.who, reason}}])
  return made
}

/** Ends the controls of some kinds of a rule that are in force: all, or only one, or those of a revision. Answers which. */
export async function endControls(
  tx: Sql,
  actor: Actor,
  which: {
    readonly rule: string
    readonly kinds: readonly ControlKind[]
    readonly id?: string | null
    readonly revision?: string | null
  },
  reason: string,
): Promise<ControlRow[]> {
  const {rule, kinds, id = null, revision = null} = which
  const ended = await tx.query<ControlRow>(
    `UPDATE promotion_controls SET ended_at = now(), ended_by = $5, ended_reason = $6
     WHERE rule = $1 AND kind = ANY($2::text[]) AND ended_at IS NULL AND (until IS NULL OR until > now())
       AND ($3::bigint IS NULL OR id = $3) AND ($4::text IS NULL OR revision = $4) RETURNING ${columns}`,
    [rule, kinds, id, revision, actor.who, cleanText(reason)],
  )
  for (const each of ended) {
    await audit(tx, actor, `promotion.${each.kind}.end`, rule, {control: each.id, reason})
    if (each.kind === 'hold')
      await record(tx, [{type: 'promotion.released', data: {rule, hold: each.id, by: actor.who, reason}}])
  }
  return ended
}

/** Which of these promotions each rule was held because of, then or now. */
export async function answeredPromotions(
  sql: Sql,
  promotions: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await sql.query<{rule: string; promotion: string}>(
    `SELECT DISTINCT rule, promotion FROM promotion_controls WHERE kind = 'hold' AND promotion = ANY($1::bigint[])`,
    [promotions],
  )
  return new Set(rows.map(({rule, promotion}) => `${rule}\n${promotion}`))
}
