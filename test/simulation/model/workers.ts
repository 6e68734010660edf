// The model of master/world/store/workers.ts: who is connected where, and who is lost.
import type {Ledger} from '../../../master/world/ledger.ts'
import type {WorkerRow} from './rows.ts'
import {record, statement} from './statement.ts'

type Words = Pick<
  Ledger,
  | 'attachWorker'
  | 'detachWorker'
  | 'writeBeats'
  | 'holdSession'
  | 'workerStates'
  | 'disownWorkers'
  | 'loseWorkers'
>

const unknown: Omit<WorkerRow, 'id'> = {
  labels: {}, maxBuilds: 1, engine: null, version: null, master: null, session: 0, connected: false, lost: false, paused: null,
  draining: null, skewMs: 0, freeBytes: null, minFreeBytes: null, seenAt: null, declined: 0,
} // prettier-ignore

export const workerWords: Words = {
  async attachWorker(tx, {hello, master, skewMs, labels, maxBuilds}) {
    const session = await statement(tx, 'attachWorker', (view) => {
      const worker = view.get('workers', hello.worker) ?? {...unknown, id: hello.worker}
      view.put('workers', {
        ...worker, labels: {...labels}, maxBuilds, engine: hello.engine, version: hello.version, master, skewMs,
        session: worker.session + 1, connected: true, lost: false, freeBytes: hello.freeBytes,
        minFreeBytes: hello.minFreeBytes ?? null, seenAt: view.now,
      }) // prettier-ignore
      return String(worker.session + 1)
    })
    await record(tx, [{type: 'worker.connected', data: {worker: hello.worker}}])
    return session
  },

  async detachWorker(tx, worker, session) {
    const gone = await statement(tx, 'detachWorker', (view) => {
      const row = view.get('workers', worker)
      if (row?.master == null || String(row.session) !== session) return false
      view.put('workers', {...row, connected: false, seenAt: view.now, master: null})
      return row.connected
    })
    if (gone) await record(tx, [{type: 'worker.disconnected', data: {worker}}])
  },

  async writeBeats(sql, master, beats) {
    await statement(sql, 'write master', (view) => view.put('masters', {id: master, seenAt: view.now}))
    if (beats.length === 0) return []
    return await statement(sql, 'writeBeats', (view) => {
      for (const beat of beats) {
        const worker = view.get('workers', beat.worker)
        if (!worker || String(worker.session) !== beat.session || worker.master !== master) continue
        const {skewMs, freeBytes} = beat
        view.put('workers', {...worker, seenAt: view.now, skewMs, freeBytes, connected: true, lost: false})
        if (!worker.connected) view.event('worker.connected', {worker: worker.id})
      }
      return beats.filter((beat) => (view.get('workers', beat.worker)?.session ?? 0) > Number(beat.session))
    })
  },

  holdSession: (tx, worker, session) =>
    statement(tx, 'holdSession', (view) => {
      view.lock('workers', worker)
      return String(view.get('workers', worker)?.session) === session
    }),

  workerStates: (sql, here) =>
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
          here: here.has(worker.id),
          paused: worker.paused,
          draining: worker.draining,
          freeBytes: worker.freeBytes,
          minFreeBytes: worker.minFreeBytes,
        }))
    }),

  async disownWorkers(tx, deadAfterMs) {
    const gone = await statement(tx, 'disownWorkers', (view) =>
      view.all('workers').flatMap((worker) => {
        const master = view.get('masters', worker.master)
        if (!worker.connected || (master && master.seenAt > view.now - deadAfterMs)) return []
        view.put('workers', {...worker, connected: false, seenAt: view.now})
        return [worker.id]
      }),
    )
    await record(
      tx,
      gone.map((worker) => ({type: 'worker.disconnected', data: {worker}})),
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
      lost.map((worker) => ({type: 'worker.lost', data: {worker}})),
    )
    return await statement(tx, 'attempts of the lost', (view) =>
      view
        .all('attempts')
        .filter(({worker, state}) => lost.includes(worker) && (state === 'offered' || state === 'running'))
        .map(({id, worker}) => ({attempt: id, worker})),
    )
  },
}
