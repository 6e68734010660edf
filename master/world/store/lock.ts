// The lock beside an embedded database's directory. PGlite does not lock its directory itself, and two processes
// writing there destroy it. The kernel keeps the lock (flock), so it holds across containers of one machine, cannot
// be taken from a live holder, and falls free when its process dies in whatever way.
import {spawnSync} from 'node:child_process'
import {closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync} from 'node:fs'
import {dirname} from 'node:path'

export interface DirectoryLock {
  release(): void
}

/** What the lock file says of its holder, for whoever is refused. */
interface Holder {
  readonly pid: number
  readonly since: string
  readonly command: string
}

/** Takes `DIR.lock`, or throws an Error that names who holds it and what to do. */
export function lockDirectory(dir: string, now: Date): DirectoryLock {
  const path = `${dir}.lock`
  mkdirSync(dirname(dir), {recursive: true, mode: 0o700})
  const file = openSync(path, 'a+', 0o600)
  try {
    if (!locked(file)) throw new Error(refusal(dir, readHolder(path)))
    const me: Holder = {pid: process.pid, since: now.toISOString(), command: process.argv.join(' ')}
    ftruncateSync(file)
    writeSync(file, `${JSON.stringify(me)}\n`)
  } catch (error) {
    closeSync(file)
    throw error
  }
  // The file stays: removing it would let two processes lock two files of one name.
  return {
    release() {
      ftruncateSync(file)
      closeSync(file)
    },
  }
}

/** Node has no flock; the command locks our open file through the descriptor it inherits, and the lock stays ours. */
function locked(file: number): boolean {
  const {status, error, stderr} = spawnSync('flock', ['-n', '3'], {stdio: ['ignore', 'ignore', 'pipe', file]})
  if (error) throw new Error(`the embedded database needs the command flock (util-linux): ${error.message}`)
  if (status === 0) return true
  if (status === 1 && stderr.length === 0) return false
  throw new Error(`flock cannot lock the embedded database's lock file: ${stderr.toString().trim()}`)
}

function readHolder(path: string): Holder | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Holder
  } catch {
    return null // just taken or just given back
  }
}

function refusal(dir: string, holder: Holder | null): string {
  const by = holder ? `process ${holder.pid} (${holder.command}) since ${holder.since}` : 'another process'
  return (
    `the embedded database in ${dir} is in use by ${by}. Stop that process, or give this master another state ` +
    `directory; several masters share one PostgreSQL instead (database.url).`
  )
}
