// `npm run load`: one master holds a long queue, many sleeping builds, and people who look, for a long time; its memory
// must stay flat and its event loop free.
import {mkdtempSync, realpathSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {parseArgs} from 'node:util'
import {until} from '../../scripts/processes.ts'
import {startCluster} from '../support/cluster.ts'
import {command, positive, whole} from '../support/command.ts'
import {median, plain} from './figures.ts'
import {Ground, lanes, longestBlock, numberIn, type Plan} from './grounds.ts'
import {cpuSeconds, describeMachine, memoryMb} from './machine.ts'

const usage = `npm run load [-- OPTIONS]

  --minutes T    how long to hold it (30)
  --queued N     requests that wait (5000)
  --running N    builds that sleep meanwhile (500)
  --json FILE    also writes every look as JSON
  --help         this

`
const sleepersPerWorker = 100
const lookEveryMs = 10_000
/** How far the memory of the last third may lie above that of the middle one. */
const growthMost = 0.05
/** How long the event loop may be blocked; the clock that sees it ticks every 10 ms. */
const blockedMostMs = 50 + 10

interface LoadOptions {
  readonly minutes: number
  readonly queued: number
  readonly running: number
  readonly json: string | null
}

/** One look at the master under load. */
interface Look {
  readonly seconds: number
  readonly memoryMb: number
  readonly heapMb: number
  readonly blockedMs: number
  readonly cpu: number
  readonly pending: number
  readonly running: number
  /** How long the waterfall took to answer. */
  readonly waterfallMs: number
}

/** Runs it with the words of its command line; answers the exit code: 1 when something was not held. */
export function load(args: readonly string[]): Promise<number> {
  return command(usage, () => readOptions(args), runLoad)
}

async function runLoad(options: LoadOptions): Promise<number> {
  const looks = await hold(options)
  const verdict = judge(looks, options)
  if (options.json !== null)
    writeFileSync(
      options.json,
      `${JSON.stringify({machine: describeMachine(), ...options, looks, verdict}, null, 2)}\n`,
    )
  for (const {what, isHeld} of verdict) console.log(`${isHeld ? 'held  ' : 'BROKEN'} ${what}`)
  return verdict.every(({isHeld}) => isHeld) ? 0 : 1
}

/** The options, or null when only help is wanted; throws an Error that says what is wrong with them. */
export function readOptions(args: readonly string[]): LoadOptions | null {
  const {values} = parseArgs({
    args: [...args],
    options: {
      minutes: {type: 'string', default: '30'},
      queued: {type: 'string', default: '5000'},
      running: {type: 'string', default: '500'},
      json: {type: 'string'},
      help: {type: 'boolean', default: false},
    },
  })
  if (values.help) return null
  return {
    minutes: positive('minutes', values.minutes),
    queued: whole('queued', values.queued, 1),
    running: whole('running', values.running, 1),
    json: values.json ?? null,
  }
}

async function hold(options: LoadOptions): Promise<Look[]> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ostler-load-')))
  const server = await startCluster({durable: true})
  try {
    return await Ground.on(folder, server.url, planOf(options), (ground) => watch(ground, options))
  } finally {
    await server.stop()
    rmSync(folder, {recursive: true, force: true})
  }
}

/** Builders that never end, on workers with room for just so many; and short builds beside them. */
function planOf({running}: LoadOptions): Plan {
  // Now and then they say something: a step that is silent for long is ended.
  const asleep = 'while sleep 300; do echo asleep; done'
  const sleepers = Array.from({length: Math.ceil(running / sleepersPerWorker)}, (_, n) => ({
    maxBuilds: Math.min(sleepersPerWorker, running - n * sleepersPerWorker),
    labels: {kind: 'sleeper'},
  }))
  return {
    masters: 1,
    workers: [...sleepers, {maxBuilds: 1, labels: {kind: 'busy'}}],
    builders: [
      ...Array.from({length: lanes}, (_, lane) => ({
        name: `sleeper${lane}`,
        requires: {kind: 'sleeper'},
        command: ['sh', '-c', asleep],
      })),
      {name: 'busy', requires: {kind: 'busy'}, command: ['seq', '1', '200']},
    ],
  }
}

