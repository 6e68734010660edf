// How the model's words run: each statement by itself, on whatever stands for the database.
import type {Sql} from '../../../master/world/store/store.ts'
import {worst} from '../../../worker/core/results.ts'
import type {Result} from '../../../worker/protocol/results.ts'
import type {View} from './tables.ts'

/** What takes the place of SQL text: a function that sees and writes rows. */
export interface ModelSql extends Sql {
  statement<T>(name: string, work: (view: View) => T): Promise<T>
}

/** One statement on the model behind a ledger's `sql`. */
export const statement = <T>(sql: Sql, name: string, work: (view: View) => T): Promise<T> =>
  (sql as ModelSql).statement(name, work)

/** Writes events, as `record` does. */
export async function record(sql: Sql, events: readonly {type: string; data: object}[]): Promise<void> {
  if (events.length === 0) return
  await statement(sql, 'record', (view) => {
    for (const {type, data} of events) view.event(type, data)
  })
}

/** Ends those of the buildsets whose requests are all finished, with their worst result. */
export async function completeBuildsets(sql: Sql, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await statement(sql, 'lock buildsets', (view) => {
    for (const id of byNumber(ids)) view.lock('buildsets', id)
  })
  const ends = await statement(sql, 'select complete buildsets', (view) =>
    byNumber(ids).flatMap((id) => {
      const buildset = view.get('buildsets', id)
      const requests = view.all('requests').filter((request) => request.buildset === id)
      if (!buildset || buildset.completedAt !== null || requests.length === 0) return []
      if (requests.some(({state}) => state !== 'finished')) return []
      return [{id, result: worst(requests.map(({result}) => result as Result))}]
    }),
  )
  if (ends.length === 0) return
  await statement(sql, 'complete buildsets', (view) => {
    for (const {id, result} of ends) {
      const buildset = view.get('buildsets', id)
      if (buildset) view.put('buildsets', {...buildset, completedAt: view.now, result})
    }
  })
  await record(
    sql,
    ends.map(({id, result}) => ({type: 'buildset.finished', data: {buildset: id, result}})),
  )
}

export const byNumber = (ids: readonly string[]): string[] => [...ids].sort((a, b) => Number(a) - Number(b))
