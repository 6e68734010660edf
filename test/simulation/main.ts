// `npm run simulate`: runs seeds of the simulation, on all cores, and tells what became of them. A seed that breaks a
// promise prints itself, the promise, the last lines of what happened, and the command that replays it.
import {type ChildProcess, fork} from 'node:child_process'
import {availableParallelism} from 'node:os'
import {fileURLToPath} from 'node:url'
import {parseArgs} from 'node:util'
import {command, whole} from '../support/command.ts'
import {runSeed, type Verdict} from './seed.ts'

const usage = `npm run simulate -- [OPTIONS]

  --seeds N      how many seeds to run (1000)
  --from SEED    the first of them (1)
  --seed SEED    only this one, with all that happened in it
  --jobs N       processes to run them in (one for each core)
  --json         the summary as JSON
  --help         this

`
/** Seeds given to a process at a time. */
const batch = 20
const failuresMax = 10

interface Options {
  readonly from: number
  readonly seeds: number
  readonly only: number | null
  readonly jobs: number
  readonly json: boolean
}

/** Runs the simulation with the words of its command line; answers the exit code. */
export function simulate(args: readonly string[]): Promise<number> {
  return command(
    usage,
    () => readOptions(args),
    (options) => (options.only === null ? runMany(options) : replay(options.only)),
  )
}

function readOptions(args: readonly string[]): Options | null {
  const {values} = parseArgs({
    args: [...args],
    options: {
      seeds: {type: 'string', default: '1000'},
      from: {type: 'string', default: '1'},
      seed: {type: 'string'},
      jobs: {type: 'string', default: String(availableParallelism())},
      json: {type: 'boolean', default: false},
      help: {type: 'boolean', default: false},
    },
  })
  if (values.help) return null
  return {
    from: whole('from', values.from, 0),
    seeds: whole('seeds', values.seeds, 1),
    only: values.seed === undefined ? null : whole('seed', values.seed, 0),
    jobs: whole('jobs', values.jobs, 1),
    json: values.json,
  }
}

/** One seed, line by line. */
async function replay(seed: number): Promise<number> {
  const verdict = await runSeed(seed, {onLine: (line) => console.log(line)})
  const {broken, hash, events, virtualMs} = verdict
  console.log(`\nseed ${seed}: ${events} events in ${Math.round(virtualMs / 1000)} s of its time, hash ${hash}`)
  if (broken) console.log(`BROKEN ${broken.promise}\n  ${broken.text}`)
  return broken ? 1 : 0
} // prettier-ignore

interface Sum {
  seeds: number
  broken: Verdict[]
  events: number
  virtualMs: number
  readonly counts: Record<string, number>
}

async function runMany(options: Options): Promise<number> {
  const started = Date.now()
  const sum: Sum = {seeds: 0, broken: [], events: 0, virtualMs: 0, counts: {}}
  const show = () => {
    const {seeds, events, broken} = sum
    const rate = (seeds / (Date.now() - started)) * 1000
    return `${seeds} of ${options.seeds} seeds, ${rate.toFixed(1)} a second, ${events} events, ${broken.length} broken`
  }
  const timer = process.stderr.isTTY
    ? setInterval(() => process.stderr.write(`\r${show()}\u001b[K`), 500)
    : setInterval(() => console.error(show()), 30_000)
  try {
    await inProcesses(options, (verdict) => {
      add(sum, verdict)
      if (verdict.broken) print(verdict, options.json ? process.stderr : process.stdout)
    })
  } finally {
    clearInterval(timer)
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  }
  const seconds = (Date.now() - started) / 1000
  if (options.json)
    console.log(JSON.stringify({...sum, from: options.from, seconds, broken: sum.broken.map(brief)}, null, 2))
  else console.log(summary(sum, options, seconds))
  return sum.broken.length > 0 || sum.seeds < options.seeds ? 1 : 0
}

const brief = ({seed, broken}: Verdict) => ({seed, ...broken})

function add(sum: Sum, verdict: Verdict): void {
  sum.seeds++
  sum.events += verdict.events
  sum.virtualMs += verdict.virtualMs
  if (verdict.broken) sum.broken.push(verdict)
  for (const [name, count] of Object.entries(verdict.counts)) sum.counts[name] = (sum.counts[name] ?? 0) + count
} // prettier-ignore

function print({seed, broken, tail}: Verdict, to: NodeJS.WriteStream): void {
  to.write(
    `\n${tail.join('\n')}\n\nseed ${seed} BROKE: ${broken?.promise ?? ''}\n  ${broken?.text ?? ''}\n` +
      `  replay it: npm run simulate -- --seed ${seed}\n\n`,
  )
}

function summary({seeds, events, virtualMs, broken, counts}: Sum, {from}: Options, seconds: number): string {
  const told = Object.entries(counts).map(([name, count]) => `  ${name.padEnd(16)} ${count}`)
  return [
    `${seeds} seeds from ${from} in ${seconds.toFixed(0)} s: ${events} events, ${Math.round(virtualMs / 3_600_000)} hours of virtual time`,
    ...told,
    broken.length === 0
      ? 'every promise was kept'
      : `${broken.length} seeds broke a promise: ${broken.map(({seed}) => seed).join(', ')}`,
  ].join('\n')
}

type Heard = (verdict: Verdict) => void

/** Gives seeds to child processes as they ask; too many failures end the run. */
async function inProcesses({from, seeds, jobs}: Options, hear: Heard): Promise<void> {
  let next = from
  let failures = 0
  const isOver = () => next >= from + seeds || failures >= failuresMax
  const run = (child: ChildProcess) =>
    new Promise<void>((resolve) => {
      const give = () => {
        if (isOver()) return void child.send({end: true})
        const until = Math.min(next + batch, from + seeds)
        child.send({from: next, until})
        next = until
      }
      child.on('message', (message: {ready: true} | {verdict: Verdict}) => {
        if ('ready' in message) return give()
        if (message.verdict.broken) failures++
        hear(message.verdict)
      })
      child.once('exit', () => resolve())
    })
  const children = Array.from({length: Math.min(jobs, Math.ceil(seeds / batch))}, () =>
    fork(fileURLToPath(import.meta.url), ['--child'], {stdio: ['ignore', 'inherit', 'inherit', 'ipc']}),
  )
  await Promise.all(children.map(run))
}

/** The life of a child process: seeds by the batch. */
function serve(): void {
  const send = (message: object) => process.send?.(message)
  process.on('disconnect', () => process.exit(1))
  process.on('message', (message: {end: true} | {from: number; until: number}) => {
    if ('end' in message) process.exit(0)
    void (async () => {
      for (let seed = message.from; seed < message.until; seed++) send({verdict: await runSeed(seed)})
      send({ready: true})
    })()
  })
  send({ready: true})
}

if (process.argv[2] === '--child' && process.send) serve()
