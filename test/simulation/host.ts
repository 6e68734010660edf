// A worker's host: the processes of steps, which live on when the worker's own process dies and end with the host. What
// they did is the independent record: nothing of it goes through the code under test.
import {existsSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import type {Grounds, Hands, Tools, Trial} from '../../worker/commands/perform.ts'
import {Dropped, isGivenUp} from '../../worker/commands/supervised.ts'
import {deadline} from '../../worker/core/sequence.ts'
import type {PlanStep} from '../../worker/protocol/plan.ts'
import type {Outcome} from '../../worker/protocol/results.ts'
import type {Attempt} from '../../worker/world/attempt.ts'
import {Lost, type Ground} from '../../worker/world/ground.ts'
import {type Clockwork, lifeOf, type Node} from './clockwork.ts'
import {Random} from './random.ts'

/** One try of a step as it truly ran. */
export interface Process {
  readonly attempt: string
  readonly step: number
  readonly try: number
  readonly startedAt: number
  /** What it prints, and when. */
  readonly output: readonly {readonly at: number; readonly text: string}[]
  /** When it ends by itself, and with what. */
  readonly endsAt: number
  readonly code: number
  /** Which signals it heeds. */
  readonly heeds: readonly string[]
  killedAt: number | null
  killedBy: string | null
  /** Nobody will know how it ended: its host went away under it, or the worker left it. */
  isGone: boolean
  /** The worker ended it since it gave the attempt up, which says nothing about the step. */
  isLeft: boolean
  /** Why the worker ends it: on the host's disk, as for a real step. */
  ending: {readonly outcome: Outcome; readonly at: number} | null
}

export class Host {
  readonly name: string
  /** All that ever ran here, by `attempt/step.try`. */
  readonly processes = new Map<string, Process>()
  /** Longest and shortest step, in milliseconds. */
  pace: readonly [number, number] = [50, 20_000]
  /** How often an attempt was left: orders to start from before come to nothing. */
  readonly leaves = new Map<string, number>()
  private readonly clock: Clockwork
  private readonly seed: number

  constructor(name: string, clock: Clockwork, seed: number) {
    this.name = name
    this.clock = clock
    this.seed = seed
  }

  isAlive(process: Process): boolean {
    return !process.isGone && process.killedAt === null && this.clock.now < process.endsAt
  }

  living(attempt?: string): Process[] {
    return [...this.processes.values()].filter(
      (process) => (attempt === undefined || process.attempt === attempt) && this.isAlive(process),
    )
  }

  /** What a process has printed so far. */
  printed(process: Process): string {
    const until = Math.min(this.clock.now, process.killedAt ?? Infinity)
    return process.output
      .filter(({at}) => at <= until)
      .map(({text}) => text)
      .join('')
  }

  /** Its exit code; null while it lives and for one that nobody knows the end of. */
  codeOf(process: Process): number | null {
    if (process.isGone) return null
    if (process.killedAt !== null) return {INT: 130, TERM: 143, KILL: 137}[process.killedBy ?? 'KILL'] ?? 137
    if (this.clock.now < process.endsAt) return null
    return process.code
  }

  /** Starts a step's try, once: asked twice, it runs once. */
  start(attempt: string, step: number, tries: number): void {
    const key = `${attempt}/${String(step)}.${String(tries)}`
    if (this.processes.has(key)) return
    const random = new Random(this.seed, `process ${key}`)
    const startedAt = this.clock.now
    const lasts = random.between(0, 1) ** 3 * (this.pace[1] - this.pace[0]) + this.pace[0]
    const lines = random.chance(0.15) ? 0 : random.whole(1, 6)
    const moments = Array.from({length: lines}, () => startedAt + random.between(0, lasts)).sort(
      (a, b) => a - b,
    )
    const output = moments.map((at, line) => ({
      at,
      text: `${key} line ${String(line)} ${'x'.repeat(random.whole(0, random.chance(0.05) ? 3000 : 60))}${random.chance(0.9) ? '\n' : ''}`,
    })) // prettier-ignore
    const code = random.chance(0.8) ? 0 : random.pick([1, 1, 75, 2])
    const heeds = random.chance(0.7) ? ['INT', 'TERM', 'KILL'] : random.pick([['TERM', 'KILL'], ['KILL']])
    this.clock.say(`${this.name} runs ${key} for ${(lasts / 1000).toFixed(2)} s, exit ${String(code)}`)
    this.processes.set(key, {
      attempt, step, try: tries, startedAt, output, endsAt: startedAt + lasts, code, heeds, killedAt: null, killedBy: null,
      isGone: false, isLeft: false, ending: null,
    }) // prettier-ignore
  }

  signal(process: Process, signal: 'INT' | 'TERM' | 'KILL'): void {
    if (!process.heeds.includes(signal) || !this.isAlive(process)) return
    process.killedAt = this.clock.now
    process.killedBy = signal
  }

  /** Ends all that an attempt has here. Of some the supervisor still notes the exit status, of others it is gone first. */
  leave(attempt: string, random: Random): void {
    this.leaves.set(attempt, (this.leaves.get(attempt) ?? 0) + 1)
    for (const process of this.living(attempt)) {
      process.killedAt = this.clock.now
      process.killedBy = 'KILL'
      process.isLeft = true
      process.isGone = random.chance(0.5)
    }
  }

  /** The host goes down: what runs is gone, and how it would have ended. */
  fall(): void {
    for (const process of this.living()) process.isGone = true
  }
}

const pollMs = 400

/** What the real `perform` works with here: the host's processes instead of real ones. */
export function virtualHands(host: Host, clock: Clockwork, node: Node): Hands {
  const {random} = node
  const life = lifeOf(node)
  const never = new Promise<never>(() => undefined)
  const isDead = () => !node.isAlive || node.life !== life

  const wait = (attempt: Attempt, ms: number) =>
    new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer)
        attempt.onWish = () => undefined
        attempt.dropped.signal.removeEventListener('abort', done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      attempt.onWish = done
      attempt.dropped.signal.addEventListener('abort', done, {once: true})
    })

  const grounds = (attempt: Attempt): Grounds => {
    const ground: Ground = {
      executor: 'host',
      here: attempt.dir,
      inside: attempt.dir,
      workspaceHere: `${attempt.dir}/../../workspaces/${attempt.workspace}`,
      workspaceInside: attempt.dir,
      isReplaced: false,
      supervisor: () => Promise.reject(new Error('steps run without one here')),
      lend: () => Promise.resolve(),
      reclaim: () => Promise.resolve(),
      async leave() {
        for (;;) {
          if (isDead()) return await never
          host.leave(attempt.fence, random)
          await new Promise((resolve) => setTimeout(resolve, random.between(1, 20)))
          if (host.living(attempt.fence).length === 0) return
        }
      },
    }
    return {host: ground, main: ground}
  }

  // What a dead worker's code still does must not reach the host, which lives on.
  const command = async (step: PlanStep, {attempt, ground, id, since, log}: Trial, tools: Pick<Tools, 'quota'>) => {
    const key = `${attempt.fence}/${id}`
    const [at, tries] = id.split('.').map(Number) as [number, number]
    if (!host.processes.has(key) && !isDead()) {
      const leaves = host.leaves.get(attempt.fence)
      clock.later(random.between(1, 30), null, () => {
        if (host.leaves.get(attempt.fence) !== leaves || !existsSync(ground.here)) return
        writeFileSync(join(ground.here, `${id}.pid`), '')
        host.start(attempt.fence, at, tries)
      })
    }
    const read = async (): Promise<void> => {
      const process = host.processes.get(key)
      if (!process) return
      const output = Buffer.from(host.printed(process))
      while (log.mark.at < output.length && (host.codeOf(process) !== null || tools.quota(attempt).mayRead()))
        await log.write('out', log.mark.at, output.subarray(log.mark.at, log.mark.at + 3000), false)
    }
    if (isGivenUp({ground, id})) throw new Lost('the worker had given the step up before it started again')
    for (;;) {
      if (isDead()) return await never
      if (attempt.dropped.signal.aborted) throw new Dropped()
      const process = host.processes.get(key)
      if (process?.isGone) throw new Lost("the step's host was restarted, and with it went how the step ended")
      if (process) {
        const code = host.codeOf(process)
        await read()
        if (isDead()) return await never
        if (code !== null) return process.ending?.outcome ?? {outcome: 'exited' as const, code}
        process.ending ??= endingOf(step, attempt, since, process)
        if (process.ending) press(host, process, process.ending.at, attempt)
      }
      await wait(attempt, random.between(0.3, 1) * pollMs)
    }
  } // prettier-ignore

  return {grounds, command}
}

/** Whether a running step must be ended, and why. */
function endingOf(step: PlanStep, attempt: Attempt, since: number, process: Process): Process['ending'] {
  const at = Date.now()
  const cleansUp =
    step.alwaysRun && (attempt.state.result === 'cancelled' || since >= (attempt.cancelledAt ?? Infinity))
  if (attempt.wishes.cancel !== null && !cleansUp) return {outcome: {outcome: 'cancelled'}, at}
  const due = step.alwaysRun ? null : deadline(attempt.plan, attempt.state)
  if (due !== null && at >= due)
    return {outcome: {outcome: 'overtime', seconds: (attempt.plan.timeoutMs ?? 0) / 1000}, at}
  if (step.maxMs !== null && at >= since + step.maxMs)
    return {outcome: {outcome: 'overtime', seconds: step.maxMs / 1000}, at}
  return process.ending
}

/** INT, then TERM, then KILL, each after its grace. */
function press(host: Host, process: Process, since: number, {plan}: Attempt): void {
  const passed = Date.now() - since
  host.signal(process, 'INT')
  if (passed >= plan.intGraceMs) host.signal(process, 'TERM')
  if (passed >= plan.intGraceMs + plan.termGraceMs || passed < 0) host.signal(process, 'KILL')
}
