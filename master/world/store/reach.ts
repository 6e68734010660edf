// Reaching a PostgreSQL server: waiting for one that is still starting, and refusing one that is too old.
import {setTimeout as delay} from 'node:timers/promises'
import pg from 'pg'

const oldestVersion = 15
const firstPauseMs = 200
const longestPauseMs = 5_000
/** Refused, unreachable, starting up, shutting down, no free connection: another try may find it better. */
const passing = new Set([
  'ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EPIPE',
  '57P01', '57P02', '57P03', '53300', '08001', '08006',
]) // prettier-ignore

/** Where the server is, without the password, for people to read. */
export function shownUrl(url: string): string {
  try {
    const shown = new URL(url)
    if (shown.password) shown.password = '***'
    return shown.href
  } catch {
    return 'the database given by database.url'
  }
}

/** Where a store is, in a few words that hold no name of a user: `PostgreSQL on the local socket`. */
export function whereIs(url: string | null): string {
  if (url === null) return 'the embedded database'
  try {
    const {protocol, hostname, searchParams} = new URL(url)
    const host = searchParams.get('host') ?? decodeURIComponent(hostname)
    if (protocol === 'socket:' || host.startsWith('/')) return 'PostgreSQL on the local socket'
    return `PostgreSQL at ${host || 'localhost'}`
  } catch {
    return url.startsWith('/') ? 'PostgreSQL on the local socket' : 'PostgreSQL'
  }
}

/** True for an error of the connection, as opposed to one of the statement or of the credentials. */
export function isPassing(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isPassing)
  const {code, message} = error as {code?: string; message?: string}
  if (code !== undefined) return passing.has(code)
  return /connection (terminated|ended)|timeout/i.test(message ?? '')
}

/** Waits until the server answers, up to `waitMs`, and checks that it is new enough. Returns an open connection. */
export async function reachPostgres(
  url: string,
  waitMs: number,
  say: (text: string) => void,
): Promise<pg.Client> {
  const until = performance.now() + waitMs
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    const client = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: 5_000,
      application_name: 'ostler',
    })
    client.on('error', () => undefined)
    try {
      await client.connect()
      await checkVersion(client, url)
      return client
    } catch (error) {
      await client.end().catch(() => undefined)
      const text = reasonOf(error)
      if (!isPassing(error)) throw new Error(`PostgreSQL at ${shownUrl(url)}: ${text}`, {cause: error})
      const left = until - performance.now()
      if (left <= 0)
        throw new Error(
          `PostgreSQL at ${shownUrl(url)} could not be reached within ${waitMs / 1000} s: ${text}; start it, or mend OSTLER_DATABASE_URL`,
          {cause: error},
        )
      say(`waiting for PostgreSQL at ${shownUrl(url)}: ${text}`)
      await delay(Math.min(pauseMs, left))
    }
  }
}

async function checkVersion(client: pg.Client, url: string): Promise<void> {
  const {rows} = await client.query<{number: string; text: string}>(
    `SELECT current_setting('server_version_num') AS number, current_setting('server_version') AS text`,
  )
  const version = rows[0]
  if (version === undefined || Number(version.number) >= oldestVersion * 10_000) return
  throw new Error(
    `it is version ${version.text}; Ostler needs PostgreSQL ${oldestVersion} or newer. ` +
      `Upgrade the server, or leave database.url out to use the embedded database (${shownUrl(url)} is not touched).`,
  )
}

const reasonOf = (error: unknown) =>
  error instanceof AggregateError
    ? [...new Set(error.errors.map((inner: unknown) => (inner as Error).message))].join('; ')
    : (error as Error).message
