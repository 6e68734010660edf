// A backup as a file: a tar archive of
//   ostler-backup.json     what made it, when, and the tables it holds
//   tables/NAME/000001.gz  their rows, a JSON list of texts a line
//   logs/ID/000001         a log's segments as the worker sent them, each after 12 bytes: its text's bytes and lines, its length
//   artifacts/SHA256       what builds kept
//   contents.json          what all that should come to
//   seal.json              the SHA-256 of all before it: without it, an archive is not whole
import {createHash} from 'node:crypto'
import {createReadStream} from 'node:fs'
import {promisify} from 'node:util'
import {gunzip, gzip} from 'node:zlib'
import type {NewSegment} from '../logs.ts'
import type {Table} from './tables.ts'
import {BadArchive, readTar, tarEnd, tarHeader, tarPadding, type TarEntry} from './tar.ts'

export const formatNow = 1
export const names = {manifest: 'ostler-backup.json', contents: 'contents.json', seal: 'seal.json'} as const

export interface Manifest {
  readonly format: number
  /** The version of Ostler that made it. */
  readonly version: string
  readonly madeAt: string
  readonly engine: string
  /** The names of the migrations that the database had. */
  readonly migrations: readonly string[]
  readonly tables: readonly Table[]
}

/** What could not be read when the backup was made, and is not in it. */
export interface Missing {
  readonly what: 'log' | 'artifact'
  readonly id: string
  readonly why: string
}

export interface Contents {
  readonly rows: Readonly<Record<string, number>>
  readonly logs: number
  readonly artifacts: number
  /** Where each table's numbers stood. */
  readonly numbers: Readonly<Record<string, string>>
  readonly missing: readonly Missing[]
}

export interface Entry {
  readonly name: string
  readonly size: number
  readonly body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

export const entryOf = (name: string, bytes: Uint8Array): Entry => ({name, size: bytes.length, body: [bytes]})
export const jsonEntry = (name: string, value: object): Entry =>
  entryOf(name, Buffer.from(`${JSON.stringify(value, null, 1)}\n`))

/** The bytes of an archive of these entries, sealed. */
export async function* archiveOf(entries: AsyncIterable<Entry>, atMs: number): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let count = 0
  const hashed = <Bytes extends Uint8Array>(bytes: Bytes) => {
    hash.update(bytes)
    return bytes
  }
  for await (const entry of entries) {
    for await (const bytes of packed(entry, atMs)) yield hashed(bytes)
    count++
  }
  yield* packed(jsonEntry(names.seal, {sha256: hash.digest('hex'), entries: count}), atMs)
  yield tarEnd
}

async function* packed({name, size, body}: Entry, atMs: number): AsyncGenerator<Uint8Array> {
  yield tarHeader(name, size, atMs)
  let seen = 0
  for await (const bytes of body) {
    seen += bytes.length
    if (seen > size) break
    yield bytes
  }
  if (seen !== size) throw new Error(`${name} changed while it was read: ${String(size)} bytes were expected`)
  yield tarPadding(size)
}

/** The entries of a backup's file. */
export const readEntries = (file: string): AsyncGenerator<TarEntry> =>
  readTar(createReadStream(file, {highWaterMark: 256 * 1024}) as AsyncIterable<Buffer>)

/** Reads the whole file once; answers what it holds, or throws BadArchive when it is not as it was written. */
export async function verifyArchive(file: string): Promise<{manifest: Manifest; contents: Contents}> {
  let manifest: Manifest | null = null
  let contents: Contents | null = null
  let isSealed = false
  let count = 0
  for await (const entry of readEntries(file)) {
    if (manifest === null && entry.name !== names.manifest)
      throw new BadArchive('it is not a backup of Ostler')
    if (entry.name === names.seal) {
      const seal = (await jsonOf(entry)) as {sha256?: string; entries?: number}
      if (seal.sha256 !== entry.before || seal.entries !== count)
        throw new BadArchive('it was altered: its content is not what was sealed')
      isSealed = true
      continue
    }
    if (isSealed) throw new BadArchive('it was altered: something follows its seal')
    count++
    if (entry.name === names.manifest) manifest = (await jsonOf(entry)) as Manifest
    if (entry.name === names.contents) contents = (await jsonOf(entry)) as Contents
  }
  if (!isSealed || manifest === null || contents === null)
    throw new BadArchive('it is cut off before its end')
  return {manifest, contents}
}

/** All bytes of an entry; for those that are written in parts only. */
export async function bytesOf(entry: TarEntry): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of entry.body) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function jsonOf(entry: TarEntry): Promise<unknown> {
  try {
    return JSON.parse((await bytesOf(entry)).toString())
  } catch (error) {
    if (error instanceof BadArchive) throw error
    throw new BadArchive(`it was altered: ${entry.name} is not JSON`)
  }
}

export const packLines = async (lines: readonly string[]): Promise<Buffer> =>
  await promisify(gzip)(lines.join('\n'), {level: 3})
export const unpackLines = async (bytes: Buffer): Promise<string[]> =>
  (await promisify(gunzip)(bytes)).toString().split('\n')

const segmentHead = 16

export function packSegments(segments: readonly NewSegment[]): Buffer {
  return Buffer.concat(
    segments.flatMap(({bytes, lines, crc32, body}) => {
      const head = Buffer.alloc(segmentHead)
      head.writeUInt32LE(bytes, 0)
      head.writeUInt32LE(lines, 4)
      head.writeUInt32LE(body.length, 8)
      head.writeUInt32LE(crc32, 12)
      return [head, body]
    }),
  )
}

export function unpackSegments(packed: Buffer): NewSegment[] {
  const segments: NewSegment[] = []
  for (let at = 0; at < packed.length;) {
    const end = at + segmentHead + packed.readUInt32LE(at + 8)
    const body = packed.subarray(at + segmentHead, end)
    const [bytes, lines, crc32] = [0, 4, 12].map((field) => packed.readUInt32LE(at + field)) as [
      number,
      number,
      number,
    ]
    segments.push({bytes, lines, crc32, body})
    at = end
  }
  return segments
}
