// Running one generated script under a supervisor to its end: following its output, holding its limits, ending it when it must
// end. What is on disk tells where it stands, so a new worker process takes up where an old one fell.
import {chmodSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {deadline} from '../core/sequence.ts'
import type {PlanStep} from '../protocol/plan.ts'
import type {Outcome} from '../protocol/results.ts'
import {Lost, type Ground} from '../world/ground.ts'
import {Follow} from '../world/follow.ts'
import type {StepLog} from '../world/logs.ts'
import type {Attempt} from '../world/attempt.ts'
import type {Quota} from '../world/quota.ts'
import type {Mark} from '../world/spool.ts'
import type {Supervisor} from '../world/supervisor.ts'
import {Hold} from './hold.ts'

export interface Run {
  readonly attempt: Attempt
  readonly ground: Ground
  readonly step: PlanStep
  /** `STEP.TRY`, the name of its files. */
  readonly id: string
  /** When the try began. */
  readonly since: number
  /** What marks its processes. */
  readonly mark: string
  readonly log: StepLog
  readonly quota: Quota
  /** The script; not asked for when the step runs already. */
  readonly script: () => string
  /** Whether what it writes to ID.value goes into the log too. */
  readonly showsValue: boolean
}

const valueMax = 1024 * 1024
const killGraceMs = 10_000

/** Runs the script, or goes on with it, until its main process has ended and its output is in the journal. */
export async function supervised(run: Run): Promise<Outcome> {
  const supervisor = await run.ground.supervisor()
  const outcome = await watched(run, supervisor)
  rmSync(path(run, 'run'), {force: true})
  return outcome
}

/** What the step wrote to its value file, without white space at the ends. */
export function valueOf({ground, id}: Pick<Run, 'ground' | 'id'>): string {
  try {
    const file = join(ground.here, `${id}.value`)
    if (statSync(file).size > valueMax) return ''
    return readFileSync(file, 'utf8').trim()
  } catch {
    return ''
  }
}

/** Takes away the files of a try that is over. */
export function clear({ground, id}: Pick<Run, 'ground' | 'id'>): void {
  for (const kind of ['out', 'value', 'cancel', 'out.cut', 'value.cut', 'held'])
    rmSync(join(ground.here, `${id}.${kind}`), {force: true})
}

/**
 * The try is given up, and its processes will be killed: what the supervisor then notes is not how the step ended, also for
 * a worker that starts again in between. A new name takes no room on a full disk.
 */
export function giveUp({ground, id}: Pick<Run, 'ground' | 'id'>): void {
  const file = join(ground.here, id)
  if (existsSync(`${file}.pid`)) renameSync(`${file}.pid`, `${file}.left`)
}

/** Whether the worker gave the try up in an earlier life. */
export const isGivenUp = ({ground, id}: Pick<Run, 'ground' | 'id'>): boolean =>
  existsSync(join(ground.here, `${id}.left`))

async function watched(run: Run, supervisor: Supervisor): Promise<Outcome> {
  run.quota.begin()
  const hold = new Hold(run, supervisor)
  const out = follow(run, 'out', hold)
  const value = run.showsValue ? follow(run, 'value', hold) : null
  const ending = new Ending(run, supervisor, hold)
  try {
    const code = await new Promise<number>((resolve, reject) => {
      const look = (): void => {
        const code = statusOf(run)
        if (code !== null) return resolve(code)
        if (supervisor.isAlive()) return
        // It may have written the status just before it went.
        const late = statusOf(run)
        if (late !== null) resolve(late)
        else reject(new Lost("the step's supervisor is gone, and with it how the step ended"))
      }
      supervisor.onBell = () => {
        const code = statusOf(run)
        if (code !== null) resolve(code)
        else if (ending.isTick()) look()
      }
      out.onFault = reject
      if (value) value.onFault = reject
      ending.onHopeless = () => reject(new Lost("the step's processes do not end"))
      run.attempt.dropped.signal.addEventListener('abort', () => reject(new Dropped()), {once: true})
      if (run.attempt.dropped.signal.aborted) reject(new Dropped())
      launch(run, supervisor)
      ending.arm()
      out.start()
      value?.guard()
      if (existsSync(path(run, 'pid'))) look()
    })
    run.quota.noteFree(run.ground.here)
    ending.disarm()
    hold.end()
    if (ending.outcome) supervisor.signal(run.id, 'KILL', run.mark, run.ground.inside)
    if (run.log.mark.part === 'out') await out.finish()
    await value?.finish()
    await hold.tell()
    return ending.outcome ?? (await exited(run, code))
  } catch (error) {
    await out.abandon()
    await value?.abandon()
    throw error
  } finally {
    run.quota.rest()
    ending.disarm()
    supervisor.onBell = () => undefined
  }
}

/** A failure for want of memory says so: its exit code alone would be a riddle. */
async function exited(run: Run, code: number): Promise<Outcome> {
  const {attempt, ground, log} = run
  if (code === 0 || ground.executor === 'host' || !wasOutOfMemory(run)) return {outcome: 'exited', code}
  const limit = attempt.plan.container?.memoryBytes
  await log.say(
    `out of memory: the kernel killed processes of this step, for its container may use ${limit ? `${limit} bytes` : 'no more'} (container.memory)`,
  )
  return {outcome: 'exited', code, outOfMemory: true}
}

function follow(run: Run, part: Mark['part'], valve: Hold): Follow {
  const {log, quota, attempt, showsValue} = run
  const dropped = attempt.dropped.signal
  return new Follow({path: path(run, part), part, log, quota, valve, dropped, parts: showsValue ? 2 : 1})
}

/** The attempt is not to be gone on with; nothing more is said about it. */
export class Dropped extends Error {
  override readonly name = 'Dropped'
}

function launch(run: Run, supervisor: Supervisor): void {
  if (isGivenUp(run)) throw new Lost('the worker had given the step up before it started again')
  if (statusOf(run) !== null) return
  if (run.ground.isReplaced && existsSync(path(run, 'pid')))
    throw new Lost("the step's supervisor is gone, and with it how the step ended")
  if (!existsSync(path(run, 'run'))) {
    if (existsSync(path(run, 'pid'))) return
    if (run.ground.inside !== run.ground.here) layOutput(run)
    writeFileSync(path(run, 'run'), run.script(), {mode: 0o644})
  }
  if (!supervisor.run(run.id, run.ground.inside)) throw new Lost('the supervisor takes no orders')
}

/** The files that a container's step writes are the worker's own, whoever the step runs as: it may have to shorten them. */
function layOutput(run: Run): void {
  for (const part of run.showsValue ? ['out', 'value'] : ['out']) {
    writeFileSync(path(run, part), '')
    chmodSync(path(run, part), 0o666)
  }
}

function statusOf(run: Run): number | null {
  const [id, code] = statusWords(run)
  return id === run.id && code !== undefined ? Number(code) : null
}

function wasOutOfMemory(run: Run): boolean {
  const [id, , ooms] = statusWords(run)
  return id === run.id && Number(ooms) > 0
}

function statusWords(run: Run): readonly (string | undefined)[] {
  try {
    return readFileSync(join(run.ground.here, 'status'), 'latin1').trim().split(' ')
  } catch {
    return []
  }
}

const path = (run: Run, kind: string): string => join(run.ground.here, `${run.id}.${kind}`)

/** Why and how a step is ended before it ends by itself. */
class Ending {
  outcome: Outcome | null = null
  onHopeless: () => void = () => undefined
  private readonly run: Run
  private readonly supervisor: Supervisor
  private readonly hold: Hold
  private readonly timers = new Set<NodeJS.Timeout>()
  private lastTick = 0

  constructor(run: Run, supervisor: Supervisor, hold: Hold) {
    this.run = run
    this.supervisor = supervisor
    this.hold = hold
  }

  /** Whether some time has passed since the supervisor's life was last looked at. */
  isTick(): boolean {
    const now = Date.now()
    if (now - this.lastTick < 500) return false
    this.lastTick = now
    return true
  }

  arm(): void {
    const {attempt, step, since} = this.run
    const cancelled = join(this.run.ground.here, `${this.run.id}.cancel`)
    if (existsSync(cancelled)) return this.end(JSON.parse(readFileSync(cancelled, 'utf8')) as Outcome)
    if (step.maxMs !== null)
      this.at(since + step.maxMs, () => this.end({outcome: 'overtime', seconds: (step.maxMs ?? 0) / 1000}))
    const due = step.alwaysRun ? null : deadline(attempt.plan, attempt.state)
    if (due !== null)
      this.at(due, () => this.end({outcome: 'overtime', seconds: (attempt.plan.timeoutMs ?? 0) / 1000}))
    if (step.silenceMs !== null) this.listenForSilence(step.silenceMs, Date.now())
    attempt.onWish = () => this.wish()
    this.wish()
  }

  disarm(): void {
    for (const timer of this.timers) clearTimeout(timer)
    this.timers.clear()
    this.run.attempt.onWish = () => undefined
  }

  /** A cancelled build's alwaysRun steps, started after the wish, are left alone: they clean up. */
  private wish(): void {
    const {attempt, step} = this.run
    const cleansUp = step.alwaysRun && attempt.wishes.cancel !== null && this.startedAfterCancel()
    if (attempt.wishes.cancel !== null && !cleansUp) this.end({outcome: 'cancelled'})
  }

  private startedAfterCancel(): boolean {
    const {attempt} = this.run
    if (attempt.state.result === 'cancelled') return true
    return attempt.cancelledAt !== null && this.run.since >= attempt.cancelledAt
  }

  /** The files' time of change is when something was last said, whether it was read yet or not. Who is held cannot speak. */
  private listenForSilence(silenceMs: number, begin: number): void {
    const last = Math.max(
      begin,
      this.hold.lastHeldAt,
      ...['out', 'value'].map((kind) => changedAt(path(this.run, kind))),
    )
    const due = last + silenceMs
    if (Date.now() >= due) return this.end({outcome: 'silent', seconds: silenceMs / 1000})
    this.at(due, () => this.listenForSilence(silenceMs, begin))
  }

  private end(outcome: Outcome): void {
    if (this.outcome) return
    this.outcome = outcome
    this.disarm()
    const {plan} = this.run.attempt
    // The script looks for this file after it has told its number: one of us sees the other.
    writeFileSync(join(this.run.ground.here, `${this.run.id}.cancel`), JSON.stringify(outcome))
    const now = Date.now()
    this.signal('INT')
    // Who is stopped hears nothing but KILL.
    this.hold.end()
    this.at(now + plan.intGraceMs, () => this.signal('TERM'))
    this.at(now + plan.intGraceMs + plan.termGraceMs, () => this.signal('KILL'))
    this.at(now + plan.intGraceMs + plan.termGraceMs + killGraceMs, () => this.onHopeless())
  }

  private signal(signal: 'INT' | 'TERM' | 'KILL'): void {
    this.supervisor.signal(this.run.id, signal, this.run.mark, this.run.ground.inside)
  }

  private at(time: number, act: () => void): void {
    const waitMs = Math.min(Math.max(time - Date.now(), 0), 2 ** 31 - 1)
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      if (Date.now() < time - 1) this.at(time, act)
      else act()
    }, waitMs)
    this.timers.add(timer)
  }
}

function changedAt(file: string): number {
  try {
    return statSync(file).mtimeMs
  } catch {
    return 0
  }
}
