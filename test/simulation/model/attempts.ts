// The model of master/world/store/attempts.ts and ends.ts: what workers report, applied in order and once, and the ends.
import type {Changes} from '../../../master/core/apply.ts'
import type {Ledger} from '../../../master/world/ledger.ts'
import type {Sql} from '../../../master/world/store/store.ts'
import type {AttemptRow, StepRow} from './rows.ts'
import {workerWords} from './workers.ts'
import {byNumber, completeBuildsets, record, statement} from './statement.ts'
import type {View} from './tables.ts'

type Words = Pick<
  Ledger,
  | 'effectiveAttempts' | 'plannedSteps' | 'accept' | 'logsOf' | 'applyChanges' | 'finish' | 'retry' | 'withdraw' | 'unanswered'
  | 'openAttemptsOf' | 'cancelWishes' | 'cancelUnheld' | 'countRefused'
> // prettier-ignore

const isOpen = ({state}: AttemptRow) => state === 'offered' || state === 'running'
const lostMax = 3
const queued = [{code: 'queued', text: 'behind other requests in the queue'}]

/** A log of an attempt that is over gets no more. */
function seal(view: View, attempt: string): void {
  for (const log of view.all('logs'))
    if (log.attempt === attempt && !log.complete) view.put('logs', {...log, complete: true})
}

/** Which guards of the ledger are kept; a test takes one away and sees it missed. */
export interface Guards {
  /** An attempt that is not its build's effective one changes nothing. */
  readonly effective: boolean
  /** Entries of which more was applied meanwhile change nothing. */
  readonly applied: boolean
}

export const allGuards: Guards = {effective: true, applied: true}

