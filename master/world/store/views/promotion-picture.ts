// What a promotion rule was judged by last, and what is known of the commits between its branches.
import type {Evidence} from '../../../core/promotion/facts.ts'
import type {Basis} from '../../../core/promotion/replay.ts'
import type {Sql} from '../store.ts'

/** The newest decision of a rule that tells what it was made on; null without one. */
export interface Drawn {
  readonly id: string
  readonly would: string | null
  readonly basis: Basis
  readonly excuses: Evidence['excuses']
}

export async function readDrawn(sql: Sql, rule: string): Promise<Drawn | null> {
  const [row] = await sql.query<Drawn>(
    `SELECT id, would, basis, coalesce(evidence->'excuses', '[]') AS excuses FROM promotions
     WHERE rule = $1 AND basis IS NOT NULL ORDER BY id DESC LIMIT 1`,
    [rule],
  )
  return row ?? null
}

export interface KnownCommit {
  readonly revision: string
  readonly subject: string
  readonly author: string
  readonly at: Date
  readonly link: string | null
}

/** What the change sources have told of some commits of a branch. */
export async function readCommits(
  sql: Sql,
  source: string,
  branch: string,
  revisions: readonly string[],
): Promise<Map<string, KnownCommit>> {
  const rows = await sql.query<KnownCommit>(
    `SELECT revision, split_part(message, E'\\n', 1) AS subject, author, coalesce(committed_at, recorded_at) AS at, link
     FROM changes WHERE source = $1 AND branch = $2 AND revision = ANY($3::text[])`,
    [source, branch, revisions],
  )
  return new Map(rows.map((row) => [row.revision, row]))
}
