// Stage "builds": records what workers report, in order and exactly once in effect; ends what is lost, unanswered or
// cancelled.
import {combineCrc} from '../core/crc.ts'
import {JournalGap, fold} from '../core/apply.ts'
import type {AttemptState, Changes, LogChange, Numbered} from '../core/apply.ts'
import {mindsRed} from '../core/testfix.ts'
import type {StoredLog} from '../world/logs.ts'
import {masterDeadMs} from '../world/store/masters.ts'
import type {World} from '../world/world.ts'
import {Planned} from './planned.ts'
import {tendRivals} from './rivals.ts'
import type {Stage} from './river.ts'
import type {Report, Sessions} from './sessions.ts'

/** How many reports one transaction carries at most. */
const batchMax = 2_000
const sweepMs = 5_000
/** How long a worker may be away, in milliseconds, before its builds are tried elsewhere. */
export const workerGraceMs = 10 * 60_000

/** A master that could not look for so long knows nothing of the others ... */
const awayMs = 15_000
/** ... who then get as long to be heard again: several of the pauses that a worker makes before it dials. */
const patienceMs = 45_000

type LogRow = StoredLog & {readonly id: string}

export function builds(
  world: World,
  sessions: Sessions,
  graceMs = workerGraceMs,
  now = () => performance.now(),
): Stage {
  const planned = new Planned()
  let sweptAt = -Infinity
  let patientUntil = -Infinity
  let wished = true
  world.bells.on('cancels', () => {
    wished = true
  })
  let tending = Promise.resolve()
  /** Beside the stage: it may wait for a worker that does not answer. */
  const tend = () => {
    tending = tending
      .then(() => tendRivals(world, sessions.open))
      .catch((error: unknown) => world.say.warn({err: error}, 'other masters could not be answered'))
  }
  world.bells.on('workers', tend)
  return {
    name: 'builds',
    hears: ['builds', 'cancels'],
    slowTickMs: sweepMs,
    async run() {
      for (let batch = sessions.take(batchMax); batch.length > 0; batch = sessions.take(batchMax))
        await recordOrPutBack(world, sessions, planned, batch)
      const due = now() - sweptAt >= sweepMs
      if (wished || due) {
        wished = false
        await carryOutCancels(world, sessions)
      }
      if (due) {
        tend()
        if (sweptAt > -Infinity && now() - sweptAt > awayMs) patientUntil = now() + patienceMs
        await world.ledger.writeBeats(world.store, world.master, sessions.takeBeats())
        await sessions.settleEnds()
        if (now() >= patientUntil) await endSilence(world, graceMs)
        sweptAt = now()
      }
      return null
    },
  }
}

/** What could not be recorded, since the database or the disk is away, is tried again; meanwhile the workers wait. */
async function recordOrPutBack(
  world: World,
  sessions: Sessions,
  planned: Planned,
  batch: readonly Report[],
): Promise<void> {
  try {
    await recordBatch(world, sessions, planned, batch)
  } catch (error) {
    sessions.putBack(batch)
    throw error
  }
  sessions.recorded(batch)
}

/** Records one batch. One attempt whose entries cannot be recorded must not hold up the others: then each by itself. */
async function recordBatch(
  world: World,
  sessions: Sessions,
  planned: Planned,
  batch: readonly Report[],
): Promise<void> {
  const attempts = [...new Set(batch.map((report) => report.attempt))]
  try {
    await recordReports(world, sessions, planned, batch)
  } catch (error) {
    if (!isBadData(error)) throw error
    for (const attempt of attempts) {
      const own = batch.filter((report) => report.attempt === attempt)
      await recordReports(world, sessions, planned, own).catch((fault: unknown) =>
        giveUp(world, sessions, own, fault),
      )
    }
  }
}

/** PostgreSQL's classes 22 and 23: the data is wrong, and trying again cannot help. */
function isBadData(error: unknown): boolean {
  const code = (error as {code?: unknown; driverError?: {code?: unknown}} | null)?.code
  return typeof code === 'string' && /^2[23]/.test(code)
}

