// Several masters on one PostgreSQL: whichever is asked answers for all, and when one goes, the others go on.
import {once} from 'node:events'
import {existsSync, openSync, readFileSync, renameSync, rmSync, closeSync, constants} from 'node:fs'
import {execFileSync} from 'node:child_process'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import type {ExecutionContext} from 'ava'
import {startWorker} from '../../scripts/processes.ts'
import type {Master} from '../../scripts/processes.ts'
import type {Build, Change, Page, Worker} from '../../scripts/api.ts'
import {needs} from '../support/needs.ts'
import {Repository} from '../support/repository.ts'
import {System} from '../support/system.ts'
import {builder, sh, written} from '../support/written.ts'

const test = needs('postgresql')
/** A bell that was lost costs a master its slow tick, which is longer. */
const bellMs = 3_500

const prints = (count: number) => `for i in $(seq 1 ${String(count)}); do echo "line $i"; sleep 0.1; done`
const lines = (count: number) => Array.from({length: count}, (_, n) => `line ${String(n + 1)}\n`).join('')
const config = (folder: string) =>
  written([
    builder('long', [sh('long', prints(600))]),
    builder('b', [sh('once', `echo ran >>${folder}/side`), sh('long', prints(60))]),
  ])

const two = (t: ExecutionContext, more: object = {}) =>
  System.start(t, {config, database: 'postgresql', masters: 2, workers: ['w1'], ...more})

/** The master that the worker is connected to, and another. */
async function sides(system: System, worker = 'w1'): Promise<{its: Master; other: Master}> {
  const {master} = await system.api.get<Worker>(`/workers/${worker}`)
  const all = ['master', 'master-2'].map((name) => system.masterNamed(name))
  const isIts = ({process}: Master) => master?.includes(`-${String(process.pid)}-`)
  return {its: all.find(isIts) as Master, other: all.find((each) => !isIts(each)) as Master}
}

async function printing(system: System, name: string): Promise<{buildset: string; build: Build}> {
  const buildset = await system.force('force', {builder: name})
  const build = await system.until('the step prints', async () => {
    const {items} = await system.api.get<Page<Build>>(`/builds?builder=${name}&limit=1`)
    const [newest] = items
    if (newest?.state !== 'running') return null
    return (await system.log(newest.id, 'long').catch(() => '')).includes('line 3\n') ? newest : null
  })
  return {buildset, build}
}

test('what is asked of one master reaches a worker that is connected to another', async (t) => {
  const system = await two(t)
  const {other} = await sides(system)
  const {build} = await printing(system, 'long')

  // A log that grows is followed through either.
  const step = (await other.api.get<Page<{logs: {id: string}[]}>>(`/builds/${build.id}/steps`)).items[0]
  const log = step?.logs[0]?.id ?? ''
  const before = (await other.api.text(`/logs/${log}/raw`)).length
  await system.until('the log grows', async () =>
    (await other.api.text(`/logs/${log}/raw`)).length > before ? true : null,
  )

  const asked = performance.now()
  await other.api.post(`/builds/${build.id}/cancel`, {reason: 'through the other'})
  await system.until('the build ends', async () =>
    (await other.api.get<Build>(`/builds/${build.id}`)).state === 'finished' ? true : null,
  )
  t.true(performance.now() - asked < bellMs)
  t.is((await system.api.get<Build>(`/builds/${build.id}`)).result, 'cancelled')

  await other.api.post('/workers/w1/pause', {reason: 'rest'})
  const waiting = await system.force('force', {builder: 'b'})
  const wait = await system.until('the request says why it waits', async () => {
    const {items} = await other.api.get<Page<{waiting: {code: string}[]}>>('/requests?state=pending')
    return items[0]?.waiting.find(({code}) => code === 'paused') ?? null
  })
  t.truthy(wait)
  await other.api.post('/workers/w1/resume')
  await system.until('it starts', async () =>
    (await system.api.get<Page<Build>>('/builds?builder=b&limit=1')).items.length > 0 ? true : null,
  )
  t.is((await system.completed(waiting)).result, 'success')
})

