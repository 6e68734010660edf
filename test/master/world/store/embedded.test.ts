import test from 'ava'
import fc from 'fast-check'
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {readFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'
import {Worker} from 'node:worker_threads'
import {openStore} from '../../../../master/world/store/database.ts'
import {exchangeCutter, type Exchange} from '../../../../master/world/store/exchanges.ts'
import {onlyEmbedded, onlyEmbeddedAlone, withStore} from '../../../support/database.ts'

const writer = fileURLToPath(new URL('../../../support/crashing-writer.js', import.meta.url))

function startWriter(stateDir: string) {
  const child = spawn(process.execPath, [writer, stateDir], {stdio: ['ignore', 'pipe', 'inherit']})
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
  const acknowledged = () => Number(printed.slice(0, printed.lastIndexOf('\n')).split('\n').at(-1) ?? 0)
  return {child, acknowledged}
}

onlyEmbedded(
  'a second master is refused while the first lives, and takes over when it was killed',
  async (t, {stateDir}) => {
    const {child, acknowledged} = startWriter(stateDir)
    while (acknowledged() < 1) await pause(20)
    const refused = await t.throwsAsync(openStore({url: null, stateDir}))
    t.regex(
      refused?.message ?? '',
      new RegExp(`in use by process ${child.pid} \\(.*crashing-writer.*\\) since 2.*Stop that process`),
    )
    child.kill('SIGKILL')
    await once(child, 'close')
    await (await openStore({url: null, stateDir})).close()
  },
)

onlyEmbedded('nothing that was acknowledged is lost by SIGKILL', async (t, {stateDir}) => {
  let last = 0
  for (const afterRows of [20, 60]) {
    const {child, acknowledged} = startWriter(stateDir)
    while (acknowledged() < afterRows && child.exitCode === null) await pause(5)
    child.kill('SIGKILL')
    await once(child, 'close')
    last = acknowledged()
    const store = await openStore({url: null, stateDir})
    const [row] = await store.query<{count: number; max: number}>(
      'SELECT count(*)::int AS count, max(last_number) AS max FROM builders',
    )
    const [audit] = await store.query<{count: number}>('SELECT count(*)::int AS count FROM audit')
    t.true(
      row !== undefined && (row.max === last || row.max === last + 1),
      `${last} acknowledged, ${row?.max} found`,
    )
    t.is(row?.count, row?.max)
    t.is(audit?.count, row?.count, 'a transaction is there whole or not at all')
    await store.query('TRUNCATE builders, audit')
    await store.close()
  }
})

onlyEmbedded('the same process cannot open it twice, and can again after closing it', async (t, place) => {
  const store = await openStore(place)
  await t.throwsAsync(openStore(place), {message: /in use by process/})
  await store.close()
  await store.close()
  await (await openStore(place)).close()
})

onlyEmbeddedAlone('a long query leaves the event loop free', (t, place) =>
  withStore(t, place, async (store) => {
    await store.query('SELECT 1')
    const begun = performance.now()
    const before = performance.eventLoopUtilization()
    await store.query('SELECT sum(i::bigint * i) FROM generate_series(1, 4000000) i')
    const {active} = performance.eventLoopUtilization(before)
    const tookMs = performance.now() - begun
    t.log(`${Math.round(tookMs)} ms, of which the event loop was busy for ${Math.round(active)} ms`)
    t.true(tookMs > 500)
    t.true(active < 50)
  }),
)

onlyEmbedded(
  'when its thread dies the query fails, and the next one finds all that was committed',
  (t, place) => {
    endThreadOf('generate_series')
    return withStore(t, place, async (store) => {
      const heard: string[] = []
      await store.listen('bells', (payload) => heard.push(payload))
      await store.query(`INSERT INTO builders (name) VALUES ('kept')`)
      // It would take hours.
      const failing = store.query(
        'SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 1000000) b',
      )
      const waiting = store.transaction((tx) => tx.query(`INSERT INTO builders (name) VALUES ('next')`))
      await Promise.all([
        t.throwsAsync(failing, {message: /embedded database stopped/}),
        t.notThrowsAsync(waiting, 'it had not begun, and does on the new thread'),
      ])
      t.deepEqual(await store.query('SELECT name FROM builders ORDER BY name'), [
        {name: 'kept'},
        {name: 'next'},
      ])
      t.deepEqual(heard, [''], 'listeners are told to look for themselves')
      await store.query(`SELECT pg_notify('bells', 'ding')`)
      await pause(20)
      t.deepEqual(heard, ['', 'ding'])
    })
  },
)

/** Ends the thread that is given a query with this text, when it has had the time to begin with it. */
function endThreadOf(text: string): void {
  const post = Worker.prototype.postMessage
  Worker.prototype.postMessage = function (...args: Parameters<typeof post>) {
    const {bytes} = args[0] as {bytes?: Uint8Array}
    if (bytes && Buffer.from(bytes).includes(text)) {
      Worker.prototype.postMessage = post
      setTimeout(() => void this.terminate(), 200)
    }
    post.apply(this, args)
  }
}

onlyEmbedded('an idle process with the embedded database stays under 200 MB', async (t, {stateDir}) => {
  const {child, acknowledged} = startWriter(stateDir)
  while (acknowledged() < 300 && child.exitCode === null) await pause(20)
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  const residentMb = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
  child.kill('SIGKILL')
  await once(child, 'close')
  t.log(`${Math.round(residentMb)} MB`)
  t.true(residentMb < 200, `${residentMb} MB`)
})

const message = (type: string, size: number) => {
  const bytes = Buffer.alloc(size + 5, type)
  bytes.writeUInt32BE(size + 4, 1)
  return bytes
}
const startup = Buffer.from('0000000800030000', 'hex')

test('exchanges come out whole, however the writes were cut', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('P', 'B', 'D', 'E', 'S', 'Q'), fc.nat(40))),
      fc.array(fc.integer({min: 1, max: 30}), {minLength: 1}),
      (messages, cuts) => {
        const asked: Buffer[] = []
        let open: Buffer[] = []
        for (const [type, size] of messages) {
          open.push(message(type, size))
          if (type === 'S' || type === 'Q') asked.push(Buffer.concat(open.splice(0)))
        }
        open = open.splice(0)
        const all = Buffer.concat([startup, ...asked, ...open])
        const cut = exchangeCutter()
        const found: Exchange[] = []
        for (let at = 0, turn = 0; at < all.length; turn++) {
          const size = cuts[turn % cuts.length] ?? 1
          found.push(...cut(all.subarray(at, at + size)))
          at += size
        }
        t.deepEqual(
          found.map((exchange) =>
            exchange.say === 'ask' ? Buffer.from(exchange.bytes).toString('hex') : exchange.say,
          ),
          ['startup', ...asked.map((bytes) => bytes.toString('hex'))],
        )
      },
    ),
  )
})

test('the goodbye is recognised', (t) => {
  const cut = exchangeCutter()
  t.deepEqual(
    cut(Buffer.concat([startup, message('X', 0)])).map(({say}) => say),
    ['startup', 'terminate'],
  )
})

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