async function watch(ground: Ground, {minutes, queued, running}: LoadOptions): Promise<Look[]> {
  const sleepers = Array.from({length: lanes}, (_, lane) => `sleeper${lane}`)
  await ground.metrics() // what happened before is not looked at
  const submittedAt = performance.now()
  await ground.submit(running + queued, sleepers)
  console.log(`${running + queued} requests taken in ${plain((performance.now() - submittedAt) / 1000)} s`)
  const isFull = async () => numberIn(await ground.metrics(), 'ostler_builds_open') >= running || null
  await until('all sleepers run', isFull, {withinMs: 600_000, everyMs: 500})
  console.log(`${running} builds run after ${plain((performance.now() - submittedAt) / 1000)} s`)
  // The longest block while all of them came in; memory is judged by the later looks.
  const looks: Look[] = [await lookAt(ground, 0)]
  console.log(lineOf(looks[0] as Look))
  const beganAt = performance.now()
  const listening = new AbortController()
  const people = lookAround(ground, listening.signal)
  people.catch(() => undefined) // it is awaited below, and may fail before
  try {
    while (performance.now() - beganAt < minutes * 60_000) {
      await sleep(lookEveryMs)
      const look = await lookAt(ground, (performance.now() - beganAt) / 1000)
      looks.push(look)
      console.log(lineOf(look))
    }
  } finally {
    listening.abort()
    await people
  }
  return looks
}

/** What people and programs do all the while: a short build each second, the event log open, a page now and then. */
async function lookAround(ground: Ground, signal: AbortSignal): Promise<void> {
  const {api} = ground
  const listen = async () => {
    for await (const _ of api.events(null, signal)) if (signal.aborted) return
  }
  const ask = async () => {
    for (let n = 0; !signal.aborted; n++) {
      await ground.submit(1, ['busy'])
      if (n % 5 === 0) await api.get('/waterfall')
      if (n % 5 === 2) await api.get('/requests?state=pending&limit=100')
      await sleep(1000, undefined, {signal})
    }
  }
  const untilAborted = (error: unknown) => {
    if (!signal.aborted) throw error
  }
  await Promise.all([listen().catch(untilAborted), ask().catch(untilAborted)])
}

async function lookAt(ground: Ground, seconds: number): Promise<Look> {
  const metrics = await ground.metrics()
  const [{process}] = ground.masters as [Ground['masters'][number]]
  const askedAt = performance.now()
  await ground.api.get('/waterfall')
  return {
    seconds,
    waterfallMs: performance.now() - askedAt,
    memoryMb: memoryMb(process.pid),
    heapMb: numberIn(metrics, 'nodejs_heap_size_used_bytes') / 2 ** 20,
    blockedMs: 1000 * numberIn(metrics, longestBlock),
    cpu: cpuSeconds(process.pid),
    pending: numberIn(metrics, 'ostler_requests_pending'),
    running: numberIn(metrics, 'ostler_builds_open'),
  }
}

function lineOf(look: Look): string {
  const {seconds, memoryMb, heapMb, blockedMs, pending, running, waterfallMs, cpu} = look
  return (
    `${plain(seconds).padStart(6)} s  ${plain(memoryMb)} MB (heap ${plain(heapMb)})  blocked ${plain(blockedMs)} ms  ` +
    `${pending} wait, ${running} run  waterfall ${plain(waterfallMs)} ms  ${plain(cpu)} CPU-s`
  )
}

interface Held {
  readonly what: string
  readonly isHeld: boolean
}

/** What must hold, judged by all looks. */
export function judge(
  looks: readonly Look[],
  {queued, running}: Pick<LoadOptions, 'queued' | 'running'>,
): Held[] {
  const third = Math.floor(looks.length / 3)
  const memory = (from: number, to: number) =>
    median(looks.slice(from, to).map((look) => look.memoryMb)) ?? Number.NaN
  const [middle, last] = [memory(third, 2 * third), memory(2 * third, looks.length)]
  const least = (of: (look: Look) => number) => Math.min(...looks.map(of))
  const worst = Math.max(...looks.map((look) => look.blockedMs))
  return [
    {
      what: `${least((look) => look.pending)} requests waited all the while`,
      isHeld: least((look) => look.pending) >= queued,
    },
    {
      what: `${least((look) => look.running)} builds ran all the while`,
      isHeld: least((look) => look.running) >= running,
    },
    {
      what: `memory ${plain(middle)} MB in the middle third, ${plain(last)} MB in the last`,
      isHeld: last <= middle * (1 + growthMost),
    },
    {
      what: `the event loop was never blocked for longer than ${plain(worst)} ms`,
      isHeld: worst <= blockedMostMs,
    },
  ]
}
