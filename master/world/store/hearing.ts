// LISTEN on a PostgreSQL server: one connection for all channels, which is opened again when it breaks.
import {setTimeout as delay} from 'node:timers/promises'
import pg from 'pg'
import type {Ears} from './ears.ts'

const pauseMs = 1_000
/** A broken network may not say so; a question now and then finds out. */
const checkMs = 30_000
const answerMs = 10_000

/** Starts listening; `say` hears when the connection is lost and found again. */
export function openHearing(url: string, ears: Ears, say: (text: string) => void) {
  let client: pg.Client | null = null
  let opening: Promise<void> | null = null
  let closed = false
  const hasClosed = () => closed

  const open = async () => {
    for (let failed = false; !closed; failed = true) {
      if (failed) await delay(pauseMs)
      const fresh = new pg.Client({
        connectionString: url, application_name: 'ostler listener', keepAlive: true,
        connectionTimeoutMillis: 5_000, query_timeout: answerMs,
      }) // prettier-ignore
      fresh.on('error', () => undefined)
      try {
        await fresh.connect()
        fresh.on('notification', ({channel, payload}) => ears.hear(channel, payload ?? ''))
        for (const channel of ears.channels()) await fresh.query(`LISTEN ${pg.escapeIdentifier(channel)}`)
        if (hasClosed()) {
          await fresh.end()
          return
        }
        fresh.once('end', () => lost(fresh))
        client = fresh
        return
      } catch {
        await fresh.end().catch(() => undefined)
      }
    }
  }
  const lost = (old: pg.Client) => {
    if (client !== old || closed) return
    client = null
    say('the connection that listens to PostgreSQL was lost; opening it again')
    opening = open().then(() => {
      if (closed) return
      say('listening to PostgreSQL again')
      ears.mayHaveMissed()
    })
  }
  const check = setInterval(() => {
    const asked = client
    asked?.query('SELECT 1').catch(() => {
      asked.end().catch(() => undefined)
      lost(asked)
    })
  }, checkMs)
  check.unref()

  return {
    /** Brings the server's LISTENs in line with the ears'; a failure is made good by the next reconnection. */
    async attend(channel: string): Promise<void> {
      // While the connection is away nothing needs to be unlearned, and who stops must not wait for it.
      if (client === null && opening !== null && !ears.has(channel)) return
      opening ??= open()
      await opening
      await client
        ?.query(`${ears.has(channel) ? 'LISTEN' : 'UNLISTEN'} ${pg.escapeIdentifier(channel)}`)
        .catch(() => undefined)
    },
    async close(): Promise<void> {
      closed = true
      clearInterval(check)
      await client?.end().catch(() => undefined)
    },
  }
}
