import test, {type ExecutionContext} from 'ava'
import {createHash} from 'node:crypto'
import {createWriteStream} from 'node:fs'
import {mkdtemp, readdir, readFile, rm, truncate, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {PassThrough, Readable} from 'node:stream'
import {constants, crc32, deflateRawSync} from 'node:zlib'
import {packSegments, unpackSegments, verifyArchive} from '../../../../master/world/backup/archive.ts'
import {writeBackup} from '../../../../master/world/backup/make.ts'
import {restoreBackup, RestoreRefused, type RestoreTarget} from '../../../../master/world/backup/restore.ts'
import {backedUpTables} from '../../../../master/world/backup/tables.ts'
import {BadArchive} from '../../../../master/world/backup/tar.ts'
import {filledRooms, openFiles} from '../../../../master/world/files.ts'
import {nothingGiven, readFindings} from '../../../../master/world/store/checks.ts'
import {openStore} from '../../../../master/world/store/database.ts'
import type {Sql, Store} from '../../../../master/world/store/store.ts'
import {readLog} from '../../../../master/world/store/views/logs.ts'
import {emptyDatabase, eachDatabase, onlyPostgres, type Place} from '../../../support/database.ts'
import {stock} from '../../../support/ledgers.ts'
import {growLog} from '../../http/front.ts'

const folder = async (t: ExecutionContext) => {
  const dir = await mkdtemp(join(tmpdir(), 'ostler-backup-'))
  t.teardown(() => rm(dir, {recursive: true, force: true}))
  return dir
}

const artifact = Buffer.from('kept\n'.repeat(1000))
const sha256 = createHash('sha256').update(artifact).digest('hex')
const texts = {running: 'line one\nline t', finished: 'é\n'.repeat(400_000)}

/** The stocked ledger with logs and an artifact, and values that are hard to carry. */
async function fill(store: Store, stateDir: string): Promise<void> {
  await stock(store)
  await store.query('UPDATE leases SET until = now()')
  const files = openFiles(stateDir)
  await growLog({store, needs: files as never}, '1', texts.running, false)
  await growLog({store, needs: files as never}, '2', texts.finished.slice(0, 500_000), false)
  await growLog({store, needs: files as never}, '2', texts.finished.slice(500_000), true)
  await files.logs.end((await readLog(store, '2')) as never)
  await files.artifacts.store(sha256, artifact.length, Readable.from([artifact]))
  await store.query(
    `INSERT INTO artifacts (build_id, attempt, step, name, path, bytes, sha256) VALUES (2, 2, 0, 'a', 'b/a', $1, $2)`,
    [artifact.length, sha256],
  )
  await store.query(`UPDATE workers SET skew_ms = 0.1 + 0.2, labels = $1, free_bytes = 9007199254740993`, [
    JSON.stringify({'a "b"\\': 'é\n\u2028'}),
  ])
  await store.query(`UPDATE changes SET message = $1, files = ARRAY['a,b', 'c"d', '{}', 'NULL', '']`, [
    "it's \\N\ttab\nfeed",
  ])
  await store.query(`UPDATE buildsets SET change_ids = '{1,9007199254740993}'`)
  await store.query(
    `INSERT INTO audit (who, action, target) SELECT 'w', 'a', n::text FROM generate_series(1, 3000) n`,
  )
}

async function backUp(t: ExecutionContext, store: Store, stateDir: string): Promise<string> {
  const file = join(await folder(t), 'backup.tar')
  const source = {
    ...openFiles(stateDir),
    store,
    holder: 'ostler backup test',
    version: '0',
    scratch: stateDir,
  }
  await writeBackup(source, createWriteStream(file))
  t.deepEqual(
    (await readdir(stateDir)).filter((name) => name.startsWith('backup-')),
    [],
  )
  return file
}

const targetOf = ({url, stateDir}: Place): RestoreTarget => ({
  ...openFiles(stateDir),
  open: (migrationsMost) =>
    openStore({url, stateDir, ...(migrationsMost === undefined ? {} : {migrationsMost})}),
  inTheWay: async () => (await filledRooms(stateDir))[0] ?? null,
})

/** Every row of every table as text, without what a restore sets anew. */
async function rowsOf(sql: Sql): Promise<Record<string, string[]>> {
  const anew = `- '{connected,lost,master,seen_at,holder,until,fence}'::text[]`
  const all: Record<string, string[]> = {}
  for (const {name} of await backedUpTables(sql)) {
    const renewed = ['workers', 'leases'].includes(name) ? anew : ''
    const rows = await sql.query<{row: string}>(
      `SELECT (to_jsonb(x) ${renewed})::text AS row FROM ${name} x
       WHERE to_jsonb(x)->>'who' IS DISTINCT FROM 'ostler restore' AND to_jsonb(x)->>'type' IS DISTINCT FROM 'ledger.restored' ORDER BY 1`,
    )
    all[name] = rows.map(({row}) => row)
  }
  return all
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

async function isWhole(t: ExecutionContext, place: Place, rows: Record<string, string[]>): Promise<void> {
  const store = await openStore(place)
  try {
    const got = await rowsOf(store)
    for (const [name, wanted] of Object.entries(rows)) t.deepEqual(got[name], wanted, name)
    const {logs, artifacts} = openFiles(place.stateDir)
    for (const [id, text] of [
      ['1', texts.running],
      ['2', texts.finished],
    ] as const)
      // prettier-ignore
      t.true((await collect(logs.readText((await readLog(store, id)) as never))).equals(Buffer.from(text)))
    t.true((await collect(await artifacts.read(sha256))).equals(artifact))
    t.deepEqual(await readFindings(store, 'truth', nothingGiven), [])
    const [next] = await store.query<{fence: string; build: string}>(
      `SELECT nextval('attempts_id_seq') AS fence, nextval('builds_id_seq') AS build`,
    )
    t.deepEqual(next, {fence: '1000000003', build: '3'})
    const [worker] = await store.query(
      `SELECT connected, seen_at > now() - interval '1 minute' AS fresh FROM workers`,
    )
    t.deepEqual(worker, {connected: false, fresh: true})
    t.deepEqual(await store.query('SELECT * FROM leases WHERE until > now()'), [])
  } finally {
    await store.close()
  }
}

eachDatabase('a backup comes back exactly in an empty embedded database', async (t, store, place) => {
  await fill(store, place.stateDir)
  const rows = await rowsOf(store)
  const file = await backUp(t, store, place.stateDir)
  const target = {url: null, stateDir: await folder(t)}
  const {contents, damaged} = await restoreBackup(file, targetOf(target), false)
  t.is(contents.rows['audit'], 3000)
  t.deepEqual([contents.logs, contents.artifacts, damaged], [2, 1, []])
  await isWhole(t, target, rows)
})

eachDatabase(
  'a backup holds one moment, though rows and log bytes are added while it is made',
  async (t, store, place) => {
    await fill(store, place.stateDir)
    const rows = await rowsOf(store)
    const file = join(await folder(t), 'backup.tar')
    const out = new PassThrough({highWaterMark: 1})
    const made = writeBackup(
      {
        ...openFiles(place.stateDir),
        store,
        holder: 'ostler backup test',
        version: '0',
        scratch: place.stateDir,
      },
      out,
    )
    const first = await new Promise<Buffer>((resolve) => out.once('data', resolve))
    out.pause()
    // The archive's first byte is there, so the view was taken.
    await growLog({store, needs: openFiles(place.stateDir) as never}, '1', 'more\n', false)
    await store.query(`INSERT INTO audit (who, action, target) VALUES ('late', 'a', 't')`)
    await writeFile(file, Buffer.concat([first, await collect(out)]))
    await made
    const target = {url: null, stateDir: await folder(t)}
    await restoreBackup(file, targetOf(target), false)
    await isWhole(t, target, rows)
  },
)

onlyPostgres(
  'a backup of a server comes back in another, and over what one has when that is wanted',
  async (t, place) => {
    const store = await openStore(place)
    await fill(store, place.stateDir)
    const rows = await rowsOf(store)
    const file = await backUp(t, store, place.stateDir)
    await store.close()
    const database = await emptyDatabase()
    t.teardown(() => database.drop())
    const target = {url: database.url, stateDir: await folder(t)}
    await restoreBackup(file, targetOf(target), false)
    await isWhole(t, target, rows)
    const refused = await t.throwsAsync(
      restoreBackup(file, {...targetOf(target), inTheWay: async () => null}, false),
      {
        instanceOf: RestoreRefused,
      },
    )
    t.regex(refused?.message ?? '', /the database is not empty \(.*builds.*--overwrite/)
    const files = await t.throwsAsync(restoreBackup(file, targetOf(target), false), {
      instanceOf: RestoreRefused,
    })
    t.regex(files?.message ?? '', /logs$/)
    await restoreBackup(file, targetOf(target), true)
    await isWhole(t, target, rows)
    // A master that lives is in the way of any restore.
    const again = await openStore(target)
    await again.query(`INSERT INTO masters (id) VALUES ('host-1')`)
    await again.close()
    const living = await t.throwsAsync(restoreBackup(file, targetOf(target), true), {
      instanceOf: RestoreRefused,
    })
    t.regex(living?.message ?? '', /masters are at work on this database \(host-1\)/)
  },
)

eachDatabase(
  'an archive that is cut, altered or of another program is refused before anything is touched',
  async (t, store, place) => {
    await fill(store, place.stateDir)
    const file = await backUp(t, store, place.stateDir)
    const whole = await readFile(file)
    const target: RestoreTarget = {
      ...targetOf(place),
      open: async () => await Promise.reject(new Error('the database was opened')),
    }
    const refusal = async (bytes: Buffer) => {
      await writeFile(file, bytes)
      return (await t.throwsAsync(restoreBackup(file, target, true), {instanceOf: BadArchive}))?.message ?? ''
    }
    for (const part of [0, 100, 512, 5_000, whole.length - 3000, whole.length - 1100])
      t.regex(await refusal(whole.subarray(0, part)), /cut off/, String(part))
    for (let n = 1; n < 20; n++) {
      const altered = Buffer.from(whole)
      const at = Math.floor((n * (whole.length - 2560)) / 20)
      altered[at] = (altered[at] ?? 0) ^ 1
      t.regex(await refusal(altered), /altered|not a backup|cut off/, `byte ${String(at)}`)
    }
    t.regex(await refusal(Buffer.alloc(2048, 'x')), /not a tar archive/)
    await truncate(file, 0)
    await t.throwsAsync(verifyArchive(file), {instanceOf: BadArchive})
  },
)

onlyPostgres(
  'a backup of a newer Ostler is refused, and one of an older is brought up to date',
  async (t, {url, stateDir}) => {
    const old = await emptyDatabase()
    t.teardown(() => old.drop())
    const store = await openStore({url: old.url, stateDir, migrationsMost: 1})
    await stock(store)
    await store.query('UPDATE leases SET until = now()')
    await store.query('UPDATE logs SET complete = false')
    const file = await backUp(t, store, stateDir)
    await store.query(`INSERT INTO migrations (timestamp, name) VALUES (9, 'later-0000000000009')`)
    const newer = await backUp(t, store, stateDir)
    await store.close()
    const target = {url, stateDir: await folder(t)}
    const refused = await t.throwsAsync(restoreBackup(newer, targetOf(target), false), {
      instanceOf: RestoreRefused,
    })
    t.regex(refused?.message ?? '', /newer Ostler \(0, with later-0000000000009\)/)
    await restoreBackup(file, targetOf(target), true)
    const restored = await openStore(target)
    // The migration since then ended the logs of attempts that are over.
    t.deepEqual(await restored.query('SELECT id, complete FROM logs ORDER BY id'), [
      {id: '1', complete: false},
      {id: '2', complete: true},
    ])
    await restored.close()
  },
)

eachDatabase(
  'what cannot be read is told and left out, and after the restore its row says that it is gone',
  async (t, store, place) => {
    await fill(store, place.stateDir)
    const shelf = join(place.stateDir, 'logs', '02', '2')
    for (const name of await readdir(shelf)) if (name.endsWith('.idx')) await truncate(join(shelf, name), 50)
    await rm(join(place.stateDir, 'artifacts'), {recursive: true})
    const file = await backUp(t, store, place.stateDir)
    const {contents} = await verifyArchive(file)
    t.deepEqual(
      contents.missing.map(({what, id}) => [what, id]),
      [
        ['log', '2'],
        ['artifact', sha256],
      ],
    )
    const target = {url: null, stateDir: await folder(t)}
    const {damaged} = await restoreBackup(file, targetOf(target), false)
    t.is(damaged.length, 2)
    const restored = await openStore(target)
    t.deepEqual(
      await restored.query(
        'SELECT id, deleted FROM logs UNION ALL SELECT id, deleted FROM artifacts ORDER BY 2, 1',
      ),
      [
        {id: '1', deleted: false},
        {id: '1', deleted: true},
        {id: '2', deleted: true},
      ],
    )
    await restored.close()
  },
)

test('segments of a log are carried as they are', (t) => {
  const segments = ['a\n', '', 'b'].map((text) => ({
    bytes: text.length,
    lines: text.split('\n').length - 1,
    crc32: crc32(text),
    body: deflateRawSync(text, {finishFlush: constants.Z_FULL_FLUSH}),
  }))
  t.deepEqual(unpackSegments(packSegments(segments)), segments)
})
