import test from 'ava'
import {createServer, type AddressInfo} from 'node:net'
import {openStore} from '../../../../master/world/store/database.ts'
import {migrations} from '../../../../master/world/store/migrations.ts'
import {shownUrl} from '../../../../master/world/store/reach.ts'
import {startCluster} from '../../../support/cluster.ts'
import {needs} from '../../../support/needs.ts'

const clusterTest = needs('postgresql')
const stateDir = '/nowhere'
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

clusterTest(
  'a server that restarts breaks what runs, and the store works again with its listeners told',
  async (t) => {
    const cluster = await startCluster()
    t.teardown(() => cluster.stop())
    const said: string[] = []
    const store = await openStore({url: cluster.url, stateDir, say: (text) => said.push(text)})
    const heard: string[] = []
    await store.listen('bells', (payload) => heard.push(payload))
    await store.query(`INSERT INTO builders (name) VALUES ('kept')`)
    const running = store.transaction((tx) => tx.query('SELECT pg_sleep(20)'))
    await Promise.all([t.throwsAsync(running), pause(200).then(() => cluster.restart(500))])
    while (!heard.includes('')) await pause(20)
    t.deepEqual(await store.query('SELECT name FROM builders'), [{name: 'kept'}])
    await store.query(`SELECT pg_notify('bells', 'ding')`)
    for (let tries = 0; tries < 100 && heard.length < 2; tries++) await pause(10)
    t.deepEqual(heard, ['', 'ding'])
    t.true(said.some((text) => text.includes('listening to PostgreSQL again')))
    await store.close()
  },
)

clusterTest('masters that start together migrate once', async (t) => {
  const cluster = await startCluster()
  t.teardown(() => cluster.stop())
  const stores = await Promise.all([1, 2, 3].map(() => openStore({url: cluster.url, stateDir})))
  t.is((await stores[0]?.query('SELECT * FROM migrations'))?.length, migrations.length)
  await Promise.all(stores.map((store) => store.close()))
})

clusterTest('wrong credentials fail at once, with the reason and without the password', async (t) => {
  const cluster = await startCluster()
  t.teardown(() => cluster.stop())
  const url = cluster.url.replace('postgres@', 'nobody:secret@')
  const refused = await t.throwsAsync(openStore({url, stateDir}))
  t.regex(refused?.message ?? '', /nobody:\*\*\*@.*role "nobody" does not exist/)
  t.notRegex(refused?.message ?? '', /secret/)
})

test('a server that cannot be reached is waited for, and given up with its reason', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const {port} = server.address() as AddressInfo
  server.close()
  const said: string[] = []
  const url = `postgres://ostler:secret@127.0.0.1:${port}/ostler`
  const refused = await t.throwsAsync(openStore({url, stateDir, say: (text) => said.push(text), waitMs: 500}))
  t.regex(refused?.message ?? '', /could not be reached within 0.5 s: .*ECONNREFUSED/)
  t.true(said.length >= 1)
  t.false([refused?.message, ...said].join().includes('secret'))
})

test('an address is shown without its password', (t) => {
  t.is(shownUrl('postgres://a:b@h/d'), 'postgres://a:***@h/d')
  t.is(shownUrl('not a url'), 'the database given by database.url')
})

test('a server before PostgreSQL 15 is refused', async (t) => {
  // Only an old server can say an old version; this one speaks as much of the protocol as the question needs.
  const server = createServer((socket) => {
    let greeted = false
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      if (bytes[0] === 'X'.charCodeAt(0)) return socket.end()
      socket.write(
        greeted ? Buffer.concat([columns('number', 'text'), row('140011', '14.11'), ready]) : hello,
      )
      greeted = true
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const {port} = server.address() as AddressInfo
  await t.throwsAsync(openStore({url: `postgres://a@127.0.0.1:${port}/d`, stateDir}), {
    message: /it is version 14\.11; Ostler needs PostgreSQL 15 or newer/,
  })
  server.close()
})

const packet = (type: string, body: Buffer) => {
  const head = Buffer.alloc(5, type)
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const count = (n: number) => Buffer.from([n >> 8, n & 255])
const columns = (...names: string[]) =>
  packet(
    'T',
    Buffer.concat([
      count(names.length),
      ...names.map((name) => Buffer.concat([Buffer.from(`${name}\0`), textColumn])),
    ]),
  )
const textColumn = Buffer.from('000000000000' + '00000019' + 'ffff' + 'ffffffff' + '0000', 'hex')
const row = (...values: string[]) =>
  packet(
    'D',
    Buffer.concat([
      count(values.length),
      ...values.map((value) => Buffer.concat([Buffer.from([0, 0, 0, value.length]), Buffer.from(value)])),
    ]),
  )
const idle = packet('Z', Buffer.from('I'))
const ready = Buffer.concat([packet('C', Buffer.from('SELECT 1\0')), idle])
const hello = Buffer.concat([packet('R', Buffer.alloc(4)), idle])
