// The alerts and the dashboard that are delivered, in a real Prometheus that asks a real master.
import {execFile, spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {promisify} from 'node:util'
import test, {type ExecutionContext} from 'ava'
import {parse, stringify} from 'yaml'
import {freePort} from '../../scripts/processes.ts'
import {measures} from '../../master/world/store/views/measures.ts'
import {startCluster} from '../support/cluster.ts'
import {needs} from '../support/needs.ts'
import {System} from '../support/system.ts'
import {adminToken} from '../support/visit.ts'
import {builder, sh, written} from '../support/written.ts'

const run = promisify(execFile)
const delivered = (name: string) => new URL(`../../../debian/monitoring/${name}`, import.meta.url)
const read = (name: string) => readFileSync(delivered(name), 'utf8')

interface Rules {
  readonly groups: ReadonlyArray<{
    readonly rules: ReadonlyArray<{
      readonly alert: string
      readonly expr: string
      readonly labels: Readonly<Record<string, string>>
      readonly annotations: Readonly<Record<string, string>>
    }>
  }>
}
interface Dashboard {
  readonly panels: ReadonlyArray<{
    readonly id: number
    readonly title: string
    readonly gridPos: {readonly x: number; readonly y: number; readonly w: number; readonly h: number}
    readonly targets?: ReadonlyArray<{readonly expr: string}>
  }>
}
interface Answer {
  readonly status: string
  readonly error?: string
  readonly data: {readonly result: ReadonlyArray<{readonly metric: Readonly<Record<string, string>>}>}
}

const alerts = (parse(read('alerts.yaml')) as Rules).groups.flatMap(({rules}) => rules)
const {panels} = JSON.parse(read('dashboard.json')) as Dashboard
const shown = panels.flatMap(({targets = []}) => targets.map(({expr}) => expr))
const namesIn = (expr: string) => expr.match(/\b(ostler|nodejs|process)_\w+/g) ?? []

test('every alert says what is wrong, what to do and how urgent it is, and has a case that makes it fire', (t) => {
  const cases = read('alerts.test.yaml')
  for (const {alert, labels, annotations} of alerts) {
    t.regex(labels['severity'] ?? '', /^(page|ticket|note)$/, alert)
    t.truthy(annotations['summary'], alert)
    t.truthy(annotations['remedy'], alert)
    t.true(cases.includes(`alertname="${alert}"`), alert)
  }
})

test('what is measured is shown, or alarmed on', (t) => {
  const used = new Set([...alerts.map(({expr}) => expr), ...shown].flatMap(namesIn))
  const silent = measures.map(({name}) => name).filter((name) => !used.has(name))
  // Kept for whoever looks closer.
  t.deepEqual(silent, [
    'ostler_worker_spool_limit_bytes',
    'ostler_worker_spool_holding',
    'ostler_masters',
    'ostler_promotion_decided_seconds',
  ])
})

test('no panel of the dashboard lies on another', (t) => {
  t.is(new Set(panels.map(({id}) => id)).size, panels.length)
  const cells = panels.flatMap(({gridPos: {x, y, w, h}}) =>
    Array.from({length: w * h}, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`),
  )
  t.is(new Set(cells).size, cells.length)
  t.true(panels.every(({gridPos: {x, w}}) => x + w <= 24))
})

needs('prometheus')('the alerts fire when they should, and not before', async (t) => {
  const {stdout} = await run('promtool', ['test', 'rules', 'alerts.test.yaml'], {cwd: delivered('.')})
  t.regex(stdout, /SUCCESS/)
})

needs('prometheus', 'postgresql')(
  'a Prometheus that is set up as delivered understands a master, shows its builds and sees what goes',
  async (t) => {
    const cluster = await startCluster()
    t.teardown(() => cluster.stop())
    const system = await System.start(t, {
      config: () => written([builder('b', [sh('s', 'echo hi')])]),
      databaseUrl: cluster.url,
      workers: ['w1'],
    })
    await system.builds(await system.force('force', {builder: 'b'}))
    const metrics = await fetch(`${system.master.url}/metrics`, {
      headers: {authorization: `Bearer ${adminToken(system)}`},
    }).then((answer) => answer.text())
    const known = new Set(metrics.match(/(?<=^# HELP )\w+/gm))
    for (const name of [...alerts.map(({expr}) => expr), ...shown].flatMap(namesIn))
      t.true(known.has(name), `${name} is not on /metrics`)

    const ask = await startPrometheus(t, system)
    await system.until('the build is counted', async () => {
      const {result} = (await ask('ostler_builds_last_hour{builder="b", result="success"} == 1')).data
      return result.length > 0 ? result : null
    })
    for (const expr of shown) {
      const answer = await ask(expr)
      t.is(answer.status, 'success', `${expr}: ${answer.error ?? ''}`)
    }
    await system.until('two samples are there', async () => !(await empty(ask)).includes('CPU') || null)
    t.deepEqual(await empty(ask), nothingToShow)
    t.deepEqual((await ask('ALERTS')).data.result, [])

    await system.worker('w1').stop()
    await pending(system, ask, 'OstlerWorkerGone', {worker: 'w1'})
    const start = await cluster.halt()
    await pending(system, ask, 'OstlerDatabaseAway', {job: 'ostler'})
    t.deepEqual((await ask('ostler_worker_connected')).data.result, [], 'old numbers are no news')
    await start()
    await system.until('the database is seen again', async () =>
      (await ask('ostler_database_up == 1')).data.result.length > 0 ? true : null,
    )
  },
)

/** Nothing waits, runs, is promoted or told in the scenario. */
const nothingToShow = [
  'Waiting requests',
  'Oldest unfinished build',
  'Commits that wait for stable',
  'How long the oldest of them has waited',
  'Held and troubled',
  'Notices to be delivered',
]

type Ask = (expr: string) => Promise<Answer>

/** The panels that show nothing. */
async function empty(ask: Ask): Promise<string[]> {
  const found = await Promise.all(
    panels.map(async ({title, targets = []}) => {
      const answers = await Promise.all(targets.map(({expr}) => ask(expr)))
      return answers.length > 0 && answers.every(({data}) => data.result.length === 0) ? [title] : []
    }),
  )
  return found.flat()
}

async function pending(system: System, ask: Ask, alert: string, labels: Record<string, string>) {
  const wanted = Object.entries({alertname: alert, ...labels}).map(([name, value]) => `${name}="${value}"`)
  await system.until(`${alert} is seen`, async () => {
    const {result} = (await ask(`ALERTS{${wanted.join()}}`)).data
    return result.length > 0 ? result : null
  })
}

/** Starts Prometheus with the delivered job and rules, looking once a second; answers how it is asked. */
async function startPrometheus(t: ExecutionContext, system: System): Promise<Ask> {
  const home = mkdtempSync(join(tmpdir(), 'ostler-prometheus-'))
  const config = parse(read('prometheus.yaml')) as {
    rule_files: string[]
    scrape_configs: Array<Record<string, unknown>>
  }
  const [job] = config.scrape_configs
  writeFileSync(join(home, 'token'), adminToken(system))
  writeFileSync(
    join(home, 'prometheus.yaml'),
    stringify({
      ...config,
      global: {scrape_interval: '1s', evaluation_interval: '1s'},
      rule_files: config.rule_files.map((name) => delivered(name).pathname),
      scrape_configs: [
        {
          ...job,
          authorization: {credentials_file: join(home, 'token')},
          static_configs: [{targets: [new URL(system.master.url).host]}],
        },
      ],
    }),
  )
  const address = `127.0.0.1:${String(await freePort())}`
  const prometheus = spawn(
    'prometheus',
    [
      `--config.file=${join(home, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(home, 'data')}`,
      `--web.listen-address=${address}`,
    ],
    {stdio: 'ignore'},
  )
  t.teardown(async () => {
    const ended = once(prometheus, 'exit')
    prometheus.kill()
    await ended
    rmSync(home, {recursive: true})
  })
  const ask: Ask = async (expr) => {
    const answer = await fetch(
      `http://${address}/api/v1/query?${new URLSearchParams({query: expr}).toString()}`,
    )
    return (await answer.json()) as Answer
  }
  await system.until('Prometheus has asked', async () =>
    (await ask('up{job="ostler"} == 1').catch(() => null))?.data.result.length ? true : null,
  )
  return ask
}
