import {createHash} from 'node:crypto'
import {Readable} from 'node:stream'
import {setTimeout as sleep} from 'node:timers/promises'
import {ArtifactMismatch} from '../../../master/world/artifacts.ts'
import {collect} from '../../support/log-texts.ts'
import {eachShelf, eachSharedShelf} from '../../support/shelves.ts'

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
/** Of a size that an object store takes in parts. */
const large = Buffer.from(Array.from({length: 20_000_003}, (_, n) => (n * 31 + (n >> 11)) % 256))
/** As bytes come over the wire. */
const stream = (bytes: Buffer) =>
  Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += 65_521) yield bytes.subarray(at, at + 65_521)
    })(),
  )

eachShelf('content is stored under its hash and read whole or in part', async (t, place) => {
  const {artifacts} = await place.open()
  for (const bytes of [Buffer.from('small'), large]) {
    t.is(await artifacts.size(sha(bytes)), null)
    await artifacts.store(sha(bytes), bytes.length, stream(bytes))
    t.is(await artifacts.size(sha(bytes)), bytes.length)
    t.true((await collect(await artifacts.read(sha(bytes)))).equals(bytes))
    const part = await collect(await artifacts.read(sha(bytes), {start: 1, end: bytes.length - 2}))
    t.true(part.equals(bytes.subarray(1, -1)))
  }
  const nothing = Buffer.alloc(0)
  await artifacts.store(sha(nothing), 0, stream(nothing))
  t.is(await artifacts.size(sha(nothing)), 0)
})

eachShelf('content that is not what was announced leaves nothing behind', async (t, place) => {
  const {artifacts} = await place.open()
  for (const bytes of [Buffer.from('small'), large]) {
    const other = Buffer.concat([bytes.subarray(0, -1), Buffer.from([bytes.at(-1) === 7 ? 8 : 7])])
    for (const wrong of [other, bytes.subarray(0, -1), Buffer.concat([bytes, Buffer.from('x')])]) {
      const stored = artifacts.store(sha(bytes), bytes.length, stream(wrong))
      await t.throwsAsync(stored, {instanceOf: ArtifactMismatch})
      t.is(await artifacts.size(sha(bytes)), null)
    }
  }
  await t.throwsAsync(artifacts.size('../../etc/passwd'), {instanceOf: ArtifactMismatch})
})

eachShelf('an upload that breaks off leaves nothing behind', async (t, place) => {
  const {artifacts} = await place.open()
  const broken = async function* () {
    yield* stream(large.subarray(0, 12_000_000)) as AsyncIterable<Buffer>
    throw new Error('the worker is gone')
  }
  await t.throwsAsync(artifacts.store(sha(large), large.length, Readable.from(broken())), {
    message: 'the worker is gone',
  })
  t.is(await artifacts.size(sha(large)), null)
})

eachSharedShelf('what one master stores another serves', async (t, place) => {
  const [one, other] = [await place.open(), await place.open()]
  const bytes = Buffer.from('shared')
  await one.artifacts.store(sha(bytes), bytes.length, stream(bytes))
  t.true(await other.artifacts.claim(sha(bytes), bytes.length))
  t.true((await collect(await other.artifacts.read(sha(bytes)))).equals(bytes))
})

eachShelf('a sweep removes what nothing keeps and nobody is about to name', async (t, place) => {
  const {artifacts} = await place.open()
  const [kept, loose, claimed] = ['kept', 'loose', 'claimed'].map((text) => Buffer.from(text)) as [
    Buffer,
    Buffer,
    Buffer,
  ]
  for (const bytes of [kept, loose, claimed]) await artifacts.store(sha(bytes), bytes.length, stream(bytes))
  const keeps = (hashes: readonly string[]) =>
    Promise.resolve(new Set(hashes.filter((hash) => hash === sha(kept))))
  await artifacts.sweep(keeps, 60_000)
  t.is(await artifacts.size(sha(loose)), loose.length, 'it is young')
  // An object store's clock counts seconds.
  await sleep(4_000)
  t.true(await artifacts.claim(sha(claimed), claimed.length))
  t.false(await artifacts.claim(sha(claimed), 1))
  await artifacts.sweep(keeps, 2_500)
  t.is(await artifacts.size(sha(kept)), kept.length)
  t.is(await artifacts.size(sha(claimed)), claimed.length)
  t.is(await artifacts.size(sha(loose)), null)
  await sleep(4_000)
  await artifacts.sweep(keeps, 2_500)
  t.is(await artifacts.size(sha(claimed)), null)
  t.is(await artifacts.size(sha(kept)), kept.length)
})
