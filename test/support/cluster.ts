// A throw-away PostgreSQL server for tests: in a temporary directory, on a unix socket, gone with the process that
// started it, however that one ends.
import {execFile, spawn, type ChildProcess} from 'node:child_process'
import {chownSync, existsSync, mkdtempSync, readdirSync} from 'node:fs'
import {tmpdir, userInfo} from 'node:os'
import {join} from 'node:path'
import type {Socket} from 'node:net'
import {promisify} from 'node:util'

const run = promisify(execFile)

export interface Cluster {
  /** Of the database `postgres`, as its superuser. */
  readonly url: string
  /** Ends the server and removes its files. */
  stop(): Promise<void>
  /** Ends the server at once, as a crash would, and starts it again on the same files. */
  restart(downMs: number): Promise<void>
  /** Ends the server at once; answers how it is started again on the same files. */
  halt(): Promise<() => Promise<void>>
}

/** The newest PostgreSQL's programs on this machine, or null. */
export function postgresPrograms(): string | null {
  const home = '/usr/lib/postgresql'
  const versions = existsSync(home) ? readdirSync(home).sort((a, b) => Number(b) - Number(a)) : []
  const found = versions
    .map((version) => join(home, version, 'bin'))
    .find((bin) => existsSync(join(bin, 'initdb')))
  return found ?? null
}

/** `durable` waits for the disk at each commit, as an operator's server does; tests need not. */
export async function startCluster({durable = false}: {durable?: boolean} = {}): Promise<Cluster> {
  const bin = postgresPrograms()
  if (bin === null) throw new Error('there is no PostgreSQL under /usr/lib/postgresql')
  const home = mkdtempSync(join(tmpdir(), 'ostler-pg-'))
  const data = join(home, 'data')
  const user = await serverUser()
  if (user) chownSync(home, user.uid, user.gid)
  await run(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C'],
    user,
  )
  let server = startServer(bin, home, user, durable)
  const url = `postgres://postgres@localhost/postgres?host=${encodeURIComponent(home)}`
  await accepting(bin, home)
  const halt = async () => {
    await endServer(server, 'keep')
    return async () => {
      server = startServer(bin, home, user, durable)
      await accepting(bin, home)
    }
  }
  return {
    halt,
    url,
    async stop() {
      await endServer(server)
    },
    async restart(downMs) {
      const start = await halt()
      await new Promise((resolve) => setTimeout(resolve, downMs))
      await start()
    },
  }
}

/** PostgreSQL refuses to run as root. */
async function serverUser(): Promise<{uid: number; gid: number} | undefined> {
  if (userInfo().uid !== 0) return undefined
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, 'postgres'])).stdout)),
  )
  return {uid: uid ?? 0, gid: gid ?? 0}
}

/** The shell waits on a pipe that only this process holds: when it closes, for whatever reason, the server ends. */
const keeper = `home=$2
"$1/postgres" -D "$home/data" -k "$home" -c listen_addresses= -c max_connections=300 $3 >"$home/log" 2>&1 & server=$!
word=$(cat)
kill -QUIT $server; wait $server
[ "$word" = keep ] || rm -rf "$home"`

function startServer(
  bin: string,
  home: string,
  user: {uid: number; gid: number} | undefined,
  durable: boolean,
): ChildProcess {
  const forgetful = '-c fsync=off -c full_page_writes=off'
  const server = spawn('sh', ['-c', keeper.replace('$3', durable ? '' : forgetful), 'sh', bin, home], {
    ...user,
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: home,
  })
  // The test process may end while its server runs.
  server.unref()
  ;(server.stdin as Socket).unref()
  return server
}

async function accepting(bin: string, home: string): Promise<void> {
  for (let tries = 0; ; tries++)
    try {
      await run(join(bin, 'pg_isready'), ['-q', '-h', home])
      return
    } catch (error) {
      if (tries > 300) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
}

async function endServer(server: ChildProcess, word = ''): Promise<void> {
  if (server.exitCode !== null) return // halted
  const gone = new Promise((resolve) => server.once('exit', resolve))
  server.ref()
  server.stdin?.end(word)
  await gone
}
