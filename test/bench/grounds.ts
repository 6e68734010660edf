// Masters and workers on a database of their own, for the measures that ask for more than one master and one worker:
// many workers, a master that dies, a second master.
import {randomBytes} from 'node:crypto'
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import pg from 'pg'
import type {Page, Worker} from '../../scripts/api.ts'
import {sweep} from '../../scripts/leftovers.ts'
import {Master, type Process, startWorker, until} from '../../scripts/processes.ts'
import type {Sample} from './figures.ts'
import {startFleet} from './fleet.ts'
import {cpuSeconds, memoryMb} from './machine.ts'

export const lanes = 8
/** How many idle workers a master is given. */
export const fleetSize = 1000
const patienceMs = 60_000
/** What a worker that comes alone is from the next one, in milliseconds. */
const staggerMs = 5
/** After three beats whoever is lost is known to be. */
const beatsMs = 35_000
/** What a master allocates at its start is collected again. */
const restMs = 3_500
const nap = {seconds: 2, builds: 32, downMs: 1000}
const throughputBuilds = 800

export interface Plan {
  readonly masters: number
  readonly workers: readonly {
    readonly maxBuilds: number
    readonly labels?: Readonly<Record<string, string>>
  }[]
  /** Each builder has one step, and is forced by its name. */
  readonly builders: readonly OneStep[]
}

interface OneStep {
  readonly name: string
  readonly command: readonly string[]
  readonly requires?: Readonly<Record<string, string>>
}

/** Eight builders that do the same. */
const inLanes = (command: readonly string[]): readonly OneStep[] =>
  Array.from({length: lanes}, (_, lane) => ({name: `lane${lane}`, command}))

/** A server's URL, or null for the embedded database. */
export type Server = string | null

/** Idle workers that come one after the other: what each of them takes of the master's memory, in kB. */
export function idleFleet(folder: string, server: Server): Promise<Sample> {
  return fleetOf(folder, server, staggerMs, ({grewMb, attached}) => (grewMb * 1024) / attached)
}

/** Idle workers that come all at once: the seconds until each of them is welcome. */
export function burst(folder: string, server: Server): Promise<Sample> {
  return fleetOf(folder, server, 0, ({seconds}) => seconds)
}

interface Seen {
  readonly attached: number
  readonly seconds: number
  readonly grewMb: number
}

async function fleetOf(
  folder: string,
  server: Server,
  everyMs: number,
  figure: (seen: Seen) => number,
): Promise<Sample> {
  const plan = {masters: 1, workers: [], builders: inLanes(['true'])}
  return Ground.on(folder, server, plan, async (ground) => {
    const [master] = ground.masters as [Master]
    const members = await ground.tokensFor(Array.from({length: fleetSize}, (_, n) => `idle${n}`))
    const {pid} = master.process
    await sleep(restMs)
    const beforeMb = memoryMb(pid)
    const before = cpuSeconds(pid)
    await ground.metrics() // what blocked it before is not counted
    const fleet = await startFleet({master: master.url, members, everyMs, patienceMs})
    try {
      const {attached, seconds} = fleet.muster
      if (attached < fleetSize) throw new Error(`only ${attached} of ${fleetSize} workers were attached`)
      const cpu = cpuSeconds(pid) - before
      await sleep(beatsMs)
      const left = await ground.connected()
      if (left !== fleetSize || (await fleet.count()) !== fleetSize)
        throw new Error(`of ${fleetSize} workers ${left} were still connected after three beats`)
      const grewMb = memoryMb(pid) - beforeMb
      const blockedMs = 1000 * (await ground.metric(longestBlock))
      return {
        value: figure({attached, seconds, grewMb}),
        details: {attached, seconds, grewMb, masterCpuSeconds: cpu, blockedMs},
      }
    } finally {
      await fleet.stop()
    }
  })
}

