import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import path from 'node:path'
import {constants, crc32, deflateRawSync, gunzipSync} from 'node:zlib'
import test from 'ava'
import fc from 'fast-check'
import {combineCrc} from '../../../master/core/crc.ts'
import {LogFiles} from '../../../master/world/logs.ts'
import type {StoredLog} from '../../../master/world/logs.ts'

const empty = (attempt: string): StoredLog => ({
  attempt,
  step: 0,
  name: 'stdio',
  bytes: 0,
  lines: 0,
  segments: 0,
  storedBytes: 0,
  crc32: 0,
  complete: false,
})

const segmentOf = (text: Buffer) => ({
  bytes: text.length,
  lines: text.filter((byte) => byte === 10).length,
  body: deflateRawSync(text, {level: 1, finishFlush: constants.Z_FULL_FLUSH}),
})

/** Appends texts as segments, each its own write, as the stage does. */
async function write(files: LogFiles, log: StoredLog, texts: readonly Buffer[]): Promise<StoredLog> {
  let now = log
  for (const text of texts) {
    const segment = segmentOf(text)
    const storedBytes = await files.append(now, [segment], false)
    now = {
      ...now,
      storedBytes,
      bytes: now.bytes + segment.bytes,
      lines: now.lines + segment.lines,
      segments: now.segments + 1,
      crc32: combineCrc(now.crc32, crc32(text), text.length),
    }
  }
  return now
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces)
}

const files = async (t: {teardown: (f: () => Promise<void>) => void}) => {
  const root = await mkdtemp(path.join(tmpdir(), 'ostler-logs-'))
  t.teardown(() => rm(root, {recursive: true}))
  return new LogFiles(root)
}

const textBytes = fc
  .uint8Array({minLength: 1, maxLength: 60})
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte % 7 === 0 ? 10 : byte))))

test('a log is one gzip member at every moment, and any of its lines can be read', async (t) => {
  const store = await files(t)
  let attempt = 1
  await fc.assert(
    fc.asyncProperty(
      fc.array(textBytes, {minLength: 1, maxLength: 8}),
      fc.nat(40),
      fc.nat(5),
      async (texts, from, count) => {
        const log = await write(store, empty(String(attempt++)), texts)
        const whole = Buffer.concat(texts)
        if (!gunzipSync(await collect(store.readGzip(log))).equals(whole)) return false
        const lines = whole.toString('latin1').split(/(?<=\n)/)
        const wanted = lines.slice(from, from + count).join('')
        const {text} = await store.readLines(log, from, count)
        return text.toString('latin1') === wanted
      },
    ),
    {numRuns: 60},
  )
  t.pass()
})

test('bytes of a write that was never committed are written over', async (t) => {
  const store = await files(t)
  const first = await write(store, empty('1'), [Buffer.from('one\n')])
  await write(store, first, [Buffer.from('lost, since its transaction failed\n'.repeat(50))])
  const log = await write(store, first, [Buffer.from('two\n')])
  await store.end(log)
  t.is(gunzipSync(await collect(store.readGzip(log))).toString(), 'one\ntwo\n')
})

test('a line that spans segments without a line feed is found whole', async (t) => {
  const store = await files(t)
  const log = await write(
    store,
    empty('1'),
    ['a\nb', 'c', 'd', 'e\nf\n'].map((text) => Buffer.from(text)),
  )
  t.is((await store.readLines(log, 1, 1)).text.toString(), 'bcde\n')
  t.is((await store.readLines(log, 2, 9)).text.toString(), 'f\n')
})

test('search tells line numbers, whatever the case and wherever segments are cut', async (t) => {
  const store = await files(t)
  const log = await write(
    store,
    empty('1'),
    ['fine\nERR', 'OR: x\nfine\nerror\n'].map((text) => Buffer.from(text)),
  )
  t.deepEqual(await store.search(log, 'error', 0, 10), [1, 3])
})

test('an empty log is an empty gzip member without lines', async (t) => {
  const store = await files(t)
  t.is(gunzipSync(await collect(store.readGzip(empty('9')))).length, 0)
  t.is((await store.readLines(empty('9'), 0, 10)).text.length, 0)
})
