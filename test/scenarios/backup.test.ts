// Backups of whole systems at work, restored on either database, and what a repair says and does at the command line.
import test, {type ExecutionContext} from 'ava'
import {spawnSync} from 'node:child_process'
import {createHash} from 'node:crypto'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import {join} from 'node:path'
import type {Build, Page, Step} from '../../scripts/api.ts'
import {Master, ostlerCommand, runOstler} from '../../scripts/processes.ts'
import {buildProcesses} from '../support/marked.ts'
import {emptyDatabase} from '../support/database.ts'
import {needs} from '../support/needs.ts'
import {System, type Database} from '../support/system.ts'
import {builder, sh, written} from '../support/written.ts'

const config = (folder: string) =>
  written([
    builder('short', [
      sh('print', 'seq 1 30000'),
      sh('make', 'seq 1 5000 > kept.txt'),
      {kind: 'upload', name: 'keep', files: 'kept.txt', artifact: 'kept'},
    ]),
    builder('long', [sh('wait', `echo begun; while [ ! -e ${folder}/go ]; do sleep 0.1; done; echo ended`)]),
    builder('late', [sh('wait', `while [ ! -e ${folder}/never ]; do sleep 0.1; done`)]),
  ])

const counted = Array.from({length: 30_000}, (_, n) => `${String(n + 1)}\n`).join('')

async function running(system: System, builders: string): Promise<{buildset: string; build: string}> {
  const buildset = await system.force('force', {builder: builders})
  const build = await system.until(`${builders} runs`, async () => {
    const {items} = await system.api.get<Page<Build>>(`/builds?builder=${builders}&limit=1`)
    return items[0]?.state === 'running' ? items[0].id : null
  })
  return {buildset, build}
}

const environment = (url: string | null): NodeJS.ProcessEnv =>
  url === null ? {} : {OSTLER_DATABASE_URL: url}

async function targetOf(t: ExecutionContext, system: System, database: Database) {
  const stateDir = mkdtempSync(join(system.folder, 'restored-'))
  if (database === 'embedded') return {stateDir, url: null}
  const {url, drop} = await emptyDatabase()
  t.teardown(drop)
  return {stateDir, url}
}

