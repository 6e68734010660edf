// `npm run chaos`: real masters, workers and a PostgreSQL under a storm of kills, freezes and cuts on a seeded schedule,
// judged by what the steps themselves wrote down. README.md tells how to read and replay it.
import {randomInt} from 'node:crypto'
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {parseArgs} from 'node:util'
import {parseDuration} from '../../config/terms/durations.ts'
import {command, positive, whole} from '../support/command.ts'
import {awayFlaws, takeAway} from './database-away.ts'
import {Fleet} from './fleet.ts'
import {judge, judgeEnd, type Verdict} from './judge.ts'
import {type Counts, Storm} from './storm.ts'

const usage = `npm run chaos [-- OPTIONS]

  --seed S         of the storm (random)
  --builds N       how many builds (200)
  --concurrent C   how many run at a time (20)
  --masters M      (3)
  --workers W      (4)
  --minutes T      no more builds are asked for after this time (10)
  --pace MS        time between two blows, on average (700)
  --grace TIME     how long a worker may be away before its builds are tried elsewhere (25s)
  --database-away S  instead of a storm, the database is away for so many seconds
  --json FILE      also writes the outcome as JSON
  --help           this
`

export interface ChaosOptions {
  readonly seed: number
  readonly builds: number
  readonly concurrent: number
  readonly masters: number
  readonly workers: number
  readonly minutes: number
  readonly paceMs: number
  /** How long a worker may be away before its builds are tried elsewhere, as the configuration says it. */
  readonly grace: string
}

export interface Outcome extends Verdict {
  readonly options: ChaosOptions
  readonly builds: number
  readonly kills: number
  readonly freezes: number
  readonly cuts: number
  readonly blows: Counts
  readonly seconds: number
  /** What was said that should never be. */
  readonly faults: readonly string[]
  readonly folder: string
}

/** Runs with the words of its command line; answers the exit code: 0 when nothing was lost, doubled, wrong or left. */
export function chaos(args: readonly string[]): Promise<number> {
  return command(
    usage,
    () => readOptions(args),
    ({json, awaySeconds, options}) =>
      awaySeconds === null ? rage(options, json) : goAway(awaySeconds, options.builds, json),
  )
}

interface Asked {
  readonly json: string | null
  /** How long the database is away instead of a storm; null for a storm. */
  readonly awaySeconds: number | null
  readonly options: ChaosOptions
}

/** What the words ask for; null asks for help. Throws on words that mean nothing. */
export function readOptions(args: readonly string[]): Asked | null {
  const {values} = parseArgs({
    args: [...args],
    options: {
      seed: {type: 'string', default: String(randomInt(1e9))},
      builds: {type: 'string', default: '200'},
      concurrent: {type: 'string', default: '20'},
      masters: {type: 'string', default: '3'},
      workers: {type: 'string', default: '4'},
      minutes: {type: 'string', default: '10'},
      pace: {type: 'string', default: '700'},
      grace: {type: 'string', default: '25s'},
      'database-away': {type: 'string'},
      json: {type: 'string'},
      help: {type: 'boolean', default: false},
    },
  })
  if (values.help) return null
  if (parseDuration(values.grace) === null)
    throw new Error(`--grace wants a time such as 25s, not ${values.grace}`)
  const away = values['database-away']
  return {
    json: values.json ?? null,
    awaySeconds: away === undefined ? null : positive('database-away', away),
    options: {
      seed: whole('seed', values.seed, 0),
      builds: whole('builds', values.builds, 1),
      concurrent: whole('concurrent', values.concurrent, 1),
      masters: whole('masters', values.masters, 1),
      workers: whole('workers', values.workers, 1),
      minutes: positive('minutes', values.minutes),
      paceMs: positive('pace', values.pace),
      grace: values.grace,
    },
  }
}

async function rage(options: ChaosOptions, json: string | null): Promise<number> {
  const outcome = await withstand(options, (line) => console.log(line))
  writeTo(json, outcome)
  console.log(tell(outcome))
  return isClean(outcome) ? 0 : 1
}

async function goAway(seconds: number, builds: number, json: string | null): Promise<number> {
  const away = await takeAway(seconds * 1000, builds)
  writeTo(json, away)
  console.log(JSON.stringify(away, null, 2))
  return awayFlaws.every((flaw) => away[flaw].length === 0) ? 0 : 1
}

function writeTo(file: string | null, outcome: object): void {
  if (file !== null) writeFileSync(file, `${JSON.stringify(outcome, null, 2)}\n`)
}

/** What an outcome may have wrong, each a list of sentences. */
export const flaws = ['lost', 'doubled', 'wrongBytes', 'zombies', 'leaks', 'faults'] as const

