// A PostgreSQL server of our own, thrown away afterwards: on a free port of 127.0.0.1, in a temporary folder, with a
// password. PostgreSQL refuses to run as root, so root runs it as `postgres` (or `nobody`).
import {type ChildProcess, spawn, spawnSync} from 'node:child_process'
import {randomBytes} from 'node:crypto'
import {chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {postgresqlPrograms} from './parts.ts'

export interface Postgresql {
  /** The superuser's URL of the database `postgres`. */
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

export interface PostgresqlOptions {
  /** Waits for the disk at each commit, as an operator's server does; tests need not. */
  readonly durable?: boolean
}

interface User {
  readonly uid?: number
  readonly gid?: number
}

/** Starts one; rejects with the server's own words when it does not come up within 30 seconds. */
export async function startPostgresql({durable = false}: PostgresqlOptions = {}): Promise<Postgresql> {
  const programs = postgresqlPrograms()
  if (programs === null) throw new Error('PostgreSQL is not installed')
  const folder = mkdtempSync(join(tmpdir(), 'ostler-postgresql-'))
  try {
    return await startIn(folder, programs, durable)
  } catch (error) {
    rmSync(folder, {recursive: true, force: true})
    throw error
  }
}

async function startIn(folder: string, programs: string, durable: boolean): Promise<Postgresql> {
  const user = serverUser()
  if (user.uid !== undefined && user.gid !== undefined) chownSync(folder, user.uid, user.gid)
  const password = randomBytes(16).toString('hex')
  initialise(folder, programs, password, user)
  const port = await freePort()
  const settings = [...commonSettings(folder, port), ...(durable ? [] : forgetful)]
  const server = spawn(
    join(programs, 'postgres'),
    ['-D', join(folder, 'data'), ...settings.flatMap((each) => ['-c', each])],
    {
      ...user,
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own group: Ctrl+C in a terminal must reach the tests first, while their database still answers.
      detached: true,
    },
  )
  const said = await untilReady(server)
  if (server.pid === undefined || server.exitCode !== null)
    throw new Error(`PostgreSQL did not start: ${said}`)
  const pid = server.pid
  const stopAtExit = () => process.kill(pid, 'SIGQUIT')
  process.on('exit', stopAtExit)
  return {
    url: `postgresql://postgres:${password}@127.0.0.1:${String(port)}/postgres`,
    pid,
    stop: async () => {
      process.off('exit', stopAtExit)
      await stopServer(server)
      rmSync(folder, {recursive: true, force: true})
    },
  }
}

function initialise(folder: string, programs: string, password: string, user: User): void {
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, password, {mode: 0o644})
  const made = spawnSync(
    join(programs, 'initdb'),
    [
      '-D',
      join(folder, 'data'),
      '-U',
      'postgres',
      '-A',
      'scram-sha-256',
      '--pwfile',
      passwordFile,
      '-E',
      'UTF8',
      '--no-locale',
      '--no-sync',
    ],
    {...user, cwd: folder, encoding: 'utf8'},
  )
  rmSync(passwordFile)
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr || String(made.error)}`)
}

function commonSettings(folder: string, port: number): string[] {
  return [
    'listen_addresses=127.0.0.1',
    `port=${String(port)}`,
    `unix_socket_directories=${folder}`,
    'max_connections=300',
    'log_min_messages=log',
  ]
}

const forgetful = [
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'shared_buffers=64MB',
  'autovacuum=off',
]

async function untilReady(server: ChildProcess): Promise<string> {
  let said = ''
  const heard = new Promise<void>((resolve) => {
    const hear = (chunk: Buffer) => {
      if (said.length < 100_000) said += chunk.toString()
      if (said.includes('database system is ready to accept connections')) resolve()
    }
    server.stdout?.on('data', hear)
    server.stderr?.on('data', hear)
    server.on('error', (error) => {
      said += error.message
      resolve()
    })
    server.on('exit', () => {
      resolve()
    })
  })
  const late = sleep(30_000, undefined, {ref: false}).then(() => {
    said += ' (not ready after 30 s)'
  })
  await Promise.race([heard, late])
  return said
}

/** Fast shutdown (clients are sent away), then without ceremony. */
async function stopServer(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const gone = new Promise<void>((resolve) => {
    server.once('exit', () => {
      resolve()
    })
  })
  server.kill('SIGINT')
  const timer = setTimeout(() => server.kill('SIGQUIT'), 5000)
  await gone
  clearTimeout(timer)
}

function serverUser(): User {
  if (process.getuid?.() !== 0) return {}
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  const account =
    accounts.find(([name]) => name === 'postgres') ?? accounts.find(([name]) => name === 'nobody')
  if (!account) throw new Error('PostgreSQL must not run as root, and there is no user postgres or nobody')
  return {uid: Number(account[2]), gid: Number(account[3])}
}

/** A port of 127.0.0.1 that nothing listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => {
        resolve(typeof address === 'object' && address ? address.port : 0)
      })
    })
  })
}
