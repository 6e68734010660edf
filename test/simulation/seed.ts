// One seed: a world of masters and workers, a storm, the calm after it, and what became of the promises.
import {join} from 'node:path'
import type {Config} from '../../config/config.ts'
import {loadYaml} from '../../config/load.ts'
import {Clockwork} from './clockwork.ts'
import {Disks, disksRoot} from './disk.ts'
import {Host} from './host.ts'
import {LogShelf} from './logs.ts'
import {VirtualMaster} from './master.ts'
import {allGuards, type Guards} from './model/attempts.ts'
import {modelLedger} from './model/ledger.ts'
import {Network} from './network.ts'
import {Broken, Promises} from './promises.ts'
import {Random} from './random.ts'
import {Database} from './store.ts'
import {calm, type Counts, noCounts, type Scene, storm, type TroubleName} from './storm.ts'
import {VirtualWorker} from './worker.ts'

export interface SeedOptions {
  /** A ledger without one of its guards is one that must be found out. */
  readonly guards?: Guards
  /** How often the database lies about a commit, for the same purpose. */
  readonly lyingCommit?: number
  /** The only kinds of trouble that its storm has; by chance without. */
  readonly troubles?: readonly TroubleName[]
  /** Every line of what happened, not only the last. */
  readonly onLine?: (line: string) => void
}

export interface Verdict {
  readonly seed: number
  /** The promise that was broken, and how; null when all were kept. */
  readonly broken: {readonly promise: string; readonly text: string} | null
  /** The same for the same seed. */
  readonly hash: string
  readonly events: number
  readonly virtualMs: number
  readonly counts: Readonly<Record<string, number>>
  /** The last lines of what happened. */
  readonly tail: readonly string[]
}

const tailLines = 60
const atTheEnd = 'after the storm everything finishes'
/** Longer than a worker that failed again and again is kept away. */
const calmMs = 100 * 60_000
const eventsMax = 400_000

const yaml = `
workers: [{name: w1}]
builders:
  - {name: quick, steps: [{kind: shell, name: make, command: make}]}
  - name: long
    intGrace: 2s
    termGrace: 2s
    steps:
      - {kind: shell, name: fetch, command: fetch, retry: {times: 2, delay: 3s}}
      - {kind: shell, name: make, command: make, haltOnFailure: true}
      - {kind: shell, name: test, command: test, maxTime: 15s}
      - {kind: shell, name: clean, command: clean, alwaysRun: true, flunkOnFailure: false}
  - {name: picky, workers: [w1], timeout: 20s, steps: [{kind: shell, name: a, command: a}, {kind: shell, name: b, command: b}]}
  - {name: newest, collapseRequests: true, steps: [{kind: shell, name: make, command: make}]}
  - {name: nowhere, requires: {arch: none}, steps: [{kind: shell, name: make, command: make}]}
`

let loaded: Config | null = null

function configuration(): Config {
  if (loaded) return loaded
  const {config, problems} = loadYaml(yaml, 'simulation.yaml')
  if (!config) throw new Error(JSON.stringify(problems))
  return (loaded = config)
}

/** Runs one seed to its end, or to the first promise that is broken. */
export async function runSeed(seed: number, options: SeedOptions = {}): Promise<Verdict> {
  const config = configuration()
  const world = new VirtualWorld(seed, config, options)
  return await world.run()
}

class VirtualWorld {
  private readonly seed: number
  private readonly clock = new Clockwork()
  private readonly random: Random
  private readonly database: Database
  private readonly network: Network
  private readonly shelf = new LogShelf()
  private readonly disks: Disks
  private readonly hosts = new Map<string, Host>()
  private readonly masters: VirtualMaster[] = []
  private readonly workers: VirtualWorker[] = []
  private readonly promises: Promises
  private readonly counts: Counts = noCounts()
  private readonly options: SeedOptions
  private config: Config
  private broken: Verdict['broken'] = null

  constructor(seed: number, config: Config, options: SeedOptions) {
    this.seed = seed
    this.config = config
    this.options = options
    this.random = new Random(seed, 'world')
    this.database = new Database(this.clock, new Random(seed, 'database'))
    if (options.onLine) this.clock.onLine = options.onLine
    this.network = new Network(this.clock, new Random(seed, 'network'))
    this.disks = new Disks(this.clock)
    const {clock, database, network, shelf, hosts} = this
    this.promises = new Promises({clock, tables: database.tables, shelf, hosts})
    database.onCommit = (changes) => this.hold(() => this.promises.afterCommit(changes))
    network.onSend = (node, data) => this.hold(() => this.promises.acknowledgedIsCommitted(node, data))
    const onWrite = shelf.onWrite
    shelf.onWrite = (...write) => this.hold(() => onWrite(...write))
  }

  async run(): Promise<Verdict> {
    const undo = [this.clock.install(), this.disks.install(), this.hush(), this.catchAll()]
    try {
      this.people()
      const scene = this.scene()
      const stormMs = this.random.between(60_000, 240_000)
      storm(scene, stormMs)
      for (const {node} of [...this.masters, ...this.workers])
        if (this.random.chance(0.3)) node.skewMs = this.random.between(-30_000, 30_000)
      await this.until(() => this.clock.now >= stormMs, stormMs + 1)
      if (!this.broken) calm(scene)
      const allowed = (builder: string) => builder === 'nowhere'
      const isStill = () => this.promises.unfinished(allowed) === null && this.workersAreEmpty() === null
      if (!this.broken) await this.until(isStill, this.clock.now + calmMs)
      const left = this.promises.unfinished(allowed) ?? this.workersAreEmpty()
      if (!this.broken && left !== null) this.broken = {promise: atTheEnd, text: left}
    } finally {
      for (const each of undo.reverse()) each()
    }
    return this.verdict()
  }