/** Whether nothing went wrong. */
export const isClean = (outcome: Outcome): boolean => flaws.every((flaw) => outcome[flaw].length === 0)

/** The outcome for people: counts, then whatever went wrong and how to see it again. */
export function tell(outcome: Outcome): string {
  const {options, kills, freezes, cuts, builds, seconds, blows} = outcome
  const counted = flaws.map((flaw) => `${flaw} ${outcome[flaw].length}`).join(', ')
  const lines = [
    `seed ${options.seed}: ${kills} kills, ${freezes} freezes, ${cuts} cuts over ${builds} builds in ${seconds.toFixed(0)} s`,
    Object.entries(blows)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', '),
    `${outcome.logsCompared} logs compared (${outcome.bytesCompared} bytes), ${outcome.attemptsLost} attempts lost with their worker`,
    counted,
    ...flaws.flatMap((flaw) => outcome[flaw].slice(0, 20).map((each) => `  ${flaw}: ${each}`)),
  ]
  if (!isClean(outcome))
    lines.push(
      `what happened is in ${outcome.folder}; again with: npm run chaos -- --seed ${options.seed} --builds ${options.builds} ` +
        `--concurrent ${options.concurrent} --masters ${options.masters} --workers ${options.workers} --minutes ${options.minutes} --pace ${options.paceMs} --grace ${options.grace}`,
    )
  return lines.join('\n')
}

/** Lets the storm loose and judges. A run that went well leaves nothing behind; another keeps its folder. */
export async function withstand(options: ChaosOptions, say: (line: string) => void): Promise<Outcome> {
  const begun = performance.now()
  // An impatient end leaves no processes behind.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  const fleet = await Fleet.start({
    masters: options.masters,
    workers: options.workers,
    buildsPerWorker: Math.ceil(options.concurrent / options.workers),
    missingTimeout: options.grace,
  })
  let wentWell = false
  try {
    const storm = new Storm(fleet)
    const raging = storm.rage(options.seed, options.paceMs)
    const keys = await askForBuilds(fleet, options, storm, say)
    await storm.end()
    await raging
    say('the storm is over')
    await fleet.settled()
    const verdict = await judge(fleet, keys)
    const odd = await fleet.stop()
    const end = await judgeEnd(fleet)
    const {counts} = storm
    const outcome: Outcome = {
      ...verdict,
      leaks: [...verdict.leaks, ...end.leaks],
      zombies: [...verdict.zombies, ...end.zombies],
      options,
      builds: keys.length,
      kills: counts.masterKilled + counts.workerKilled + counts.databaseCrashed + counts.backendKilled,
      freezes: counts.masterFrozen + counts.workerFrozen,
      cuts: counts.wiresReset + counts.wireStalled + counts.wireTrickling + counts.connectionsEnded,
      blows: counts,
      seconds: (performance.now() - begun) / 1000,
      faults: [...fleet.faults, ...odd],
      folder: fleet.folder,
    }
    wentWell = isClean(outcome)
    if (!wentWell) keepWords(fleet, outcome)
    return outcome
  } catch (error) {
    keepWords(fleet, error)
    throw error
  } finally {
    await fleet.end({isClean: wentWell})
  }
}

function keepWords(fleet: Fleet, outcome: unknown): void {
  writeFileSync(join(fleet.folder, 'outcome.json'), `${JSON.stringify(outcome, null, 2)}\n`)
  const said = fleet.started.map(({name, pid, lines}) => `== ${name} ${pid}\n${lines.join('\n')}\n`)
  writeFileSync(join(fleet.folder, 'said.txt'), said.join('\n'))
}

/** Keeps as many builds asked for as may run, and some more; answers their keys. */
async function askForBuilds(
  fleet: Fleet,
  options: ChaosOptions,
  storm: Storm,
  say: (line: string) => void,
): Promise<number[]> {
  const until = performance.now() + options.minutes * 60_000
  const keys: number[] = []
  let toldAt = performance.now()
  while (keys.length < options.builds && performance.now() < until) {
    const [row] = await fleet.rows<{count: number}>(
      `SELECT count(*)::int AS count FROM requests WHERE state <> 'finished'`,
    )
    const room = Math.min(
      options.builds - keys.length,
      Math.round(options.concurrent * 1.5) - (row?.count ?? 0),
    )
    for (let n = 0; n < room; n++) {
      const key = keys.length + 1
      await fleet.ask(key)
      keys.push(key)
    }
    if (performance.now() - toldAt > 15_000) {
      toldAt = performance.now()
      const {masterKilled, workerKilled} = storm.counts
      say(`${keys.length} builds asked for, ${masterKilled + workerKilled} masters and workers killed`)
    }
    await sleep(200)
  }
  return keys
}
