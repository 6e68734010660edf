import {removeNotes, type EventReader} from '../../../../master/world/store/retention.ts'
import type {Store} from '../../../../master/world/store/store.ts'
import {eachDatabase} from '../../../support/database.ts'

const readers: readonly EventReader[] = [{reader: 'schedules', types: ['change.added']}]

/** Writes an event of that age, in days; answers its id. */
const event = async (store: Store, type: string, days: number) => {
  const [row] = await store.query<{id: string}>(
    `INSERT INTO events (type, at, data) VALUES ($1, now() - $2 * interval '1 day', '{}') RETURNING id`,
    [type, days],
  )
  return row?.id ?? ''
}

async function kept(store: Store): Promise<string[]> {
  await store.transaction((tx) => removeNotes(tx, readers))
  return (await store.query<{id: string}>('SELECT id FROM events ORDER BY id')).map(({id}) => id)
}

eachDatabase('old events go, but none that its reader has not read', async (t, store) => {
  const read = await event(store, 'change.added', 40)
  await store.query(`INSERT INTO cursors (reader, id) VALUES ('schedules', $1)`, [read])
  const unread = await event(store, 'change.added', 40)
  await event(store, 'worker.connected', 40)
  const young = await event(store, 'worker.connected', 20)
  t.deepEqual(await kept(store), [unread, young])
})

eachDatabase('while a reader has read nothing at all, its events stay', async (t, store) => {
  const unread = await event(store, 'change.added', 400)
  t.deepEqual(await kept(store), [unread])
})

eachDatabase('hook deliveries and settled letters go, letters that wait do not', async (t, store) => {
  await store.query(
    `INSERT INTO hook_deliveries (source, delivery, at, answer) VALUES ('a', 'old', now() - interval '8 days', '{}'), ('a', 'new', now(), '{}')`,
  )
  await store.query(
    `INSERT INTO outbox (reporter, event_id, payload, sent_at) VALUES ('r', 1, '{}', now() - interval '31 days'), ('r', 2, '{}', now()), ('r', 3, '{}', NULL)`,
  )
  await store.transaction((tx) => removeNotes(tx, readers))
  t.deepEqual(await store.query('SELECT delivery FROM hook_deliveries'), [{delivery: 'new'}])
  t.deepEqual(await store.query('SELECT event_id FROM outbox ORDER BY id'), [
    {event_id: '2'},
    {event_id: '3'},
  ])
})