export function attemptWords(guards: Guards): Words {
  const words: Words = {
    effectiveAttempts: (sql, ids) =>
      statement(sql, 'effectiveAttempts', (view) =>
        ids.flatMap((id) => {
          const attempt = view.get('attempts', id)
          const build = view.get('builds', attempt?.build ?? null)
          if (!attempt || !build) return []
          if (guards.effective && (build.attempt !== id || build.state === 'finished' || !isOpen(attempt)))
            return []
          return [
            {
              attempt: id,
              build: build.id,
              builder: build.builder,
              number: build.number,
              request: build.request,
              buildset: build.buildset,
              worker: attempt.worker,
              applied: attempt.applied,
              skewMs: view.get('workers', attempt.worker)?.skewMs ?? 0,
            },
          ]
        }),
      ),

    async plannedSteps(sql, ids) {
      if (ids.length === 0) return new Map()
      return await statement(
        sql,
        'plannedSteps',
        (view) =>
          new Map(
            ids.flatMap((id) => {
              const attempt = view.get('attempts', id)
              return attempt ? [[id, attempt.plan.steps.map(({name, kind}) => ({name, kind}))] as const] : []
            }),
          ),
      )
    },

    async accept(tx, ids) {
      if (ids.length === 0) return
      await statement(tx, 'accept', (view) => {
        for (const id of ids) {
          const attempt = view.get('attempts', id)
          if (attempt?.state === 'offered')
            view.put('attempts', {...attempt, state: 'running', acceptedAt: view.now})
        }
      })
    },

    async logsOf(sql, changes) {
      const wanted = changes.flatMap(({state, logs}) => [...logs.values()].map((log) => ({state, log})))
      if (wanted.length === 0) return new Map()
      return await statement(sql, 'logsOf', (view) => {
        const found = new Map<string, never>()
        for (const {state, log} of wanted) {
          if (guards.applied && view.get('attempts', state.attempt)?.applied !== state.applied) continue
          const id = `${state.attempt}/${String(log.step)}/${log.name}`
          if (!view.get('logs', id))
            view.put('logs', {
              id, number: view.next('logs'), build: state.build, attempt: state.attempt, step: log.step, name: log.name, bytes: 0,
              lines: 0, segments: 0, storedBytes: 0, crc32: 0, complete: false,
            }) // prettier-ignore
          const row = view.get('logs', id)
          if (!row) continue
          const {attempt, step, name, bytes, lines, segments, storedBytes, crc32, complete} = row
          const log2 = {attempt, step, name, bytes, lines, segments, storedBytes, crc32, complete}
          found.set(id, {id: row.number, ...log2} as never)
        }
        return found
      })
    },

    async applyChanges(tx, changes, logs) {
      const standing = await statement(tx, 'applyChanges', (view) => {
        const kept = changes.filter(({state}) => isGuarded(guards, view, state))
        for (const {state, applied, ended} of kept) {
          const attempt = view.get('attempts', state.attempt)
          const isOver = ended !== null && ended.result !== 'retry'
          if (attempt)
            view.put('attempts', {
              ...attempt, applied, state: isOver ? 'finished' : 'running', acceptedAt: attempt.acceptedAt ?? view.now,
              endedAt: isOver ? view.now : null,
            }) // prettier-ignore
        }
        for (const {state, ended} of kept) {
          const worker = view.get('workers', state.worker)
          if (worker && worker.failures > 0 && ended && ended.result !== 'retry')
            view.put('workers', {...worker, failures: 0})
        }
        return new Set(kept.map(({state}) => state.attempt))
      })
      const mine = changes.filter(({state}) => standing.has(state.attempt))
      const refused = changes.flatMap(({state}) => (standing.has(state.attempt) ? [] : [state.attempt]))
      if (refused.length > 0)
        await statement(tx, 'sealLogs', (view) => {
          for (const id of refused) {
            const attempt = view.get('attempts', id)
            if (attempt && !isOpen(attempt)) seal(view, id)
          }
        })
      await writeRows(
        tx,
        mine,
        logs.filter(({attempt}) => standing.has(attempt)),
      )
      const ended = mine.flatMap(({state, ended}) =>
        ended && ended.result !== 'retry' ? [{...ended, build: state.build}] : [],
      )
      await words.finish(
        tx,
        ended,
        mine.flatMap(({events}) => events),
      )
      for (const {state, ended} of mine)
        if (ended?.result === 'retry') {
          const firstLosses = await words.retry(tx, [state.attempt], ended.summary)
          if (firstLosses > 0) await workerWords.blame(tx, [state.worker], ended.summary)
        }
      return standing
    },

    async finish(tx, ends, before = []) {
      if (ends.length === 0) return await record(tx, before)
      const rows = await statement(tx, 'finish', (view) =>
        ends.flatMap((end) => {
          const build = view.get('builds', end.build)
          if (!build || build.state === 'finished') return []
          const at = Math.max(end.at ?? view.now, build.startedAt ?? end.at ?? view.now)
          const {result, summary} = end
          view.put('builds', {...build, state: 'finished', result, summary, finishedAt: at})
          const attempt = view.get('attempts', build.attempt)
          if (attempt && isOpen(attempt)) {
            view.put('attempts', {...attempt, state: 'finished', endedAt: view.now})
            seal(view, attempt.id)
          }
          const request = view.get('requests', build.request)
          if (request)
            view.put('requests', {...request, state: 'finished', result, finishedAt: view.now, waiting: []})
          return [{...build, result}]
        }),
      )
      const finished = rows.map(({id, builder, number, result, request, buildset}) => ({
        type: 'build.finished',
        data: {build: id, builder, number, result, request, buildset},
      }))
      await record(tx, [...before, ...finished])
      await completeBuildsets(tx, [...new Set(rows.map(({buildset}) => buildset))])
    },

    async retry(tx, attempts, reason) {
      const rows = await statement(tx, 'retry', (view) =>
        byNumber(attempts).flatMap((id) => {
          const attempt = view.get('attempts', id)
          if (!attempt || !isOpen(attempt)) return []
          view.put('attempts', {...attempt, state: 'lost', endedAt: view.now})
          seal(view, id)
          const build = view.get('builds', attempt.build)
          if (build?.attempt !== id || build.state === 'finished') return []
          const lost = {...build, state: 'pending' as const, attempt: null, attemptsLost: build.attemptsLost + 1}
          view.put('builds', lost)
          return [{...lost, lostAttempt: id}]
        }),
      ) // prettier-ignore
      const over = rows.filter(({attemptsLost, cancel}) => attemptsLost >= lostMax || cancel)
      const again = rows.filter((row) => !over.includes(row))
      await requeue(
        tx,
        again.map(({request}) => request),
        0,
      )
      await record(
        tx,
        again.map(({id, builder, lostAttempt}) => ({
          type: 'build.retried',
          data: {build: id, builder, attempt: lostAttempt, reason},
        })),
      )
      await words.finish(
        tx,
        over.map(({id, cancel, attemptsLost}) => ({
          build: id,
          result: cancel ? 'cancelled' : 'exception',
          summary: cancel ? 'cancelled' : `given up after ${String(attemptsLost)} lost attempts: ${reason}`,
          at: null,
        })),
      )
      return rows.filter(({attemptsLost}) => attemptsLost === 1).length
    },

    async withdraw(tx, attempts, pauseMs) {
      const requests = await statement(tx, 'withdraw', (view) =>
        attempts.flatMap((id) => {
          const attempt = view.get('attempts', id)
          if (attempt?.state !== 'offered') return []
          view.put('attempts', {...attempt, state: 'declined', endedAt: view.now})
          const worker = view.get('workers', attempt.worker)
          if (worker) view.put('workers', {...worker, declined: worker.declined + 1})
          const build = view.get('builds', attempt.build)
          if (build?.attempt !== id) return []
          view.put('builds', {...build, attempt: null})
          return [build.request]
        }),
      )
      await requeue(tx, requests, pauseMs)
    },

    unanswered: (sql, master) =>
      statement(sql, 'unanswered', (view) => {
        const elsewhere = new Set(
          view
            .all('workers')
            .filter((worker) => worker.connected && worker.master !== master)
            .map(({id}) => id),
        )
        return view
          .all('attempts')
          .filter(
            ({state, acceptBy, worker}) =>
              state === 'offered' && acceptBy < view.now && !elsewhere.has(worker),
          )
          .map(({id, worker}) => ({attempt: id, worker}))
      }),

    openAttemptsOf: (sql, worker) =>
      statement(sql, 'openAttemptsOf', (view) =>
        view
          .all('attempts')
          .filter((attempt) => attempt.worker === worker && isOpen(attempt))
          .sort((a, b) => Number(a.id) - Number(b.id))
          .map(({id, state, applied, build: buildId}) => {
            const build = view.get('builds', buildId)
            const effective = build?.attempt === id && build.state !== 'finished'
            return {
              attempt: id,
              state: state as 'offered' | 'running',
              applied,
              effective: effective || !guards.effective,
              cancel: build?.cancel ?? null,
            }
          }),
      ),

    cancelWishes: (sql, workers) =>
      statement(sql, 'cancelWishes', (view) =>
        view.all('builds').flatMap(({state, cancel, attempt: id}) => {
          const attempt = view.get('attempts', id)
          if (state === 'finished' || !cancel || !attempt || !isOpen(attempt)) return []
          return workers.includes(attempt.worker)
            ? [{attempt: attempt.id, worker: attempt.worker, reason: cancel.reason}]
            : []
        }),
      ),

    async cancelUnheld(tx) {
      const ids = await statement(tx, 'cancelUnheld', (view) =>
        view.all('builds').flatMap(({id, state, cancel, attempt}) => {
          if (state === 'finished' || !cancel || attempt !== null || view.isLocked('builds', id)) return []
          view.lock('builds', id)
          return [id]
        }),
      )
      await words.finish(
        tx,
        ids.map((build) => ({build, result: 'cancelled', summary: 'cancelled', at: null})),
      )
      return ids.length
    },

    countRefused: (sql, id) =>
      statement(sql, 'countRefused', (view) => {
        const attempt = view.get('attempts', id)
        if (attempt) view.put('attempts', {...attempt, refused: attempt.refused + 1})
      }),
  }
  return words
}

