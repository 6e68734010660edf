// A throw-away S3 server for tests: Ceph's object gateway (Debian's `radosgw`), which many run in production, on a cluster
// of one monitor and one store in memory. All listen on 127.0.0.1 and are gone with the process that started them.
import {execFile, spawn, type ChildProcess} from 'node:child_process'
import {randomUUID} from 'node:crypto'
import {mkdirSync, mkdtempSync, readFileSync, writeFileSync} from 'node:fs'
import type {Socket} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {promisify} from 'node:util'
import {freePort} from '../../scripts/processes.ts'

const run = promisify(execFile)

/** The programs it needs. */
export const objectServerPrograms = ['ceph', 'ceph-mon', 'ceph-osd', 'ceph-authtool', 'monmaptool', 'radosgw']

export interface ObjectServer {
  /** Such as `http://127.0.0.1:41234`. */
  readonly endpoint: string
  /** What a master needs in its environment to use it. */
  readonly keys: {readonly AWS_ACCESS_KEY_ID: string; readonly AWS_SECRET_ACCESS_KEY: string}
  /** The bucket that is there. */
  readonly bucket: string
  /** `s3://…` of a prefix in the bucket. */
  url(prefix: string): string
  /** Ends the gateway at once; its objects stay. */
  stopGateway(): Promise<void>
  startGateway(): Promise<void>
  /** The gateway accepts connections and answers nothing, until it is thawed. */
  freezeGateway(): void
  thawGateway(): void
  stop(): Promise<void>
}

let shared: Promise<ObjectServer> | null = null

/** The server of this test process, started when it is first asked for. */
export const objectServer = () => (shared ??= startObjectServer())

/** Starts one; it takes some ten seconds. */
export async function startObjectServer(): Promise<ObjectServer> {
  const home = mkdtempSync(join(tmpdir(), 'ostler-s3-'))
  const [monitorPort, gatewayPort] = [await freePort(), await freePort()]
  const cluster = await startCluster(home, monitorPort)
  const keys = {AWS_ACCESS_KEY_ID: 'ostler-test', AWS_SECRET_ACCESS_KEY: randomUUID()}
  const endpoint = `http://127.0.0.1:${String(gatewayPort)}`
  await run(
    'radosgw-admin',
    [
      'user',
      'create',
      '--uid=ostler',
      '--display-name=Ostler',
      `--access-key=${keys.AWS_ACCESS_KEY_ID}`,
    ].concat(`--secret-key=${keys.AWS_SECRET_ACCESS_KEY}`),
    {env: environment(home)},
  )
  let gateway: ChildProcess | null = null
  const startGateway = async () => {
    const frontend = `beast endpoint=127.0.0.1:${String(gatewayPort)} tcp_nodelay=1`
    gateway = keep(home, 'radosgw', ['-f', '-n', 'client.admin', '--rgw-frontends', frontend])
    await answering(endpoint, gateway)
  }
  const signal = (name: NodeJS.Signals) => {
    process.kill(Number(readFileSync(join(home, 'radosgw.pid'), 'utf8')), name)
  }
  const stopGateway = async () => {
    if (gateway) await end(gateway)
    gateway = null
  }
  await startGateway()
  const bucket = 'builds'
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'
  const {S3Client, CreateBucketCommand} = await import('@aws-sdk/client-s3')
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: {accessKeyId: keys.AWS_ACCESS_KEY_ID, secretAccessKey: keys.AWS_SECRET_ACCESS_KEY},
  })
  await client.send(new CreateBucketCommand({Bucket: bucket}))
  client.destroy()
  return {
    endpoint,
    keys,
    bucket,
    url: (prefix) => `s3://${bucket}/${prefix}?endpoint=${endpoint}`,
    startGateway,
    stopGateway,
    freezeGateway: () => signal('SIGSTOP'),
    thawGateway: () => signal('SIGCONT'),
    async stop() {
      await stopGateway()
      for (const each of cluster.reverse()) await end(each)
    },
  }
}

const environment = (home: string) => ({...process.env, CEPH_CONF: join(home, 'ceph.conf')})

async function startCluster(home: string, port: number): Promise<ChildProcess[]> {
  const id = randomUUID()
  const keyring = join(home, 'keyring')
  for (const folder of ['mon', 'osd', 'rgw', 'crash']) mkdirSync(join(home, folder))
  writeFileSync(join(home, 'ceph.conf'), settings(home, id, port))
  const tell = (program: string, ...args: string[]) =>
    run(program, args, {env: environment(home), timeout: 60_000})
  const key = (...args: string[]) => tell('ceph-authtool', keyring, '--gen-key', ...args)
  await key('--create-keyring', '-n', 'mon.', '--cap', 'mon', 'allow *')
  await key('-n', 'client.admin', '--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *')
  await key('-n', 'osd.0', '--cap', 'mon', 'allow profile osd', '--cap', 'osd', 'allow *')
  const map = join(home, 'monmap')
  await tell('monmaptool', '--create', '--fsid', id, '--add', 'a', `127.0.0.1:${String(port)}`, map)
  await tell('ceph-mon', '--mkfs', '-i', 'a', '--monmap', map, '--keyring', keyring, '--fsid', id)
  const monitor = keep(home, 'ceph-mon', ['-f', '-i', 'a', '--keyring', keyring], 'last')
  const disk = randomUUID()
  await tell('ceph', 'osd', 'new', disk)
  await tell('ceph', 'auth', 'import', '-i', keyring)
  await tell('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', disk)
  return [monitor, keep(home, 'ceph-osd', ['-f', '-i', '0'])]
}

/** One copy of everything, in memory, and as few parts as there can be. */
const settings = (home: string, id: string, port: number) => `[global]
fsid = ${id}
mon host = 127.0.0.1:${String(port)}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
keyring = ${home}/keyring
run dir = ${home}
admin socket =
log file = ${home}/$name.log
mon data = ${home}/mon
osd data = ${home}/osd
rgw data = ${home}/rgw
crash dir = ${home}/crash
mon data avail crit = 0
mon data avail warn = 0
mon allow pool size one = true
mon warn on insecure global id reclaim allowed = false
paxos propose interval = 0.1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 4294967296
rgw thread pool size = 32
rgw enable usage log = false
rgw gc max objs = 1
rgw lc max objs = 1
rgw data log num shards = 1
rgw md log max shards = 1
rgw override bucket index max shards = 1
`

/** The shell waits on a pipe that only this process holds: when it closes, for whatever reason, the program ends. */
const keeper = `home=$1; last=$2; shift 2
"$@" >>"$home/out" 2>&1 & program=$!
echo $program >"$home/$1.pid"
cat >/dev/null
kill -KILL $program 2>/dev/null; wait $program 2>/dev/null
[ -z "$last" ] || rm -rf "$home"`

function keep(home: string, program: string, args: readonly string[], last = ''): ChildProcess {
  const child = spawn('sh', ['-c', keeper, 'sh', home, last, program, ...args], {
    env: environment(home),
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  })
  // The test process may end while its server runs.
  child.unref()
  ;(child.stdin as Socket).unref()
  return child
}

async function end(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.ref()
  child.stdin?.end()
  await gone
}

async function answering(endpoint: string, gateway: ChildProcess): Promise<void> {
  for (let tries = 0; ; tries++)
    try {
      await (await fetch(endpoint)).text()
      return
    } catch (error) {
      if (tries > 1200 || gateway.exitCode !== null) throw error
      await sleep(50)
    }
}
