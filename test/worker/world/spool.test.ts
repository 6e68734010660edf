// The journal keeps what was written, gives up what was torn, and forgets only what the master has.
import test from 'ava'
import {appendFileSync, copyFileSync, readFileSync, statSync, truncateSync} from 'node:fs'
import {join} from 'node:path'
import {Journal, split} from '../../../worker/world/spool.ts'
import type {Entry} from '../../../worker/protocol/journal.ts'
import {freshDir} from '../../support/worker-process.ts'

const noRoom = (): boolean => false
const started = (step: number): Entry => ({entry: 'stepStarted', at: 1, step, try: 1})
const segment = (offset: number, bytes: number): Entry => ({
  entry: 'segment',
  at: 1,
  step: 0,
  log: 'stdio',
  offset,
  bytes,
  lines: 0,
  crc32: 0,
})
const mark = {lines: 1, crc32: 2, part: 'out', at: 3, warnings: 0, line: ''} as const

test('a journal opened again holds what was written, and its numbers go on', (t) => {
  const path = join(freshDir(), 'journal')
  const {journal} = Journal.open(path, '7', noRoom)
  journal.append(started(0))
  journal.append(segment(0, 5), Buffer.from('12345'), mark)
  journal.close()
  const again = Journal.open(path, '7', noRoom)
  t.deepEqual(
    again.kept.map(({seq, entry}) => [seq, entry.entry]),
    [
      [1, 'stepStarted'],
      [2, 'segment'],
    ],
  )
  t.deepEqual(again.kept[1]?.mark, mark)
  again.journal.append(started(1))
  t.is(again.journal.last, 3)
  t.is(split(again.journal.frame(2) as Buffer).body.toString(), '12345')
})

test('wherever a crash tears the file, the whole records before it remain and writing goes on', (t) => {
  const dir = freshDir()
  const path = join(dir, 'journal')
  const {journal} = Journal.open(path, '7', noRoom)
  const ends = [0]
  for (let number = 0; number < 4; number++) {
    journal.append(segment(number, 1), Buffer.alloc(20, number), mark)
    ends.push(statSync(path).size)
  }
  journal.close()
  for (let cut = 0; cut <= (ends.at(-1) ?? 0); cut++) {
    const torn = join(dir, `torn${cut}`)
    copyFileSync(path, torn)
    truncateSync(torn, cut)
    const {journal: opened, kept} = Journal.open(torn, '7', noRoom)
    const whole = ends.filter((end) => end <= cut).length - 1
    t.is(kept.length, whole)
    opened.append(started(9))
    t.is(opened.last, whole + 1)
    opened.close()
    t.is(Journal.open(torn, '7', noRoom).kept.at(-1)?.entry.entry, 'stepStarted')
  }
})

test('rubbish at the end is cut off', (t) => {
  const path = join(freshDir(), 'journal')
  const {journal} = Journal.open(path, '7', noRoom)
  journal.append(started(0))
  const size = statSync(path).size
  appendFileSync(path, Buffer.from([40, 0, 0, 0, ...Buffer.alloc(40, 7)]))
  t.is(Journal.open(path, '7', noRoom).kept.length, 1)
  t.is(statSync(path).size, size)
})

test('what the master has is forgotten, what it has not can be sent again', (t) => {
  const {journal} = Journal.open(join(freshDir(), 'journal'), '7', noRoom)
  for (let number = 0; number < 5; number++) journal.append(started(number))
  journal.forget(3)
  t.is(journal.frame(3), null)
  t.true(split(journal.frame(4) as Buffer).header.includes('"seq":4'))
  journal.forget(99)
  t.deepEqual([journal.applied, journal.unappliedBytes], [5, 0])
})

test('a journal that has grown is written anew without the log bytes that the master has, and still resumes', (t) => {
  const path = join(freshDir(), 'journal')
  const {journal} = Journal.open(path, '7', noRoom)
  const body = Buffer.alloc(1024 * 1024, 1)
  journal.append(started(0))
  for (let number = 0; number < 40; number++) {
    journal.append(segment(number * body.length, body.length), body, {...mark, at: number})
    if (number < 38) journal.forget(number)
  }
  t.true(statSync(path).size < 12 * body.length)
  t.true(split(journal.frame(41) as Buffer).body.equals(body))
  journal.close()
  const again = Journal.open(path, '7', noRoom)
  t.is(again.journal.last, 41)
  t.is(again.kept[0]?.entry.entry, 'stepStarted')
  t.is(again.kept.at(-1)?.mark?.at, 39)
  t.true(split(again.journal.frame(41) as Buffer).body.equals(body))
  t.true(readFileSync(path).length > 0)
})

test('a journal that was set back goes on after what the master knows', (t) => {
  const {journal} = Journal.open(join(freshDir(), 'journal'), '7', noRoom)
  journal.append(started(0))
  journal.leap(8)
  journal.append(started(1))
  t.is(journal.last, 9)
  t.not(journal.frame(9), null)
})
