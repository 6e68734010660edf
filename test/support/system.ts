// A whole Ostler for a test: real masters and workers as processes, a folder of their own, a client with the
// administrator's token. When the test ends everything is stopped, and whatever was left behind fails it.
import test, {type ExecutionContext} from 'ava'
import {cpSync, mkdirSync, mkdtempSync, realpathSync, symlinkSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import pg from 'pg'
import type {Api, Build, Buildset, Event, Page, Step} from '../../scripts/api.ts'
import {sweep} from '../../scripts/leftovers.ts'
import {Master, type Process, startWorker, until, type WorkerOptions} from '../../scripts/processes.ts'
import {emptyDatabase} from './database.ts'
import {podmanSocket} from './parts.ts'

export type Database = 'embedded' | 'postgresql'

export interface SystemOptions {
  /** The text of `ostler.yaml`; gets the system's folder. */
  readonly config: (folder: string) => string
  /** The embedded one by default. */
  readonly database?: Database
  /** A database of the test's own, instead of a new one on the tests' server. */
  readonly databaseUrl?: string
  /** How many masters share the database, the first named `master`, then `master-2` and so on; one by default. */
  readonly masters?: number
  /** Workers to start, each by name; the configuration must name them too. */
  readonly workers?: readonly (string | (Partial<WorkerOptions> & {readonly name: string}))[]
  /** Also given to the master. */
  readonly env?: NodeJS.ProcessEnv
  /** The `ostler` command of another clone, for the master. */
  readonly program?: string
}

/** The test a system belongs to. */
export type Owner = Pick<ExecutionContext, 'passed' | 'log' | 'teardown'>

/** Systems of one test process that run at once: more would only make each other late. */
const systemsMax = 2
let systems = 0
const turns: (() => void)[] = []

async function takeTurn(t: Owner): Promise<void> {
  if (systems >= systemsMax) await new Promise<void>((go) => turns.push(go))
  else systems++
  t.teardown(() => {
    const next = turns.shift()
    if (next) next()
    else systems--
  })
}

/** One system for all tests of a file, which use it at the same time; `system()` is it, once they run. */
export function sharedSystem(options: SystemOptions): () => System {
  const ends: (() => unknown)[] = []
  let passed = true
  let started: System | null = null
  test.before(async (t) => {
    const owner: Owner = {
      get passed() {
        return passed
      },
      log: t.log,
      teardown: (end) => ends.unshift(end),
    }
    started = await System.start(owner, options)
  })
  test.afterEach.always((t) => {
    passed &&= t.passed
  })
  test.after.always(async () => {
    for (const end of ends) await end()
  })
  return () => {
    if (started === null) throw new Error('the system has not started')
    return started
  }
}

export class System {
  /** For the test's own files, too. */
  readonly folder: string
  private readonly t: Owner
  private readonly options: SystemOptions
  private readonly databaseUrl: string | null
  private readonly tokens = new Map<string, string>()
  private readonly workersNow = new Map<string, Process>()
  private readonly mastersNow = new Map<string, Master>()

  private constructor(t: Owner, options: SystemOptions, folder: string, databaseUrl: string | null) {
    this.t = t
    this.options = options
    this.folder = folder
    this.databaseUrl = databaseUrl
  }

  /** Starts the master, then the workers, and waits until they are connected. Stops with the test. */
  static async start(t: Owner, options: SystemOptions): Promise<System> {
    await takeTurn(t)
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ostler-system-')))
    const isOnServer = options.database === 'postgresql' && options.databaseUrl === undefined
    const database = isOnServer ? await emptyDatabase() : null
    const system = new System(t, options, folder, options.databaseUrl ?? database?.url ?? null)
    t.teardown(async () => {
      await system.end()
      await database?.drop()
    })
    mkdirSync(join(folder, 'master'))
    system.configure(options.config(folder))
    await system.startMaster()
    for (let n = 2; n <= (options.masters ?? 1); n++) await system.startMaster(`master-${String(n)}`)
    for (const worker of options.workers ?? []) await system.startWorker(worker)
    return system
  }

  get master(): Master {
    return this.masterNamed('master')
  }

  masterNamed(name: string): Master {
    const found = this.mastersNow.get(name)
    if (!found) throw new Error(`no ${name} was started`)
    return found
  }

  /** The addresses of all masters that were started. */
  get urls(): readonly string[] {
    return [...this.mastersNow.values()].map(({url}) => url)
  }

  get api(): Api {
    return this.master.api
  }

  /** A running worker's process. */
  worker(name: string): Process {
    const found = this.workersNow.get(name)
    if (!found) throw new Error(`no worker ${name} was started`)
    return found
  }

  /** Writes `ostler.yaml`; a running master reads it when told to. */
  configure(text: string): void {
    writeFileSync(this.configFile, text)
  }

  get configFile(): string {
    return join(this.folder, 'ostler.yaml')
  }

  /** Starts the master again on the same state, at the same address as before. */
  async startMaster(name = 'master'): Promise<Master> {
    const before = this.mastersNow.get(name)
    const port = before ? {port: Number(new URL(before.url).port)} : {}
    mkdirSync(join(this.folder, name), {recursive: true})
    if (!before && name !== 'master')
      for (const shared of ['logs', 'artifacts']) {
        mkdirSync(join(this.folder, 'master', shared), {recursive: true})
        symlinkSync(join(this.folder, 'master', shared), join(this.folder, name, shared))
      }
    const master = await Master.start({
      config: this.configFile,
      stateDir: join(this.folder, name),
      tokenFile: join(this.folder, 'master', 'admin-token'),
      ...port,
      ...(this.databaseUrl !== null && {databaseUrl: this.databaseUrl}),
      ...(this.options.env && {env: this.options.env}),
      program: this.options.program,
    })
    this.mastersNow.set(name, master)
    return master
  }

  /** Starts a worker (again, on the same state) and waits until the master sees it. */
  async startWorker(options: string | (Partial<WorkerOptions> & {readonly name: string})): Promise<Process> {
    const given = typeof options === 'string' ? {name: options} : options
    const {name} = given
    const token = given.token ?? this.tokens.get(name) ?? (await this.master.workerToken(name))
    this.tokens.set(name, token)
    const stateDir = join(this.folder, `worker-${name}`)
    const worker = startWorker({master: this.urls, stateDir, ...given, token})
    this.workersNow.set(name, worker)
    await this.untilConnected(name)
    return worker
  }

  /** Waits until the master says that the worker is connected. */
  async untilConnected(name: string, withinMs = 60_000): Promise<void> {
    const isConnected = async () => {
      const {items} = await this.api.get<Page<{name: string; state: string}>>('/workers')
      return items.some((each) => each.name === name && each.state === 'connected') || null
    }
    await this.until(`worker ${name} connects`, isConnected, withinMs)
  }

  /** Forces a build through a scheduler; answers the buildset's id. */
  async force(scheduler: string, body: object = {}): Promise<string> {
    return (await this.api.post<{buildset: string}>(`/schedulers/${scheduler}/force`, body)).buildset
  }

  /** Waits until a buildset is complete; answers it. */
  async completed(buildset: string, withinMs = 60_000): Promise<Buildset> {
    const look = async () => {
      const found = await this.api.get<Buildset>(`/buildsets/${buildset}`)
      return found.complete ? found : null
    }
    return this.until(`buildset ${buildset} completes`, look, withinMs)
  }

  /** The finished builds of a buildset, once it is complete. */
  async builds(buildset: string, withinMs = 60_000): Promise<Build[]> {
    const {requests} = await this.completed(buildset, withinMs)
    return Promise.all(
      requests.flatMap(({builds}) => builds).map((id) => this.api.get<Build>(`/builds/${id}`)),
    )
  }

  async steps(build: string): Promise<readonly Step[]> {
    return (await this.api.get<Page<Step>>(`/builds/${build}/steps`)).items
  }

  /** The text of a step's first log. */
  async log(build: string, step: string): Promise<string> {
    const log = (await this.steps(build)).find(({name}) => name === step)?.logs[0]
    if (!log) throw new Error(`step ${step} of build ${build} has no log`)
    return this.api.text(`/logs/${log.id}/raw`)
  }

  /** Rows of the PostgreSQL database, past every master. */
  async rows<Row extends object>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    if (this.databaseUrl === null) throw new Error('the embedded database is only its master’s')
    const client = new pg.Client({connectionString: this.databaseUrl})
    await client.connect()
    try {
      return (await client.query<Row>(sql, [...values])).rows
    } finally {
      await client.end()
    }
  }

  /** Waits for an event of the log that fits, from its beginning on. */
  async event(fits: (event: Event) => boolean, withinMs = 60_000): Promise<Event> {
    const signal = AbortSignal.timeout(withinMs)
    for await (const event of this.api.events(null, signal)) if (fits(event)) return event
    throw new Error('the event log ended without the event')
  }

  /** Waits for something, giving up at once when a process has died that nobody stopped. */
  until<T>(what: string, look: () => Promise<T | null | undefined>, withinMs = 60_000): Promise<T> {
    const alive = this.processes.filter((each) => each.how === null)
    return until(what, look, {withinMs, alive})
  }

  /** Every process that was started, workers first. */
  private get processes(): readonly Process[] {
    return [...this.workersNow.values(), ...[...this.mastersNow.values()].map(({process}) => process)]
  }

  /** Stops everything: workers first. What they left behind fails the test; a failed test shows what they said. */
  private async end(): Promise<void> {
    for (const each of this.processes) {
      const how = await each.stop()
      const wanted = ['exit 0', 'SIGTERM', 'SIGKILL'].includes(how)
      if (!this.t.passed || !wanted) this.t.log(`${each.name} (${how}):\n${each.lines.slice(-60).join('\n')}`)
    }
    if (!this.t.passed && process.env['OSTLER_TEST_KEEP'])
      cpSync(this.folder, `${this.folder}-kept`, {recursive: true})
    const podman = podmanSocket()
    const left = await sweep(this.folder, podman === null ? [] : [podman])
    if (left.length > 0 && this.t.passed)
      throw new Error(`left behind: ${left.map(({kind, id, text}) => `${kind} ${id} ${text}`).join('; ')}`)
  }
}
