import {randomBytes} from 'node:crypto'
import {eachDatabase, eachPlace} from '../../../support/database.ts'
import {openStore} from '../../../../master/world/store/database.ts'
import {migrations} from '../../../../master/world/store/migrations.ts'
import {cleanJson, cleanText} from '../../../../master/world/store/text.ts'
import type {Sql} from '../../../../master/world/store/store.ts'

const addBuilder = (sql: Sql, name: string) => sql.query('INSERT INTO builders (name) VALUES ($1)', [name])
const builders = async (sql: Sql) =>
  (await sql.query<{name: string}>('SELECT name FROM builders ORDER BY name')).map(({name}) => name)

eachDatabase(
  'bigint comes as text, timestamptz as Date, jsonb parsed, arrays as arrays',
  async (t, store) => {
    const at = new Date('2026-03-01T12:34:56.789Z')
    const rows = await store.query(
      `SELECT $1::bigint AS id, $2::timestamptz AS at, $3::jsonb AS data, $4::text[] AS names, $5::bigint[] AS ids,
            $6::double precision AS share, $7::integer AS count, $8::bytea AS bytes, $9::text AS nothing`,
      [
        '9007199254740993',
        at,
        JSON.stringify([{a: 1}]),
        ['x', 'y "z"'],
        ['1', '9007199254740993'],
        0.5,
        7,
        Buffer.from([0, 255]),
        null,
      ],
    )
    t.deepEqual(rows, [
    {
      id: '9007199254740993', at, data: [{a: 1}], names: ['x', 'y "z"'], ids: ['1', '9007199254740993'],
      share: 0.5, count: 7, bytes: Buffer.from([0, 255]), nothing: null,
    },
  ]) // prettier-ignore
  },
)

eachDatabase('eight claimers with SKIP LOCKED claim each of 200 requests once', async (t, store) => {
  await store.query(`INSERT INTO buildsets (reason, origin, source_stamps) VALUES ('r', 'test', '[]')`)
  await store.query(`INSERT INTO requests (buildset_id, builder) SELECT 1, 'b' FROM generate_series(1, 200)`)
  const claim = () =>
    store.transaction(async (tx) => {
      const rows = await tx.query<{id: string}>(
        `SELECT id FROM requests WHERE state = 'pending' ORDER BY id LIMIT 3 FOR UPDATE SKIP LOCKED`,
      )
      await tx.query(`UPDATE requests SET state = 'claimed' WHERE id = ANY($1)`, [rows.map(({id}) => id)])
      return rows.map(({id}) => id)
    })
  const claimed: string[] = []
  const claimer = async () => {
    for (let ids = await claim(); ids.length > 0; ids = await claim()) claimed.push(...ids)
  }
  await Promise.all(Array.from({length: 8}, claimer))
  t.is(claimed.length, 200)
  t.is(new Set(claimed).size, 200)
})

eachDatabase(
  'what a transaction wrote is seen by nobody else before it ends, and by everybody after',
  async (t, store) => {
    const {promise: written, resolve: wrote} = withResolvers()
    const seen: string[][] = []
    const writer = store.transaction(async (tx) => {
      await addBuilder(tx, 'new')
      wrote()
      seen.push(await builders(tx))
    })
    await written
    const reader = builders(store).then((names) => seen.push(names))
    await Promise.all([writer, reader])
    t.deepEqual(seen[0], ['new'])
    if (store.engine === 'embedded') t.deepEqual(seen[1], ['new'], 'it waits for its turn')
    t.deepEqual(await builders(store), ['new'])
  },
)

eachDatabase(
  'a transaction whose work throws leaves nothing behind, and the next one is not disturbed',
  async (t, store) => {
    await t.throwsAsync(
      store.transaction(async (tx) => {
        await addBuilder(tx, 'lost')
        throw new Error('changed my mind')
      }),
      {message: 'changed my mind'},
    )
    const refused = await t.throwsAsync(
      store.transaction(async (tx) => {
        await addBuilder(tx, 'twice')
        await addBuilder(tx, 'twice')
      }),
    )
    t.is((refused as {code?: string}).code, '23505')
    await store.transaction((tx) => addBuilder(tx, 'kept'))
    t.deepEqual(await builders(store), ['kept'])
  },
)

eachDatabase('a serialization failure runs the work again, any other error does not', async (t, store) => {
  let runs = 0
  const value = await store.transaction(async (tx) => {
    runs++
    await addBuilder(tx, 'once')
    if (runs < 3) await tx.query(`DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$`)
    return runs
  })
  t.is(value, 3)
  t.deepEqual(await builders(store), ['once'])
  runs = 0
  await t.throwsAsync(store.transaction((tx) => (runs++, tx.query('SELECT 1 / 0'))))
  t.is(runs, 1)
  runs = 0
  await t.throwsAsync(
    store.transaction(
      (tx) => (runs++, tx.query(`DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40P01'; END $$`)),
    ),
  )
  t.is(runs, 5)
})