async function giveUp(
  world: World,
  sessions: Sessions,
  own: readonly Report[],
  fault: unknown,
): Promise<void> {
  if (!isBadData(fault)) throw fault
  const [first] = own
  if (!first) return
  world.say.error({attempt: first.attempt, err: fault}, 'a journal cannot be recorded; its build is given up')
  const [state] = await world.ledger.effectiveAttempts(world.store, [first.attempt])
  const summary = `its journal cannot be recorded: ${(fault as Error).message}`
  if (state)
    await world.store.transaction((tx) =>
      world.ledger.finish(tx, [{build: state.build, result: 'exception', summary, at: null}]),
    )
  sessions.tell(first.worker, {say: 'stop', attempt: first.attempt, reason: summary.slice(0, 500)})
}

async function recordReports(
  world: World,
  sessions: Sessions,
  planned: Planned,
  batch: readonly Report[],
): Promise<void> {
  const workers = new Map(batch.map((report) => [report.attempt, report.worker]))
  const states = await world.ledger.effectiveAttempts(world.store, [...workers.keys()])
  const own = states.filter((state) => workers.get(state.attempt) === state.worker)
  const mine = await planned.complete(world, own)
  await fenceOff(world, sessions, workers, mine)
  const folded = mine.flatMap((state) => foldReports(world, sessions, state, batch))
  const rows = await world.ledger.logsOf(world.store, folded)
  const changes = folded.filter((change) => isOurs(sessions, change, rows))
  const logs = await writeLogFiles(world, changes, rows)
  // A journal's first entry accepts by itself.
  const told = new Set(changes.map(({state}) => state.attempt))
  const accepted = batch.flatMap(({report, attempt}) =>
    report === 'accepted' && !told.has(attempt) ? [attempt] : [],
  )
  const standing = await world.store.transaction(async (tx) => {
    await world.ledger.accept(tx, accepted)
    return await world.ledger.applyChanges(tx, changes, logs)
  })
  for (const {state, applied} of changes)
    if (standing.has(state.attempt))
      sessions.tell(state.worker, {say: 'applied', attempt: state.attempt, upTo: applied})
    else sessions.resync(state.worker, elsewhere)
  for (const change of changes) if (standing.has(change.state.attempt)) tellEnds(world, change)
  planned.forget(changes.filter(({ended}) => ended !== null).map(({state}) => state.attempt))
  ringAfter(world, changes)
}

/** For whoever reads the log: how builds ended, and which steps were not as they should be. */
function tellEnds(world: World, {state, steps, ended}: Changes): void {
  const {build, attempt, worker} = state
  for (const {name, result, summary} of steps.values())
    if (result !== null && result !== 'success' && result !== 'skipped')
      world.say.info({build, step: name, worker, attempt, result}, `step ended: ${summary ?? result}`)
  if (ended) world.say.info({build, worker, attempt, result: ended.result}, `build ended: ${ended.summary}`)
}

/** Whoever speaks for an attempt that is not its build's effective one is told to stop. */
async function fenceOff(
  world: World,
  sessions: Sessions,
  workers: ReadonlyMap<string, string>,
  mine: readonly AttemptState[],
): Promise<void> {
  const effective = new Set(mine.map((state) => state.attempt))
  for (const [attempt, worker] of workers) {
    if (effective.has(attempt)) continue
    world.say.warn({attempt, worker}, 'refused: the attempt is not effective any more')
    await world.ledger.countRefused(world.store, attempt)
    sessions.tell(worker, {say: 'stop', attempt, reason: 'this attempt is not its build’s effective one'})
  }
}

function foldReports(
  world: World,
  sessions: Sessions,
  state: AttemptState,
  batch: readonly Report[],
): Changes[] {
  const entries = batch.flatMap((report): Numbered[] =>
    report.report === 'journal' && report.attempt === state.attempt ? [report] : [],
  )
  if (entries.length === 0) return []
  try {
    return [fold(state, entries)]
  } catch (error) {
    if (!(error instanceof JournalGap)) throw error
    world.say.warn({worker: state.worker, attempt: state.attempt}, error.message)
    sessions.resync(state.worker, error.message)
    return []
  }
}

const rowKey = (change: Changes, log: LogChange) => `${change.state.attempt}/${String(log.step)}/${log.name}`

/** What was taken and not recorded is not waited for: the worker dials again, and both say where they stand. */
const elsewhere = 'another master records this attempt'

/**
 * Whether the rows of all its logs are as they were when the attempt was read. Else another master records it now, since
 * its worker has moved there, or is just making a row: then not a byte may be written here, and none passed over.
 */
