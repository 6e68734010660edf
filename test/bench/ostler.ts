// Ostler under measurement: a master and a worker as processes, on one of the two databases, driven by the HTTP API.
import {mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {sweep} from '../../scripts/leftovers.ts'
import {Master, type Process, startWorker, until} from '../../scripts/processes.ts'
import type {Build, Buildset, Page, Worker} from '../../scripts/api.ts'
import type {Sample} from './figures.ts'
import {cpuSeconds, memoryMb, peakMemoryMb} from './machine.ts'

export const logLines = 1_000_000
const stepsInBuild = 200
const lanes = 8
const format = `%08.0f ${'x'.repeat(90)}`
/** Prints a million lines of 100 bytes; the same for everybody measured. */
export const generator = ['seq', '-f', format, '1', String(logLines)] as const
const settleMs = 3000
const lookMs = 25
const latencyGapMs = 300
const latencySamples = 20

export class Ostler {
  private readonly folder: string
  private readonly master: Master
  private readonly worker: Process
  private changes = 0

  private constructor(folder: string, master: Master, worker: Process) {
    this.folder = folder
    this.master = master
    this.worker = worker
  }

  /** Starts both and waits until the worker is connected. `databaseUrl` null takes the embedded database. */
  static async start(folder: string, databaseUrl: string | null): Promise<Ostler> {
    const stateDir = join(folder, 'master')
    mkdirSync(stateDir, {recursive: true})
    const config = join(folder, 'ostler.yaml')
    writeFileSync(config, configuration(join(folder, 'stamps')))
    const master = await Master.start({config, stateDir, ...(databaseUrl !== null && {databaseUrl})})
    const token = await master.workerToken('bench')
    const worker = startWorker({
      master: master.url,
      name: 'bench',
      token,
      stateDir: join(folder, 'worker'),
      maxBuilds: lanes,
    })
    const ostler = new Ostler(folder, master, worker)
    const isConnected = async () => {
      const {items} = await master.api.get<Page<Worker>>('/workers')
      return items.some(({state}) => state === 'connected') || null
    }
    await ostler.until('the worker connects', isConnected)
    return ostler
  }

  async stop(): Promise<void> {
    await this.worker.stop()
    await this.master.process.stop()
    await sweep(this.folder)
  }

  /** The master's resident memory after some seconds in which nothing happened. */
  async idleMemory(): Promise<number> {
    await sleep(settleMs)
    return memoryMb(this.master.process.pid)
  }

  /** Runs a few builds, so that no turn pays for the first ones. */
  async warm(): Promise<void> {
    await this.runForced(Array.from({length: 2 * lanes}, (_, lane) => `lane${lane % lanes}`))
  }

  /** P1: one-step builds per second, from the first request to the last build's end. */
  async throughput(builds: number): Promise<Sample> {
    const names = Array.from({length: builds}, (_, n) => `lane${n % lanes}`)
    return this.timed(
      (seconds) => builds / seconds,
      () => this.runForced(names),
    )
  }

  /** P2: milliseconds per step of one long build. */
  async step(): Promise<Sample> {
    return this.timed(
      (seconds) => (1000 * seconds) / stepsInBuild,
      () => this.runForced(['steps']),
    )
  }

  /** P3: lines per second of one step; afterwards the log is read back and counted. */
  async log(): Promise<Sample> {
    const before = memoryMb(this.master.process.pid)
    let builds: readonly string[] = []
    const {value, details} = await this.timed(
      (seconds) => logLines / seconds,
      async () => (builds = await this.runForced(['log'])),
    )
    await this.checkLog(builds[0] ?? '')
    return {value, details: {...details, masterGrewMb: peakMemoryMb(this.master.process.pid) - before}}
  }

  /** P4: milliseconds from sending a change to the first line of the step it leads to, which takes the time itself. */
  async latency(): Promise<Sample> {
    const taken: number[] = []
    for (let n = 0; n < latencySamples + 2; n++) {
      const startedAt = await this.changeToCommand()
      if (n >= 2) taken.push(startedAt)
      await sleep(latencyGapMs)
    }
    taken.sort((a, b) => a - b)
    const [best = 0, middle = 0, worst = 0] = [0, taken.length >> 1, taken.length - 1].map((at) => taken[at])
    return {value: middle, details: {best, worst, changes: taken.length}}
  }

  private async changeToCommand(): Promise<number> {
    const stamps = join(this.folder, 'stamps')
    rmSync(stamps, {force: true})
    const revision = (++this.changes).toString(16).padStart(40, '0')
    const sentAt = Date.now()
    await this.master.api.post('/changes', {source: 'told', branch: 'main', revision, author: 'bench'})
    const stamp = await this.until('the change is built', async () => stampIn(stamps))
    await this.allQuiet()
    return stamp * 1000 - sentAt
  }

  /** Forces one build of each of these schedulers, and waits until all are finished well. Answers the buildsets. */
  private async runForced(schedulers: readonly string[]): Promise<string[]> {
    const waiting = [...schedulers]
    const buildsets: string[] = []
    const submit = async () => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift())
        buildsets.push((await this.master.api.post<{buildset: string}>(`/schedulers/${name}/force`)).buildset)
    }
    const before = await this.newestBuild()
    await Promise.all(Array.from({length: lanes}, submit))
    await this.allQuiet()
    const after = await this.newestBuild()
    if (after - before !== schedulers.length)
      throw new Error(`${after - before} builds ran instead of ${schedulers.length}`)
    return buildsets
  }

  /** Waits until no request waits, and then until none runs. */
  private async allQuiet(): Promise<void> {
    for (const state of ['pending', 'claimed']) {
      const isOver = async () => {
        const {items} = await this.master.api.get<Page<object>>(`/requests?state=${state}&limit=1`)
        return items.length === 0 || null
      }
      await this.until('everything is built', isOver, 600_000)
    }
  }

  /** The number of the newest build; also a check that it ended well. */
  private async newestBuild(): Promise<number> {
    const {items} = await this.master.api.get<Page<Build>>('/builds?limit=1')
    const [newest] = items
    if (newest && newest.result !== 'success')
      throw new Error(`build ${newest.id} ended as ${newest.result ?? newest.state}`)
    return Number(newest?.id ?? 0)
  }

  private async timed(figure: (seconds: number) => number, work: () => Promise<unknown>): Promise<Sample> {
    const pids = {master: this.master.process.pid, worker: this.worker.pid}
    const before = {master: cpuSeconds(pids.master), worker: cpuSeconds(pids.worker)}
    const startedAt = performance.now()
    await work()
    const seconds = (performance.now() - startedAt) / 1000
    return {
      value: figure(seconds),
      details: {
        seconds,
        masterCpuSeconds: cpuSeconds(pids.master) - before.master,
        workerCpuSeconds: cpuSeconds(pids.worker) - before.worker,
      },
    }
  }

  private async checkLog(buildset: string): Promise<void> {
    const {requests} = await this.master.api.get<Buildset>(`/buildsets/${buildset}`)
    const build = requests[0]?.builds[0] ?? ''
    const {items} = await this.master.api.get<Page<{logs: {id: string}[]}>>(`/builds/${build}/steps`)
    const answer = await this.master.api.fetch(`/logs/${items[0]?.logs[0]?.id ?? ''}/raw`)
    let bytes = 0
    for await (const piece of answer.body ?? []) bytes += (piece as Uint8Array).length
    const expected = logLines * 100
    if (bytes !== expected) throw new Error(`the log has ${bytes} bytes instead of ${expected}`)
  }

  private until<T>(what: string, look: () => Promise<T | null>, withinMs = 60_000): Promise<T> {
    const alive = [this.master.process, this.worker]
    return until(what, look, {withinMs, everyMs: lookMs, alive})
  }
}

