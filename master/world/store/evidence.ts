// The builds that promotion rules stand on, read for every rule of a run at once: the number of queries does not grow with
// rules, builders or commits.
import type {Builder} from '../../../config/config.ts'
import type {GateAsk, StoredBuild} from '../../core/promotion/sheet.ts'
import type {Sql} from './store.ts'

export interface StoredEvidence {
  /** Builds and waiting requests of any asked revision. */
  readonly stored: readonly StoredBuild[]
  /** By rule and builder: the newest finished build of the rule's branch. */
  readonly newest: readonly (StoredBuild & {readonly rule: string})[]
}

type Row = Omit<StoredBuild, 'isStale'> & {
  readonly rule: string | null
  readonly version: string | null
}

const columns = (b: string) =>
  `${b}.id, ${b}.builder, ${b}.number, coalesce(${b}.got_revision, ${b}.revision) AS revision, ${b}.state, ${b}.result, ${b}.branch,
   ${b}.repository, ${b}.origin,
   CASE WHEN $5 OR jsonb_array_length(${b}.source_stamps) > 1 THEN ${b}.properties ELSE '{}' END AS properties,
   CASE WHEN jsonb_array_length(${b}.source_stamps) > 1 THEN ${b}.source_stamps END AS stamps,
   (extract(epoch FROM ${b}.finished_at) * 1000)::double precision AS "finishedAt", ${b}.config_version AS version`

/** Reads the builds that the rules ask about. `builders` are those as configured now, for rules that mind stale evidence. */
export async function readEvidence(
  sql: Sql,
  asks: readonly GateAsk[],
  builders: readonly Builder[] = [],
): Promise<StoredEvidence> {
  if (asks.length === 0) return {stored: [], newest: []}
  const unique = (texts: readonly string[]) => [...new Set(texts)]
  const rows = await sql.query<Row>(
    `SELECT NULL AS rule, ${columns('b')} FROM builds b
       WHERE b.got_revision = ANY($1::text[]) AND b.builder = ANY($2::text[]) AND b.state = 'finished' AND b.repository = ANY($3::text[])
     UNION ALL
     SELECT NULL, ${columns('b')} FROM builds b
       WHERE b.state <> 'finished' AND b.builder = ANY($2::text[]) AND coalesce(b.got_revision, b.revision) = ANY($1::text[])
     UNION ALL
     SELECT NULL, r.id, r.builder, 0, s.source_stamps->0->>'revision', 'waiting', NULL, s.source_stamps->0->>'branch',
       s.source_stamps->0->>'repository', s.origin, s.properties, NULL, NULL, NULL
       FROM requests r JOIN buildsets s ON s.id = r.buildset_id
       WHERE r.state = 'pending' AND r.builder = ANY($2::text[]) AND s.source_stamps->0->>'revision' = ANY($1::text[])
         AND NOT EXISTS (SELECT 1 FROM builds WHERE builds.request_id = r.id AND builds.state <> 'finished')
     UNION ALL
     SELECT a.rule, n.* FROM jsonb_to_recordset($4::jsonb)
       AS a (rule text, builders text[], branch text, repositories text[], origins text[], properties jsonb)
     CROSS JOIN LATERAL unnest(a.builders) AS g (builder)
     CROSS JOIN LATERAL (
       SELECT ${columns('b')} FROM builds b
       WHERE b.builder = g.builder AND b.state = 'finished' AND b.result IN ('success', 'warnings', 'failure') AND b.got_revision IS NOT NULL
         AND b.branch = a.branch AND b.repository = ANY(a.repositories) AND b.origin = ANY(a.origins)
         AND (a.properties = '{}' OR b.properties @> a.properties)
       ORDER BY b.finished_at DESC, b.id DESC LIMIT 1) AS n`,
    [
      unique([...new Set(asks.map(({revisions}) => revisions))].flat()),
      unique(asks.flatMap((ask) => ask.builders)),
      unique(asks.flatMap(({repositories}) => repositories)),
      JSON.stringify(asks.map(({revisions: _revisions, branches: _branches, ...ask}) => ask)),
      asks.some(({properties}) => Object.keys(properties).length > 0),
    ],
  )
  const stale = await staleVersions(sql, rows, builders)
  const marked = rows.map(({version, ...row}) => ({
    ...row,
    isStale: stale(version, row.builder),
  }))
  return {
    stored: marked.filter(({rule}) => rule === null).map(({rule: _rule, ...row}) => row),
    newest: marked.flatMap(({rule, ...row}) => (rule === null ? [] : [{...row, rule}])),
  }
}

/** Tells whether a builder was another in some version of the configuration: other steps, environment or container. */
async function staleVersions(
  sql: Sql,
  rows: readonly Row[],
  builders: readonly Builder[],
): Promise<(version: string | null, builder: string) => boolean> {
  if (builders.length === 0) return () => false
  const versions = [...new Set(rows.flatMap(({version}) => version ?? []))]
  const same = await sql.query<{version: string; name: string}>(
    `SELECT v.id AS version, was->>'name' AS name FROM config_versions v
       CROSS JOIN LATERAL jsonb_array_elements(v.config->'builders') AS was
       JOIN jsonb_array_elements($2::jsonb) AS is_now ON is_now->>'name' = was->>'name'
     WHERE v.id = ANY($1::bigint[]) AND was->'steps' = is_now->'steps' AND was->'env' = is_now->'env'
       AND was->'container' = is_now->'container' AND was->'properties' = is_now->'properties'`,
    [versions, JSON.stringify(builders)],
  )
  const known = new Set(same.map(({version, name}) => `${version}\n${name}`))
  return (version, builder) => !known.has(`${version ?? ''}\n${builder}`)
}

/** Whether schedulers are about to build a branch's tip by themselves: it was not polled, not read, or not released yet. */
export type Awaited = (branch: string, tip: string | null) => boolean

/** Reads what schedulers are about to build of a source. */
export async function readAwaited(sql: Sql, source: string): Promise<Awaited> {
  const rows = await sql.query<{branch: string | null}>(
    `SELECT DISTINCT h.branch FROM scheduler_changes h JOIN changes c ON c.id = h.change_id WHERE c.source = $1
     UNION ALL
     SELECT NULL WHERE EXISTS (SELECT 1 FROM events WHERE type = 'change.added'
       AND id > coalesce((SELECT id FROM cursors WHERE reader = 'schedules'), 0))`,
    [source],
  )
  const [polled] = await sql.query<{refs: Record<string, string>}>(
    'SELECT refs FROM repositories WHERE source = $1',
    [source],
  )
  const held = new Set(rows.map(({branch}) => branch))
  return (branch, tip) => {
    const seen = polled?.refs[branch]
    return held.has(null) || held.has(branch) || (seen !== undefined && seen !== tip)
  }
}