function isOurs(sessions: Sessions, change: Changes, rows: ReadonlyMap<string, LogRow>): boolean {
  if ([...change.logs.values()].every((log) => rows.has(rowKey(change, log)))) return true
  sessions.resync(change.state.worker, elsewhere)
  return false
}

/** Appends the segments to the logs' files, and gives the rows as they must be committed. */
async function writeLogFiles(
  world: World,
  changes: readonly Changes[],
  rows: ReadonlyMap<string, LogRow>,
): Promise<LogRow[]> {
  const jobs = changes.flatMap((change) =>
    [...change.logs.values()].map((log) => ({log, key: rowKey(change, log)})),
  )
  return await Promise.all(
    jobs.flatMap(({log, key}) => {
      const row = rows.get(key)
      return row ? [writeLogFile(world, row, log)] : []
    }),
  )
}

async function writeLogFile(world: World, row: LogRow, change: LogChange): Promise<LogRow> {
  // The embedded database does not wait for the disk either, so neither need the logs.
  const durable = world.store.engine === 'postgresql'
  const grown = change.segments.reduce(
    (log, segment) => ({
      ...log,
      bytes: log.bytes + segment.bytes,
      lines: log.lines + segment.lines,
      segments: log.segments + 1,
      crc32: combineCrc(log.crc32, segment.crc32, segment.bytes),
    }),
    row,
  )
  const storedBytes =
    change.segments.length > 0 ? await world.logs.append(row, change.segments, durable) : row.storedBytes
  const written = {...grown, storedBytes, complete: row.complete || change.ended !== null}
  if (change.ended) {
    const {bytes, crc32} = change.ended
    if (bytes !== written.bytes || crc32 !== written.crc32)
      world.say.error(
        {log: row.id, bytes, stored: written.bytes},
        'a log’s end does not match what was stored of it',
      )
    await world.logs.end(written)
  }
  return written
}

function ringAfter(world: World, changes: readonly Changes[]): void {
  if (changes.some((change) => change.logs.size > 0)) world.bells.ring('logs')
  if (changes.some((change) => change.events.length > 0 || change.ended)) world.bells.ring('events')
  if (changes.some((change) => change.startedAt !== null || change.ended)) world.bells.ring('reports')
  const ended = changes.flatMap((change) => change.ended ?? [])
  if (ended.length === 0) return
  world.bells.ring('promotions')
  // The room is at a worker of this master; what is to be tried again may go to any.
  if (ended.some(({result}) => result === 'retry')) world.bells.ring('claims')
  else world.bells.ringHere('claims')
  if (world.settings().config.schedulers.some(mindsRed)) world.bells.ring('schedules')
}

async function carryOutCancels(world: World, sessions: Sessions): Promise<void> {
  const ended = await world.store.transaction((tx) => world.ledger.cancelUnheld(tx))
  if (ended > 0) for (const bell of ['events', 'reports'] as const) world.bells.ring(bell)
  for (const {attempt, worker, reason} of await world.ledger.cancelWishes(world.store, [...sessions.here]))
    sessions.tell(worker, {say: 'cancel', attempt, reason})
}

/** What no message tells: masters and workers that fell silent, offers nobody answered, holds that are over. */
async function endSilence(world: World, graceMs: number): Promise<void> {
  const graces = Object.fromEntries(
    world
      .settings()
      .config.workers.flatMap((worker) =>
        worker.missingTimeoutMs === null ? [] : [[worker.name, worker.missingTimeoutMs]],
      ),
  )
  const moved = await world.store.transaction(async (tx) => {
    await world.ledger.disownWorkers(tx, world.master, masterDeadMs)
    const lost = await world.ledger.loseWorkers(tx, graceMs, graces)
    for (const {attempt, worker} of lost)
      await world.ledger.retry(tx, [attempt], `${worker} was not heard of for too long`)
    const late = await world.ledger.unanswered(tx, world.master)
    await world.ledger.withdraw(
      tx,
      late.map(({attempt}) => attempt),
      0,
    )
    const mute = [...new Set(late.map(({worker}) => worker))]
    await world.ledger.blame(tx, mute, 'an offer was not answered in time')
    const ended = await world.ledger.endHolds(tx)
    return lost.length + late.length + ended
  })
  if (moved > 0) for (const bell of ['claims', 'events', 'reports'] as const) world.bells.ring(bell)
}