eachDatabase('a transaction cannot be used after its end', async (t, store) => {
  let kept: Sql | null = null
  await store.transaction(async (tx) => void (kept = tx))
  await t.throwsAsync(async () => kept?.query('SELECT 1'), {message: /this transaction is over/})
})

eachDatabase(
  'the store inside a transaction of the embedded database is refused at once',
  async (t, store) => {
    if (store.engine === 'postgresql') return t.pass()
    await t.throwsAsync(
      store.transaction(() => builders(store)),
      {message: /inside a transaction.*use tx/},
    )
    await t.throwsAsync(
      store.transaction(() => store.transaction(() => Promise.resolve())),
      {message: /inside a transaction.*use tx/},
    )
    t.deepEqual(await builders(store), [])
  },
)

eachDatabase('statements of one transaction may be asked for at once', async (t, store) => {
  const answers = await store.transaction((tx) =>
    Promise.all([1, 2, 3].map((n) => tx.query('SELECT $1::int AS n', [n]))),
  )
  t.deepEqual(answers, [[{n: 1}], [{n: 2}], [{n: 3}]])
})

eachDatabase('large values go in and come out whole, many at a time', async (t, store) => {
  const texts = Array.from({length: 20}, () => randomBytes(48 * 1024).toString('base64'))
  const back = await Promise.all(texts.map((text) => store.query('SELECT $1::text AS text', [text])))
  t.deepEqual(
    back.map(([row]) => row?.['text']),
    texts,
  )
  const megabytes = randomBytes(5_000_000)
  const [row] = await store.query<{bytes: Buffer}>('SELECT $1::bytea AS bytes', [megabytes])
  t.true(row?.bytes.equals(megabytes))
})

eachDatabase('any text from outside can be kept once it is clean', async (t, store) => {
  const dirty = 'a\0b\ud800c\udc00 \u{1f600}'
  await t.throwsAsync(addBuilder(store, 'a\0b'))
  const clean = cleanText(dirty)
  t.is(clean, 'a\ufffdb\ufffdc\ufffd \u{1f600}')
  await addBuilder(store, clean)
  t.deepEqual(await builders(store), [clean])
  const data = cleanJson({[dirty]: [dirty, 1, null, {deep: dirty}]})
  const [row] = await store.query('SELECT $1::jsonb AS data', [data])
  t.deepEqual(row?.['data'], {[clean]: [clean, 1, null, {deep: clean}]})
})

eachDatabase(
  'a notification reaches every listener, when its transaction ends, until it stops listening',
  async (t, store) => {
    const heard: string[] = []
    const stop = await store.listen('Bells "x"', (payload) => heard.push(`1 ${payload}`))
    const stopSecond = await store.listen('Bells "x"', (payload) => heard.push(`2 ${payload}`))
    await store.transaction(async (tx) => {
      await tx.query('SELECT pg_notify($1, $2)', ['Bells "x"', 'hello'])
      await settled(store)
      t.deepEqual(heard, [])
    })
    await until(() => heard.length === 2)
    t.deepEqual(heard, ['1 hello', '2 hello'])
    await stop()
    await store.query('SELECT pg_notify($1, $2)', ['Bells "x"', 'again'])
    await until(() => heard.length === 3)
    await stopSecond()
    await store.query('SELECT pg_notify($1, $2)', ['Bells "x"', 'nobody'])
    await pause(50)
    t.deepEqual(heard, ['1 hello', '2 hello', '2 again'])
  },
)

eachPlace('opening twice in a row migrates once and keeps what is there', async (t, place) => {
  for (const name of ['first', 'second']) {
    const store = await openStore(place)
    await addBuilder(store, name)
    await store.close()
  }
  const store = await openStore(place)
  t.deepEqual(await builders(store), ['first', 'second'])
  t.is((await store.query('SELECT name FROM migrations')).length, migrations.length)
  await store.close()
})

eachPlace('tables made by a newer version are refused', async (t, place) => {
  const store = await openStore(place)
  await store.query(`INSERT INTO migrations (timestamp, name) VALUES (99, 'future-0000000000099')`)
  await store.close()
  await t.throwsAsync(openStore(place), {message: /made by a newer Ostler \(it has future-0000000000099\)/})
})

function withResolvers(): {promise: Promise<void>; resolve: () => void} {
  let resolve = () => {}
  const promise = new Promise<void>((done) => (resolve = done))
  return {promise, resolve}
}
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
/** A server's notifications travel on another connection: time enough for one that should not come. */
const settled = async (store: {engine: string}) => pause(store.engine === 'embedded' ? 0 : 30)
async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds() && tries < 500; tries++) await pause(10)
}
