// The model of master/world/store/workers.ts: who is connected where, and who is lost.
import {quarantineRule} from '../../../master/core/assign.ts'
import type {Ledger} from '../../../master/world/ledger.ts'
import type {WorkerRow} from './rows.ts'
import {record, statement} from './statement.ts'

type Words = Pick<
  Ledger,
  | 'attachWorker' | 'detachWorkers' | 'writeBeats' | 'holdSession' | 'workerStates' | 'blame' | 'endHolds' | 'superseded' | 'knock'
  | 'knockedOn' | 'answerKnock' | 'knockAnswer' | 'disownWorkers' | 'loseWorkers'
> // prettier-ignore

const masterDeadMs = 20_000
const silentMs = 60_000
const apiTime = (ms: number) => new Date(ms).toISOString()

const unknown: Omit<WorkerRow, 'id'> = {
  labels: {}, maxBuilds: 1, engine: null, version: null, master: null, session: 0, connected: false, lost: false, paused: null,
  draining: null, skewMs: 0, freeBytes: null, minFreeBytes: null, spool: null, hindered: null, seenAt: null, declined: 0, quarantine: null,
  failures: 0, instance: null, knockedAt: null, answeredAt: null,
} // prettier-ignore

export const workerWords: Words = {
  async attachWorker(tx, {hello, master, skewMs, labels, maxBuilds}) {
    const session = await statement(tx, 'attachWorker', (view) => {
      const worker = view.get('workers', hello.worker) ?? {...unknown, id: hello.worker}
      view.put('workers', {
        ...worker, labels: {...labels}, maxBuilds, engine: hello.engine, version: hello.version, master, skewMs,
        session: worker.session + 1, connected: true, lost: false, freeBytes: hello.freeBytes,
        minFreeBytes: hello.minFreeBytes ?? null, spool: hello.spool ?? null, hindered: hello.hindered ?? null,
        instance: hello.instance ?? null, knockedAt: null, answeredAt: null, seenAt: view.now,
      }) // prettier-ignore
      return String(worker.session + 1)
    })
    await record(tx, [{type: 'worker.connected', data: {worker: hello.worker}}])
    return session
  },

  async detachWorkers(tx, ends) {
    const gone = await statement(tx, 'detachWorkers', (view) =>
      ends.filter(({worker, session}) => {
        const row = view.get('workers', worker)
        if (row?.master == null || String(row.session) !== session) return false
        view.put('workers', {...row, connected: false, seenAt: view.now, master: null})
        return row.connected
      }),
    )
    await record(
      tx,
      gone
        .map(({worker}) => worker)
        .sort()
        .map((worker) => ({type: 'worker.disconnected', data: {worker}})),
    )
  },

  async writeBeats(sql, master, beats) {
    await statement(sql, 'write master', (view) => view.put('masters', {id: master, seenAt: view.now}))
    if (beats.length === 0) return
    await statement(sql, 'writeBeats', (view) => {
      for (const beat of beats) {
        const worker = view.get('workers', beat.worker)
        if (!worker || String(worker.session) !== beat.session || worker.master !== master) continue
        const {skewMs, freeBytes, spool, hindered} = beat
        const told = {skewMs, freeBytes, spool, hindered, connected: true, lost: false}
        view.put('workers', {...worker, ...told, seenAt: view.now})
        if (!worker.connected) view.event('worker.connected', {worker: worker.id})
      }
    })
  },

  holdSession: (tx, worker, session) =>
    statement(tx, 'holdSession', (view) => {
      view.lock('workers', worker)
      return String(view.get('workers', worker)?.session) === session
    }),

  workerStates: (sql, master, here) =>
    statement(sql, 'workerStates', (view) => {
      const open = view.all('attempts').filter(({state}) => state === 'offered' || state === 'running')
      return view
        .all('workers')
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .map((worker) => ({
          name: worker.id,
          labels: worker.labels,
          maxBuilds: worker.maxBuilds,
          running: open.filter((attempt) => attempt.worker === worker.id).length,
          engine: worker.engine,
          connected: worker.connected,
          here: worker.master === master && here.has(worker.id),
          paused: worker.paused,
          draining: worker.draining,
          quarantine: worker.quarantine,
          skewMs: worker.skewMs,
          freeBytes: worker.freeBytes,
          minFreeBytes: worker.minFreeBytes,
          hindered: worker.hindered,
        }))
    }),

  async disownWorkers(tx, self, deadAfterMs) {
    const gone = await statement(tx, 'disownWorkers', (view) =>
      view.all('workers').flatMap((worker) => {
        const master = view.get('masters', worker.master)
        const isSilent = worker.master === self && (worker.seenAt ?? Infinity) < view.now - silentMs
        if (!worker.connected || (!isSilent && master && master.seenAt > view.now - deadAfterMs)) return []
        view.put('workers', {...worker, connected: false, seenAt: view.now})
        return [worker.id]
      }),
    )
    await record(
      tx,
      gone.sort().map((worker) => ({type: 'worker.disconnected', data: {worker}})),
    )
  },

  async loseWorkers(tx, graceMs, graces) {
    const lost = await statement(tx, 'loseWorkers', (view) => {
      const open = view.all('attempts').filter(({state}) => state === 'offered' || state === 'running')
      return view.all('workers').flatMap((worker) => {
        if (worker.connected || worker.lost || worker.seenAt === null) return []
        if (worker.seenAt >= view.now - (graces[worker.id] ?? graceMs)) return []
        if (!open.some((attempt) => attempt.worker === worker.id)) return []
        view.put('workers', {...worker, lost: true})
        return [worker.id]
      })
    })
    if (lost.length === 0) return []
    await record(
      tx,
      [...lost].sort().map((worker) => ({type: 'worker.lost', data: {worker}})),
    )
    return await statement(tx, 'attempts of the lost', (view) =>
      view
        .all('attempts')
        .filter(({worker, state}) => lost.includes(worker) && (state === 'offered' || state === 'running'))
        .map(({id, worker}) => ({attempt: id, worker})),
    )
  },

  async blame(tx, workers, reason) {
    if (workers.length === 0) return
    const {after, firstMs, mostMs} = quarantineRule
    const kept = await statement(tx, 'blame', (view) =>
      workers.flatMap((name) => {
        const worker = view.get('workers', name)
        if (!worker) return []
        const failures = worker.failures + 1
        const until = apiTime(view.now + Math.min(firstMs * 2 ** (failures - after), mostMs))
        const quarantine =
          failures < after
            ? worker.quarantine
            : {reason: `${failures} failures in a row, the last: ${reason}`, until}
        view.put('workers', {...worker, failures, quarantine})
        return failures >= after ? [{worker: name, reason, until}] : []
      }),
    )
    await record(
      tx,
      [...kept]
        .sort((a, b) => (a.worker < b.worker ? -1 : 1))
        .map((data) => ({type: 'worker.quarantined', data})),
    )
  },

  async endHolds(tx) {
    const {builders, workers} = await statement(tx, 'endHolds', (view) => {
      const isOver = (hold: {readonly until?: string | null} | null) =>
        Boolean(hold?.until) && Date.parse(hold?.until ?? '') <= view.now
      const builders = view.all('builders').filter(({paused}) => isOver(paused))
      for (const builder of builders) view.put('builders', {...builder, paused: null})
      const workers = view
        .all('workers')
        .filter(({paused, quarantine}) => isOver(paused) || isOver(quarantine))
      for (const worker of workers) {
        const {paused, quarantine} = worker
        const left = {
          paused: isOver(paused) ? null : paused,
          quarantine: isOver(quarantine) ? null : quarantine,
        }
        view.put('workers', {...worker, ...left})
      }
      return {builders: builders.length, workers: workers.map(({id}) => id)}
    })
    await record(
      tx,
      [...workers].sort().map((worker) => ({type: 'worker.resumed', data: {worker, by: 'time'}})),
    )
    return builders + workers.length
  },

  async superseded(sql, sessions) {
    if (sessions.length === 0) return []
    return await statement(sql, 'superseded', (view) =>
      sessions.flatMap(({worker, session}) =>
        (view.get('workers', worker)?.session ?? 0) > Number(session) ? [worker] : [],
      ),
    )
  },

  knock: (sql, {worker, instance, master}) =>
    statement(sql, 'knock', (view) => {
      const row = view.get('workers', worker)
      const other = view.get('masters', row?.master ?? null)
      if (!row?.connected || row.master === null || row.master === master || row.instance === instance)
        return false
      if (!other || other.seenAt <= view.now - masterDeadMs) return false
      view.put('workers', {...row, knockedAt: view.now, answeredAt: null})
      return true
    }),

  knockedOn: (sql, master) =>
    statement(sql, 'knockedOn', (view) =>
      view
        .all('workers')
        .filter(
          (row) =>
            row.master === master && row.connected && row.knockedAt !== null && row.answeredAt === null,
        )
        .map(({id}) => id),
    ),

  answerKnock: (sql, master, worker) =>
    statement(sql, 'answerKnock', (view) => {
      const row = view.get('workers', worker)
      if (row?.connected && row.master === master) view.put('workers', {...row, answeredAt: view.now})
    }),

  knockAnswer: (sql, worker) =>
    statement(sql, 'knockAnswer', (view) => {
      const row = view.get('workers', worker)
      if (!row?.connected) return 'gone'
      return row.answeredAt === null ? null : 'alive'
    }),
}
