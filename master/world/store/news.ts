// What notices tell of: builds and promotions with everything that their words need, each read in one query; and the
// conflicts that have stood for so long that somebody must be reminded.
import type {BuildNews, PromotionNews} from '../../core/notices.ts'
import {record, type StoredEvent} from './events.ts'
import type {Sql} from './store.ts'

/** The most changes of a build whose authors are told. */
const changesMax = 50

/** The builds of the ids, by id. */
export async function buildNews(sql: Sql, ids: readonly string[]): Promise<Map<string, BuildNews>> {
  const rows = await sql.query<BuildNews>(
    `SELECT b.id, b.builder, b.number, b.result, b.summary, b.branch, coalesce(b.got_revision, b.revision) AS revision,
            b.worker, b.reason,
            (SELECT p.result FROM builds p WHERE p.builder = b.builder AND p.id < b.id AND p.state = 'finished'
               AND p.branch IS NOT DISTINCT FROM b.branch AND p.result IN ('success', 'warnings', 'failure', 'exception')
             ORDER BY p.id DESC LIMIT 1) AS before,
            (SELECT coalesce(jsonb_agg(jsonb_build_object('revision', c.revision, 'author', c.author,
                 'subject', left(split_part(c.message, E'\\n', 1), 200)) ORDER BY c.id DESC), '[]')
             FROM (SELECT * FROM changes WHERE id = ANY(s.change_ids) ORDER BY id DESC LIMIT ${String(changesMax)}) c) AS changes,
            greatest(cardinality(s.change_ids) - ${String(changesMax)}, 0) AS "changesMore",
            (SELECT jsonb_build_object('step', t.name, 'summary', t.summary, 'log',
                 (SELECT min(l.id)::text FROM logs l WHERE l.attempt = t.attempt AND l.step = t.number AND NOT l.deleted))
             FROM steps t WHERE t.build_id = b.id AND t.attempt = b.attempt AND t.result IN ('failure', 'exception')
             ORDER BY t.number LIMIT 1) AS failed
     FROM builds b JOIN buildsets s ON s.id = b.buildset_id WHERE b.id = ANY($1::bigint[])`,
    [ids],
  )
  return new Map(rows.map((row) => [row.id, row]))
}

interface Decided {
  readonly id: string
  readonly rule: string
  readonly kind: string
  readonly from: string
  readonly to: string
  readonly fromTip: string | null
  readonly toTip: string | null
  readonly candidate: string | null
  readonly landed: string | null
  readonly reasons: readonly string[]
  readonly evidence: {readonly files?: unknown} | null
  readonly error: string | null
}

/** What events of promotions tell, by the event's id: from the event itself, else from the decision that it names or the rule's newest. */
export async function promotionNews(
  sql: Sql,
  events: readonly StoredEvent[],
): Promise<Map<string, PromotionNews>> {
  if (events.length === 0) return new Map()
  const columns = `id, rule, kind, from_branch AS "from", to_branch AS "to", from_tip AS "fromTip", to_tip AS "toTip", candidate, landed,
    reasons, evidence, error`
  const named = await sql.query<Decided>(`SELECT ${columns} FROM promotions WHERE id = ANY($1::bigint[])`, [
    events.flatMap(({data}) => (isId(data['promotion']) ? [data['promotion']] : [])),
  ])
  const newest = await sql.query<Decided>(
    `SELECT p.* FROM unnest($1::text[]) AS r (rule) CROSS JOIN LATERAL (
       SELECT ${columns} FROM promotions WHERE promotions.rule = r.rule ORDER BY id DESC LIMIT 1) p`,
    [[...new Set(events.map(({data}) => text(data['rule']) ?? ''))]],
  )
  return new Map(
    events.map(({cursor, data}) => {
      const row =
        named.find(({id}) => id === data['promotion']) ??
        newest.find(({rule}) => rule === data['rule']) ??
        null
      return [cursor.id, toldOf(data, row)]
    }),
  )
}

const isId = (value: unknown): value is string =>
  typeof value === 'string' && /^[1-9][0-9]{0,17}$/.test(value)
const text = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null)
const texts = (value: unknown): string[] | null =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'string') : null

const toldOf = (data: StoredEvent['data'], row: Decided | null): PromotionNews => ({
  rule: text(data['rule']) ?? row?.rule ?? '',
  promotion: text(data['promotion']),
  kind: text(data['kind']) ?? row?.kind ?? null,
  from: text(data['from']) ?? row?.from ?? null,
  to: text(data['to']) ?? row?.to ?? null,
  fromTip: text(data['fromTip']) ?? row?.fromTip ?? null,
  toTip: text(data['toTip']) ?? row?.toTip ?? null,
  revision: text(data['revision']) ?? row?.candidate ?? null,
  landed: text(data['landed']) ?? row?.landed ?? null,
  reasons: row?.reasons ?? [],
  files: texts(data['files']) ?? texts(row?.evidence?.files) ?? [],
  authors: texts(data['authors']) ?? [],
  error: text(data['error']) ?? row?.error ?? null,
  by: text(data['by']),
  reason: text(data['reason']),
  since: text(data['since']),
})

/**
 * Records a reminder for each conflict of these rules that has stood for a day and of which nobody was reminded for a day.
 * Answers how many. To be called by one reader at a time: whoever has locked the cursor of the reports.
 */
export async function remindOfConflicts(tx: Sql, rules: readonly string[]): Promise<number> {
  const rows = await tx.query<{
    id: string
    rule: string
    since: string
    files: unknown
    authors: unknown
  }>(
    `SELECT p.id, p.rule, to_char(p.decided_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS since,
            coalesce(e.data->'files', p.evidence->'files') AS files, e.data->'authors' AS authors
     FROM (SELECT DISTINCT ON (rule) * FROM promotions WHERE rule = ANY($1::text[]) AND state = 'conflict' AND resolved_at IS NULL
           ORDER BY rule, id DESC) p
     LEFT JOIN LATERAL (
       SELECT data FROM events WHERE type = 'promotion.conflict' AND data->>'promotion' = p.id::text ORDER BY id DESC LIMIT 1) e ON true
     WHERE p.decided_at < now() - interval '1 day'
       AND NOT EXISTS (SELECT 1 FROM events WHERE type = 'promotion.reminder' AND data->>'rule' = p.rule AND at > now() - interval '1 day')
     ORDER BY p.rule`,
    [rules],
  )
  await record(
    tx,
    rows.map(({id, rule, since, files, authors}) => ({
      type: 'promotion.reminder',
      data: {rule, promotion: id, since, files: texts(files) ?? [], authors: texts(authors) ?? []},
    })),
  )
  return rows.length
}
