// The scenario of the crash points: a push becomes a build of several steps, is told and promoted; another build is
// cancelled. Whoever is killed is started again, and what everything comes to is one ledger, however often that was.
import {createHash} from 'node:crypto'
import {existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'
import pg from 'pg'
import {
  Api,
  type Artifact,
  type Build,
  type Buildset,
  type Page,
  Refused,
  type Step,
} from '../../scripts/api.ts'
import {sweep} from '../../scripts/leftovers.ts'
import {freePort, Master, type Process, startWorker} from '../../scripts/processes.ts'
import {Repository} from '../support/repository.ts'
import {builder, sh, written} from '../support/written.ts'
import {DatabaseGate, type Moment} from './database-gate.ts'
import {Ends} from './ends.ts'
import {Receiver} from './receiver.ts'
import {openRows} from './zombies.ts'

/** Who is killed, and when. */
export type Crash =
  | {readonly who: 'nobody'}
  | {readonly who: 'master'; readonly at: number; readonly moment: Moment}
  | {readonly who: 'worker'; readonly at: number; readonly moment: JournalMoment}
export type JournalMoment = 'written' | 'torn'

export interface Outcome {
  /** What everything came to, as lines to compare. */
  readonly ledger: readonly string[]
  /** What the killed one had just done; null when the point was never reached. */
  readonly point: string | null
  /** How many commits (or journal writes) there were before the scenario was over. */
  readonly points: number
  readonly repeatedLetters: number
  readonly seconds: number
}

const withinMs = 150_000
const printed = Array.from({length: 400}, (_, n) => `line ${String(n + 1)} of many\n`).join('')
const preload = fileURLToPath(new URL('journal-preload.js', import.meta.url))

function configuration(folder: string, server: string, letters: string): string {
  const once = (name: string) => `echo ${name} >>${folder}/side`
  const check = [
    {kind: 'git', repository: 'repo'},
    sh('first', `${once('first')}; for i in $(seq 1 400); do echo "line $i of many"; done`),
    {
      kind: 'setPropertyFromCommand',
      name: 'name',
      property: 'version',
      command: `${once('name')}; echo v1.2`,
    },
    sh('flaky', `${once('flaky')}; [ -e tried ] || { touch tried; exit 1; }; cp file kept.txt`, {
      retry: {times: 1},
    }),
    {kind: 'upload', files: 'kept.txt', artifact: 'kept'},
    sh('last', `${once('last')}; sleep 0.4; echo end`),
  ]
  return written([builder('check', check), builder('endless', [sh('wait', `${once('wait')}; sleep 600`)])], {
    workers: [{name: 'w1'}],
    changeSources: [
      {name: 'repo', kind: 'git', url: `file://${server}`, branches: ['main'], pollInterval: '1s'},
    ],
    schedulers: [
      {
        name: 'push',
        kind: 'singleBranch',
        source: 'repo',
        branch: 'main',
        builders: ['check'],
        treeStableTimer: '0s',
      },
    ],
    promotions: {
      rules: [
        {
          name: 'stable',
          kind: 'fastForward',
          source: 'repo',
          from: 'main',
          to: 'stable',
          green: {builders: ['check']},
        },
      ],
    },
    reporters: [{name: 'chat', kind: 'webhook', url: letters, on: ['started', 'finished', 'promoted']}],
  })
}

/** Plays the scenario with that crash, in a database of that name made for it. */
export async function play(crash: Crash, cluster: string, name: string): Promise<Outcome> {
  const scene = await Scene.set(crash, cluster, name)
  const begun = performance.now()
  try {
    await scene.play()
    const ledger = await scene.persist('the ledger is read', () => scene.ledger())
    return {
      ledger,
      point: scene.point,
      points: scene.points,
      repeatedLetters: scene.receiver.repeated,
      seconds: (performance.now() - begun) / 1000,
    }
  } catch (error) {
    const said = scene.processes.map(
      (each) => `${each.name} (${each.how ?? 'runs'}):\n${each.lines.slice(-40).join('\n')}`,
    )
    throw new Error(`${(error as Error).message}\n${said.join('\n')}`, {cause: error})
  } finally {
    await scene.ends.end()
  }
}

class Scene {
  readonly ends = new Ends()
  readonly processes: Process[] = []
  point: string | null = null
  private readonly crash: Crash
  private readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'ostler-crash-')))
  private port = 0
  private now: Process | null = null
  private token = ''
  private worker: Process | null = null
  private readonly stage: {
    gate: DatabaseGate
    client: pg.Client
    receiver: Receiver
    repository: Repository
    tip: string
  }

  private constructor(crash: Crash, stage: Scene['stage']) {
    this.crash = crash
    this.stage = stage
  }

  static async set(crash: Crash, cluster: string, name: string): Promise<Scene> {
    const before = new Ends()
    const admin = new pg.Client({connectionString: cluster})
    await admin.connect()
    await admin.query(`CREATE DATABASE ${name}`)
    before.teardown(async () => {
      await admin.query(`DROP DATABASE ${name} WITH (FORCE)`)
      await admin.end()
    })
    const url = new URL(cluster)
    url.pathname = `/${name}`
    const gate = await DatabaseGate.to(before, url.href)
    const receiver = await Receiver.open(before)
    const repository = await Repository.make(before)
    await repository.commit('first', {file: 'first\n'})
    await repository.push('main', 'main:stable')
    const tip = await repository.commit('second', {file: 'second\n'})
    await repository.push('main')
    const client = new pg.Client({connectionString: url.href})
    client.on('error', () => undefined)
    await client.connect()
    before.teardown(() => client.end())
    const scene = new Scene(crash, {gate, client, receiver, repository, tip})
    scene.ends.teardown(() => before.end())
    scene.ends.teardown(() => sweep(scene.folder))
    scene.ends.teardown(async () => {
      await scene.worker?.stop()
      await scene.now?.stop()
    })
    scene.port = await freePort()
    writeFileSync(
      join(scene.folder, 'ostler.yaml'),
      configuration(scene.folder, repository.server, receiver.url),
    )
    if (crash.who === 'master')
      gate.set(crash.at, crash.moment, () => {
        scene.point = gate.commits.at(crash.at - 1) ?? '?'
        scene.now?.child.kill('SIGKILL')
      })
    return scene
  }

  get receiver(): Receiver {
    return this.stage.receiver
  }

  get points(): number {
    return this.crash.who === 'worker' ? this.journalWrites() : this.stage.gate.commits.length
  }

  async play(): Promise<void> {
    await this.persist('the worker is admitted', async () => {
      const {token} = await this.api().post<{token: string}>('/tokens', {kind: 'worker', name: 'w1'})
      this.token = token
      return true
    })
    const {buildset} = await this.persist('the endless build is asked for', async () => {
      const answer = await this.api().fetch('/schedulers/force/force', {
        method: 'POST',
        headers: {'content-type': 'application/json', 'idempotency-key': 'endless'},
        body: JSON.stringify({builder: 'endless'}),
      })
      return (await answer.json()) as {buildset: string}
    })
    await this.persist('it runs', async () => (this.side().includes('wait') ? true : null))
    await this.persist('it is cancelled', async () => {
      const [id] = (await this.api().get<Buildset>(`/buildsets/${buildset}`)).requests[0]?.builds ?? []
      await this.api()
        .post(`/builds/${id ?? ''}/cancel`, {reason: 'enough'})
        .catch((error: unknown) => {
          if (!(error instanceof Refused && error.status === 409)) throw error
        })
      return true
    })
    await this.persist('all is built', async () => {
      const sets = await this.api().all<Buildset>('/buildsets')
      return sets.length >= 2 && sets.every(({complete}) => complete) ? true : null
    })
    await this.persist('it is promoted', async () => ((await this.stable()) === this.stage.tip ? true : null))
    await this.persist('all is told', async () => (this.receiver.letters.size >= 5 ? true : null))
    await this.persist('nothing is open', async () =>
      (await openRows(this.stage.client)).length === 0 ? true : null,
    )
  }

  /** What everything came to. Numbers that a crash may skip are left out. */
  async ledger(): Promise<string[]> {
    const lines: string[] = []
    for (const {id} of (await this.api().all<Build>('/builds')).toReversed())
      lines.push(...(await this.buildLines(id)))
    const {rows: events} = await this.stage.client.query<{line: string}>(
      `SELECT type || ' ' || count(*) AS line FROM events
       WHERE type IN ('change.added', 'buildset.finished', 'build.started', 'build.finished', 'build.retried', 'branch.promoted')
       GROUP BY type ORDER BY type`,
    )
    const {rows: pushed} = await this.stage.client.query<{state: string; count: string}>(
      `SELECT state, count(*) FROM promotions WHERE state NOT IN ('decided', 'raced', 'failed') GROUP BY state ORDER BY state`,
    )
    return [
      ...lines.sort(),
      `changes: ${String((await this.api().all('/changes')).length)}`,
      ...events.map(({line}) => `event ${line}`),
      ...pushed.map(({state, count}) => `promotions ${state}: ${count}`),
      `stable is at the tip: ${String((await this.stable()) === this.stage.tip)}`,
      ...this.receiver.told.map((each) => `letter ${each}`),
      `side: ${this.side().sort().join(' ')}`,
    ]
  }

  private async buildLines(id: string): Promise<string[]> {
    const build = await this.api().get<Build>(`/builds/${id}`)
    const at = `${build.builder} #${String(build.number)}`
    const steps = (await this.api().get<Page<Step>>(`/builds/${id}/steps`)).items
    const told = await Promise.all(
      steps.map(async ({name, result, attempts, logs}) => {
        const texts = await Promise.all(logs.map(({id}) => this.api().text(`/logs/${id}/raw`)))
        const isWhole = name === 'first' ? ` printed whole: ${String(texts[0] === printed)}` : ''
        // A checkout says how long it took, an upload how often it had to ask.
        const bytes = ['git', 'upload'].includes(name)
          ? ''
          : ` ${texts.map((text) => String(text.length)).join(' ')} bytes`
        return `${at} ${name}: ${result ?? 'none'} after ${String(attempts)}${bytes}${isWhole}`
      }),
    )
    const artifacts = (await this.api().get<Page<Artifact>>(`/artifacts?build=${id}`)).items
    const kept = await Promise.all(
      artifacts.map(async (artifact) => {
        const bytes = await this.api().bytes(`/artifacts/${artifact.id}`)
        return `${at} artifact ${artifact.name} ${artifact.path} ${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}`
      }),
    )
    const version = JSON.stringify(build.properties['version'] ?? null)
    return [
      `${at}: ${build.result ?? 'none'}, lost ${String(build.attemptsLost)}, version ${version}`,
      ...told,
      ...kept,
    ]
  }

  private api(): Api {
    return new Api(`http://127.0.0.1:${String(this.port)}`, this.adminToken())
  }

  private adminToken(): string {
    const file = join(this.folder, 'master', 'admin-token')
    return existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
  }

  private stable(): Promise<string | null> {
    return this.stage.repository.tip('stable')
  }

  private side(): string[] {
    const file = join(this.folder, 'side')
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
  }

  private journalWrites(): number {
    const file = join(this.folder, 'journal-writes')
    return existsSync(file) ? readFileSync(file, 'utf8').length : 0
  }

  /** Keeps everybody alive until `look` answers, as a patient person at the command line would. */
  async persist<T>(what: string, look: () => Promise<T | null>): Promise<T> {
    const deadline = Date.now() + withinMs
    let last: unknown = null
    while (Date.now() < deadline) {
      try {
        await this.revive()
        const seen = await look()
        if (seen !== null) return seen
      } catch (error) {
        // Only the one that is to be killed may fail; anything else is found by waiting in vain.
        last = error
      }
      await sleep(50)
    }
    throw new Error(`${what}: not within ${String(withinMs / 1000)} s${last ? ` (${String(last)})` : ''}`)
  }

  private async revive(): Promise<void> {
    if (this.now === null || this.now.how !== null)
      await Master.start({
        config: join(this.folder, 'ostler.yaml'),
        stateDir: join(this.folder, 'master'),
        databaseUrl: this.stage.gate.url,
        port: this.port,
        begun: (running) => {
          this.now = running
          this.processes.push(running)
        },
      })
    if (this.token === '' || (this.worker !== null && this.worker.how === null)) return
    if (this.worker !== null) this.point ??= 'a journal write'
    this.worker = startWorker({
      master: `http://127.0.0.1:${String(this.port)}`,
      name: 'w1',
      token: this.token,
      stateDir: join(this.folder, 'worker'),
      maxBuilds: 2,
      ...(this.crash.who === 'worker' && {env: this.preloaded(this.crash, this.worker === null)}),
    })
    this.processes.push(this.worker)
  }

  /** The first worker is killed by its preload; the next one only counts on. */
  private preloaded({at, moment}: Crash & {who: 'worker'}, isFirst: boolean): NodeJS.ProcessEnv {
    mkdirSync(this.folder, {recursive: true})
    return {
      NODE_OPTIONS: `--import ${preload}`,
      OSTLER_TEST_JOURNAL_WRITES: join(this.folder, 'journal-writes'),
      ...(isFirst && {OSTLER_TEST_JOURNAL_CRASH: `${moment} ${String(at)}`}),
    }
  }
}
