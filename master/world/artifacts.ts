// Artifacts on disk, by the SHA-256 of their content: the same bytes are stored once, and a name from a worker is
// never part of a path. A file appears under its name whole or not at all.
import {createHash, randomUUID} from 'node:crypto'
import {createReadStream, createWriteStream} from 'node:fs'
import type {ReadStream} from 'node:fs'
import {mkdir, readdir, rename, rm, stat, utimes} from 'node:fs/promises'
import path from 'node:path'
import {Transform} from 'node:stream'
import type {Readable} from 'node:stream'
import {pipeline} from 'node:stream/promises'

/** The bytes that came are not those that were announced. */
export class ArtifactMismatch extends Error {
  override readonly name = 'ArtifactMismatch'
}

export class ArtifactFiles {
  readonly #root: string
  constructor(root: string) {
    this.#root = root
  }

  /** The size of stored content, or null. */
  async size(sha256: string): Promise<number | null> {
    const found = await stat(this.#path(sha256)).catch(() => null)
    return found?.size ?? null
  }

  /** Stores a stream. Throws ArtifactMismatch, and keeps nothing, when its hash or length is not as announced. */
  async store(sha256: string, bytes: number, body: Readable): Promise<void> {
    const file = this.#path(sha256)
    const partial = path.join(this.#root, 'partial', randomUUID())
    await mkdir(path.dirname(file), {recursive: true})
    await mkdir(path.dirname(partial), {recursive: true})
    const hash = createHash('sha256')
    let seen = 0
    const measure = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        seen += chunk.length
        hash.update(chunk)
        if (seen > bytes) done(new ArtifactMismatch(`more than the ${String(bytes)} bytes announced`))
        else done(null, chunk)
      },
    })
    try {
      await pipeline(body, measure, createWriteStream(partial, {flags: 'wx', mode: 0o640, flush: true}))
      if (seen !== bytes)
        throw new ArtifactMismatch(`${String(seen)} bytes came, ${String(bytes)} were announced`)
      if (hash.digest('hex') !== sha256) throw new ArtifactMismatch('the SHA-256 is not the one announced')
      await rename(partial, file)
    } finally {
      await rm(partial, {force: true})
    }
  }

  /** A stream of stored content, from byte `start` to `end` inclusive. */
  read(sha256: string, range?: {start: number; end: number}): ReadStream {
    return createReadStream(this.#path(sha256), range)
  }

  /** Whether content of this hash and size is stored already; then it counts as new, since somebody is about to name it. */
  async claim(sha256: string, bytes: number): Promise<boolean> {
    if ((await this.size(sha256)) !== bytes) return false
    const now = new Date()
    return await utimes(this.#path(sha256), now, now).then(
      () => true,
      () => false,
    )
  }

  /** Removes content that nothing keeps, and uploads that broke off, when they are older than `youngMs`. */
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
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw new ArtifactMismatch('not a SHA-256')
    return path.join(this.#root, sha256.slice(0, 2), sha256)
  }
}
