import pg from 'pg'
import {
  lockCursor,
  moveCursor,
  newestCursor,
  parseCursor,
  cursorText,
  readEvents,
  record,
} from '../../../../master/world/store/events.ts'
import {openStore} from '../../../../master/world/store/database.ts'
import {eachDatabase, onlyPostgres} from '../../../support/database.ts'

const kinds = (events: readonly {type: string}[]) => events.map((event) => event.type)

eachDatabase('events are read in order from a cursor on, each once', async (t, store) => {
  await store.transaction((tx) =>
    record(tx, [
      {type: 'a', data: {}},
      {type: 'b', data: {n: 1}},
    ]),
  )
  const first = await readEvents(store, null, 10)
  t.deepEqual(kinds(first.events), ['a', 'b'])
  await store.transaction((tx) => record(tx, [{type: 'c', data: {}}]))
  const second = await readEvents(store, first.events.at(-1)?.cursor ?? null, 10)
  t.deepEqual(kinds(second.events), ['c'])
  t.deepEqual(await newestCursor(store), second.events[0]?.cursor)
})

eachDatabase('a reader’s cursor is durable, and moves with what its transaction does', async (t, store) => {
  await store.transaction((tx) => record(tx, [{type: 'a', data: {}}]))
  const take = () =>
    store.transaction(async (tx) => {
      const {events} = await readEvents(tx, await lockCursor(tx, 'reader'), 10, ['a'])
      const last = events.at(-1)
      if (last) await moveCursor(tx, 'reader', last.cursor)
      return events.length
    })
  t.is(await take(), 1)
  t.is(await take(), 0)
  await t.throwsAsync(
    store.transaction(async (tx) => {
      await record(tx, [{type: 'a', data: {}}])
      throw new Error('undone')
    }),
  )
  t.is(await take(), 0)
})

onlyPostgres('a reader never steps over an event whose transaction commits late', async (t, place) => {
  const store = await openStore(place)
  const late = new pg.Client({connectionString: place.url ?? ''})
  await late.connect()
  try {
    await late.query('BEGIN')
    await late.query(`SELECT record_events('{late}', '{"{}"}')`)
    await store.transaction((tx) => record(tx, [{type: 'early', data: {}}]))
    const before = await readEvents(store, null, 10)
    t.deepEqual(kinds(before.events), [], 'the later number is committed, the earlier one is not')
    t.true(before.held)
    await late.query('COMMIT')
    const after = await readEvents(store, null, 10)
    t.deepEqual(kinds(after.events), ['late', 'early'])
  } finally {
    await late.end()
    await store.close()
  }
})

eachDatabase('a cursor’s text is read back, and other text is none', async (t, store) => {
  await store.transaction((tx) => record(tx, [{type: 'a', data: {}}]))
  const cursor = await newestCursor(store)
  t.deepEqual(parseCursor(cursorText(cursor)), cursor)
  for (const text of ['', 'a', '-1', '1-2', '9'.repeat(30)]) t.is(parseCursor(text), null)
})
