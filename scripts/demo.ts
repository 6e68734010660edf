// The demo: a real master and a real worker on a sample repository. A commit breaks the test, so `stable` stays; the
// next one puts it right and is promoted. Then everything keeps running for whoever wants to look, until Ctrl+C; with
// `--once` it ends there. Whatever happens, nothing is left behind.
import {mkdtempSync, realpathSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setImmediate as immediate, setTimeout as sleep} from 'node:timers/promises'
import type {Build, Decision, Page, Step} from './api.ts'
import {brokenGreeting, makeSample, rightGreeting, type Sample} from './demo/sample.ts'
import {Following, short, tell, tellLog} from './demo/telling.ts'
import {engine, importTinyImage, removeImage} from './engine.ts'
import {sweep} from './leftovers.ts'
import {freePort, Master, type Process, startWorker, until} from './processes.ts'

const onceWithinMs = 120_000
const usualPort = 8010

/** What is to be undone, last first. Once that began, whatever still comes up late is undone at once. */
class Undoing {
  private readonly steps: (() => Promise<unknown>)[] = []
  private begun = false

  push(step: () => Promise<unknown>): void {
    this.steps.push(step)
    if (this.begun) void this.all()
  }

  /** Throws once it began: nothing new may be started then. */
  check(): void {
    if (this.begun) throw new Interrupted()
  }

  async all(): Promise<void> {
    this.begun = true
    for (let step = this.steps.pop(); step; step = this.steps.pop())
      await step().catch((error: unknown) => {
        console.error(`while tidying up: ${wordsOf(error)}`)
      })
  }
}

class Interrupted extends Error {}

/** Runs the demo; answers the exit code. */
export async function demo(args: readonly string[]): Promise<number> {
  const once = args.includes('--once')
  const unknown = args.find((arg) => arg !== '--once')
  if (unknown !== undefined) {
    console.error(`unknown option ${unknown}; the demo knows --once`)
    return 2
  }
  const undo = new Undoing()
  const interrupted = interruption()
  const late = once ? deadline() : new Promise<never>(() => undefined)
  try {
    await Promise.race([show(undo, once), interrupted.promise, late])
    return 0
  } catch (error) {
    await aTurn()
    if (interrupted.happened()) return once ? 1 : 0
    console.error(`\n${wordsOf(error)}`)
    return 1
  } finally {
    tell('end', 'stopping and tidying up')
    await undo.all()
  }
}

async function show(undo: Undoing, once: boolean): Promise<void> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'ostler-demo-')))
  undo.push(() => sweep(folder))
  tell('demo', `works in ${folder}, which goes when it ends`)
  const image = await containerImage(undo)
  undo.check()
  const sample = makeSample(folder)
  const config = join(folder, 'ostler.yaml')
  writeFileSync(config, configuration(sample.url, image))
  const master = await startMaster(config, join(folder, 'master'), undo)
  undo.push(() => master.process.stop())
  tell('master', `${master.url}, with its embedded database`)
  tell('sample', 'a repository: people push to main, and stable follows once a commit was built green')
  const events = new Following(master.api)
  undo.push(() => events.end())
  const worker = await connectWorker(master, folder, undo)
  undo.push(() => worker.stop())
  undo.push(() => events.end()) // What comes while we stop is no part of the tale.
  const running = [master.process, worker]
  const deaths = running.map(diedTooSoon)
  await Promise.race([tale({master, sample, events, alive: running}).catch(afterDeaths), ...deaths])
  tellWhatNext(master, sample, once)
  if (!once) await Promise.race(deaths)
}

/** On the usual port where that is free; another demo may take it while the master starts. */
async function startMaster(config: string, stateDir: string, undo: Undoing): Promise<Master> {
  const usual = await freePort(usualPort)
  undo.check()
  try {
    return await Master.start({config, stateDir, port: usual})
  } catch (error) {
    if (!wordsOf(error).includes('EADDRINUSE')) throw error
    undo.check()
    return Master.start({config, stateDir})
  }
}

async function containerImage(undo: Undoing): Promise<string | null> {
  const docker = await engine()
  if (docker === null) {
    tell('executor', 'builds run on this host: no Docker or Podman socket answers')
    return null
  }
  const name = `ostler-demo-${String(process.pid)}`
  try {
    await importTinyImage(docker, name)
  } catch (error) {
    await aTurn()
    undo.check()
    tell('executor', `builds run on this host: no image could be made (${wordsOf(error).slice(0, 200)})`)
    return null
  }
  undo.push(() => removeImage(docker, name))
  tell('executor', 'builds run in a container, in an image made of this machine’s own programs')
  return name
}

function configuration(repository: string, image: string | null): string {
  return `# The configuration of the demo.
title: Demo
access: {read: open}
changeSources:
  - {name: sample, kind: git, url: ${JSON.stringify(repository)}, branches: [main, stable], pollInterval: 1s}
workers:
  - {name: stable-hand}
builders:
  - name: check
    ${image === null ? '' : `container: {image: ${image}, network: none}`}
    steps:
      - {kind: git, repository: sample}
      - {kind: shell, name: build, command: sh build.sh, haltOnFailure: true}
      - {kind: shell, name: test, command: sh test.sh, timeout: 1m}
      - {kind: upload, name: keep, files: out/*, artifact: greet, when: "result == 'success'"}
schedulers:
  - {name: main, kind: singleBranch, source: sample, branch: main, builders: [check]}
  - {name: force, kind: force, builders: [check]}
promotions:
  schedule: "* * * * *"
  committer: {name: Ostler, email: ostler@example.org}
  rules:
    - {name: stable, kind: fastForward, source: sample, from: main, to: stable, green: {builders: [check]}}
`
}