test('a reload asked of one master is carried out by all', async (t) => {
  const system = await two(t)
  system.configure(written([builder('fresh', [sh('s', 'true')])]))
  await system.masterNamed('master-2').api.post('/config/reload')
  const names = async (master: Master) =>
    (await master.api.get<Page<{name: string}>>('/builders')).items.map(({name}) => name)
  t.deepEqual(await names(system.masterNamed('master-2')), ['fresh'])
  await system.until('the first master has it, too', async () =>
    (await names(system.master)).includes('fresh') ? true : null,
  )
  t.is((await fetch(`${system.master.url}/healthz`)).status, 200)
  const {items} = await system.api.get<Page<{state: string}>>('/masters')
  t.deepEqual(
    items.map(({state}) => state),
    ['alive', 'alive'],
  )
})

test('masters that work by different configurations are told apart', async (t) => {
  const system = await two(t)
  t.regex((await system.master.ostler('masters')).stdout, /master/i)
  t.is((await system.master.ostler('masters')).stderr, '')
  system.configure(written([builder('fresh', [sh('s', 'true')])]))
  await system.masterNamed('master-2').process.kill()
  const second = await system.startMaster('master-2')
  const {code, stderr} = await second.ostler('masters')
  t.is(code, 0)
  t.regex(stderr, /work by different configurations: give them one, and reload/)
  await system.until('it is in the log, too', async () =>
    second.process.lines.some((line) => line.includes('different configurations')) ? true : null,
  )
})

test('when a master is killed its worker moves on, and the build does too', async (t) => {
  const system = await two(t)
  const {buildset, build} = await printing(system, 'b')
  const {its, other} = await sides(system)
  await its.process.kill()
  await system.until('the worker speaks with the other master', async () => {
    const {master} = await other.api.get<Worker>('/workers/w1')
    return master?.includes(`-${String(other.process.pid)}-`) ? true : null
  })
  await system.until('the build ends', async () => {
    const found = await other.api.get<{complete: boolean}>(`/buildsets/${buildset}`)
    return found.complete ? true : null
  })
  const ended = await other.api.get<Build>(`/builds/${build.id}`)
  t.like(ended, {result: 'success', attempt: build.attempt, attemptsLost: 0})
  t.is(readFileSync(join(system.folder, 'side'), 'utf8'), 'ran\n')
  const steps = await other.api.get<Page<{name: string; logs: {id: string}[]}>>(`/builds/${build.id}/steps`)
  const log = steps.items.find(({name}) => name === 'long')?.logs[0]?.id ?? ''
  t.is(await other.api.text(`/logs/${log}/raw`), lines(60))
})

test('a master that was frozen while its worker moved on changes nothing when it wakes', async (t) => {
  const system = await two(t)
  const {its, other} = await sides(system)
  const {buildset, build} = await printing(system, 'long')
  its.process.child.kill('SIGSTOP')
  await system.until('the worker speaks with the other master', async () => {
    const {master} = await other.api.get<Worker>('/workers/w1')
    return master?.includes(`-${String(other.process.pid)}-`) ? true : null
  })
  await sleep(3_000)
  its.process.child.kill('SIGCONT')
  await system.until(
    'the build ends',
    async () => {
      const found = await other.api.get<{complete: boolean}>(`/buildsets/${buildset}`)
      return found.complete ? true : null
    },
    120_000,
  )
  const ended = await other.api.get<Build>(`/builds/${build.id}`)
  t.like(ended, {result: 'success', attempt: build.attempt, attemptsLost: 0})
  t.is(await system.log(build.id, 'long'), lines(600))
  t.is((await sides(system)).its, other)
})

test('a second worker of one name is refused by another master while the first answers', async (t) => {
  const system = await two(t)
  const {other} = await sides(system)
  const token = await other.workerToken('w1')
  const stateDir = join(system.folder, 'impostor')
  const impostor = startWorker({master: other.url, name: 'w1', token, stateDir})
  t.teardown(() => impostor.stop())
  await system.until('it is refused', async () =>
    impostor.lines.some((line) => line.includes('is connected to another master already')) ? true : null,
  )
  const {buildset} = await printing(system, 'b')
  t.is((await system.completed(buildset)).result, 'success')
  // When the first is gone, the name is free.
  await system.worker('w1').stop()
  await system.until('the second is let in', async () =>
    impostor.lines.some((line) => line.includes('link.welcome')) ? true : null,
  )
})

