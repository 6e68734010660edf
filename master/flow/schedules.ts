// Stage "schedules": turns new changes, stable trees and due calendars into buildsets.
import {decideCalendar} from '../../config/terms/calendars.ts'
import {settle, wants} from '../../config/kinds/schedulers/singleBranch.ts'
import type {Config, Nightly, Scheduler, SingleBranch, SourceStamp} from '../../config/config.ts'
import {comeIn, mindsRed, sift} from '../core/testfix.ts'
import {submitBuildset} from '../world/store/buildsets.ts'
import {lockCursor, moveCursor, readEvents, record} from '../world/store/events.ts'
import {
  changesById,
  databaseNow,
  hasten,
  heldChanges,
  holdChanges,
  lastBuilds,
  lockDue,
  newestChange,
  releaseChanges,
  schedulerRows,
  writeSchedulers,
} from '../world/store/schedulers.ts'
import type {ChangeRow, SchedulerRow} from '../world/store/schedulers.ts'
import type {Sql} from '../world/store/store.ts'
import type {World} from '../world/world.ts'
import type {Stage} from './river.ts'

const batchMax = 500
/** What this stage reads of the event log; where a scheduler minds how builds end, that too. */
export const scheduledEvents = ['change.added']
const withEnds = [...scheduledEvents, 'build.finished']
const slowTickMs = 30_000
/** When an older transaction holds newer events back: long enough for it to end. */
const heldMs = 10

export function schedules(world: World): Stage {
  return {
    name: 'schedules',
    hears: ['schedules', 'ticks', 'config'],
    slowTickMs,
    async run() {
      const {config} = world.settings()
      await arrange(world, config)
      const held = await takeChanges(world, config)
      const lookAtMs = await fireDue(world, config)
      return held ? heldMs : lookAtMs
    },
  }
}

const isSingleBranch = (scheduler: Scheduler): scheduler is SingleBranch => scheduler.kind === 'singleBranch'
const isNightly = (scheduler: Scheduler): scheduler is Nightly => scheduler.kind === 'nightly'

/** Stores the next due time of calendars that are new or whose expression has changed. */
async function arrange(world: World, config: Config): Promise<void> {
  if (!config.schedulers.some(isNightly)) return
  const known = new Map((await schedulerRows(world.store)).map((row) => [row.name, row]))
  const changed = config.schedulers
    .filter(isNightly)
    .filter((s) => known.get(s.name)?.fingerprint !== fingerprint(s))
  if (changed.length === 0) return
  const nowMs = await databaseNow(world.store)
  const rows = changed.map((scheduler): SchedulerRow => {
    const {nextDueAtMs} = decideCalendar({...scheduler, dueAtMs: null, nowMs})
    const before = known.get(scheduler.name)
    return {
      name: scheduler.name,
      dueAt: nextDueAtMs,
      fingerprint: fingerprint(scheduler),
      lastFiredAt: before?.lastFiredAt ?? null,
      lastRevision: before?.lastRevision ?? null,
    }
  })
  await writeSchedulers(world.store, rows)
}

const fingerprint = (scheduler: Nightly) => `${scheduler.cron} ${scheduler.timezone}`

/** Reads changes after the cursor: builds them, or holds them until their tree is stable. True when some are held back. */
async function takeChanges(world: World, config: Config): Promise<boolean> {
  const schedulers = config.schedulers.filter(isSingleBranch)
  const types = schedulers.some(mindsRed) ? withEnds : scheduledEvents
  for (;;) {
    const {submitted, took, more, held} = await world.store.transaction(async (tx) => {
      const cursor = await lockCursor(tx, 'schedules')
      const {events, held} = await readEvents(tx, cursor, batchMax, types)
      const last = events.at(-1)
      if (!last) return {submitted: 0, took: false, more: false, held}
      const changes = await changesById(
        tx,
        events.flatMap(({type, data}) => (type === 'change.added' ? [String(data.change)] : [])),
      )
      const submitted = await spread(tx, config, schedulers, changes)
      const ended = new Set(
        events.flatMap(({type, data}) => (type === 'build.finished' ? [data.builder] : [])),
      )
      const minding = schedulers.filter(
        (one) => mindsRed(one) && one.builders.some((name) => ended.has(name)),
      )
      if (minding.length > 0)
        await hasten(
          tx,
          minding.map(({name}) => name),
        )
      await moveCursor(tx, 'schedules', last.cursor)
      return {submitted, took: changes.length > 0, more: events.length === batchMax, held}
    })
    if (submitted > 0) ringAfter(world)
    if (took) world.bells.ring('events')
    if (!more) return held
  }
}

async function spread(
  tx: Sql,
  config: Config,
  schedulers: readonly SingleBranch[],
  changes: readonly ChangeRow[],
): Promise<number> {
  let submitted = 0
  for (const scheduler of schedulers) {
    const wanted = changes.filter((change) => wants(scheduler, change))
    if (wanted.length === 0) continue
    const {now, held} = await parted(tx, config, scheduler, wanted)
    for (const change of now) await submitChanges(tx, config, scheduler, [change])
    submitted += now.length
    const quietMs = scheduler.treeStableTimerMs ?? 0
    if (held.length === 0) continue
    await holdChanges(
      tx,
      held.map((change) => ({
        scheduler: scheduler.name,
        change: change.id,
        branch: change.branch,
        dueAt: change.recordedAt + quietMs,
      })),
    )
    const data = {scheduler: scheduler.name, changes: held.map(({id}) => id)}
    await record(tx, [{type: 'change.held', data}])
  }
  return submitted
}

