import type {ExecutionContext} from 'ava'
import {createHash} from 'node:crypto'
import {mkdir, open, readdir, readFile, rm, truncate, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {Readable} from 'node:stream'
import {openFiles} from '../../../../master/world/files.ts'
import {check, repair, suspicion, type Problem} from '../../../../master/world/fsck/fsck.ts'
import {nothingGiven, readFindings} from '../../../../master/world/store/checks.ts'
import type {Store} from '../../../../master/world/store/store.ts'
import {readLog} from '../../../../master/world/store/views/logs.ts'
import {eachDatabase, type Place} from '../../../support/database.ts'
import {breakages, stock} from '../../../support/ledgers.ts'
import {growLog} from '../../http/front.ts'

const bytes = Buffer.from('kept\n'.repeat(100))
const sha256 = createHash('sha256').update(bytes).digest('hex')
const pieces = ['one\n', 'two\nthree', '\nfour\n']

async function fill(store: Store, stateDir: string) {
  await stock(store)
  const ground = {...openFiles(stateDir), store, stateDir, isAtRest: true}
  for (const piece of pieces) await growLog({store, needs: ground as never}, '2', piece, true)
  await growLog({store, needs: ground as never}, '1', 'running\n', false)
  await ground.logs.end((await readLog(store, '2')) as never)
  await ground.artifacts.store(sha256, bytes.length, Readable.from([bytes]))
  await store.query(
    `INSERT INTO artifacts (build_id, attempt, step, name, path, bytes, sha256) VALUES (2, 2, 0, 'a', 'a', $1, $2)`,
    [bytes.length, sha256],
  )
  return ground
}

const quiet = () => undefined
const shown = ({about, text, repair: does}: Problem) => `${about}: ${text} -> ${does ?? 'left'}`

/** Breaks something, sees that it is told, repairs it, and sees that nothing is wrong any more. */
async function mended(
  t: ExecutionContext,
  ground: Awaited<ReturnType<typeof fill>>,
  told: RegExp,
  breaks: () => Promise<unknown>,
) {
  await breaks()
  const checked = await check(ground, quiet)
  t.is(checked.problems.length, 1, checked.problems.map(shown).join('\n'))
  t.regex(shown(checked.problems[0] as Problem), told)
  await repair(ground, checked, quiet)
  t.deepEqual((await check(ground, quiet)).problems.map(shown), [])
}

const shelf = ({stateDir}: Place) => join(stateDir, 'logs', '02', '2')
const fileOf = async (place: Place, end: string) =>
  join(shelf(place), (await readdir(shelf(place))).find((name) => name.endsWith(end)) ?? '')

async function overwrite(file: string, at: number, patch: Buffer): Promise<void> {
  const handle = await open(file, 'r+')
  await handle.write(patch, 0, patch.length, at)
  await handle.close()
}

async function text({store, logs}: Awaited<ReturnType<typeof fill>>, id: string): Promise<string> {
  let all = ''
  for await (const piece of logs.readText((await readLog(store, id)) as never)) all += piece.toString()
  return all
}

eachDatabase('each broken truth of the ledger is mended, or left to a person', async (t, store, place) => {
  const ground = await fill(store, place.stateDir)
  t.deepEqual((await check(ground, quiet)).problems.map(shown), [])
  for (const {check: name, sql, mended: isMended} of breakages) {
    const isTruth = (await readFindings(store, 'truth', nothingGiven)).length === 0
    t.true(isTruth, name)
    const undo = new Error('undo')
    const work = store.transaction(async (tx) => {
      // The mends run in the transaction that broke it, which is taken back.
      const inside = {...ground, store: Object.assign(Object.create(store) as Store, tx, {transaction: async (run: (tx: never) => unknown) => await run(tx as never)})} // prettier-ignore
      await tx.query(sql)
      const checked = await check(inside, quiet)
      if (isMended) t.true(checked.problems.length > 0, name)
      await repair(inside, checked, quiet)
      const left = (await check(inside, quiet)).problems
      if (isMended) t.deepEqual(left.map(shown), [], name)
      throw undo
    })
    t.is(await t.throwsAsync(work), undo, name)
    if (name === 'numbers-behind') await store.query(`SELECT setval('attempts_id_seq', 2)`)
  }
})

eachDatabase(
  'a damaged log keeps its good beginning, and a lost one says that it is gone',
  async (t, store, place) => {
    const ground = await fill(store, place.stateDir)
    const row = await readLog(store, '2')
    await mended(
      t,
      ground,
      /its file is cut off|cut off within what is committed.*keep its 13 good bytes/,
      async () => truncate(await fileOf(place, '.gz'), (row?.storedBytes ?? 0) - 2),
    )
    t.is(await text(ground, '2'), 'one\ntwo\nthree')
    await mended(t, ground, /its index is wrong at segment 1; 4 of its 13 bytes are good/, async () =>
      overwrite(await fileOf(place, '.idx'), 48, Buffer.from([9])),
    )
    t.is(await text(ground, '2'), 'one\n')
    await mended(t, ground, /segment 0|does not inflate|row has another number of crc32/, async () =>
      overwrite(await fileOf(place, '.gz'), 13, Buffer.from([0xff, 0xff])),
    )
    await store.query('UPDATE logs SET deleted = false, segments = 1, bytes = 4, lines = 1 WHERE id = 2')
    await mended(t, ground, /its files are not there; 0 of .* -> note that it is gone/, () =>
      rm(shelf(place), {recursive: true}),
    )
    t.true((await readLog(store, '2'))?.deleted)
  },
)

eachDatabase('a row that disagrees with its whole log is set right by the files', async (t, store, place) => {
  const ground = await fill(store, place.stateDir)
  await mended(t, ground, /log 2 .*its row has another number of crc32 than its files/, () =>
    store.query('UPDATE logs SET crc32 = 1 WHERE id = 2'),
  )
  t.is(await text(ground, '2'), pieces.join(''))
})

eachDatabase(
  'an artifact with other bytes is set aside, and its row says that it is gone',
  async (t, store, place) => {
    const ground = await fill(store, place.stateDir)
    const name = join(sha256.slice(0, 2), sha256)
    await mended(t, ground, /artifact .*: its file holds other bytes than its name says/, () =>
      overwrite(join(place.stateDir, 'artifacts', name), 3, Buffer.from('X')),
    )
    t.is((await readFile(join(place.stateDir, 'lost+found', 'artifacts', name))).length, bytes.length)
    t.deepEqual(await store.query('SELECT deleted FROM artifacts'), [{deleted: true}])
  },
)

eachDatabase(
  'files that no row names are set aside, and what was never finished is removed',
  async (t, store, place) => {
    const ground = await fill(store, place.stateDir)
    const stray = join('logs', '07', '7')
    await mkdir(join(place.stateDir, stray), {recursive: true})
    await mended(t, ground, /logs\/07\/7\/0-x.gz is named by no row -> move it into lost\+found/, () =>
      writeFile(join(place.stateDir, stray, '0-x.gz'), 'bytes'),
    )
    t.is(await readFile(join(place.stateDir, 'lost+found', stray, '0-x.gz'), 'utf8'), 'bytes')
    await mended(t, ground, /artifacts\/partial\/u was begun and never finished -> remove it/, () =>
      writeFile(join(place.stateDir, 'artifacts', 'partial', 'u'), 'x'),
    )
    await mended(t, ground, /backup-abc was begun and never finished/, () =>
      mkdir(join(place.stateDir, 'backup-abc')),
    )
    const other = 'ab'.repeat(32)
    await mkdir(join(place.stateDir, 'artifacts', 'ab'))
    await writeFile(join(place.stateDir, 'artifacts', 'ab', other), 'x')
    t.deepEqual((await check(ground, quiet)).problems.map(shown), [], 'an open build may be about to name it')
    await store.query(`UPDATE attempts SET state = 'finished'`)
    t.true(
      (await check(ground, quiet)).problems.some(({text: said}) =>
        said.includes(`${other} is named by no row`),
      ),
    )
  },
)

eachDatabase(
  'nothing is repaired while masters run, and nothing when most files are missing',
  async (t, store, place) => {
    const ground = await fill(store, place.stateDir)
    await store.query(`UPDATE requests SET waiting = '[]' WHERE id = 1`)
    const live = {...ground, isAtRest: false}
    const checked = await check(live, quiet)
    t.deepEqual(
      checked.problems.map(({mend}) => mend),
      [null],
    )
    await store.query(`UPDATE requests SET waiting = DEFAULT WHERE id = 1`)
    for (const room of ['logs', 'artifacts']) await rm(join(place.stateDir, room), {recursive: true})
    t.regex(
      suspicion(await check(ground, quiet)) ?? '',
      /3 of 3 logs and artifacts cannot be read: is this the right state/,
    )
  },
)
