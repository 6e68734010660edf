import type {ExecutionContext} from 'ava'
import {gunzipSync} from 'node:zlib'
import {parseObjectStore, readObjectKeys} from '../../../../master/world/objects/address.ts'
import {LogObjects} from '../../../../master/world/objects/logs.ts'
import {ObjectStore} from '../../../../master/world/objects/store.ts'
import {ObjectStoreTrouble} from '../../../../master/world/objects/trouble.ts'
import {appendAll, appendEach, collect, emptyLog} from '../../../support/log-texts.ts'
import {onlyObjects, type ObjectPlace} from '../../../support/shelves.ts'

const mergedAtLeast = 8

async function opened(t: ExecutionContext, place: ObjectPlace) {
  const store = await ObjectStore.open(
    parseObjectStore(place.url, {}),
    await readObjectKeys(place.environment),
  )
  t.teardown(() => store.close())
  const names = async (prefix = 'logs/') => {
    const found: string[] = []
    for await (const page of store.list(prefix)) found.push(...page.map(({name}) => name))
    return found
  }
  /** Another master's view. */
  const view = () => new LogObjects(store, (error) => t.fail(String(error)), mergedAtLeast)
  return {store, names, view}
}

const lines = (count: number, from = 0) =>
  Array.from({length: count}, (_, n) => Buffer.from(`line ${String(from + n)}\n`))

onlyObjects('small objects are merged while their log runs, and no reader notices', async (t, place) => {
  const {names, view} = await opened(t, place)
  const [writer, stranger, fresh] = [view(), view(), view()]
  const texts = lines(100)
  const early = await appendEach(writer, emptyLog('1'), texts.slice(0, 20))
  await writer.settled()
  t.true((await collect(stranger.readText(early))).equals(Buffer.concat(texts.slice(0, 20))))
  const log = await appendEach(writer, early, texts.slice(20))
  await writer.settled()
  t.true((await names()).length < 2 * mergedAtLeast, String((await names()).length))
  for (const reader of [writer, stranger, fresh, view()]) {
    t.true((await collect(reader.readText(log))).equals(Buffer.concat(texts)))
    // Whose row is older than the merges.
    t.true((await collect(reader.readText(early))).equals(Buffer.concat(texts.slice(0, 20))))
    t.is((await reader.readLines(log, 55, 1)).text.toString(), 'line 55\n')
  }
})

onlyObjects('two masters that both merge lose nothing', async (t, place) => {
  const {view, names} = await opened(t, place)
  const masters = [view(), view()] as const
  const texts = lines(120)
  let log = emptyLog('1')
  for (let at = 0; at < texts.length; at += 3) {
    const row = log
    // The one without the worker is late: it writes at the same place, cut differently, and merges what it sees.
    const [one, other] = at % 2 === 0 ? masters : [masters[1], masters[0]]
    const [now] = await Promise.all([
      appendAll(one, row, texts.slice(at, at + 3)),
      appendAll(other, row, texts.slice(at, at + 1)),
    ])
    log = now
  }
  for (const master of masters) await master.settled()
  t.log(`${String((await names()).length)} objects`)
  for (const reader of [...masters, view()])
    t.true((await collect(reader.readText(log))).equals(Buffer.concat(texts)))
})

onlyObjects('a finished log becomes one object that begins with its whole gzip member', async (t, place) => {
  const {store, names, view} = await opened(t, place)
  const texts = Array.from({length: 7}, (_, n) => Buffer.from(`${String(n)}\n`.repeat(100 * n + 1)))
  const [writer, stranger] = [view(), view()]
  const log = {...(await appendEach(writer, emptyLog('1'), texts)), complete: true}
  // Another master's write that was never committed.
  await appendAll(stranger, {...emptyLog('1')}, texts.slice(0, 3))
  t.true((await collect(stranger.readText(log))).equals(Buffer.concat(texts)))
  const knowing = stranger.readText(log)
  await knowing.next()
  for (let again = 0; again < 2; again++) {
    await writer.pack(log)
    const [only, ...more] = await names()
    t.deepEqual(more, [])
    const object = await store.get(only ?? '')
    const member = object.subarray(0, object.length - log.segments * 40)
    t.true(gunzipSync(member).equals(Buffer.concat(texts)))
  }
  // Readers that began before, that know the old objects, and that know nothing.
  t.is((await collect(knowing)).length, Buffer.concat(texts.slice(1)).length)
  for (const reader of [stranger, view()]) {
    t.true((await collect(reader.readText(log))).equals(Buffer.concat(texts)))
    t.true(gunzipSync(await collect(reader.readGzip(log))).equals(Buffer.concat(texts)))
    t.deepEqual(await reader.search(log, '6', 0, 2), [1506, 1507])
  }
})