  private people(): void {
    const {clock, database, network, shelf, random, seed} = this
    const ledger = modelLedger(this.options.guards ?? allGuards)
    const graceMs = random.between(20_000, 90_000)
    const masters = random.whole(1, 3)
    for (let n = 1; n <= masters; n++) {
      const node = clock.node(`m${n}`, new Random(seed, `m${n}`))
      const complain = (text: string) => (this.broken ??= {promise: 'nobody complains', text})
      const parts = {clock, database, network, shelf, ledger, graceMs, config: () => this.config, complain}
      this.masters.push(new VirtualMaster(node, parts))
    }
    const workers = random.whole(1, 3)
    const pace = random.pick([[20, 3_000], [50, 20_000], [50, 60_000]] as const) // prettier-ignore
    for (let n = 1; n <= workers; n++) {
      const name = `w${n}`
      const host = new Host(name, clock, seed)
      host.pace = pace
      this.hosts.set(name, host)
      const stateDir = join(disksRoot, name)
      const addresses = this.masters.map(({address}) => address)
      const parts = {clock, network, disks: this.disks, stateDir, maxBuilds: random.whole(1, 3), labels: {}, addresses}
      this.workers.push(new VirtualWorker(clock.node(name, new Random(seed, name)), host, parts))
    } // prettier-ignore
    for (const one of [...this.masters, ...this.workers]) one.start()
  }

  private scene(): Scene {
    const {clock, database, network, shelf, disks, masters, workers, counts, random} = this
    const whole = this.config
    return {
      clock, database, network, shelf, disks, masters, workers, counts, random, lyingCommit: this.options.lyingCommit ?? 0, troubles: this.options.troubles ?? null,
      builders: whole.builders.map(({name}) => name),
      reload: (without) => {
        clock.say(`RELOAD without ${without.join(', ') || 'nothing'}`)
        this.config = {...whole, builders: whole.builders.filter(({name}) => !without.includes(name))}
        for (const master of masters) master.ring('config')
      },
    } // prettier-ignore
  }

  private async until(isDone: () => boolean, limitMs: number): Promise<void> {
    const {clock} = this
    let look = 0
    await clock.run(() => {
      if (this.broken || clock.now >= limitMs || clock.events >= eventsMax) return false
      if (clock.now < look) return true
      look = clock.now + 200
      return !isDone()
    })
  }

  private workersAreEmpty(): string | null {
    for (const worker of this.workers) {
      const {node, attempts, isGone} = worker
      if (isGone) continue
      if (!node.isAlive || !attempts) return `${node.name} does not live`
      if (attempts.fences.size > 0) return `${node.name} still holds ${[...attempts.fences].join(', ')}`
      if (worker.leftOnDisk().length > 0) return `${node.name} has files of ${worker.leftOnDisk().join(', ')}`
    }
    return null
  }

  /** Notes the first promise that is broken; the code under test never hears of it. */
  private hold(check: () => void): void {
    if (this.broken) return
    try {
      check()
    } catch (error) {
      if (!(error instanceof Broken)) throw error
      this.broken = {promise: error.promise, text: error.message}
      this.clock.say(`BROKEN ${error.promise}: ${error.message}`)
    }
  }

  /** What workers say goes into the trace. */
  private hush(): () => void {
    const write = process.stderr.write
    process.stderr.write = ((text: string) => {
      if (!this.clock.current) return write.call(process.stderr, text)
      // Without stacks, which would make the hash one of where the code stands.
      this.clock.say(text.replace(/^\S+ /, '').replace(/\\n {4}at .*/, '').trimEnd().slice(0, 600))
      if (/TypeError|RangeError|ReferenceError/.test(text))
        this.broken ??= {promise: 'nobody complains', text}
      return true
    })
    return () => (process.stderr.write = write)
  } // prettier-ignore

  /** A rejection that nobody handles would end a real process. */
  private catchAll(): () => void {
    const caught = (error: unknown) => {
      const {current} = this.clock
      if (current && !current.isAlive) return
      const text = `${current?.name ?? 'the world'} would have died of: ${(error as Error).stack ?? String(error)}`
      this.broken ??= {promise: 'no process dies of an error', text}
    }
    this.clock.onError = caught
    process.on('unhandledRejection', caught)
    process.on('uncaughtException', caught)
    return () => {
      process.off('unhandledRejection', caught)
      process.off('uncaughtException', caught)
    }
  }

  private verdict(): Verdict {
    const {seed, broken, clock, database, disks, shelf} = this
    const {commits, lostAnswers, serialization, refused} = database.counts
    return {
      seed,
      broken,
      hash: clock.hash.toString(16).padStart(8, '0'),
      events: clock.events,
      virtualMs: Math.round(clock.now),
      counts: {
        ...this.counts, commits, lostAnswers, serialization, refused, tornJournals: disks.tornWrites, fullWrites: disks.fullWrites,
        tornLogs: shelf.tornWrites, builds: [...database.tables.all('builds')].length,
        attempts: [...database.tables.all('attempts')].length,
        steps: [...this.hosts.values()].reduce((sum, host) => sum + host.processes.size, 0),
      },
      tail: (broken?.promise === atTheEnd ? clock.notable : clock.trace).slice(-tailLines),
    } // prettier-ignore
  }
}
