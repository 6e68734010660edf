// A build from its first entry to its last: asks `core` what is next, does it, writes what came of it.
import {readdirSync} from 'node:fs'
import {rm} from 'node:fs/promises'
import {join} from 'node:path'
import {descriptorsForStep, isOutOfDescriptors} from '../core/descriptors.ts'
import {isFinal, next, type Order} from '../core/sequence.ts'
import {describe, judge} from '../core/results.ts'
import {fill, Unfillable} from '../core/templates.ts'
import type {Outcome, Result} from '../protocol/results.ts'
import type {PlanStep} from '../protocol/plan.ts'
import type {Attempt} from '../world/attempt.ts'
import {Broken} from '../world/engine.ts'
import {ContainerGround, HostGround, Lost, markOf, type Ground, type Place} from '../world/ground.ts'
import {note, warn} from '../world/print.ts'
import {StepLog} from '../world/logs.ts'
import type {Quota} from '../world/quota.ts'
import {patiently} from '../world/descriptors.ts'
import {DiskFull} from '../world/spool.ts'
import {checkoutCommand} from './checkout.ts'
import {keepCommand, type Store} from './keep.ts'
import {spawnCommand} from './spawn.ts'
import type {Task} from './task.ts'
import {clear, Dropped, giveUp} from './supervised.ts'

/** What an attempt's steps are done with: the ground they run on, and the commands. The simulation has hands of its own. */
export interface Hands {
  readonly grounds: (attempt: Attempt, place: Place) => Grounds
  /** Throws Dropped, Lost, Broken or DiskFull when there is no outcome. */
  readonly command: (step: PlanStep, trial: Trial, tools: Tools) => Promise<Outcome>
}

export interface Tools {
  readonly place: Place
  readonly store: Store
  readonly hands: Hands
  readonly freeBytes: () => number | null
  readonly shortage: (min?: number) => string | null
  /** The room on this disk for an attempt's output. */
  readonly quota: (attempt: Attempt) => Quota
}

/** Performs an attempt to its end, from wherever its journal stands. When it returns, nothing of it lives here any more. */
export async function perform(attempt: Attempt, tools: Tools): Promise<void> {
  const grounds = tools.hands.grounds(attempt, tools.place)
  const {host, main} = grounds
  const leave = async (): Promise<void> => {
    await patiently(() => host.leave())
    if (main !== host) await patiently(() => main.leave())
  }
  try {
    // A container takes its time to start: it does so while the first step, a checkout on the host, runs.
    if (main !== host && attempt.state.startedAt === null) main.supervisor().catch(() => undefined)
    for (;;) {
      attempt.dropped.signal.throwIfAborted()
      const order = next(attempt.plan, attempt.state, attempt.wishes, Date.now())
      if (order.order === 'nothing') return
      if (order.order === 'finish') {
        await leave()
        attempt.record({entry: 'buildEnded', at: Date.now(), result: order.result, summary: order.summary})
        return
      }
      await obey(order, attempt, grounds, tools)
    }
  } catch (error) {
    await patiently(() => giveUpTry(attempt, grounds))
    await leave()
    // What filled the disk lies there, most likely: without it the next build works.
    if (error instanceof DiskFull) await makeRoom(attempt, host.workspaceHere)
    await sayLast(attempt, error as Error)
  }
}

function giveUpTry({state}: Attempt, {host, main}: Grounds): void {
  for (const [at, step] of state.steps.entries())
    if (step.state === 'running')
      for (const ground of new Set([host, main])) giveUp({ground, id: `${at}.${step.try}`})
}

/** Writes the last words as soon as the disk takes them: without them the master would wait for this attempt for ever. */
async function sayLast(attempt: Attempt, error: Error): Promise<void> {
  for (;;) {
    const {aborted, reason} = attempt.dropped.signal as {aborted: boolean; reason: unknown}
    // Dropped with a word to say: the worker is being stopped, and the master shall know.
    if (aborted && typeof reason !== 'string') return
    try {
      return endAsRetry(attempt, aborted ? new Lost(String(reason)) : error)
    } catch (fault) {
      if (!(fault instanceof DiskFull) || aborted) throw fault
    }
    await waitUntil(Date.now() + lastWordsAgainMs, attempt)
  }
}

/** More than the reserve that may just have been given away. */
const diskFullBytes = 4 * 1024 * 1024
const lastWordsAgainMs = 2000
const descriptorsAgainMs = 1000

async function makeRoom({dir}: Attempt, workspace: string): Promise<void> {
  const outputs = readdirSync(dir, {recursive: true, encoding: 'utf8'}).filter((name) =>
    /\.(out|value)$/.test(name),
  )
  for (const path of [workspace, ...outputs.map((name) => join(dir, name))])
    await rm(path, {recursive: true, force: true}).catch(() => undefined)
}