/** SIGKILL of the master with eight builds running and more waiting: the seconds from its restart to the next command. */
export function restart(folder: string, server: Server): Promise<Sample> {
  const stamps = join(folder, `naps-${randomBytes(4).toString('hex')}`)
  const script = `echo start >> "$0"; sleep ${nap.seconds}; echo end >> "$0"`
  const plan = {masters: 1, workers: [{maxBuilds: lanes}], builders: inLanes(['sh', '-c', script, stamps])}
  return Ground.on(folder, server, plan, async (ground) => {
    writeFileSync(stamps, '')
    const count = (word: string) => readFileSync(stamps, 'utf8').split(`${word}\n`).length - 1
    await ground.submit(nap.builds)
    await until(
      'a full wave runs',
      async () => (count('end') >= lanes && count('start') - count('end') === lanes) || null,
    )
    await sleep(200)
    const [master] = ground.masters as [Master]
    const before = count('start')
    await master.process.kill()
    await sleep(nap.downMs)
    const startedAt = performance.now()
    const again = ground.startAgain()
    // Those that were running may have ended meanwhile or not: the next command is one that had not begun.
    await until('the next command runs', () => Promise.resolve(count('start') > before || null), {everyMs: 5})
    const seconds = (performance.now() - startedAt) / 1000
    await again
    await ground.allQuiet()
    const [starts, ends] = [count('start'), count('end')]
    if (starts !== nap.builds || ends !== nap.builds)
      throw new Error(`of ${nap.builds} builds ${starts} were begun and ${ends} ended`)
    return {value: seconds, details: {builds: nap.builds}}
  })
}

/**
 * One-step builds per second of two workers, whose queue is full before they may begin, on one master or on two that share
 * the database.
 */
export function shared(folder: string, server: string, masters: 1 | 2): Promise<Sample> {
  const wide = {maxBuilds: 2 * lanes}
  const plan = {masters, workers: [wide, wide], builders: inLanes(['true'])}
  const warmUp = 4 * lanes
  return Ground.on(folder, server, plan, async (ground) => {
    await ground.submit(warmUp)
    await ground.allQuiet()
    await ground.tellWorkers('pause')
    await ground.submit(throughputBuilds)
    const startedAt = performance.now()
    await ground.tellWorkers('resume')
    await ground.allQuiet()
    const seconds = (performance.now() - startedAt) / 1000
    await ground.checkBuilds(warmUp + throughputBuilds)
    return {value: throughputBuilds / seconds, details: {seconds, masters}}
  })
}

/** Masters, workers and their database, from their start to their end. */
export class Ground {
  masters: Master[] = []
  readonly workers: Process[] = []
  private readonly folder: string
  private readonly url: string | null
  private readonly plan: Plan

  private constructor(folder: string, url: string | null, plan: Plan) {
    this.folder = folder
    this.url = url
    this.plan = plan
  }

