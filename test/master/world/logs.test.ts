import {gunzipSync} from 'node:zlib'
import fc from 'fast-check'
import {appendAll, appendEach, collect, emptyLog, textBytes} from '../../support/log-texts.ts'
import {eachSharedShelf, eachShelf} from '../../support/shelves.ts'

eachShelf('a log is one gzip member at every moment, and any of its lines can be read', async (t, place) => {
  const {logs} = await place.open()
  let attempt = 1
  await fc.assert(
    fc.asyncProperty(
      fc.array(textBytes, {minLength: 1, maxLength: 8}),
      fc.nat(40),
      fc.nat(5),
      async (texts, from, count) => {
        const log = await appendEach(logs, emptyLog(String(attempt++)), texts)
        const whole = Buffer.concat(texts)
        if (!gunzipSync(await collect(logs.readGzip(log))).equals(whole)) return false
        const lines = whole.toString('latin1').split(/(?<=\n)/)
        const wanted = lines.slice(from, from + count).join('')
        const {text} = await logs.readLines(log, from, count)
        return text.toString('latin1') === wanted
      },
    ),
    {numRuns: 60},
  )
  t.pass()
})

eachShelf('a log can be read from any byte on, also after it was packed', async (t, place) => {
  const {logs} = await place.open()
  const texts = Array.from({length: 30}, (_, n) => Buffer.from(`line ${String(n)}\n`.repeat(n)))
  const whole = Buffer.concat(texts)
  const log = {...(await appendEach(logs, emptyLog('1'), texts.slice(1))), complete: true}
  await logs.end(log)
  for (const state of ['in pieces', 'packed'] as const) {
    const reader = (await place.open()).logs
    for (const offset of [0, 1, 7, 100, 999, whole.length - 1, whole.length])
      t.true((await collect(reader.readFrom(log, offset))).equals(whole.subarray(offset)), state)
    t.true((await collect(reader.readText(log))).equals(whole), state)
    t.is(await reader.offsetOfLine(log, 2), 'line 1\nline 2\n'.length, state)
    await logs.pack(log)
  }
})

eachShelf('bytes of a write that was never committed are written over', async (t, place) => {
  const {logs} = await place.open()
  const first = await appendEach(logs, emptyLog('1'), [Buffer.from('one\n')])
  await appendEach(logs, first, [Buffer.from('lost, since its transaction failed\n'.repeat(50))])
  await appendEach(logs, first, [Buffer.from('x')])
  const log = await appendEach(logs, first, [Buffer.from('two\n')])
  await logs.end(log)
  const reader = (await place.open()).logs
  t.is(gunzipSync(await collect(reader.readGzip(log))).toString(), 'one\ntwo\n')
  await logs.pack(log)
  t.is(gunzipSync(await collect(reader.readGzip(log))).toString(), 'one\ntwo\n')
})

eachShelf('a line that spans segments without a line feed is found whole', async (t, place) => {
  const {logs} = await place.open()
  const log = await appendEach(
    logs,
    emptyLog('1'),
    ['a\nb', 'c', 'd', 'e\nf\n'].map((text) => Buffer.from(text)),
  )
  t.is((await logs.readLines(log, 1, 1)).text.toString(), 'bcde\n')
  t.is((await logs.readLines(log, 2, 9)).text.toString(), 'f\n')
})

eachShelf('search tells line numbers, whatever the case and wherever segments are cut', async (t, place) => {
  const {logs} = await place.open()
  const log = await appendEach(
    logs,
    emptyLog('1'),
    ['fine\nERR', 'OR: x\nfine\nerror\n'].map((text) => Buffer.from(text)),
  )
  t.deepEqual(await logs.search(log, 'error', 0, 10), [1, 3])
})

eachShelf('an empty log is an empty gzip member without lines', async (t, place) => {
  const {logs} = await place.open()
  t.is(gunzipSync(await collect(logs.readGzip(emptyLog('9')))).length, 0)
  t.is((await logs.readLines(emptyLog('9'), 0, 10)).text.length, 0)
  await logs.pack(emptyLog('9'))
})

eachShelf('what is removed is gone, and what is beside it is not', async (t, place) => {
  const {logs} = await place.open()
  const one = await appendEach(logs, emptyLog('1'), [Buffer.from('one\n')])
  const other = await appendEach(logs, {...emptyLog('1'), name: 'other'}, [Buffer.from('other\n')])
  // 257 lies on the same shelf, 11 begins like 1.
  const beside = await appendEach(logs, emptyLog('257'), [Buffer.from('beside\n')])
  const alike = await appendEach(logs, emptyLog('11'), [Buffer.from('alike\n')])
  await logs.remove(one)
  const reader = (await place.open()).logs
  await t.throwsAsync(collect(reader.readText(one)))
  t.is((await collect(reader.readText(other))).toString(), 'other\n')
  await logs.removeAttempt('1')
  await t.throwsAsync(collect((await place.open()).logs.readText(other)))
  t.is((await collect(reader.readText(beside))).toString(), 'beside\n')
  t.is((await collect(reader.readText(alike))).toString(), 'alike\n')
  await logs.removeAttempt('1')
})

eachSharedShelf(
  'an attempt that moves between masters goes on in the same log, byte by byte',
  async (t, place) => {
    const masters = [(await place.open()).logs, (await place.open()).logs] as const
    const texts = Array.from({length: 40}, (_, n) => Buffer.from(`line ${String(n)} ${'.'.repeat(n)}\n`))
    let log = emptyLog('1')
    for (let at = 0; at < texts.length; at += 4) {
      const [now, before] = at % 8 === 0 ? masters : [masters[1], masters[0]]
      const row = log
      log = await appendAll(now, row, texts.slice(at, at + 4))
      // The one whose worker has left wrote what it had got of this, or does so late; its transaction fails.
      await appendAll(before, row, texts.slice(at, at + 2))
      for (const reader of masters)
        t.true((await collect(reader.readText(log))).equals(Buffer.concat(texts.slice(0, at + 4))))
    }
    await masters[0].end(log)
    await masters[0].pack(log)
    await appendAll(masters[1], {...emptyLog('1')}, texts.slice(0, 3))
    for (const reader of masters)
      t.true(gunzipSync(await collect(reader.readGzip(log))).equals(Buffer.concat(texts)))
  },
)
