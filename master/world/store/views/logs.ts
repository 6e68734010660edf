// Logs and artifacts by id, with what a reader of their files needs to know.
import type {Sql} from '../store.ts'
import {beforeId, paged, type Page, type Paged} from './pages.ts'

export interface LogRow {
  readonly id: string
  readonly build: string
  readonly attempt: string
  readonly step: number
  readonly name: string
  readonly bytes: number
  readonly lines: number
  readonly segments: number
  /** How much of the log's file counts. */
  readonly storedBytes: number
  readonly crc32: number
  readonly complete: boolean
  readonly deleted: boolean
}

const logColumns = `id, build_id AS build, attempt, step, name, bytes::float8 AS bytes, lines::float8 AS lines, segments,
            stored_bytes::float8 AS "storedBytes", crc32::float8 AS crc32, complete, deleted`

export async function readLog(sql: Sql, id: string): Promise<LogRow | null> {
  const [row] = await sql.query<LogRow>(`SELECT ${logColumns} FROM logs WHERE id = $1`, [id])
  return row ?? null
}

/** The logs of these builds that have not gone yet, of all their attempts. */
export async function logsOfBuilds(sql: Sql, builds: readonly string[]): Promise<LogRow[]> {
  return await sql.query<LogRow>(
    `SELECT ${logColumns} FROM logs WHERE build_id = ANY($1::bigint[]) AND NOT deleted ORDER BY id`,
    [builds],
  )
}

export interface ArtifactRow {
  readonly id: string
  readonly build: string
  readonly step: number
  readonly name: string
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

const artifactColumns = 'id, build_id AS build, step, name, path, bytes::float8 AS bytes, sha256'

/** The artifacts kept by one build, or by all; null for a cursor that is none of ours. */
export async function listArtifacts(
  sql: Sql,
  build: string | undefined,
  page: Page,
): Promise<Paged<ArtifactRow> | null> {
  const before = beforeId(page.cursor)
  if (before === null) return null
  const rows = await sql.query<ArtifactRow>(
    `SELECT ${artifactColumns} FROM artifacts
      WHERE id < $1 AND NOT deleted ${build === undefined ? '' : 'AND build_id = $3'}
      ORDER BY id DESC LIMIT $2`,
    [before, page.limit + 1, ...(build === undefined ? [] : [build])],
  )
  return paged(rows, page.limit, (row) => row)
}

export async function readArtifact(sql: Sql, id: string): Promise<ArtifactRow | null> {
  const [row] = await sql.query<ArtifactRow>(
    `SELECT ${artifactColumns} FROM artifacts WHERE id = $1 AND NOT deleted`,
    [id],
  )
  return row ?? null
}

/** Whether an attempt runs on this worker and is its build's effective one. */
export async function ownsAttempt(sql: Sql, worker: string, attempt: string): Promise<boolean> {
  const rows = await sql.query(
    `SELECT 1 FROM attempts a JOIN builds b ON b.id = a.build_id AND b.attempt = a.id
      WHERE a.id = $1 AND a.worker = $2 AND a.state IN ('offered', 'running')`,
    [attempt, worker],
  )
  return rows.length > 0
}
