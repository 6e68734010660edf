// The tar format (ustar, with GNU's large sizes), written and read as streams: what a backup is packed in, so that any
// tar lists it. Everything read passes a running SHA-256, by which an archive proves that it is whole.
import {createHash} from 'node:crypto'

const blockBytes = 512
const nothing = Buffer.alloc(0)

/** What is wrong with an archive that cannot be used. */
export class BadArchive extends Error {
  override readonly name = 'BadArchive'
}

/** The header of a file in the archive. */
export function tarHeader(name: string, size: number, atMs: number): Buffer {
  const header = Buffer.alloc(blockBytes)
  if (Buffer.byteLength(name) > 99) throw new Error(`a name in the archive is too long: ${name}`)
  header.write(name, 0)
  header.write('0000600\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  if (size < 8 ** 11) header.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  else {
    header[124] = 0x80
    header.writeBigUInt64BE(BigInt(size), 128)
  }
  header.write(
    `${Math.floor(atMs / 1000)
      .toString(8)
      .padStart(11, '0')}\0`,
    136,
  )
  header.write('0ustar\x0000', 156)
  header.copyWithin(257, 157, 165)
  header.fill(0, 157, 165)
  header.write(`${checksum(header).toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

/** What fills a file up to the next block. */
export const tarPadding = (size: number): Buffer =>
  Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes)

/** The end of an archive. */
export const tarEnd: Buffer = Buffer.alloc(2 * blockBytes)

export interface TarEntry {
  readonly name: string
  readonly size: number
  /** Must be read, if at all, before the next entry is asked for. */
  readonly body: AsyncIterable<Buffer>
  /** The SHA-256 of everything before this entry. */
  readonly before: string
}

/** The entries of an archive, in order. Throws BadArchive for what is no archive, or ends before its end. */
export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  const bytes = new Bytes(source)
  for (;;) {
    const before = bytes.digest()
    const header = await bytes.take(blockBytes)
    if (header.every((byte) => byte === 0)) return
    const {name, size} = parseHeader(header)
    let left = size
    async function* body() {
      while (left > 0) {
        const piece = await bytes.some(left)
        left -= piece.length
        yield piece
      }
    }
    yield {name, size, before, body: body()}
    while (left > 0) left -= (await bytes.some(left)).length
    await bytes.take(tarPadding(size).length)
  }
}

function parseHeader(header: Buffer): {name: string; size: number} {
  const field = (from: number, to: number) => header.toString('latin1', from, to).replace(/[\0 ].*$/s, '')
  const sum = parseInt(field(148, 156), 8)
  if (field(257, 262) !== 'ustar' || sum !== checksum(header))
    throw new BadArchive('it is not a tar archive, or it was altered')
  const size = header[124] === 0x80 ? Number(header.readBigUInt64BE(128)) : parseInt(field(124, 136), 8)
  if (!Number.isSafeInteger(size)) throw new BadArchive('it was altered: a file in it has no size')
  return {name: header.toString('utf8', 0, header.indexOf(0)), size}
}

/** The sum of a header's bytes, its own field counted as spaces. */
function checksum(header: Buffer): number {
  let sum = 8 * 32
  for (const [at, byte] of header.entries()) if (at < 148 || at >= 156) sum += byte
  return sum
}

/** A stream read by pieces of wanted size. */
class Bytes {
  readonly #source: AsyncIterator<Buffer>
  readonly #hash = createHash('sha256')
  #held: Buffer = nothing
  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  digest(): string {
    return this.#hash.copy().digest('hex')
  }

  /** Between one byte and `most`. */
  async some(most: number): Promise<Buffer> {
    if (this.#held.length === 0) {
      const next = await this.#source.next()
      if (next.done) throw new BadArchive('it is cut off before its end')
      this.#held = next.value
      return await this.some(most)
    }
    const piece = this.#held.subarray(0, most)
    this.#held = this.#held.subarray(piece.length)
    this.#hash.update(piece)
    return piece
  }

  async take(count: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    for (let left = count; left > 0;) {
      const piece = await this.some(left)
      pieces.push(piece)
      left -= piece.length
    }
    return Buffer.concat(pieces)
  }
}