onlyObjects('a log in one object stays as it is when it is packed', async (t, place) => {
  const {names, view} = await opened(t, place)
  const log = await appendAll(view(), emptyLog('1'), lines(10))
  const before = await names()
  await view().pack(log)
  t.deepEqual(await names(), before)
})

onlyObjects('a log of which objects are missing is told damaged and not packed', async (t, place) => {
  const {store, names, view} = await opened(t, place)
  const log = await appendEach(view(), emptyLog('1'), lines(4))
  const all = await names()
  await store.remove([all[2] ?? ''])
  await t.throwsAsync(collect(view().readText(log)), {message: /damaged in the object store/})
  await t.throwsAsync(view().pack(log), {message: /damaged in the object store/})
  t.is((await names()).length, all.length - 1)
})

onlyObjects('a log larger than what is kept is packed in parts and read by ranges', async (t, place) => {
  const {store, view} = await opened(t, place)
  const noise = (seed: number) =>
    Buffer.from(
      Array.from({length: 1_000_000}, (_, n) => ((n + seed) * (n ^ (seed * 7919)) * 2654435761) >>> 24),
    )
  const texts = Array.from({length: 12}, (_, n) =>
    Buffer.concat([noise(n), Buffer.from(`\nmark ${String(n)}\n`)]),
  )
  const log = {...(await appendEach(view(), emptyLog('1'), texts)), complete: true}
  const early = view()
  const lineOf = (await early.search(log, 'mark 9', 0, 1))[0] ?? 0
  await view().pack(log)
  t.is(
    (await early.readLines(log, lineOf, 1)).text.toString(),
    'mark 9\n',
    'by who knows only the old objects',
  )
  const reader = view()
  t.true((await collect(reader.readText(log))).equals(Buffer.concat(texts)))
  t.true(gunzipSync(await collect(reader.readGzip(log))).equals(Buffer.concat(texts)))
  let fetched = 0
  const counting = Object.create(store) as ObjectStore
  counting.get = async (...asked) => {
    const bytes = await store.get(...asked)
    fetched += bytes.length
    return bytes
  }
  counting.list = (...asked) => store.list(...asked)
  t.is((await new LogObjects(counting).readLines(log, lineOf, 1)).text.toString(), 'mark 9\n')
  t.true(fetched < 4_000_000, String(fetched))
})

onlyObjects('a wrong bucket, key, secret or endpoint is one clear sentence', async (t, place) => {
  const open = async (url: string, environment: NodeJS.ProcessEnv) =>
    ObjectStore.open(parseObjectStore(url, {}), await readObjectKeys(environment))
  const {url, environment} = place
  const cases: ReadonlyArray<[string, NodeJS.ProcessEnv, RegExp]> = [
    [
      url.replace('builds', 'none-such'),
      environment,
      /has no bucket none-such: make it, or mend --object-store$/,
    ],
    [url, {...environment, AWS_ACCESS_KEY_ID: 'x'}, /does not know the access key in AWS_ACCESS_KEY_ID$/],
    [url, {...environment, AWS_SECRET_ACCESS_KEY: 'x'}, /AWS_SECRET_ACCESS_KEY does not belong to/],
    [url.replace(/:\d+$/, ':1'), environment, /does not answer \(ECONNREFUSED\): is the endpoint right\?$/],
  ]
  for (const [wrong, keys, sentence] of cases)
    await t.throwsAsync(open(wrong, keys), {instanceOf: ObjectStoreTrouble, message: sentence})
})
