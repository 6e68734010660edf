// The peer: Debian's Buildbot, measured by drivers that lie beside this repository. Each turn is one run of a driver.
import {spawn} from 'node:child_process'
import {existsSync, mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {whyAbsent} from '../support/parts.ts'
import type {MeasureName, Sample} from './figures.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const turnMs = 15 * 60_000
const python = '/usr/bin/python3'

interface Turn {
  readonly driver: string
  readonly args: readonly string[]
  /** Whether the driver can be given our PostgreSQL server; the log's looks into Buildbot's SQLite file. */
  readonly takesServer: boolean
  readonly read: (output: string) => number | null
}

/** No turn for what the peer cannot do: two masters are an experiment there. */
const turns: Readonly<Partial<Record<MeasureName, Turn>>> = {
  P1: {driver: 'b1_throughput.py', args: ['--n', '100'], takesServer: true, read: field('builds_s')},
  P2: {driver: 'b2_steps.py', args: [], takesServer: true, read: field('ms_per_step')},
  P3: {driver: 'b3_log.py', args: [], takesServer: false, read: field('lines_s')},
  P4: {
    driver: 'b4_latency.py',
    args: ['--n', '20', '--gap', '0.3'],
    takesServer: true,
    read: (output) => number(/PB addChange sent .*?median\s+([\d.]+) ms/.exec(output)?.[1]),
  },
  P5: {
    driver: 'b5_fleet.py',
    args: ['--secs', '1'],
    takesServer: true,
    read: field('kb_per_connected_worker'),
  },
  P5b: {
    driver: 'b5_fleet.py',
    args: ['--secs', '1', '--stagger', '0', '--patience', '30'],
    takesServer: true,
    read: attachedAll,
  },
  P7: {
    driver: 'b6_master_kill.py',
    args: ['--n', '32', '--sleep', '2'],
    takesServer: false,
    read: (output) => number(/next command runs ([\d.]+) s/.exec(output)?.[1]),
  },
}

export interface Peer {
  readonly drivers: string
}

/** The peer and its drivers, or why there is no comparison. `OSTLER_BENCH_PEER` names the folder of the drivers. */
export function findPeer(): Peer | {readonly absent: string} {
  const absent = whyAbsent('buildbot')
  if (absent !== null) return {absent}
  const places = [process.env['OSTLER_BENCH_PEER'], join(dirname(root), 'shared/bench/buildbot')]
  const drivers = places.find((place) => place && existsSync(join(place, 'benchlib.py')))
  return drivers ? {drivers} : {absent: 'its drivers are not here (OSTLER_BENCH_PEER names their folder)'}
}

/** One turn of the peer, on the given PostgreSQL server, or on its SQLite without one. */
export async function measurePeer(
  peer: Peer,
  measure: MeasureName,
  serverUrl: string | null,
): Promise<Sample | null> {
  const turn = turns[measure]
  if (!turn) return null
  const {driver, args, takesServer, read} = turn
  const folder = mkdtempSync(join(tmpdir(), 'ostler-bench-peer-'))
  const onServer = takesServer && serverUrl !== null
  try {
    const given = [folder, '--reps', '1', '--db', onServer ? 'pg' : 'sqlite', ...args]
    const output = await run(peer, driver, given, onServer ? serverUrl : '')
    const value = read(output)
    if (value === null) throw new Error(`${driver} told no figure:\n${output.slice(-2000)}`)
    return {value, details: {}}
  } finally {
    rmSync(folder, {recursive: true, force: true})
  }
}

/** Runs a driver with our server in the place of the one it would start, so that both sides use the same. */
const shim = `import os, runpy, subprocess, sys
drivers, script, url = sys.argv[1:4]
sys.argv = [script] + sys.argv[4:]
sys.path.insert(0, drivers)
import benchlib
host = url.partition('host=')[2]
socket = __import__('urllib.parse').parse.unquote(host)
def sql(text):
    return subprocess.run(['psql', '-h', socket, '-U', 'postgres', '-Atc', text, 'postgres'],
                          check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
class Shared:
    n = 0
    def fresh(self):
        self.n = os.getpid()
        sql('CREATE DATABASE "bb%d"' % self.n)
        return 'postgresql+psycopg2://postgres@/bb%d?host=%s' % (self.n, host)
    def cpu(self):
        return 0.0
    def stat(self, name, column):
        return 0
    def stop(self):
        sql('DROP DATABASE IF EXISTS "bb%d" WITH (FORCE)' % self.n)
if url:
    benchlib.Pg = Shared
runpy.run_path(os.path.join(drivers, script), run_name='__main__')
`

function run({drivers}: Peer, driver: string, args: readonly string[], url: string): Promise<string> {
  const child = spawn(python, ['-c', shim, drivers, driver, url, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {...process.env, PYTHONDONTWRITEBYTECODE: '1'},
  })
  // The drivers end what they started when they are told to end.
  const end = () => child.kill('SIGTERM')
  process.once('exit', end)
  const timer = setTimeout(end, turnMs)
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      process.off('exit', end)
      if (code === 0) resolve(output)
      else reject(new Error(`${driver} failed (${String(code)}):\n${output.slice(-2000)}`))
    })
  })
}

/** The last `"name": 12.3` of a driver's output. */
function field(name: string): Turn['read'] {
  return (output) => number([...output.matchAll(new RegExp(`"${name}": ([\\d.]+)`, 'g'))].at(-1)?.[1])
}

/** The seconds until all of its 200 workers were attached; throws when some never were. */
function attachedAll(output: string): number | null {
  const attached = field('attached')(output)
  if (attached !== null && attached < 200)
    throw new Error(`of 200 workers only ${attached} were ever attached`)
  return field('attach_s')(output)
}

const number = (text: string | undefined): number | null => (text === undefined ? null : Number(text))
