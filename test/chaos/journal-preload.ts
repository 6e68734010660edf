// Loaded into a worker before its own program (`node --import`): counts what it writes to journals, and kills it at the
// write it was told. Nothing of this is in the product.
import fs from 'node:fs'
import {syncBuiltinESMExports} from 'node:module'

const count = process.env['OSTLER_TEST_JOURNAL_WRITES']
const [moment, at] = (process.env['OSTLER_TEST_JOURNAL_CRASH'] ?? '').split(' ')
const write = fs.writeSync.bind(fs) as (...all: unknown[]) => number
let writes = 0

const isJournal = (file: number): boolean =>
  fs.readlinkSync(`/proc/self/fd/${String(file)}`).endsWith('/journal')

fs.writeSync = ((file: number, bytes: Buffer, offset: number, length: number, position: number) => {
  if (count === undefined || !Buffer.isBuffer(bytes) || !isJournal(file))
    return write(file, bytes, offset, length, position)
  const isLast = ++writes === Number(at)
  fs.appendFileSync(count, '.')
  const done = write(file, bytes, offset, isLast && moment === 'torn' ? length >> 1 : length, position)
  if (isLast) process.kill(process.pid, 'SIGKILL')
  return done
}) as typeof fs.writeSync
syncBuiltinESMExports()
