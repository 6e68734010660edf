// Which old backups go when a new one is there, and what a directory of backups refuses.
import {mkdtempSync, readdirSync, rmSync, statfsSync, truncateSync, utimesSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import {backupName, outdated, placeFor, rotate} from '../../../master/cli/rotation.ts'

const day = (n: number, isWhole = true) => backupName(new Date(Date.UTC(2026, 10, n, 2, 30)), isWhole)

test('the newest whole ones are kept, as many as asked, and what is not whole goes with what is older', (t) => {
  const names = [day(1), day(2), day(3, false), day(4), day(5, false), day(6)]
  t.deepEqual(outdated(names, 2, day(6)), [day(1), day(2), day(3, false)])
  t.deepEqual(outdated(names, 1, day(6)), [day(1), day(2), day(3, false), day(4), day(5, false)])
  t.deepEqual(outdated(names, 9, day(6)), [])
})

test('one that is not whole costs no other', (t) => {
  t.deepEqual(outdated([day(1), day(2), day(3), day(4, false)], 1, day(4, false)), [])
})

test("others' files are never named", (t) => {
  t.deepEqual(
    outdated(['ostler.tar', 'ostler-20200101T000000Z.tar.gpg', 'notes', 'x-20200101T000000Z.tar'], 1, day(1)),
    [],
  )
})

test('whatever the clock said, the one just made stays, and of the whole ones as many as asked', (t) => {
  const names = fc.uniqueArray(
    fc.tuple(fc.integer({min: 1, max: 400}), fc.boolean()).map(([n, isWhole]) => day(n, isWhole)),
    {minLength: 1, maxLength: 12},
  )
  fc.assert(
    fc.property(names, fc.nat(), fc.integer({min: 1, max: 5}), (all, at, keep) => {
      const made = all[at % all.length] ?? ''
      const gone = outdated(all, keep, made)
      const left = all.filter((name) => !gone.includes(name))
      const whole = (list: readonly string[]) => list.filter((name) => !name.includes('incomplete')).length
      t.true(left.includes(made))
      t.true(whole(left) >= Math.min(keep, whole(all)))
      if (!made.includes('incomplete')) t.is(whole(left), Math.min(keep, whole(all)))
    }),
  )
})

test('a directory that is none is told, and one with less room than the last backup took', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'ostler-rotation-'))
  t.teardown(() => rmSync(directory, {recursive: true}))
  const now = new Date(Date.UTC(2026, 10, 22))
  await t.throwsAsync(placeFor(join(directory, 'none'), now), {message: /none cannot take backups: ENOENT/})
  t.is(await placeFor(directory, now), join(directory, 'ostler-20261122T000000Z.tar'))
  const {bavail, bsize} = statfsSync(directory)
  writeFileSync(join(directory, day(1)), '')
  // Only its length is large: a file of holes.
  truncateSync(join(directory, day(1)), bavail * bsize)
  await t.throwsAsync(placeFor(directory, now), {message: /MiB free, and one like the last wants \d+ MiB/})
})

test('what a killed backup left goes after a day, and what is being written stays', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'ostler-rotation-'))
  t.teardown(() => rmSync(directory, {recursive: true}))
  const [old, fresh] = [`${day(1)}.17.partial`, `${day(2)}.18.partial`]
  for (const name of [old, fresh, 'mine.partial']) writeFileSync(join(directory, name), '')
  for (const name of [old, 'mine.partial']) utimesSync(join(directory, name), 0, 0)
  await placeFor(directory, new Date())
  t.deepEqual(readdirSync(directory).sort(), ['mine.partial', fresh])
  t.deepEqual(await rotate(directory, 1, day(3)), [])
})
