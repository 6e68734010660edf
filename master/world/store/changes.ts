// The nouns of the first stage: changes, and what a poller knows of each repository.
import {record} from './events.ts'
import type {NewEvent} from './events.ts'
import type {Sql} from './store.ts'
import {cleanText} from './text.ts'

export interface NewChange {
  readonly source: string
  readonly repository: string
  readonly branch: string
  readonly revision: string
  readonly parents: readonly string[]
  readonly author: string
  readonly message: string
  readonly files: readonly string[]
  readonly filesMore: number
  readonly link: string | null
  readonly committedAt: Date | null
}

export interface RecordedChange {
  readonly id: string
  readonly source: string
  readonly branch: string
  readonly revision: string
}

/** What is remembered of a repository between polls. */
export interface KnownRepository {
  readonly source: string
  readonly url: string
  readonly refs: Readonly<Record<string, string>>
  /** The branch patterns that `refs` were read with. */
  readonly watched: readonly string[]
  readonly polled: boolean
  readonly failures: number
  /** Milliseconds until it is to be asked, by the database's clock; due at 0 or below. */
  readonly dueInMs: number
  /** The database's time of this look, for `polled`. */
  readonly lookedAt: string
}

const rowsAtOnce = 500
const bytesAtOnce = 4 * 1024 * 1024

/** Records changes in the order given, each once for its source, branch and revision, with their events; answers the new ones. */
export async function recordChanges(tx: Sql, changes: readonly NewChange[]): Promise<RecordedChange[]> {
  const recorded: RecordedChange[] = []
  for (const batch of batches(changes)) {
    const rows = await tx.query<RecordedChange>(
      `INSERT INTO changes (source, repository, branch, revision, parents, author, message, files, files_more, link, committed_at)
       SELECT source, repository, branch, revision, parents, author, message, files, files_more, link, committed_at
       FROM jsonb_to_recordset($1::jsonb) AS c (n integer, source text, repository text, branch text, revision text, parents text[],
         author text, message text, files text[], files_more integer, link text, committed_at timestamptz)
       ORDER BY n
       ON CONFLICT (source, branch, revision) DO NOTHING
       RETURNING id, source, branch, revision`,
      [batch],
    )
    recorded.push(...rows)
  }
  recorded.sort((one, other) => (BigInt(one.id) < BigInt(other.id) ? -1 : 1))
  await record(tx, recorded.map(changeAdded))
  return recorded
}

const changeAdded = ({id, source, branch, revision}: RecordedChange): NewEvent => ({
  type: 'change.added',
  data: {change: id, source, branch, revision},
})

/** JSON arrays of rows, neither too many nor too heavy for one statement. NUL is the one character a text cannot hold. */
function batches(changes: readonly NewChange[]): string[] {
  const ready: string[] = []
  let rows: string[] = []
  let bytes = 0
  const close = () => {
    if (rows.length > 0) ready.push(`[${rows.join(',')}]`)
    rows = []
    bytes = 0
  }
  for (const [n, change] of changes.entries()) {
    const {filesMore, committedAt, ...same} = change
    const row = JSON.stringify(
      {n, ...same, files_more: filesMore, committed_at: committedAt},
      (_key, value: unknown) => (typeof value === 'string' ? cleanText(value) : value),
    )
    if (rows.length === rowsAtOnce || bytes + row.length > bytesAtOnce) close()
    rows.push(row)
    bytes += row.length
  }
  close()
  return ready
}

/** Which of the revisions are already recorded on that branch. */
export async function recordedOf(
  sql: Sql,
  source: string,
  branch: string,
  revisions: readonly string[],
): Promise<Set<string>> {
  const rows = await sql.query<{revision: string}>(
    'SELECT revision FROM changes WHERE source = $1 AND branch = $2 AND revision = ANY($3::text[])',
    [source, branch, revisions],
  )
  return new Set(rows.map((row) => row.revision))
}

/**
 * Makes sure that each source has its row, and reads them. A source that moved to another address starts afresh; one
 * whose interval became shorter is asked accordingly.
 */
