import {packs} from '../../../master/flow/packing.ts'
import type {Logs, StoredLog} from '../../../master/world/logs.ts'
import {openSay} from '../../../master/world/say.ts'
import {openShelves} from '../../../master/world/shelves.ts'
import {parseObjectStore, readObjectKeys} from '../../../master/world/objects/address.ts'
import {ObjectStore} from '../../../master/world/objects/store.ts'
import {record} from '../../../master/world/store/events.ts'
import type {Store} from '../../../master/world/store/store.ts'
import {eachDatabase} from '../../support/database.ts'
import {appendEach, collect, emptyLog} from '../../support/log-texts.ts'
import {needs, whyNot} from '../../support/needs.ts'
import {objectServer} from '../../support/object-server.ts'
import {openTestWorld} from '../../support/world.ts'

type Declare = typeof eachDatabase
const onObjects: Declare =
  whyNot('object-store') === null
    ? eachDatabase
    : (title) => {
        needs('object-store')(title, () => undefined)
      }

/** A build with one log of three objects; answers the log as the database has it. */
async function logged(store: Store, logs: Logs, number: number, isFinished: boolean): Promise<StoredLog> {
  const texts = ['one\n', 'two\n', 'three\n'].map((text) => Buffer.from(text))
  const log = {...(await appendEach(logs, emptyLog(String(number)), texts)), complete: isFinished}
  const [row] = await store.query<{id: string}>(
    `WITH s AS (INSERT INTO buildsets (reason, origin, source_stamps) VALUES ('', 'force', '[]') RETURNING id),
          r AS (INSERT INTO requests (buildset_id, builder) SELECT id, 'b' FROM s RETURNING id, buildset_id)
     INSERT INTO builds (request_id, buildset_id, builder, number, source_stamps, origin, reason)
     SELECT id, buildset_id, 'b', $1, '[]', 'force', '' FROM r RETURNING id`,
    [number],
  )
  const build = row?.id ?? ''
  await store.query(
    `INSERT INTO logs (build_id, attempt, step, name, bytes, lines, segments, stored_bytes, crc32, complete)
     VALUES ($1, $2, 0, 'stdio', $3, $4, $5, $6, $7, $8)`,
    [build, log.attempt, log.bytes, log.lines, log.segments, log.storedBytes, log.crc32, log.complete],
  )
  if (isFinished) await store.transaction((tx) => record(tx, [{type: 'build.finished', data: {build}}]))
  return log
}

let prefixes = 0

onObjects(
  'the logs of finished builds are packed once, and neither a running nor a damaged one is touched',
  async (t, store) => {
    const server = await objectServer()
    const url = server.url(`packing-${String(++prefixes)}`)
    const options = {stateDir: '', filesDir: null, objectStore: url}
    const shelves = await openShelves(options, openSay('silent'), server.keys)
    const objects = await ObjectStore.open(parseObjectStore(url, {}), await readObjectKeys(server.keys))
    t.teardown(async () => {
      await shelves.close()
      objects.close()
    })
    const of = async (attempt: string) => {
      const found: string[] = []
      for await (const page of objects.list('logs/'))
        found.push(...page.map(({name}) => name).filter((name) => name.split('/')[2] === attempt))
      return found
    }
    const world = {...(await openTestWorld(t, store, 'builders: []')), logs: shelves.logs}
    await logged(store, shelves.logs, 1, true)
    const done = await logged(store, shelves.logs, 2, true)
    await logged(store, shelves.logs, 3, false)
    await objects.remove([(await of('1'))[0] ?? ''])
    await packs(world).run()
    t.is((await of('1')).length, 2)
    t.is((await of('2')).length, 1)
    t.is((await of('3')).length, 3)
    t.is((await collect(world.logs.readText(done))).toString(), 'one\ntwo\nthree\n')
    const [cursor] = await store.query<{id: string}>(`SELECT id FROM cursors WHERE reader = 'packing'`)
    t.not(cursor?.id, undefined)
    await objects.remove(await of('2'))
    await packs(world).run()
    t.deepEqual(await of('2'), [], 'it is not packed again')
  },
)
