// What people and schedulers do, on the model: buildsets, cancels, pauses. As in store/buildsets.ts and store/wishes.ts.
import type {Sql} from '../../../master/world/store/store.ts'
import type {SourceStamp} from '../../../worker/protocol/plan.ts'
import {completeBuildsets, record, statement} from './statement.ts'

const queued = [{code: 'queued', text: 'behind other requests in the queue'}]

/** Records a buildset with a request for each builder; returns the requests. */
export async function submitBuildset(
  tx: Sql,
  builders: readonly {readonly name: string; readonly priority: number}[],
  sourceStamps: SourceStamp[] = [],
): Promise<string[]> {
  const {buildset, requests} = await statement(tx, 'submit', (view) => {
    const buildset = view.next('buildsets')
    view.put('buildsets', {
      id: buildset, reason: 'test', origin: 'api', scheduler: null, sourceStamps, properties: {}, completedAt: null, result: null,
    }) // prettier-ignore
    const requests = builders.map(({name, priority}) => {
      const id = view.next('requests')
      view.put('requests', {
        id, buildset, builder: name, priority, state: 'pending', submittedAt: view.now, notBefore: null, finishedAt: null,
        result: null, waiting: queued,
      }) // prettier-ignore
      return {id, builder: name}
    })
    return {buildset, requests}
  })
  await record(
    tx,
    requests.map(({id, builder}) => ({type: 'request.added', data: {request: id, buildset, builder}})),
  )
  return requests.map(({id}) => id)
}

/** Stores the wish that a build ends. */
export async function cancelBuild(tx: Sql, id: string, by: string, reason: string): Promise<void> {
  await statement(tx, 'lock build', (view) => view.lock('builds', id))
  await statement(tx, 'cancelBuild', (view) => {
    const build = view.get('builds', id)
    if (build && build.state !== 'finished' && !build.cancel)
      view.put('builds', {...build, cancel: {by, reason}})
  })
}

/** Ends a waiting request at once, or stores the wish that its running build ends. */
export async function cancelRequest(tx: Sql, id: string, by: string, reason: string): Promise<void> {
  const request = await statement(tx, 'lock request', (view) => {
    view.lock('requests', id)
    return view.get('requests', id)
  })
  if (!request || request.state === 'finished') return
  await statement(tx, 'cancel builds', (view) => {
    for (const build of view.all('builds'))
      if (build.request === id && build.state !== 'finished' && !build.cancel)
        view.put('builds', {...build, cancel: {by, reason}})
  })
  const open = await statement(tx, 'open builds', (view) =>
    view.all('builds').some((build) => build.request === id && build.state !== 'finished'),
  )
  if (request.state !== 'pending' || open) return
  await statement(tx, 'cancel request', (view) => {
    const row = view.get('requests', id)
    if (row)
      view.put('requests', {
        ...row,
        state: 'finished',
        result: 'cancelled',
        finishedAt: view.now,
        waiting: [],
      })
  })
  await record(tx, [
    {type: 'request.cancelled', data: {request: id, buildset: request.buildset, builder: request.builder}},
  ])
  await completeBuildsets(tx, [request.buildset])
}

/** Stores what a person wants of a worker. */
export async function wishWorker(
  tx: Sql,
  name: string,
  wish: 'pause' | 'drain' | 'resume',
  by: string,
): Promise<void> {
  const known = await statement(tx, 'wishWorker', (view) => {
    const worker = view.get('workers', name)
    if (!worker) return false
    const hold = {by, reason: wish}
    if (wish === 'pause') view.put('workers', {...worker, paused: hold})
    if (wish === 'drain') view.put('workers', {...worker, draining: hold})
    if (wish === 'resume')
      view.put('workers', {...worker, paused: null, draining: null, quarantine: null, failures: 0})
    return true
  })
  if (known)
    await record(tx, [
      {
        type: `worker.${{pause: 'paused', drain: 'draining', resume: 'resumed'}[wish]}`,
        data: {worker: name, by, reason: wish},
      },
    ])
}

/** Stops or starts giving a builder's requests to workers. */
export const wishBuilder = (tx: Sql, name: string, wish: 'pause' | 'resume', by: string): Promise<void> =>
  statement(tx, 'wishBuilder', (view) => {
    const builder = view.get('builders', name) ?? {id: name, lastNumber: 0, paused: null}
    view.put('builders', {...builder, paused: wish === 'pause' ? {by, reason: wish} : null})
  })
