// `npm run crash-points [-- --json FILE --every K --jobs N --only master|worker]`: one whole scenario, killed after every
// single commit of the master and every journal write of the worker in turn; each must come to the same ledger.
import {writeFileSync} from 'node:fs'
import {parseArgs} from 'node:util'
import {startCluster} from '../support/cluster.ts'
import {command, whole} from '../support/command.ts'
import {type Crash, type JournalMoment, type Outcome, play} from './crash-scenario.ts'
import type {Moment} from './database-gate.ts'

const usage = `npm run crash-points [-- OPTIONS]

  --every K      only every K-th point (1)
  --from N       the first point (1)
  --only WHO     master or worker
  --jobs N       scenarios at a time (2)
  --json FILE    also writes the table as JSON
  --help         this
`

export interface PointOptions {
  readonly every: number
  readonly from: number
  /** So many at most, spread over all of them. */
  readonly most?: number
  readonly jobs: number
  readonly only: 'master' | 'worker' | null
  readonly json: string | null
}

export interface Row {
  readonly who: 'master' | 'worker'
  readonly at: number
  readonly moment: Moment | JournalMoment
  /** What had just been done; null when the scenario was over before the point. */
  readonly point: string | null
  /** What differs from the ledger without a crash; empty when nothing does. */
  readonly differs: readonly string[]
  readonly repeatedLetters: number
  readonly seconds: number
}

export interface Table {
  readonly commits: number
  readonly journalWrites: number
  readonly rows: readonly Row[]
  readonly seconds: number
}

/** Runs with the words of its command line; answers the exit code: 0 when every point converged. */
export function crashPoints(args: readonly string[]): Promise<number> {
  return command(usage, () => readOptions(args), runPoints)
}

/** What the words ask for; null asks for help. Throws on words that mean nothing. */
export function readOptions(args: readonly string[]): PointOptions | null {
  const {values} = parseArgs({
    args: [...args],
    options: {
      every: {type: 'string', default: '1'},
      from: {type: 'string', default: '1'},
      jobs: {type: 'string', default: '2'},
      only: {type: 'string'},
      json: {type: 'string'},
      help: {type: 'boolean', default: false},
    },
  })
  if (values.help) return null
  const {only = null} = values
  if (only !== null && only !== 'master' && only !== 'worker')
    throw new Error(`--only knows master and worker, not ${only}`)
  return {
    every: whole('every', values.every, 1),
    from: whole('from', values.from, 1),
    jobs: whole('jobs', values.jobs, 1),
    only,
    json: values.json ?? null,
  }
}

async function runPoints(options: PointOptions): Promise<number> {
  const table = await enumerate(options, (row) => console.log(lineOf(row)))
  if (options.json !== null) writeFileSync(options.json, `${JSON.stringify(table, null, 2)}\n`)
  const reached = table.rows.filter(({point}) => point !== null)
  const wrong = reached.filter(({differs}) => differs.length > 0)
  console.log(
    `\n${String(reached.length)} crash points (${String(table.commits)} commits, ${String(table.journalWrites)} journal writes), ` +
      `${String(wrong.length)} came to another ledger, ${table.seconds.toFixed(0)} s`,
  )
  return wrong.length === 0 && reached.length > 0 ? 0 : 1
}

const lineOf = ({who, at, moment, point, differs, repeatedLetters, seconds}: Row): string =>
  `${who} ${String(at)} ${moment}: ${point === null ? 'not reached' : differs.length === 0 ? 'same' : 'DIFFERS'}` +
  `${repeatedLetters > 0 ? `, ${String(repeatedLetters)} letters twice` : ''}, ${seconds.toFixed(1)} s` +
  `${point === null ? '' : `  after: ${point}`}${differs.map((each) => `\n    ${each.split('\n')[0] ?? ''}`).join('')}`

/** Plays the scenario undisturbed, then once for each point, and compares. */
export async function enumerate(
  {every, from, most, jobs, only}: PointOptions,
  say: (row: Row) => void = () => undefined,
): Promise<Table> {
  const begun = performance.now()
  const cluster = await startCluster()
  try {
    const [calm, counting] = await Promise.all([
      play({who: 'nobody'}, cluster.url, 'calm'),
      play({who: 'worker', at: 0, moment: 'written'}, cluster.url, 'counting'),
    ])
    const all = [
      ...(only === 'worker' ? [] : crashesOf('master', ['unanswered', 'answered'], calm.points, from, every)),
      ...(only === 'master' ? [] : crashesOf('worker', ['written', 'torn'], counting.points, from, every)),
    ]
    const crashes = most === undefined ? all : spread(all, most)
    const rows = await inTurns(crashes, jobs, async (crash, at) => {
      const row = await rowOf(crash, calm, () => play(crash, cluster.url, `point_${String(at)}`))
      say(row)
      return row
    })
    const seconds = (performance.now() - begun) / 1000
    return {commits: calm.points, journalWrites: counting.points, rows, seconds}
  } finally {
    await cluster.stop()
  }
}

type Killing = Exclude<Crash, {who: 'nobody'}>

function crashesOf(
  who: Killing['who'],
  moments: readonly (Moment | JournalMoment)[],
  count: number,
  from: number,
  every: number,
): Killing[] {
  const at = Array.from({length: count}, (_, n) => n + 1).filter((n) => n >= from && (n - from) % every === 0)
  return moments.flatMap((moment) => at.map((n) => ({who, at: n, moment}) as Killing))
}

const spread = <T>(things: readonly T[], most: number): T[] =>
  things.filter(
    (_, n) => Math.floor((n * most) / things.length) !== Math.floor(((n - 1) * most) / things.length),
  )

async function rowOf(crash: Killing, calm: Outcome, run: () => Promise<Outcome>): Promise<Row> {
  const {who, at, moment} = crash
  try {
    const {point, ledger, repeatedLetters, seconds} = await run()
    return {who, at, moment, point, differs: difference(calm.ledger, ledger), repeatedLetters, seconds}
  } catch (error) {
    return {who, at, moment, point: '?', differs: [(error as Error).message], repeatedLetters: 0, seconds: 0}
  }
}

const difference = (wanted: readonly string[], found: readonly string[]): string[] => [
  ...wanted.filter((line) => !found.includes(line)).map((line) => `- ${line}`),
  ...found.filter((line) => !wanted.includes(line)).map((line) => `+ ${line}`),
]

/** Does all of it, so many at a time; the answers are in the order of the things. */
async function inTurns<T, R>(
  things: readonly T[],
  most: number,
  act: (thing: T, at: number) => Promise<R>,
): Promise<R[]> {
  const answers: R[] = []
  let next = 0
  const lane = async () => {
    for (let at = next++; at < things.length; at = next++) answers[at] = await act(things[at]!, at)
  }
  await Promise.all(Array.from({length: most}, lane))
  return answers
}
