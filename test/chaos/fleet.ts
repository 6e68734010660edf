// Masters, workers and a PostgreSQL as real processes, with a wire between every worker and every master; each can be
// killed, frozen and cut, and comes back on the same state.
import {mkdirSync, mkdtempSync, readFileSync, realpathSync, symlinkSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import pg from 'pg'
import {Api} from '../../scripts/api.ts'
import {sweep} from '../../scripts/leftovers.ts'
import {freePort, Master, type Process, startWorker} from '../../scripts/processes.ts'
import {type Cluster, startCluster} from '../support/cluster.ts'
import {Wire} from '../support/wire-cut.ts'
import {Ends} from './ends.ts'
import {configuration, stepScript} from './witness.ts'

export interface FleetOptions {
  readonly masters: number
  readonly workers: number
  readonly buildsPerWorker: number
  /** How long a worker may be away before its builds are tried elsewhere. */
  readonly missingTimeout: string
}

/** A process that may be down or frozen just now. */
export interface Member {
  readonly name: string
  process: Process | null
  isBusy: boolean
}

interface MasterMember extends Member {
  readonly port: number
}

export class Fleet {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'ostler-chaos-')))
  readonly ends = new Ends()
  readonly masters: MasterMember[] = []
  readonly workers: Member[] = []
  readonly wires: Wire[] = []
  /** Everything that was ever started, for what it said. */
  readonly started: Process[] = []
  /** What members said that should never be said. */
  readonly faults: string[] = []
  private readonly options: FleetOptions
  private readonly wireUrls = new Map<string, readonly string[]>()
  private readonly tokens = new Map<string, string>()
  private readonly cluster: Cluster
  private client: pg.Client | null = null
  isOver = false

  private constructor(options: FleetOptions, cluster: Cluster) {
    this.options = options
    this.cluster = cluster
  }

  static async start(options: FleetOptions): Promise<Fleet> {
    const cluster = await startCluster()
    const fleet = new Fleet(options, cluster)
    fleet.ends.teardown(() => cluster.stop())
    await fleet.begin()
    return fleet
  }

  get side(): string {
    return join(this.folder, 'side')
  }

  private async begin(): Promise<void> {
    const {masters, workers, missingTimeout} = this.options
    const names = Array.from({length: workers}, (_, n) => `w${n + 1}`)
    writeFileSync(join(this.folder, 'ostler.yaml'), configuration(this.folder, names, missingTimeout))
    writeFileSync(join(this.folder, 'step.sh'), stepScript)
    for (let n = 1; n <= masters; n++) {
      const name = `master-${n}`
      mkdirSync(join(this.folder, name))
      for (const shared of ['logs', 'artifacts'])
        if (n === 1) mkdirSync(join(this.folder, name, shared))
        else symlinkSync(join(this.folder, 'master-1', shared), join(this.folder, name, shared))
      const member = {name, port: await freePort(), process: null, isBusy: false}
      this.masters.push(member)
      await this.startMaster(member)
    }
    for (const name of names) {
      const wires = await Promise.all(this.masters.map(({port}) => Wire.to(this.ends, port)))
      this.wires.push(...wires)
      // Each begins with another master.
      const at = names.indexOf(name) % wires.length
      this.wireUrls.set(
        name,
        [...wires.slice(at), ...wires.slice(0, at)].map(({url}) => url),
      )
      const {token} = await this.anyApi().post<{token: string}>('/tokens', {kind: 'worker', name})
      this.tokens.set(name, token)
      const member = {name, process: null, isBusy: false}
      this.workers.push(member)
      this.startWorker(member)
    }
  }

  async startMaster(member: MasterMember): Promise<void> {
    while (!this.isOver)
      try {
        const master = await Master.start({
          config: join(this.folder, 'ostler.yaml'),
          stateDir: join(this.folder, member.name),
          tokenFile: join(this.folder, 'master-1', 'admin-token'),
          port: member.port,
          databaseUrl: this.cluster.url,
          begun: (running) => this.begun(member, running),
        })
        member.process = master.process
        return
      } catch (error) {
        // The database may be away for longer than a starting master waits; whoever runs masters starts them again.
        if (this.started.length < 2) throw error
        await sleep(200)
      }
  }

  startWorker(member: Member): void {
    if (this.isOver) return
    const running = startWorker({
      master: this.wireUrls.get(member.name) ?? [],
      name: member.name,
      token: this.tokens.get(member.name) ?? '',
      stateDir: join(this.folder, member.name),
      maxBuilds: this.options.buildsPerWorker,
      more: ['--engine-socket', '/nonexistent'],
    })
    this.begun(member, running)
  }

  private begun(member: Member, running: Process): void {
    member.process = running
    this.started.push(running)
    for (const stream of [running.child.stdout, running.child.stderr])
      stream?.on('data', (bytes: Buffer) => {
        for (const line of bytes.toString().split('\n'))
          if (/does not match what was stored|cannot be recorded|unhandled|TypeError|invariant/i.test(line))
            this.faults.push(`${member.name}: ${line.slice(0, 500)}`)
      })
  }

  /** The API of a master that is up, as far as is known. */
  anyApi(luck = 0): Api {
    const up = this.masters.filter(({process, isBusy}) => process?.how === null && !isBusy)
    const chosen = up[luck % Math.max(1, up.length)] ?? this.masters[0]
    return this.apiOf(chosen!)
  }

  apiOf({port}: {port: number}): Api {
    return new Api(`http://127.0.0.1:${port}`, this.adminToken)
  }

  get urls(): string[] {
    return this.masters.map(({port}) => `http://127.0.0.1:${port}`)
  }

  private token: string | null = null
  get adminToken(): string {
    this.token ??= readToken(join(this.folder, 'master-1', 'admin-token'))
    return this.token
  }

  /** Asks the database itself, however often it goes away meanwhile. */
  async rows<Row extends object>(sql: string, values: readonly unknown[] = []): Promise<Row[]> {
    for (let tries = 0; ; tries++)
      try {
        if (this.client === null) {
          const fresh = new pg.Client({connectionString: this.cluster.url, application_name: 'judge'})
          fresh.on('error', () => undefined)
          await fresh.connect()
          this.client = fresh
        }
        return (await this.client.query<Row>(sql, [...values])).rows
      } catch (error) {
        await this.client?.end().catch(() => undefined)
        this.client = null
        if (tries > 300) throw error
        await sleep(200)
      }
  }

  /** One transaction of somebody else, undone at its end. */
  async transaction(statements: readonly string[]): Promise<void> {
    const client = new pg.Client({connectionString: this.cluster.url, application_name: 'somebody else'})
    client.on('error', () => undefined)
    await client.connect()
    try {
      for (const statement of ['BEGIN', ...statements, 'ROLLBACK']) await client.query(statement)
    } finally {
      await client.end()
    }
  }

  /** Asks for the build of a key; once in effect, however often it takes. */
  async ask(key: number): Promise<void> {
    for (let tries = 0; ; tries++)
      try {
        await this.anyApi(key + tries).fetch('/schedulers/storm/force', {
          method: 'POST',
          headers: {'content-type': 'application/json', 'idempotency-key': `key-${key}`},
          body: JSON.stringify({parameters: {key}}),
          signal: AbortSignal.timeout(10_000),
        })
        return
      } catch (error) {
        if (tries > 200) throw error
        await sleep(200)
      }
  }

  /** Waits until everything is over; what is not within some minutes is the judge's to find. */
  async settled(): Promise<void> {
    const until = performance.now() + 4 * 60_000
    while (performance.now() < until) {
      const [row] = await this.rows<{count: number}>(
        `SELECT (SELECT count(*) FROM requests WHERE state <> 'finished')::int
              + (SELECT count(*) FROM attempts WHERE state IN ('offered', 'running'))::int AS count`,
      )
      if (row?.count === 0) break
      await sleep(500)
    }
    // The workers hear of the last acknowledgements, and of what they are to stop.
    await sleep(6_000)
  }

  haltDatabase(): Promise<() => Promise<void>> {
    return this.cluster.halt()
  }

  crashDatabase(downMs: number): Promise<void> {
    return this.cluster.restart(downMs)
  }

  /** Stops everybody in peace, workers first; answers who did not end well. */
  async stop(): Promise<string[]> {
    this.isOver = true
    const odd: string[] = []
    for (const {name, process} of [...this.workers, ...this.masters]) {
      process?.child.kill('SIGCONT')
      const how = (await process?.stop()) ?? 'exit 0'
      if (how !== 'exit 0') odd.push(`${name} ended with ${how}`)
    }
    return odd
  }

  /** Ends everybody at once. A folder with nothing to see is removed. */
  async end({isClean}: {isClean: boolean}): Promise<void> {
    this.isOver = true
    for (const {process} of [...this.workers, ...this.masters]) {
      process?.child.kill('SIGCONT')
      await process?.kill()
    }
    await this.client?.end().catch(() => undefined)
    await this.ends.end()
    if (isClean) await sweep(this.folder)
  }
}

const readToken = (file: string): string => readFileSync(file, 'utf8').trim()