function stampIn(file: string): number | null {
  try {
    const text = readFileSync(file, 'utf8')
    return text.endsWith('\n') ? Number(text) : null
  } catch {
    return null
  }
}

/** Eight one-step builders, one of many steps, one with a long log, and one that follows a source. JSON is YAML. */
function configuration(stamps: string): string {
  const shell = (name: string, command: readonly string[]) => ({kind: 'shell', name, command})
  const builders = [
    ...Array.from({length: lanes}, (_, lane) => ({
      name: `lane${lane}`,
      collapseRequests: false,
      steps: [shell('true', ['true'])],
    })),
    {name: 'steps', steps: Array.from({length: stepsInBuild}, (_, n) => shell(`s${n}`, ['true']))},
    {name: 'log', steps: [shell('log', generator)]},
    {name: 'stamp', steps: [shell('stamp', ['sh', '-c', 'date +%s.%N >> "$0"', stamps])]},
  ]
  return JSON.stringify({
    title: 'bench',
    changeSources: [{name: 'told', kind: 'webhook', dialect: 'gitea', secret: {secret: 'unused'}}],
    workers: [{name: 'bench'}],
    builders,
    schedulers: [
      {name: 'pushed', kind: 'singleBranch', source: 'told', branch: 'main', builders: ['stamp']},
      ...builders.map(({name}) => ({name, kind: 'force', builders: [name]})),
    ],
  })
}
