// The database loop: asks the database again and again how things stand. That it goes round is what the watchdog looks at;
// that the database is away, or answers with an error, is no reason to end a master that can wait for it.
import {setTimeout as delay} from 'node:timers/promises'
import pg from 'pg'
import {readStanding, type StandingRow} from './store/standing.ts'
import type {Store} from './store/store.ts'

export interface Pace {
  /** How often the database is asked, in milliseconds. */
  readonly everyMs: number
  /** How long an answer may take, in milliseconds, before another connection is tried. */
  readonly answerMs: number
}

const usualPace: Pace = {everyMs: 5_000, answerMs: 10_000}

export interface Pulse {
  /** What was answered last; null while there is no answer. */
  standing(): StandingRow | null
  /** When the loop came round last, by `performance.now()`. */
  turnedAt(): number
  stop(): void
}

/**
 * Starts the loop. A turn ends with an answer or an error; when neither comes, and the server answers a connection of its
 * own, then it is this master's connections that are stuck, and the loop stands still until one is free. Of the
 * embedded database, whose server is this process, an answer is always due.
 */
export function startPulse(store: Store, databaseUrl: string | null, pace = usualPace): Pulse {
  let standing: StandingRow | null = null
  let turnedAt = performance.now()
  let stopped = false
  const turn = async () => {
    const asked = readStanding(store).then(
      (found) => (standing = found),
      () => (standing = null),
    )
    while (!(await isWithin(asked, pace.answerMs))) {
      standing = null
      if (databaseUrl !== null && !(await answersAnew(databaseUrl))) turnedAt = performance.now()
    }
    turnedAt = performance.now()
  }
  const loop = async () => {
    while (!stopped) {
      await turn()
      await delay(pace.everyMs, undefined, {ref: false})
    }
  }
  void loop()
  return {
    standing: () => standing,
    turnedAt: () => turnedAt,
    stop() {
      stopped = true
    },
  }
}

async function isWithin(asked: Promise<unknown>, ms: number): Promise<boolean> {
  const impatience = new AbortController()
  const late = delay(ms, false, {ref: false, signal: impatience.signal}).catch(() => false)
  const inTime = await Promise.race([asked.then(() => true), late])
  impatience.abort()
  return inTime
}

async function answersAnew(url: string): Promise<boolean> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
    application_name: 'ostler watchdog',
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } catch {
    return false
  } finally {
    client.end().catch(() => undefined)
  }
}
