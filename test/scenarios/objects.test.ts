// Logs and artifacts in an object store, and in a directory that masters share: real masters, workers and an S3 server,
// each of which goes away for a while.
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {gunzipSync, inflateRawSync} from 'node:zlib'
import test, {type ExecutionContext} from 'ava'
import {parseObjectStore, readObjectKeys} from '../../master/world/objects/address.ts'
import {ObjectStore} from '../../master/world/objects/store.ts'
import type {Artifact, Build, Buildset, Page, Step} from '../../scripts/api.ts'
import {Process} from '../../scripts/processes.ts'
import {delaysOf, stamps} from '../support/following.ts'
import {needs} from '../support/needs.ts'
import {startObjectServer, type ObjectServer} from '../support/object-server.ts'
import {System} from '../support/system.ts'
import {builder, sh, written} from '../support/written.ts'

/** Prints numbered lines, ten a second, until it is told to end. */
const printing = (folder: string) =>
  `n=0; while [ ! -e ${folder}/go ]; do n=$((n+1)); echo "line $n"; echo $n >${folder}/n; sleep 0.1; done; echo end`
const config = (folder: string, more: Record<string, unknown> = {}) =>
  written(
    [
      builder('prints', [
        sh('s', printing(folder)),
        sh('make', 'head -c 20000000 /dev/urandom >large; echo small >small; cp large ' + folder),
        {kind: 'upload', files: ['large', 'small'], artifact: 'kept'},
      ]),
      builder('stamps', [sh('s', stamps)]),
    ],
    more,
  )

/** Forces the printing build and waits until its log holds so many lines. */
async function underWay(system: System, count = 5): Promise<{buildset: string; build: Build}> {
  const buildset = await system.force('force', {builder: 'prints'})
  const build = await system.until('the build is there', async () => {
    const {items} = await system.api.get<Page<Build>>('/builds?builder=prints&limit=1')
    return items[0]?.state === 'running' ? items[0] : null
  })
  await untilLine(system, build, count)
  return {buildset, build}
}

/** The last line that the build has printed, by its own account. */
const printed = ({folder}: System) => Number(readFileSync(join(folder, 'n'), 'utf8'))

/** Waits until a build's log, asked of a master, holds that line. */
const untilLine = (system: System, build: Build, count: number, master = 'master') =>
  system.until(`line ${count} is seen at ${master}`, async () => {
    const {api} = system.masterNamed(master)
    const log = (await api.get<Page<Step>>(`/builds/${build.id}/steps`)).items[0]?.logs[0]
    const text = log ? await api.text(`/logs/${log.id}/raw`).catch(() => '') : ''
    return text.includes(`line ${count}\n`) || null
  })

/** Lets the build end, and holds its log against what was printed. */
async function endsWhole(
  t: ExecutionContext,
  system: System,
  {buildset, build}: {buildset: string; build: Build},
) {
  writeFileSync(join(system.folder, 'go'), '')
  const [ended] = await system.builds(buildset, 120_000)
  t.is(ended?.result, 'success')
  t.is(ended?.attempt, build.attempt)
  t.is(ended?.attemptsLost, 0)
  const count = printed(system)
  const whole = `${Array.from({length: count}, (_, n) => `line ${n + 1}\n`).join('')}end\n`
  t.is(await system.log(build.id, 's'), whole)
  return whole
}

async function keptWhole(t: ExecutionContext, system: System, build: string) {
  const {items} = await system.api.get<Page<Artifact>>(`/artifacts?build=${build}`)
  t.deepEqual(items.map(({path}) => path).toSorted(), ['large', 'small'])
  const large = items.find(({path}) => path === 'large')?.id ?? ''
  const bytes = readFileSync(join(system.folder, 'large'))
  t.true((await system.api.bytes(`/artifacts/${large}`)).equals(bytes))
  const token = readFileSync(system.master.tokenFile, 'utf8').trim()
  const part = await fetch(`${system.master.url}/api/v1/artifacts/${large}`, {
    headers: {authorization: `Bearer ${token}`, range: 'bytes=12345678-12345687'},
  })
  t.is(part.status, 206)
  t.true(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(12_345_678, 12_345_688)))
}

async function withServer(t: ExecutionContext): Promise<ObjectServer> {
  const server = await startObjectServer()
  t.teardown(() => server.stop())
  return server
}

const storeEnv = (server: ObjectServer): NodeJS.ProcessEnv => ({
  ...server.keys,
  OSTLER_OBJECT_STORE: server.url('ostler'),
})