  /** Makes the database, starts all, does the work, and ends all. */
  static async on<T>(
    parent: string,
    server: Server,
    plan: Plan,
    work: (ground: Ground) => Promise<T>,
  ): Promise<T> {
    const name = `bench_${randomBytes(4).toString('hex')}`
    const folder = join(parent, name)
    mkdirSync(join(folder, 'files'), {recursive: true})
    const interrupted = whenInterrupted()
    const ground = new Ground(folder, server === null ? null : await createDatabase(server, name), plan)
    try {
      await ground.start()
      return await Promise.race([work(ground), interrupted.reason])
    } finally {
      interrupted.forget()
      await ground.stop()
      if (server !== null) await runSql(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    }
  }

  /** A token for each name. */
  async tokensFor(names: readonly string[]): Promise<{name: string; token: string}[]> {
    const made: {name: string; token: string}[] = []
    for (const name of names) {
      const {token} = await this.api.post<{token: string}>('/tokens', {kind: 'worker', name})
      made.push({name, token})
    }
    return made
  }

  /** How many workers the master says are connected. */
  async connected(): Promise<number> {
    return (await this.api.all<Worker>('/workers')).filter(({state}) => state === 'connected').length
  }

  /** One of the master's own measurements, as Prometheus would read it. */
  async metric(name: string): Promise<number> {
    return numberIn(await this.metrics(), name)
  }

  async metrics(): Promise<string> {
    return this.api.outside('/metrics')
  }

  /** Forces builds, spread over the builders and asked of the masters in turn. */
  async submit(builds: number, names = this.plan.builders.map(({name}) => name)): Promise<void> {
    let next = 0
    const one = async () => {
      for (let n = next++; n < builds; n = next++)
        await this.masters[n % this.masters.length]?.api.post(`/schedulers/${names[n % names.length]}/force`)
    }
    await Promise.all(Array.from({length: lanes}, one))
  }

  async tellWorkers(verb: 'pause' | 'resume'): Promise<void> {
    const tell = (_: unknown, n: number) =>
      this.api.post(`/workers/worker${n}/${verb}`, {reason: 'the bench'})
    await Promise.all(this.workers.map(tell))
  }

  /** Waits until no request waits, and then until none runs. */
  async allQuiet(): Promise<void> {
    for (const state of ['pending', 'claimed']) {
      const isOver = async () => {
        const {items} = await this.api.get<Page<object>>(`/requests?state=${state}&limit=1`)
        return items.length === 0 || null
      }
      await until('everything is built', isOver, {withinMs: 600_000, everyMs: 25})
    }
  }

  /** Throws unless so many builds ran, each well; it asks a server's database itself. */
  async checkBuilds(expected: number): Promise<void> {
    if (this.url === null) throw new Error('nobody can look into the embedded database')
    const [row] = await runSql(
      this.url,
      `SELECT count(*)::int AS all, count(*) FILTER (WHERE result = 'success')::int AS well FROM builds`,
    )
    if (row?.['all'] !== expected || row['well'] !== expected)
      throw new Error(
        `${String(row?.['well'])} of ${String(row?.['all'])} builds ended well, ${expected} were asked for`,
      )
  }

  /** Starts the first master again, where it listened before. */
  async startAgain(): Promise<void> {
    const [master] = this.masters as [Master]
    this.masters[0] = await this.startMaster(0, Number(new URL(master.url).port))
  }

  get api(): Master['api'] {
    const [master] = this.masters
    if (!master) throw new Error('there is no master')
    return master.api
  }

  private async start(): Promise<void> {
    writeFileSync(join(this.folder, 'ostler.yaml'), JSON.stringify(configuration(this.plan)))
    for (let n = 0; n < this.plan.masters; n++) this.masters.push(await this.startMaster(n))
    const names = this.plan.workers.map((_, n) => `worker${n}`)
    for (const [n, {name, token}] of (await this.tokensFor(names)).entries()) {
      // Each knows every master, and begins with another.
      const urls = this.masters.map((_, at) => this.masters[(at + n) % this.masters.length]?.url ?? '')
      const stateDir = join(this.folder, name)
      this.workers.push(startWorker({master: urls, name, token, stateDir, ...this.plan.workers[n]}))
    }
    const allHere = async () => (await this.connected()) === names.length || null
    await until('the workers connect', allHere, {alive: this.workers})
  }

  private startMaster(n: number, port?: number): Promise<Master> {
    return Master.start({
      config: join(this.folder, 'ostler.yaml'),
      stateDir: join(this.folder, `master${n}`),
      ...(this.url !== null && {databaseUrl: this.url}),
      ...(port !== undefined && {port}),
      ...(n > 0 && {tokenFile: join(this.folder, 'master0', 'admin-token')}),
      env: {OSTLER_FILES_DIR: join(this.folder, 'files')},
    })
  }

  private async stop(): Promise<void> {
    for (const worker of this.workers) await worker.stop()
    for (const master of this.masters) await master.process.stop()
    await sweep(this.folder)
  }
}

/** Rejects when somebody ends us, so that all that was started is ended, too. */
function whenInterrupted(): {readonly reason: Promise<never>; readonly forget: () => void} {
  let end = () => {}
  const reason = new Promise<never>((_, reject) => {
    end = () => reject(new Error('interrupted'))
  })
  reason.catch(() => undefined)
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const signal of signals) process.once(signal, end)
  return {reason, forget: () => signals.forEach((signal) => process.off(signal, end))}
}

/** JSON is YAML. */
function configuration({builders}: Plan): object {
  return {
    title: 'bench',
    builders: builders.map(({name, command, requires = {}}) => ({
      name,
      requires,
      collapseRequests: false,
      steps: [{kind: 'shell', name: 'step', command}],
    })),
    schedulers: builders.map(({name}) => ({name, kind: 'force', builders: [name]})),
  }
}

/** The longest time, in seconds, in which a master's event loop did nothing else since it was asked last. */
export const longestBlock = 'nodejs_eventloop_lag_max_seconds'

/** A measurement in Prometheus' text, all its labels together; NaN without it. */
export function numberIn(metrics: string, name: string): number {
  const lines = metrics
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
  if (lines.length === 0) return Number.NaN
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

async function createDatabase(server: string, name: string): Promise<string> {
  await runSql(server, `CREATE DATABASE ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return url.toString()
}

async function runSql(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({connectionString: url})
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(text)).rows
  } finally {
    await client.end()
  }
}
