// What schedulers remember: when they are due, and the changes they hold until the tree is stable.
import type {ChangeSource, SingleBranch} from '../../../config/config.ts'
import type {BranchBuild} from '../../core/testfix.ts'
import type {Sql} from './store.ts'

export interface ChangeRow {
  readonly id: string
  readonly source: string
  readonly repository: string
  readonly branch: string
  readonly revision: string
  readonly author: string
  readonly message: string
  readonly files: readonly string[]
  readonly filesMore: number
  /** Milliseconds since 1970, by the database's clock. */
  readonly recordedAt: number
}

const changeColumns = `c.id, c.source, c.repository, c.branch, c.revision, c.author, c.message, c.files,
  c.files_more AS "filesMore", (extract(epoch FROM c.recorded_at) * 1000)::float8 AS "recordedAt"`

/** The changes of the ids, oldest first. */
export async function changesById(sql: Sql, ids: readonly string[]): Promise<ChangeRow[]> {
  if (ids.length === 0) return []
  return await sql.query(
    `SELECT ${changeColumns} FROM changes c WHERE c.id = ANY($1::bigint[]) ORDER BY c.id`,
    [ids],
  )
}

export interface SchedulerRow {
  readonly name: string
  /** Milliseconds since 1970; null when nothing is due. */
  readonly dueAt: number | null
  readonly fingerprint: string
  readonly lastFiredAt: number | null
  readonly lastRevision: string | null
}

const ms = (column: string) => `(extract(epoch FROM ${column}) * 1000)::float8`
const schedulerColumns = `name, ${ms('due_at')} AS "dueAt", fingerprint, ${ms('last_fired_at')} AS "lastFiredAt",
  last_revision AS "lastRevision"`

export async function schedulerRows(sql: Sql): Promise<SchedulerRow[]> {
  return await sql.query(`SELECT ${schedulerColumns} FROM schedulers`)
}

/** The database's clock, in milliseconds since 1970. */
export async function databaseNow(sql: Sql): Promise<number> {
  const [row] = await sql.query<{now: number}>(`SELECT ${ms('clock_timestamp()')} AS now`)
  return (row as {now: number}).now
}

/** Locks schedulers that are due; another master's are passed over. */
export async function lockDue(tx: Sql, names: readonly string[]): Promise<SchedulerRow[]> {
  return await tx.query(
    `SELECT ${schedulerColumns} FROM schedulers WHERE name = ANY($1::text[]) AND due_at <= clock_timestamp()
     ORDER BY name FOR UPDATE SKIP LOCKED`,
    [names],
  )
}

/** Sets what schedulers remember; those not there yet are made. */
export async function writeSchedulers(tx: Sql, rows: readonly SchedulerRow[]): Promise<void> {
  if (rows.length === 0) return
  const time = (value: number | null) => (value === null ? null : new Date(value))
  await tx.query(
    `INSERT INTO schedulers (name, due_at, fingerprint, last_fired_at, last_revision)
     SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::timestamptz[], $5::text[])
     ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at, fingerprint = excluded.fingerprint,
       last_fired_at = excluded.last_fired_at, last_revision = excluded.last_revision`,
    [
      rows.map((row) => row.name),
      rows.map((row) => time(row.dueAt)),
      rows.map((row) => row.fingerprint),
      rows.map((row) => time(row.lastFiredAt)),
      rows.map((row) => row.lastRevision),
    ],
  )
}

/** Holds changes for schedulers whose tree must be stable first, and sets when they are due. */
export async function holdChanges(
  tx: Sql,
  holds: readonly {scheduler: string; change: string; branch: string; dueAt: number}[],
): Promise<void> {
  if (holds.length === 0) return
  await tx.query(
    `INSERT INTO scheduler_changes (scheduler, change_id, branch)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[]) ON CONFLICT DO NOTHING`,
    [holds.map((hold) => hold.scheduler), holds.map((hold) => hold.change), holds.map((hold) => hold.branch)],
  )
  // The stage is due when the first of its branches may be stable; it looks at each branch by itself then.
  await tx.query(
    `INSERT INTO schedulers (name, due_at)
     SELECT name, min(due) FROM unnest($1::text[], $2::timestamptz[]) AS d (name, due) GROUP BY name
     ON CONFLICT (name) DO UPDATE SET due_at = least(schedulers.due_at, excluded.due_at)`,
    [holds.map((hold) => hold.scheduler), holds.map((hold) => new Date(hold.dueAt))],
  )
}

/** The changes a scheduler holds, oldest first. */
export async function heldChanges(tx: Sql, scheduler: string): Promise<ChangeRow[]> {
  return await tx.query(
    `SELECT ${changeColumns} FROM changes c JOIN scheduler_changes s ON s.change_id = c.id
     WHERE s.scheduler = $1 ORDER BY c.id`,
    [scheduler],
  )
}

export async function releaseChanges(tx: Sql, scheduler: string, changes: readonly string[]): Promise<void> {
  await tx.query('DELETE FROM scheduler_changes WHERE scheduler = $1 AND change_id = ANY($2::bigint[])', [
    scheduler,
    changes,
  ])
}

/** Has those of the schedulers that hold changes look at once whether they may go. Ring nothing: the stage is at it. */
export async function hasten(tx: Sql, schedulers: readonly string[]): Promise<void> {
  await tx.query(
    `UPDATE schedulers SET due_at = clock_timestamp() WHERE name = ANY($1::text[])
       AND EXISTS (SELECT 1 FROM scheduler_changes h WHERE h.scheduler = schedulers.name)`,
    [schedulers],
  )
}

/** How a scheduler's builders last ended on the branches of these changes, where that was a verdict on the commit. */
export async function lastBuilds(
  sql: Sql,
  sources: readonly ChangeSource[],
  {builders, source}: Pick<SingleBranch, 'builders' | 'source'>,
  changes: readonly {readonly branch: string; readonly repository: string}[],
): Promise<BranchBuild[]> {
  const found = sources.find(({name}) => name === source)
  // Builds may name the repository by the source's name, or by its address.
  const addresses = [
    ...(found?.kind === 'git' ? [found.url] : []),
    ...changes.map(({repository}) => repository),
  ]
  return await sql.query(
    `SELECT b.* FROM unnest($1::text[]) WITH ORDINALITY AS n (builder, place) CROSS JOIN unnest($2::text[]) AS g (branch)
     CROSS JOIN LATERAL (
       SELECT id, builder, number, branch, result FROM builds
       WHERE builds.builder = n.builder AND builds.branch = g.branch AND repository = ANY($3::text[])
         AND state = 'finished' AND result IN ('success', 'warnings', 'failure')
       ORDER BY finished_at DESC, id DESC LIMIT 1) b
     ORDER BY n.place, b.branch`,
    [builders, [...new Set(changes.map(({branch}) => branch))], [...new Set([source, ...addresses])]],
  )
}

/** The newest change of a branch. */
export async function newestChange(sql: Sql, source: string, branch: string): Promise<ChangeRow | null> {
  const [row] = await sql.query<ChangeRow>(
    `SELECT ${changeColumns} FROM changes c WHERE c.source = $1 AND c.branch = $2 ORDER BY c.id DESC LIMIT 1`,
    [source, branch],
  )
  return row ?? null
}