async function inStore<T>(server: ObjectServer, what: (store: ObjectStore) => Promise<T>): Promise<T> {
  const store = await ObjectStore.open(
    parseObjectStore(server.url('ostler'), {}),
    await readObjectKeys(server.keys),
  )
  try {
    return await what(store)
  } finally {
    store.close()
  }
}

/** The names of what lies in the store below a prefix. */
const objects = (server: ObjectServer, prefix: string): Promise<string[]> =>
  inStore(server, async (store) => {
    const names: string[] = []
    for await (const page of store.list(prefix)) names.push(...page.map(({name}) => name))
    return names
  })

needs('object-store').serial(
  'a build’s log and artifacts live in an object store, through the master’s death and the store’s absence',
  async (t) => {
    t.timeout(240_000)
    const server = await withServer(t)
    const system = await System.start(t, {config, env: storeEnv(server), workers: ['w1']})
    const running = await underWay(system)
    await system.master.process.kill()
    await system.startMaster()
    await untilLine(system, running.build, 30)

    for (const [how, goes, comes] of [
      ['gone', () => server.stopGateway(), () => server.startGateway()],
      ['silent', () => server.freezeGateway(), () => server.thawGateway()],
    ] as const) {
      await goes()
      const sick = await system.until('the master says what ails it', async () => {
        const answer = await fetch(`${system.master.url}/healthz`)
        return answer.status === 503 ? await answer.text() : null
      })
      t.regex(sick, /object store \(bucket builds at .*\) does not answer/, how)
      const before = printed(system)
      await system.until('the build goes on', () => Promise.resolve(printed(system) > before + 5 || null))
      t.is((await system.api.get<Build>(`/builds/${running.build.id}`)).state, 'running', how)
      await comes()
      await untilLine(system, running.build, before + 5)
      await system.until('the master is well', async () =>
        (await fetch(`${system.master.url}/healthz`)).status === 200 ? true : null,
      )
    }

    const whole = await endsWhole(t, system, running)
    await keptWhole(t, system, running.build.id)
    for (const folder of ['logs', 'artifacts']) t.false(existsSync(join(system.folder, 'master', folder)))
    const shelf = `logs/${(Number(running.build.attempt) % 256).toString(16).padStart(2, '0')}/${running.build.attempt}/0-`
    const packed = await system.until('the log is packed', async () => {
      const [name = '', ...others] = await objects(server, shelf)
      return others.length === 0 ? name : null
    })
    t.regex(packed, /\/whole-/)
    const object = await inStore(server, (store) => store.get(packed))
    t.true(gunzipSync(object.subarray(0, gzipEnd(object))).equals(Buffer.from(whole)))
    t.is(await system.log(running.build.id, 's'), whole)

    system.configure(
      config(system.folder, {retention: {builds: null, logs: '1s', artifacts: null, keepLatest: 1}}),
    )
    await system.builds(await system.force('force', {builder: 'prints'}))
    system.configure(
      config(system.folder, {retention: {builds: '1s', logs: '1s', artifacts: '1s', keepLatest: 0}}),
    )
    process.kill(system.master.process.pid, 'SIGHUP')
    await system.until('its logs are removed', async () =>
      (await objects(server, shelf)).length === 0 ? true : null,
    )
    t.deepEqual((await objects(server, 'artifact-claims/')).length <= 2, true)
  },
)

/** Where the gzip member ends that begins an object: after a header of ten bytes, its blocks, CRC and length. */
function gzipEnd(object: Buffer): number {
  const {engine} = inflateRawSync(object.subarray(10), {info: true}) as unknown as {
    engine: {bytesWritten: number}
  }
  return 10 + engine.bytesWritten + 8
}

needs('object-store').serial(
  'a log in an object store is seen by who follows it in less than a second',
  async (t) => {
    const server = await withServer(t)
    const system = await System.start(t, {config, env: storeEnv(server), workers: ['w1']})
    const delays = await followed(system, system.master.url)
    t.true((delays[3] ?? Infinity) < 1000, `${delays.join(', ')} ms`)
  },
)

