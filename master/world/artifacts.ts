// Artifacts on disk, of this host or shared by several, by the SHA-256 of their content: the same bytes are stored once, and a name from a worker is
// never part of a path. A file appears under its name whole or not at all.
import {createHash, randomUUID} from 'node:crypto'
import {createWriteStream} from 'node:fs'
import {mkdir, open, readdir, rename, rm, stat, utimes} from 'node:fs/promises'
import path from 'node:path'
import type {Readable} from 'node:stream'
import {pipeline} from 'node:stream/promises'

/** The bytes that came are not those that were announced. */
export class ArtifactMismatch extends Error {
  override readonly name = 'ArtifactMismatch'
}

/** The doors of a store of artifacts: files of this host or of several, or objects of a store. */
export interface Artifacts {
  /** The size of stored content, or null. */
  size(sha256: string): Promise<number | null>
  /** Stores a stream. Throws ArtifactMismatch, and keeps nothing, when its hash or length is not as announced. */
  store(sha256: string, bytes: number, body: Readable): Promise<void>
  /** A stream of stored content, from byte `start` to `end` inclusive. */
  read(sha256: string, range?: {start: number; end: number}): Promise<Readable>
  /** Whether content of this hash and size is stored already; then it counts as new, since somebody is about to name it. */
  claim(sha256: string, bytes: number): Promise<boolean>
  /** Removes content that nothing keeps, and uploads that broke off, when they are older than `youngMs`. */
  sweep(kept: (hashes: readonly string[]) => Promise<ReadonlySet<string>>, youngMs: number): Promise<void>
  remove(sha256: string): Promise<void>
}

export const sha256Pattern = /^[0-9a-f]{64}$/

/** Content as it was announced, measured while it passes. */
export class Announced {
  readonly #sha256: string
  readonly #bytes: number
  readonly #hash = createHash('sha256')
  #seen = 0

  constructor(sha256: string, bytes: number) {
    this.#sha256 = sha256
    this.#bytes = bytes
  }

  /** Passes a stream on. Throws ArtifactMismatch as soon as it is too long. */
  async *measure(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of body) {
      this.#seen += chunk.length
      this.#hash.update(chunk)
      if (this.#seen > this.#bytes)
        throw new ArtifactMismatch(`more than the ${String(this.#bytes)} bytes announced`)
      yield chunk
    }
  }

  /** Throws ArtifactMismatch when what passed is not what was announced. */
  check(): void {
    if (this.#seen !== this.#bytes)
      throw new ArtifactMismatch(`${String(this.#seen)} bytes came, ${String(this.#bytes)} were announced`)
    if (this.#hash.digest('hex') !== this.#sha256)
      throw new ArtifactMismatch('the SHA-256 is not the one announced')
  }
}

export class ArtifactFiles implements Artifacts {
  readonly #root: string
  constructor(root: string) {
    this.#root = root
  }

  async size(sha256: string): Promise<number | null> {
    const found = await stat(this.#path(sha256)).catch(() => null)
    return found?.size ?? null
  }

  async store(sha256: string, bytes: number, body: Readable): Promise<void> {
    const file = this.#path(sha256)
    const partial = path.join(this.#root, 'partial', randomUUID())
    await mkdir(path.dirname(file), {recursive: true})
    await mkdir(path.dirname(partial), {recursive: true})
    const announced = new Announced(sha256, bytes)
    try {
      const written = createWriteStream(partial, {flags: 'wx', mode: 0o640, flush: true})
      await pipeline(announced.measure(body), written)
      announced.check()
      await rename(partial, file)
    } finally {
      await rm(partial, {force: true})
    }
  }

  async read(sha256: string, range?: {start: number; end: number}): Promise<Readable> {
    const file = await open(this.#path(sha256))
    return file.createReadStream(range)
  }

  async claim(sha256: string, bytes: number): Promise<boolean> {
    if ((await this.size(sha256)) !== bytes) return false
    const now = new Date()
    return await utimes(this.#path(sha256), now, now).then(
      () => true,
      () => false,
    )
  }

  async sweep(
    kept: (hashes: readonly string[]) => Promise<ReadonlySet<string>>,
    youngMs: number,
  ): Promise<void> {
    for (const shelf of await readdir(this.#root).catch(() => [])) {
      const names = await readdir(path.join(this.#root, shelf))
      const live = shelf === 'partial' ? new Set<string>() : await kept(names)
      for (const name of names.filter((each) => !live.has(each))) {
        const file = path.join(this.#root, shelf, name)
        const found = await stat(file).catch(() => null)
        if (found && Date.now() - found.mtimeMs > youngMs) await rm(file, {force: true})
      }
    }
  }

  async remove(sha256: string): Promise<void> {
    await rm(this.#path(sha256), {force: true})
  }

  #path(sha256: string): string {
    if (!sha256Pattern.test(sha256)) throw new ArtifactMismatch('not a SHA-256')
    return path.join(this.#root, sha256.slice(0, 2), sha256)
  }
}