async function connectWorker(master: Master, folder: string, undo: Undoing): Promise<Process> {
  const token = await master.workerToken('stable-hand')
  undo.check()
  const worker = startWorker({
    master: master.url,
    name: 'stable-hand',
    token,
    stateDir: join(folder, 'worker'),
  })
  const connected = () =>
    master.api.get<Page<{state: string}>>('/workers').then(({items}) => items.some(isConnected) || null)
  await until('the worker connects', connected, {alive: [master.process, worker]}).catch(
    async (error: unknown) => {
      await worker.stop()
      throw error
    },
  )
  return worker
}

const isConnected = ({state}: {state: string}) => state === 'connected'

interface Stage {
  readonly master: Master
  readonly sample: Sample
  readonly events: Following
  readonly alive: readonly Process[]
}

async function tale(stage: Stage): Promise<void> {
  const {master, sample, events, alive} = stage
  await built(stage, sample.tip('main'))

  tell('push', 'somebody breaks the greeting')
  const broken = await built(stage, sample.push('Greet in the old way', brokenGreeting))
  await showLog(master, broken)
  await judge(master)

  tell('push', 'somebody puts it right')
  const right = sample.push('Greet as the test says', rightGreeting)
  const build = await built(stage, right)
  const log = await showLog(master, build)
  if (build.result !== 'success')
    throw new Error(`the right greeting was not built green (${build.result ?? ''}): ${build.summary}`)
  await judge(master)
  const promoted = () =>
    Promise.resolve((sample.tip('stable') === right && events.hasTold('branch.promoted', right)) || null)
  await until('stable is promoted', promoted, {alive})

  console.log('')
  tell('waterfall', `${master.url}/`)
  tell('build', `${master.url}/builds/${build.id}`)
  tell('log', `${master.url}/api/v1/logs/${log}/raw`)
}

function tellWhatNext(master: Master, sample: Sample, once: boolean): void {
  if (once) {
    tell('next', 'npm run demo, without --once, keeps it all running for you to look at')
    console.log('')
    return
  }
  tell('sign in', `${master.url}/login, with the token in ${master.tokenFile}`)
  tell('push', `git clone ${sample.url}, commit to main, push: it is built, and promoted within a minute`)
  console.log('')
  tell('', 'Everything keeps running; press Ctrl+C to end it and to remove what it made.')
}

/** The finished build of a commit, once its end was told. */
async function built({master, events, alive}: Stage, revision: string): Promise<Build> {
  const finished = async () => {
    const {items} = await master.api.get<Page<Build>>(`/builds?revision=${revision}`)
    return items.find(
      ({state, number}) => state === 'finished' && events.hasTold('build.finished', String(number)),
    )
  }
  return until(`commit ${revision.slice(0, 12)} is built`, finished, {alive, withinMs: onceWithinMs})
}

/** Shows the end of the log of the last step that ran a program; answers the log's id. */
async function showLog(master: Master, build: Build): Promise<string> {
  const {items} = await master.api.get<Page<Step>>(`/builds/${build.id}/steps`)
  const log = items.filter(({kind}) => kind === 'shell').findLast(({logs}) => logs.length > 0)?.logs[0]
  if (!log) throw new Error(`build ${build.id} has no log (${build.result ?? ''}): ${build.summary}`)
  tellLog(await master.api.text(`/logs/${log.id}/raw`), 4)
  return log.id
}

/** What `ostler promote` does, and the schedule once a minute. */
async function judge(master: Master): Promise<void> {
  const {verdict, reasons, candidate} = await master.api.post<Decision>('/promotions/stable/run')
  if (verdict === 'current') return // It was quicker than we.
  const what = candidate === null ? '' : ` ${short(candidate)}`
  tell('promotion', `${verdict}${what}: ${reasons.join('; ')}`)
}

async function diedTooSoon(running: Process): Promise<never> {
  const how = await running.ended
  throw new Error(
    `the ${running.name} ended by itself (${how}); its last words:\n${running.lines.slice(-30).join('\n')}`,
  )
}

/** A dead master first shows as a request that failed: leaves the word to whoever knows better. */
async function afterDeaths(error: unknown): Promise<never> {
  await sleep(1000)
  throw error
}

/**
 * Ctrl+C also reaches programs that we wait for; lets the signal come in after their failure. After a blocking call a
 * timer counts from before it and would be over at once, so signals are looked for first.
 */
const aTurn = () => immediate().then(() => sleep(10))

function deadline(): Promise<never> {
  return new Promise((_resolve, reject) => {
    setTimeout(() => {
      reject(new Error(`no promotion within ${String(onceWithinMs / 1000)} s`))
    }, onceWithinMs).unref()
  })
}

/** Until the process is gone, so that an impatient Ctrl+C more does not cut the tidying short. */
function interruption(): {promise: Promise<never>; happened: () => boolean} {
  let interrupt: () => void = () => undefined
  let happened = false
  const promise = new Promise<never>((_resolve, reject) => {
    interrupt = () => {
      happened = true
      reject(new Interrupted())
    }
  })
  promise.catch(() => undefined)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt)
  // Nobody reads any more (`npm run demo | head`).
  process.stdout.on('error', interrupt)
  return {promise, happened: () => happened}
}

const wordsOf = (error: unknown) => (error instanceof Error ? error.message : String(error))