/** The worker's host, and where the steps run: the build's container, or the host too. */
export interface Grounds {
  readonly host: Ground
  readonly main: Ground
}

type Doable = Exclude<Order, {order: 'nothing' | 'finish'}>

async function obey(order: Doable, attempt: Attempt, grounds: Grounds, tools: Tools): Promise<void> {
  const at = Date.now()
  switch (order.order) {
    case 'begin':
      return attempt.record({entry: 'buildStarted', at, executor: grounds.main.executor})
    case 'skip':
      return attempt.record({
        entry: 'stepEnded', at, step: order.step, try: 1, outcome: null, result: 'skipped', summary: order.reason, warnings: 0, final: true,
      }) // prettier-ignore
    case 'end':
      return attempt.record({
        entry: 'stepEnded', at, step: order.step, try: order.try, outcome: order.outcome, result: order.result, summary: order.reason,
        warnings: 0, final: true,
      }) // prettier-ignore
    case 'wait':
      return waitUntil(order.until, attempt)
    case 'start':
      await enoughDescriptors(attempt, tools)
      attempt.record({entry: 'stepStarted', at, step: order.step, try: order.try})
      return tryStep(order.step, order.try, attempt, grounds, tools)
    case 'follow':
      return tryStep(order.step, order.try, attempt, grounds, tools)
  }
}

/** A step that could not open a file would fail for it: it waits for its time instead. */
async function enoughDescriptors(attempt: Attempt, {shortage}: Tools): Promise<void> {
  for (let isTold = false; ; isTold = true) {
    const why = shortage(descriptorsForStep)
    if (why === null) return
    if (!isTold) warn('step.waits', {...about(attempt), why})
    await waitUntil(Date.now() + descriptorsAgainMs, attempt)
    if (attempt.dropped.signal.aborted || attempt.wishes.cancel !== null) return
  }
}

/** What a line of the worker's is about. */
export const about = ({fence, plan}: Attempt): {attempt: string; build: string; builder: string} => ({
  attempt: fence,
  build: plan.build,
  builder: plan.builder,
})

/** Performs one try of a step, or goes on with it, and writes how it ended. */
async function tryStep(
  at: number,
  tries: number,
  attempt: Attempt,
  grounds: Grounds,
  tools: Tools,
): Promise<void> {
  const step = attempt.plan.steps[at]
  const standing = attempt.state.steps[at]
  if (!step || standing?.state !== 'running') throw new Error(`step ${at} does not run`)
  const ground = step.command.command === 'checkout' ? grounds.host : grounds.main
  const log = new StepLog(attempt, at)
  if (tries > 1 && log.isFresh) await log.say(`--- try ${tries} of ${step.retry.times + 1} ---`)
  const id = `${at}.${tries}`
  const {outcome, result} = await outcomeOf(
    step,
    {attempt, ground, id, since: standing.since, log, main: grounds.main},
    tools,
  )
  if (outcome.outcome === 'exited' && outcome.code !== 0 && wasDiskFull(attempt, tools))
    throw new DiskFull("the worker's disk was full while the step ran")
  const final = isFinal(step, tries, outcome, attempt.wishes) || result === 'retry'
  const warnings = log.warnings
  const ended = Date.now()
  if (final) log.end(ended)
  note('step.over', {
    ...about(attempt),
    step: step.name,
    try: tries,
    result: result ?? judge(outcome, warnings),
    outcome: masked(attempt, describe(outcome, warnings)),
  })
  attempt.record({
    entry: 'stepEnded', at: ended, step: at, try: tries, outcome, result: result ?? judge(outcome, warnings),
    summary: masked(attempt, describe(outcome, warnings)), warnings, final,
  }) // prettier-ignore
  if (attempt.log && attempt.log.bytes > 0) clear({ground, id})
}

/** A failure on a full disk says nothing about the commit. What the step filled may be given back by now. */
const wasDiskFull = (attempt: Attempt, {freeBytes, quota}: Tools): boolean =>
  Math.min(freeBytes() ?? Infinity, quota(attempt).leastFree) < diskFullBytes

/** One try of a step's command. */
export interface Trial extends Pick<Task, 'attempt' | 'ground' | 'id' | 'since' | 'log'> {
  /** Where the steps run that are no checkouts. */
  readonly main: Ground
}

