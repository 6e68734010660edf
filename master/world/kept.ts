// What a master keeps, opened without a master: for commands that look after it. Nothing is made or migrated here.
import {existsSync} from 'node:fs'
import path from 'node:path'
import type {Files} from './files.ts'
import {openSay} from './say.ts'
import {chosenShelves, openShelves} from './shelves.ts'
import {openStore} from './store/database.ts'
import {migrationName, migrations} from './store/migrations.ts'
import type {Store} from './store/store.ts'

export interface Place {
  readonly stateDir: string
  /** A PostgreSQL server's URL, or null for the embedded database. */
  readonly url: string | null
}

export interface Kept extends Files {
  readonly store: Store
  /** Lets go of the files, then of the database. */
  readonly close: () => Promise<void>
}

/** Opens it; throws an Error that says what to do when it is not there, in use, or of another version of Ostler. */
export async function openKept({stateDir, url}: Place, say: (text: string) => void): Promise<Kept> {
  if (url === null && !existsSync(path.join(stateDir, 'database', 'PG_VERSION')))
    throw new Error(
      `there is no embedded database in ${stateDir}: give the master's --state-dir, or OSTLER_DATABASE_URL`,
    )
  const store = await openStore({url, stateDir, say, waitMs: 5_000, migrationsMost: 0})
  try {
    await refuseOther(store)
    const shelves = await openShelves(chosenShelves(stateDir), openSay('warn'))
    const close = async () => {
      await shelves.close()
      await store.close()
    }
    return {store, logs: shelves.logs, artifacts: shelves.artifacts, close}
  } catch (error) {
    await store.close()
    throw error
  }
}

async function refuseOther(store: Store): Promise<void> {
  const [table] = await store.query<{found: boolean}>(`SELECT to_regclass('migrations') IS NOT NULL AS found`)
  if (!table?.found) throw new Error('the database is empty: no master has ever used it')
  const rows = await store.query<{name: string}>('SELECT name FROM migrations')
  const had = new Set(rows.map(({name}) => name))
  const open = migrations.map(migrationName).filter((name) => !had.has(name))
  if (open.length > 0)
    throw new Error(
      `the database is of an older Ostler (it lacks ${open.join(', ')}): use that version, or start this one's master once`,
    )
}