function isGuarded(guards: Guards, view: View, {attempt: id, applied}: Changes['state']): boolean {
  const attempt = view.get('attempts', id)
  if (!attempt) return false
  if (guards.applied && attempt.applied !== applied) return false
  const build = view.get('builds', attempt.build)
  return !guards.effective || (isOpen(attempt) && build?.attempt === id && build.state !== 'finished')
}

/** The steps, logs, artifacts and builds that changes speak of. */
async function writeRows(
  tx: Sql,
  changes: readonly Changes[],
  logs: readonly Readonly<{
    attempt: string; step: number; name: string; bytes: number; lines: number; segments: number; storedBytes: number; crc32: number
    complete: boolean
  }>[], // prettier-ignore
): Promise<void> {
  if (changes.some(({steps}) => steps.size > 0))
    await statement(tx, 'writeSteps', (view) => {
      for (const change of changes) for (const step of stepRows(view, change)) view.put('steps', step)
    })
  if (logs.length > 0)
    await statement(tx, 'writeLogs', (view) => {
      for (const {bytes, lines, segments, storedBytes, crc32, complete, ...log} of logs) {
        const row = view.get('logs', `${log.attempt}/${String(log.step)}/${log.name}`)
        if (row) view.put('logs', {...row, bytes, lines, segments, storedBytes, crc32, complete})
      }
    })
  if (changes.some(({artifacts}) => artifacts.length > 0))
    await statement(tx, 'writeArtifacts', (view) => {
      for (const {state, artifacts} of changes)
        for (const artifact of artifacts)
          view.put('artifacts', {id: view.next('artifacts'), build: state.build, attempt: state.attempt, ...artifact})
    }) // prettier-ignore
  const begun = changes.filter(
    ({startedAt, properties}) => startedAt !== null || Object.keys(properties).length > 0,
  )
  if (begun.length > 0)
    await statement(tx, 'writeBuilds', (view) => {
      for (const {state, startedAt, executor, properties} of begun) {
        const build = view.get('builds', state.build)
        if (build)
          view.put('builds', {
            ...build, state: 'running', startedAt: build.startedAt ?? startedAt, executor: executor ?? build.executor,
            properties: {...build.properties, ...properties},
          }) // prettier-ignore
      }
    })
}

function stepRows(view: View, {state, steps}: Changes): StepRow[] {
  return [...steps.values()].map((step) => {
    const id = `${state.build}/${state.attempt}/${String(step.number)}`
    const before = view.get('steps', id)
    return {
      id,
      build: state.build,
      attempt: state.attempt,
      number: step.number,
      name: before?.name ?? step.name,
      kind: before?.kind ?? step.kind,
      state: step.state,
      result: step.result,
      summary: step.summary || (before?.summary ?? ''),
      tries: Math.max(before?.tries ?? 0, step.tries ?? 0),
      warnings: Math.max(before?.warnings ?? 0, step.warnings ?? 0),
      startedAt: before?.startedAt ?? step.startedAt,
      finishedAt: step.finishedAt,
    }
  })
}

async function requeue(tx: Sql, requests: readonly string[], pauseMs: number): Promise<void> {
  if (requests.length === 0) return
  await statement(tx, 'requeue', (view) => {
    for (const id of requests) {
      const request = view.get('requests', id)
      if (request?.state === 'claimed')
        view.put('requests', {...request, state: 'pending', notBefore: view.now + pauseMs, waiting: queued})
    }
  })
}