/** What came of the command; every way in which it can go wrong becomes an outcome here. */
async function outcomeOf(
  step: PlanStep,
  trial: Trial,
  tools: Tools,
): Promise<{outcome: Outcome; result: Result | null}> {
  try {
    return {outcome: await tools.hands.command(step, trial, tools), result: null}
  } catch (error) {
    if (
      error instanceof Dropped ||
      error instanceof DiskFull ||
      isOutOfDescriptors(error) ||
      trial.attempt.dropped.signal.aborted
    )
      throw error
    const text = masked(trial.attempt, (error as Error).message)
    const isOurs = error instanceof Broken || error instanceof Unfillable || error instanceof Lost
    await trial.log.say(isOurs ? text : `the worker failed: ${(error as Error).stack ?? text}`)
    return {outcome: {outcome: 'broken', text}, result: error instanceof Lost ? 'retry' : null}
  }
}

async function command(step: PlanStep, trial: Trial, tools: Tools): Promise<Outcome> {
  const {attempt} = trial
  const filling = {props: attempt.state.props, secrets: attempt.secrets}
  const mark = `${markOf(tools.place, attempt.fence)}${trial.id}:`
  const quota = tools.quota(attempt)
  const task: Task = {...trial, step, mark, quota, fill: filling, env: environmentOf(step, attempt, mark)}
  switch (step.command.command) {
    case 'spawn':
      await trial.main.lend()
      return spawnCommand(step.command, task)
    case 'checkout':
      await trial.main.reclaim()
      return checkoutCommand(step.command, task)
    case 'keep':
      return cancellable(task, (abort) =>
        keepCommand(step.command as Parameters<typeof keepCommand>[0], task, tools.store, abort),
      )
  }
}

/** Real processes, on this host or in containers. */
export const hands: Hands = {
  grounds(attempt, place) {
    const host = new HostGround(attempt, place)
    return {host, main: attempt.plan.container ? new ContainerGround(attempt, place) : host}
  },
  command,
}

/** Lets a cancel, or the step's limit, end what the worker does by itself. */
async function cancellable(task: Task, act: (abort: AbortSignal) => Promise<Outcome>): Promise<Outcome> {
  const {attempt, step, since} = task
  const cancelled = new AbortController()
  const overtime = new AbortController()
  const timer =
    step.maxMs === null
      ? null
      : setTimeout(() => overtime.abort(), Math.max(0, since + step.maxMs - Date.now()))
  const wish = (): void => {
    if (attempt.wishes.cancel !== null && !step.alwaysRun) cancelled.abort()
  }
  attempt.onWish = wish
  wish()
  try {
    return await act(AbortSignal.any([cancelled.signal, overtime.signal, attempt.dropped.signal]))
  } catch (error) {
    if (attempt.dropped.signal.aborted) throw new Dropped()
    if (cancelled.signal.aborted) return {outcome: 'cancelled'}
    if (overtime.signal.aborted) return {outcome: 'overtime', seconds: (step.maxMs ?? 0) / 1000}
    throw error
  } finally {
    if (timer) clearTimeout(timer)
    attempt.onWish = () => undefined
  }
}

function environmentOf(step: PlanStep, attempt: Attempt, mark: string): Record<string, string> {
  const filling = {props: attempt.state.props, secrets: attempt.secrets}
  const env: Record<string, string> = {}
  for (const [name, template] of Object.entries({...attempt.plan.env, ...step.env}))
    env[name] = fill(template, filling)
  const {build, builder, number} = attempt.plan
  return {
    ...env,
    CI: 'true',
    OSTLER_BUILD: build,
    OSTLER_BUILDER: builder,
    OSTLER_BUILD_NUMBER: String(number),
    OSTLER_ATTEMPT: attempt.fence,
    OSTLER_STEP: mark,
  }
}

function waitUntil(until: number, attempt: Attempt): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      attempt.onWish = () => undefined
      resolve()
    }
    const timer = setTimeout(done, Math.min(Math.max(0, until - Date.now()), 60_000))
    attempt.onWish = done
    attempt.dropped.signal.addEventListener('abort', done, {once: true})
  })
}

/** The last words of an attempt that cannot go on here through no fault of its commit. */
function endAsRetry(attempt: Attempt, error: Error): void {
  const at = Date.now()
  const text = masked(
    attempt,
    error instanceof DiskFull || error instanceof Lost
      ? error.message
      : `the worker failed: ${error.message}`,
  )
  const running = attempt.state.steps.findIndex(({state}) => state === 'running')
  const standing = attempt.state.steps[running]
  if (standing?.state === 'running') {
    new StepLog(attempt, running).end(at)
    attempt.record({
      entry: 'stepEnded', at, step: running, try: standing.try, outcome: {outcome: 'broken', text}, result: 'retry', summary: text,
      warnings: 0, final: true,
    }) // prettier-ignore
  }
  attempt.record({entry: 'buildEnded', at, result: 'retry', summary: text})
}

const masked = (attempt: Attempt, text: string): string =>
  Buffer.from(attempt.mask(Buffer.from(text), true).bytes).toString()