/** Which of the changes that came are built at once, and which are held. */
async function parted(tx: Sql, config: Config, scheduler: SingleBranch, wanted: readonly ChangeRow[]) {
  if (scheduler.treeStableTimerMs !== null) return {now: [], held: wanted}
  if (!mindsRed(scheduler)) return {now: wanted, held: []}
  const held = new Set((await heldChanges(tx, scheduler.name)).map(({branch}) => branch))
  return comeIn(scheduler, wanted, held, await lastBuilds(tx, config.changeSources, scheduler, wanted))
}

async function submitChanges(
  tx: Sql,
  config: Config,
  scheduler: SingleBranch,
  changes: readonly ChangeRow[],
): Promise<void> {
  const newest = changes.at(-1)
  if (!newest) return
  const what =
    changes.length === 1
      ? `${newest.revision.slice(0, 12)} by ${newest.author}`
      : `${String(changes.length)} changes`
  await submit(tx, config, scheduler, {
    reason: scheduler.reason ?? `${newest.branch}: ${what}`,
    stamps: [{repository: repositoryOf(config, newest), branch: newest.branch, revision: newest.revision}],
    changeIds: changes.map((change) => change.id),
  })
}

/** A git source is known by its name; what a webhook told of, by the repository's address. */
const repositoryOf = (config: Config, change: ChangeRow) =>
  config.changeSources.some((source) => source.name === change.source && source.kind === 'git')
    ? change.source
    : change.repository

interface Decision {
  readonly reason: string
  readonly stamps: readonly SourceStamp[]
  readonly changeIds: readonly string[]
}

async function submit(tx: Sql, config: Config, scheduler: Scheduler, decision: Decision): Promise<void> {
  const builders = scheduler.builders.map((name) => ({
    name,
    priority: scheduler.priority + (config.builders.find((builder) => builder.name === name)?.priority ?? 0),
  }))
  await submitBuildset(tx, {
    reason: decision.reason,
    origin: 'scheduler',
    scheduler: scheduler.name,
    submittedBy: null,
    sourceStamps: decision.stamps,
    properties: scheduler.properties,
    changeIds: decision.changeIds,
    builders,
  })
}

/** Fires what is due; returns in how many milliseconds the next thing is. */
async function fireDue(world: World, config: Config): Promise<number | null> {
  const timed = config.schedulers.filter((scheduler) => scheduler.kind !== 'force')
  if (timed.length === 0) return null
  const fired = await world.store.transaction(async (tx) => {
    const due = await lockDue(
      tx,
      timed.map((scheduler) => scheduler.name),
    )
    const nowMs = await databaseNow(tx)
    let count = 0
    for (const row of due) {
      const scheduler = timed.find((candidate) => candidate.name === row.name)
      if (scheduler && isSingleBranch(scheduler)) count += await fireStable(tx, config, scheduler, row, nowMs)
      if (scheduler && isNightly(scheduler)) count += await fireCalendar(tx, config, scheduler, row, nowMs)
    }
    return count
  })
  if (fired > 0) ringAfter(world)
  return await untilNext(world, timed)
}

async function fireStable(
  tx: Sql,
  config: Config,
  scheduler: SingleBranch,
  row: SchedulerRow,
  nowMs: number,
): Promise<number> {
  const held = await heldChanges(tx, scheduler.name)
  const landed = held.map((change) => ({...change, heldAtMs: change.recordedAt}))
  const {builds, lookAtMs} = mindsRed(scheduler)
    ? sift(scheduler, landed, await lastBuilds(tx, config.changeSources, scheduler, held), nowMs)
    : settle(scheduler, landed, nowMs)
  for (const build of builds) {
    await submitChanges(
      tx,
      config,
      scheduler,
      held.filter((change) => build.changes.includes(change.id)),
    )
    await releaseChanges(tx, scheduler.name, build.changes)
  }
  await writeSchedulers(tx, [
    {...row, dueAt: lookAtMs, lastFiredAt: builds.length > 0 ? nowMs : row.lastFiredAt},
  ])
  return builds.length
}

async function fireCalendar(
  tx: Sql,
  config: Config,
  scheduler: Nightly,
  row: SchedulerRow,
  nowMs: number,
): Promise<number> {
  const {fireFor, nextDueAtMs} = decideCalendar({...scheduler, dueAtMs: row.dueAt, nowMs})
  const newest =
    scheduler.source !== null && scheduler.branch !== null
      ? await newestChange(tx, scheduler.source, scheduler.branch)
      : null
  const unchanged = scheduler.onlyIfChanged && newest?.revision === row.lastRevision
  const fires = fireFor !== null && !unchanged
  if (fires) {
    const stamp = {
      repository: scheduler.source ?? '',
      branch: scheduler.branch,
      revision: newest?.revision ?? null,
    }
    await submit(tx, config, scheduler, {
      reason: scheduler.reason ?? `${scheduler.name}: due at ${new Date(fireFor).toISOString()}`,
      stamps: scheduler.source === null ? [] : [stamp],
      changeIds: [],
    })
  }
  await writeSchedulers(tx, [
    {
      ...row,
      dueAt: nextDueAtMs,
      lastFiredAt: fires ? nowMs : row.lastFiredAt,
      lastRevision: fires ? (newest?.revision ?? null) : row.lastRevision,
    },
  ])
  return fires ? 1 : 0
}

async function untilNext(world: World, timed: readonly Scheduler[]): Promise<number | null> {
  const names = new Set(timed.map((scheduler) => scheduler.name))
  const dues = (await schedulerRows(world.store)).flatMap((row) =>
    names.has(row.name) && row.dueAt !== null ? [row.dueAt] : [],
  )
  if (dues.length === 0) return null
  return Math.max(0, Math.min(...dues) - (await databaseNow(world.store)))
}

function ringAfter(world: World): void {
  world.bells.ring('claims')
  world.bells.ring('events')
}