/** A repository whose server hangs: reading its refs waits on a pipe, until it is let go. */
async function hanging(t: ExecutionContext) {
  const repository = await Repository.make(t)
  await repository.commit('first')
  await repository.git('push', '--quiet', 'origin', 'main')
  const refs = join(repository.server, 'packed-refs')
  execFileSync('mkfifo', [refs])
  return {
    repository,
    letGo: () => {
      if (!existsSync(refs)) return
      renameSync(refs, `${refs}.old`)
      // Who waits to read gets an end; nobody waiting is no fault.
      try {
        closeSync(openSync(`${refs}.old`, constants.O_WRONLY | constants.O_NONBLOCK))
      } catch (error) {
        t.is((error as NodeJS.ErrnoException).code, 'ENXIO')
      }
      rmSync(`${refs}.old`)
    },
  }
}

const holderOf = async (system: System, lease: string): Promise<string | null> => {
  const [row] = await system.rows<{holder: string}>(
    'SELECT holder FROM leases WHERE name = $1 AND until > clock_timestamp()',
    [lease],
  )
  return row?.holder ?? null
}

for (const [how, signal] of [
  ['killed', 'SIGKILL'],
  ['frozen', 'SIGSTOP'],
] as const)
  test(`what a ${how} master alone may do is taken over by another within seconds`, async (t) => {
    const {repository, letGo} = await hanging(t)
    t.teardown(letGo)
    const source = {
      name: 'code',
      kind: 'git',
      url: `file://${repository.server}`,
      branches: ['main'],
      pollInterval: '1s',
    }
    const system = await System.start(t, {
      config: () => written([builder('b', [sh('s', 'true')])], {changeSources: [source]}),
      database: 'postgresql',
      masters: 2,
    })
    const holder = await system.until('a master polls', () => holderOf(system, 'changes/code'))
    const all = ['master', 'master-2'].map((name) => system.masterNamed(name))
    const its = all.find(({process}) => holder.includes(`-${String(process.pid)}-`)) as Master
    const other = all.find((each) => each !== its) as Master
    const at = performance.now()
    its.process.child.kill(signal)
    if (signal === 'SIGKILL') await once(its.process.child, 'exit')
    await system.until('the other polls', async () => {
      const now = await holderOf(system, 'changes/code')
      return now?.includes(`-${String(other.process.pid)}-`) ? true : null
    })
    t.true(performance.now() - at < 10_000)
    letGo()
    const changes = async () => (await other.api.get<Page<Change>>('/changes')).items
    await system.until('the commit is a change', async () => ((await changes()).length > 0 ? true : null))
    if (signal === 'SIGSTOP') {
      its.process.child.kill('SIGCONT')
      await system.until('it finds that it was late', async () =>
        its.process.lines.some((line) => line.includes('does not hold the lease')) ? true : null,
      )
    }
    t.is((await changes()).length, 1)
    t.deepEqual(await system.rows('SELECT failures, error FROM repositories'), [{failures: 0, error: null}])
  })

test('a calendar’s tick builds once, however many masters see it', async (t) => {
  const nightly = {name: 'nightly', kind: 'nightly', builders: ['b'], cron: '* * * * *'}
  const system = await System.start(t, {
    config: () => written([builder('b', [sh('s', 'true')])], {schedulers: [nightly]}),
    database: 'postgresql',
    masters: 3,
  })
  const due = async () =>
    (await system.rows<{due_at: Date}>(`SELECT due_at FROM schedulers WHERE name = 'nightly'`))[0]
  await system.until('the calendar is known', due)
  // As if the masters had slept through several ticks, and woke up together.
  await system.rows(`UPDATE schedulers SET due_at = due_at - interval '1 minute' WHERE name = 'nightly'`)
  for (const name of ['master', 'master-2', 'master-3'])
    await system.masterNamed(name).api.post('/config/reload')
  await system.until('it has built', async () =>
    (await system.rows(`SELECT 1 FROM buildsets WHERE scheduler = 'nightly'`)).length > 0 ? true : null,
  )
  await sleep(1_500)
  const [count] = await system.rows<{count: string}>(
    `SELECT max(n)::text AS count FROM (SELECT count(*) AS n FROM buildsets WHERE scheduler = 'nightly' GROUP BY reason) r`,
  )
  t.is(count?.count, '1')
})