export async function lookAtRepositories(
  sql: Sql,
  sources: readonly {readonly name: string; readonly url: string; readonly pollIntervalMs: number}[],
): Promise<KnownRepository[]> {
  if (sources.length === 0) return []
  const wanted = JSON.stringify(
    sources.map(({name, url, pollIntervalMs}) => ({name, url, interval: pollIntervalMs * 1.1})),
  )
  await sql.query(
    `INSERT INTO repositories (source, url)
     SELECT name, url FROM jsonb_to_recordset($1::jsonb) AS s (name text, url text) ORDER BY name
     ON CONFLICT (source) DO UPDATE
       SET url = excluded.url, refs = '{}', polled_at = NULL, next_poll_at = now(), failures = 0, error = NULL
       WHERE repositories.url <> excluded.url`,
    [wanted],
  )
  await sql.query(
    `UPDATE repositories SET next_poll_at = now() + s.interval * interval '1 millisecond'
     FROM jsonb_to_recordset($1::jsonb) AS s (name text, interval double precision)
     WHERE source = s.name AND failures = 0 AND next_poll_at > now() + s.interval * interval '1 millisecond'`,
    [wanted],
  )
  const rows = await sql.query<{
    source: string
    url: string
    refs: Record<string, string>
    watched: string[]
    polled: boolean
    failures: number
    due_in_ms: number
    looked_at: string
  }>(
    `SELECT source, url, refs, watched, polled_at IS NOT NULL AS polled, failures,
       (extract(epoch FROM next_poll_at - now()) * 1000)::double precision AS due_in_ms, now()::text AS looked_at
     FROM repositories WHERE source = ANY($1::text[]) ORDER BY source`,
    [sources.map((source) => source.name)],
  )
  return rows.map(({due_in_ms, looked_at, ...row}) => ({...row, dueInMs: due_in_ms, lookedAt: looked_at}))
}

/** Has a source asked at once; ring `changes` after the commit. False when there is no such source. */
export async function wakeSource(sql: Sql, source: string): Promise<boolean> {
  const rows = await sql.query(
    'UPDATE repositories SET next_poll_at = now() WHERE source = $1 RETURNING source',
    [source],
  )
  return rows.length > 0
}

/** Takes the repository's row for this transaction; null when it has moved since the look. */
export async function holdRepository(tx: Sql, known: KnownRepository): Promise<KnownRepository | null> {
  const [row] = await tx.query<{
    url: string
    refs: Record<string, string>
    watched: string[]
    polled: boolean
    failures: number
  }>(
    'SELECT url, refs, watched, polled_at IS NOT NULL AS polled, failures FROM repositories WHERE source = $1 FOR UPDATE',
    [known.source],
  )
  if (!row || row.url !== known.url || row.polled !== known.polled || !sameRefs(row.refs, known.refs))
    return null
  return {...known, ...row}
}

/** Stores a successful poll. A wake that came in the meantime stands. */
export async function savePoll(
  tx: Sql,
  held: KnownRepository,
  seen: {readonly refs: Readonly<Record<string, string>>; readonly watched: readonly string[]},
  nextMs: number,
): Promise<void> {
  await tx.query(
    `UPDATE repositories SET refs = $2::jsonb, watched = $5::text[], polled_at = now(), failures = 0, error = NULL, ${nextPoll} WHERE source = $1`,
    [held.source, JSON.stringify(seen.refs), nextMs, held.lookedAt, seen.watched],
  )
  if (held.failures > 0) await record(tx, [{type: 'source.recovered', data: {source: held.source}}])
}

/** Stores a failed poll; only the first of a row of failures is an event. */
export async function saveFailure(
  tx: Sql,
  held: KnownRepository,
  error: string,
  nextMs: number,
): Promise<void> {
  await tx.query(
    `UPDATE repositories SET failures = failures + 1, error = $2, ${nextPoll} WHERE source = $1`,
    [held.source, error, nextMs, held.lookedAt],
  )
  if (held.failures === 0) await record(tx, [{type: 'source.failed', data: {source: held.source, error}}])
}

const nextPoll = `next_poll_at = CASE WHEN next_poll_at > $4::timestamptz THEN next_poll_at
  ELSE now() + $3::double precision * interval '1 millisecond' END`

function sameRefs(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(one)
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name])
}