/** Forces the stamping build and follows its log at a master; how late each stamp was seen, sorted. */
async function followed(system: System, url: string): Promise<number[]> {
  const buildset = await system.force('force', {builder: 'stamps'})
  const log = await system.until('the log is there', async () => {
    const build = (await system.api.get<Buildset>(`/buildsets/${buildset}`)).requests[0]?.builds[0]
    return build === undefined ? null : ((await system.steps(build))[0]?.logs[0]?.id ?? null)
  })
  const token = readFileSync(system.master.tokenFile, 'utf8').trim()
  const answer = await fetch(`${url}/api/v1/logs/${log}/follow`, {
    headers: {authorization: `Bearer ${token}`},
  })
  const delays = await delaysOf(answer)
  await system.completed(buildset)
  return delays
}

for (const place of ['shared directory', 'object store'] as const)
  needs('postgresql', ...(place === 'object store' ? (['object-store'] as const) : [])).serial(
    `an attempt whose worker moves between two masters goes on in the same log (${place})`,
    async (t) => {
      t.timeout(240_000)
      const {env, bytesIn} = await shared(t, place)
      const system = await System.start(t, {config, env, database: 'postgresql', masters: 2, workers: ['w1']})
      const running = await underWay(system)
      for (let moves = 0; moves < 3; moves++) {
        const [holder, other] = await holderOf(system)
        const before = printed(system)
        // Killed, so what it had received and not yet recorded is sent again to the other, and cut differently there.
        await system.masterNamed(holder).process.kill()
        await untilLine(system, running.build, before + 10, other)
        await system.startMaster(holder)
        await untilLine(system, running.build, before + 15, holder)
      }
      await endsWhole(t, system, running)
      await keptWhole(t, system, running.build.id)
      const [holder, other] = await holderOf(system)
      const [near, far] = [
        await followed(system, system.masterNamed(holder).url),
        await followed(system, system.masterNamed(other).url),
      ]
      t.true((near[3] ?? Infinity) < 1000, `near ${near.join(', ')} ms`)
      t.true((far[3] ?? Infinity) < 1000, `far ${far.join(', ')} ms`)
      t.true(await bytesIn())
    },
  )

/** A place for two masters, and whether anything lies there. */
async function shared(t: ExecutionContext, place: 'shared directory' | 'object store') {
  if (place === 'object store') {
    const server = await withServer(t)
    return {env: storeEnv(server), bytesIn: async () => (await objects(server, 'logs/')).length > 0}
  }
  const folder = mkdtempSync(join(tmpdir(), 'ostler-shared-'))
  t.teardown(() => {
    rmSync(folder, {recursive: true})
  })
  return {
    env: {OSTLER_FILES_DIR: folder},
    bytesIn: () => Promise.resolve(readdirSync(folder).toSorted().join() === 'artifacts,logs'),
  }
}

/** The name of the master whose worker w1 is, and the other's. */
function holderOf(system: System): Promise<readonly [string, string]> {
  return system.until('w1 is connected', async () => {
    const [row] = await system.rows<{address: string | null}>(
      `SELECT m.address FROM workers w JOIN masters m ON m.id = w.master WHERE w.name = 'w1' AND w.connected`,
    )
    if (!row) return null
    const isFirst = row.address === system.masterNamed('master').url
    return isFirst ? (['master', 'master-2'] as const) : (['master-2', 'master'] as const)
  })
}

test('a master that cannot use its place for logs says so in one sentence and does not start', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-refused-'))
  t.teardown(() => {
    rmSync(folder, {recursive: true})
  })
  writeFileSync(join(folder, 'ostler.yaml'), config(folder))
  const start = async (...args: string[]) => {
    const master = new Process(
      'master',
      ['master', '--config', join(folder, 'ostler.yaml'), '--state-dir', join(folder, 'state'), ...args],
      {env: {AWS_ACCESS_KEY_ID: 'some', AWS_SECRET_ACCESS_KEY: 'hidden-key'}},
    )
    return {how: await master.ended, said: master.lines.join('\n')}
  }
  const cases: ReadonlyArray<[string[], RegExp]> = [
    [
      ['--files-dir', join(folder, 'none')],
      /^--files-dir: there is no directory .*none: mount it, or make it once$/,
    ],
    [['--files-dir', folder, '--object-store', 's3://builds'], /exclude each other/],
    [
      ['--object-store', 's3://builds?endpoint=http://127.0.0.1:1'],
      /does not answer \(ECONNREFUSED\): is the endpoint right\?$/,
    ],
    [['--object-store', 'https://builds'], /^--object-store: only s3:/],
  ]
  for (const [args, sentence] of cases) {
    const {how, said} = await start(...args)
    t.is(how, 'exit 1')
    t.regex(said, sentence)
    t.false(said.includes('\n'), said)
    t.notRegex(said, /hidden-key/)
  }
})
