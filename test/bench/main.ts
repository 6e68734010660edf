// `npm run bench`: P1 to P8 for Ostler on PostgreSQL and embedded, beside the machine's limits and beside Buildbot, in
// turns of one run, since only ratios of one run mean anything on a shared machine. README.md tells what each means.
import {mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {parseArgs} from 'node:util'
import {type Cluster, postgresPrograms, startCluster} from '../support/cluster.ts'
import {command, whole} from '../support/command.ts'
import {findPeer, measurePeer, type Peer} from './buildbot.ts'
import {
  figureOf,
  median,
  type Measure,
  type MeasureName,
  measures,
  plain,
  type Sample,
  type Side,
  table,
} from './figures.ts'
import {burst, idleFleet, restart, shared} from './grounds.ts'
import {describeMachine, limitOf} from './machine.ts'
import {Ostler} from './ostler.ts'

const usage = `npm run bench [-- OPTIONS]

  --json FILE    also writes the figures as JSON
  --only P1,P2   only these measures (${measures.map(({name}) => name).join(', ')})
  --reps N       turns of each side, the median counts (3)
  --no-peer      without Buildbot, although it is here
  --help         this

`
const throughputBuilds = 400
/** What an idle master may take, in MB. */
const idleMost = {postgresql: 150, embedded: 250}

type Database = keyof typeof idleMost

export interface BenchOptions {
  readonly only: readonly MeasureName[]
  readonly reps: number
  readonly json: string | null
  readonly peer: boolean
}

/** Runs the bench with the words of its command line; answers the exit code. */
export function bench(args: readonly string[]): Promise<number> {
  return command(usage, () => readOptions(args), runBench)
}

/** The options, or null when only help is wanted; throws an Error that says what is wrong with them. */
export function readOptions(args: readonly string[]): BenchOptions | null {
  const {values} = parseArgs({
    args: [...args],
    options: {
      json: {type: 'string'},
      only: {type: 'string'},
      reps: {type: 'string', default: '3'},
      'no-peer': {type: 'boolean', default: false},
      help: {type: 'boolean', default: false},
    },
  })
  if (values.help) return null
  const reps = whole('reps', values.reps, 1)
  const known = measures.map(({name}) => name)
  const words = values.only?.split(',').map((word) => named(word.trim())) ?? known
  const unknown = words.find((word) => !known.includes(word as MeasureName))
  if (unknown !== undefined) throw new Error(`--only knows ${known.join(', ')}, not ${unknown}`)
  return {only: words as MeasureName[], reps, json: values.json ?? null, peer: !values['no-peer']}
}

/** P5b however it is written. */
const named = (word: string): string =>
  measures.find(({name}) => name.toLowerCase() === word.toLowerCase())?.name ?? word.toUpperCase()

interface Ground {
  readonly folder: string
  readonly server: Cluster | null
  readonly peer: Peer | null
  readonly ostlers: ReadonlyMap<Database, Ostler>
}

async function runBench({only, reps, json, peer}: BenchOptions): Promise<number> {
  const machine = describeMachine()
  console.log(`${machine.cpus} x ${machine.model}, Node ${machine.node}, load ${machine.load.join(' ')}`)
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ostler-bench-')))
  const server = postgresPrograms() === null ? null : await startCluster({durable: true})
  if (!server) console.log('without PostgreSQL: it is not installed')
  const ostlers = new Map<Database, Ostler>()
  try {
    if (only.some(isOfOne)) {
      if (server) ostlers.set('postgresql', await startOstler(folder, 'postgresql', server.url))
      ostlers.set('embedded', await startOstler(folder, 'embedded', null))
    }
    const ground = {folder, server, peer: peer ? peerHere() : null, ostlers}
    const idle = await measureIdle(ground)
    for (const ostler of ostlers.values()) await ostler.warm()
    const figures = new Map<Measure, ReturnType<typeof figureOf>>()
    for (const measure of measures.filter(({name}) => only.includes(name)))
      figures.set(measure, figureOf(measure, await inTurn(ground, measure, reps)))
    console.log(`\n${table(figures)}\n\n${idleText(idle)}`.trimEnd())
    const told = [...figures].map(([{name}, figure]) => [name, figure])
    if (json !== null)
      writeFileSync(
        json,
        `${JSON.stringify({machine: {...machine, loadAfter: describeMachine().load}, reps, measures: Object.fromEntries(told), idle}, null, 2)}\n`,
      )
    return 0
  } finally {
    for (const ostler of ostlers.values()) await ostler.stop()
    await server?.stop()
    rmSync(folder, {recursive: true, force: true})
  }
}

function peerHere(): Peer | null {
  const peer = findPeer()
  if (!('absent' in peer)) return peer
  console.log(`without Buildbot: ${peer.absent}`)
  return null
}

function startOstler(folder: string, database: Database, url: string | null): Promise<Ostler> {
  const own = join(folder, database)
  mkdirSync(own)
  return Ostler.start(own, url)
}

/** All turns of a measure: the machine, Ostler, the peer, Ostler embedded; and again. */
async function inTurn(ground: Ground, measure: Measure, reps: number): Promise<Record<Side, Sample[]>> {
  const samples: Record<Side, Sample[]> = {limit: [], postgresql: [], peer: [], embedded: []}
  for (let turn = 1; turn <= reps; turn++)
    for (const side of Object.keys(samples) as Side[]) {
      const sample = await measureOnce(ground, measure.name, side)
      if (sample === null) continue
      samples[side].push(sample)
      console.log(`${measure.name} ${turn}/${reps} ${side}: ${plain(sample.value)} ${measure.unit}`)
    }
  return samples
}

async function measureOnce(ground: Ground, measure: MeasureName, side: Side): Promise<Sample | null> {
  const {folder, server, peer, ostlers} = ground
  const url = server?.url ?? null
  if (side === 'limit') return limitBeside(measure, folder, url)
  if (side === 'peer') return peer && measurePeer(peer, measure, url).catch(tellFailure)
  if (!isOfOne(measure))
    return side === 'postgresql' && url === null
      ? null
      : measureGround(measure, folder, side === 'embedded' ? null : url)
  const ostler = ostlers.get(side)
  return ostler ? measureOstler(ostler, measure) : null
}

/** Whether a measure is of the one master and the one worker that run all the while. */
const isOfOne = (measure: MeasureName) => ['P1', 'P2', 'P3', 'P4'].includes(measure)

/** What a measure is held against: the machine alone or, for two masters, one. */
async function limitBeside(measure: MeasureName, folder: string, url: string | null): Promise<Sample | null> {
  if (measure !== 'P8') return limitOf(measure, folder, url)
  return url === null ? null : shared(folder, url, 1)
}

async function measureGround(
  measure: MeasureName,
  folder: string,
  url: string | null,
): Promise<Sample | null> {
  switch (measure) {
    case 'P5':
      return idleFleet(folder, url)
    case 'P5b':
      return burst(folder, url)
    case 'P7':
      return restart(folder, url)
    default: // The embedded database has one master.
      return url === null ? null : shared(folder, url, 2)
  }
}

/** A peer that cannot be measured leaves its column empty. */
function tellFailure(error: unknown): null {
  console.log(`without this turn of Buildbot: ${(error as Error).message}`)
  return null
}

function measureOstler(ostler: Ostler, measure: MeasureName): Promise<Sample> {
  switch (measure) {
    case 'P1':
      return ostler.throughput(throughputBuilds)
    case 'P2':
      return ostler.step()
    case 'P3':
      return ostler.log()
    default:
      return ostler.latency()
  }
}

type Idle = Readonly<Partial<Record<Database, number>>> & {
  readonly unit: 'MB'
  readonly most: typeof idleMost
}

async function measureIdle({ostlers}: Ground): Promise<Idle> {
  const idle: Partial<Record<Database, number>> = {}
  for (const [database, ostler] of ostlers) idle[database] = median([await ostler.idleMemory()]) ?? 0
  return {...idle, unit: 'MB', most: idleMost}
}

const idleText = (idle: Idle): string =>
  idle.postgresql === undefined && idle.embedded === undefined
    ? ''
    : `idle master, resident: ${(['postgresql', 'embedded'] as const)
        .flatMap((database) =>
          idle[database] === undefined
            ? []
            : [`${database} ${plain(idle[database])} MB (at most ${idleMost[database]})`],
        )
        .join(', ')}`