for (const [from, to] of [
  ['embedded', 'postgresql'],
  ['postgresql', 'embedded'],
] as const)
  // prettier-ignore
  needs('postgresql')(`builds run, a backup is made, and on the other database they go on from it (${from} to ${to})`, async (t) => {
    const system = await System.start(t, {
      config,
      database: from,
      workers: [{name: 'w1', maxBuilds: 4}],
    })
    const [done] = await system.builds(await system.force('force', {builder: 'short'}))
    const long = await running(system, 'long')
    const target = join(system.folder, 'backup.tar')

    const made = await system.master.ostler('backup', target)
    t.is(made.code, 0, made.stderr)
    t.is(statSync(target).mode & 0o777, 0o600)
    t.is((await system.master.ostler('backup', target)).code, 2, 'a backup is never written over')

    // After the backup: the long build ends, another begins, and the machine is gone.
    const late = await running(system, 'late')
    const lost = await system.api.get<Build>(`/builds/${late.build}`)
    const port = Number(new URL(system.master.url).port)
    await system.master.process.kill()

    const place = await targetOf(t, system, to)
    const restored = await runOstler(['restore', target, '--state-dir', place.stateDir], environment(place.url))
    t.is(restored.code, 0, restored.stderr)
    t.regex(restored.stdout, /2 builds, .* logs, 1 artifact\nthe administrator's token is in/)
    const again = await runOstler(['restore', target, '--state-dir', place.stateDir], environment(place.url))
    t.is(again.code, 3)
    t.regex(again.stderr, /not empty.*--overwrite/)

    const master = await Master.start({
      config: system.configFile,
      stateDir: place.stateDir,
      port,
      ...(place.url !== null && {databaseUrl: place.url}),
    })
    t.teardown(() => master.process.stop())
    const {items: steps} = await master.api.get<Page<Step>>(`/builds/${done?.id ?? ''}/steps`)
    t.is(await master.api.text(`/logs/${steps[0]?.logs[0]?.id ?? ''}/raw`), counted)
    const {items: kept} = await master.api.get<Page<{id: string; sha256: string}>>(`/artifacts?build=${done?.id ?? ''}`)
    const content = await master.api.text(`/artifacts/${kept[0]?.id ?? ''}`)
    t.is(createHash('sha256').update(content).digest('hex'), kept[0]?.sha256 ?? '')

    // The worker comes back by itself: what it still has goes on, what nobody knows is stopped.
    writeFileSync(join(system.folder, 'go'), '')
    const ended = await system.until('the long build ends', async () => {
      const build = await master.api.get<Build>(`/builds/${long.build}`)
      return build.state === 'finished' ? build : null
    })
    t.is(ended.result, 'success')
    await system.until('the build that nobody knows is stopped', async () =>
      Promise.resolve(buildProcesses(system.folder).length === 0 ? true : null),
    )
    // A number that was given out after the backup is never given again.
    const next = await master.api.post<{requests: {id: string}[]}>('/schedulers/force/force', {builder: 'short'})
    t.is(next.requests.length, 1)
    const fresh = await system.until('a new build runs', async () => {
      const {items} = await master.api.get<Page<Build>>('/builds?builder=short&limit=1')
      return items[0]?.state === 'finished' && items[0].id !== done?.id ? items[0] : null
    })
    t.true(Number(fresh.attempt) > 1_000_000_000)
    t.true(Number(fresh.attempt) > Number(lost.attempt))

    const busy = await runOstler(['fsck', '--state-dir', place.stateDir, '--repair'], environment(place.url))
    t.is(busy.code, 3, busy.stdout)
    t.regex(busy.stderr, /in use by process|masters are at work/)
    await master.process.stop()
    const sound = await runOstler(['fsck', '--state-dir', place.stateDir], environment(place.url))
    t.is(sound.code, 0, sound.stdout + sound.stderr)
    t.regex(sound.stdout, /nothing is wrong; \d+ logs and \d artifacts? were read/)
  })

test('a backup of a stopped master, read from its directory, and a repair that says what it does first', async (t) => {
  const system = await System.start(t, {config, workers: ['w1']})
  await system.builds(await system.force('force', {builder: 'short'}))
  await system.worker('w1').stop()
  await system.master.process.stop()
  const stateDir = join(system.folder, 'master')
  const target = join(system.folder, 'offline.tar')
  const made = await runOstler(['backup', target, '--state-dir', stateDir, '--json'])
  t.is(made.code, 0, made.stderr)
  t.is((JSON.parse(made.stdout) as {artifacts: number}).artifacts, 1)

  truncateSync(target, 4000)
  const cut = await runOstler(['restore', target, '--state-dir', join(system.folder, 'nowhere')])
  t.is(cut.code, 1)
  t.regex(cut.stderr, /offline.tar cannot be restored: it is cut off before its end/)
  t.deepEqual(readdirSync(join(system.folder, 'nowhere')), [])

  const shelf = join(stateDir, 'logs', '01', '1')
  const index = readdirSync(shelf).find((name) => name.endsWith('.idx')) ?? ''
  truncateSync(join(shelf, index), 10)
  const told = await runOstler(['fsck', '--state-dir', stateDir])
  t.is(told.code, 1)
  t.regex(
    told.stdout,
    /^log \d+ .*is cut off; 0 of its \d+ bytes are good\n {2}a repair would note that it is gone/,
  )
  t.is(readFileSync(join(shelf, index)).length, 10, 'nothing is changed')
  const repaired = await runOstler(['fsck', '--state-dir', stateDir, '--repair', '--json'])
  t.is(repaired.code, 0, repaired.stderr)
  t.deepEqual((JSON.parse(repaired.stdout) as {left: unknown[]}).left, [])
  t.true(existsSync(join(stateDir, 'lost+found', 'logs', '01', '1', index)))
  t.is((await runOstler(['fsck', '--state-dir', join(system.folder, 'nowhere')])).code, 3)
})

needs('mounts')('a full disk leaves no file that looks like a backup', async (t) => {
  const system = await System.start(t, {config, workers: ['w1']})
  await system.builds(await system.force('force', {builder: 'short'}))
  const small = join(system.folder, 'small')
  // A file system of its own, which goes with the process that mounted it.
  const script = `mkdir -p ${small} && mount -t tmpfs -o size=16k none ${small} && \
    ${process.execPath} ${ostlerCommand} backup ${small}/b.tar; echo "code $?"; ls -A ${small}`
  const {OSTLER_TOKEN = readFileSync(system.master.tokenFile, 'utf8').trim()} = {}
  const run = spawnSync('unshare', ['--mount', 'sh', '-c', script], {
    encoding: 'utf8',
    env: {...process.env, OSTLER_MASTER: system.master.url, OSTLER_TOKEN},
  })
  t.regex(run.stderr, /no backup was made, and .*b.tar was not written: the disk is full/)
  t.is(run.stdout, 'code 3\n')
  t.is((await system.api.get<Page<Build>>('/builds')).items.length, 1, 'the master goes on')
  t.deepEqual(
    readdirSync(join(system.folder, 'master')).filter((name) => name.startsWith('backup-')),
    [],
  )
})
