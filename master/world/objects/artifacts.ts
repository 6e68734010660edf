// Artifacts in an object store, by the SHA-256 of their content. An object appears when all its bytes have come and their
// hash is the one announced. That somebody is about to name what is there already is told by an empty object beside it,
// since an object's own time cannot be moved.
import type {Readable} from 'node:stream'
import {Announced, sha256Pattern, ArtifactMismatch, type Artifacts} from '../artifacts.ts'
import type {ObjectStore, StoredObject} from './store.ts'

const root = 'artifacts/'
const claims = 'artifact-claims/'

export class ArtifactObjects implements Artifacts {
  readonly #store: ObjectStore
  constructor(store: ObjectStore) {
    this.#store = store
  }

  async size(sha256: string): Promise<number | null> {
    return await this.#store.size(nameOf(sha256))
  }

  async store(sha256: string, bytes: number, body: Readable): Promise<void> {
    const announced = new Announced(sha256, bytes)
    await this.#store.upload(nameOf(sha256), announced.measure(body), () => announced.check())
  }

  async read(sha256: string, range?: {start: number; end: number}): Promise<Readable> {
    return await this.#store.stream(nameOf(sha256), range)
  }

  async claim(sha256: string, bytes: number): Promise<boolean> {
    if ((await this.size(sha256)) !== bytes) return false
    await this.#store.put(claims + sha256, Buffer.alloc(0))
    // A sweep that looked for the claim just before it came is about to remove the content, or has done so.
    return (await this.size(sha256)) === bytes
  }

  async sweep(
    kept: (hashes: readonly string[]) => Promise<ReadonlySet<string>>,
    youngMs: number,
  ): Promise<void> {
    const isOld = ({modifiedAt}: StoredObject) => Date.now() - modifiedAt.getTime() > youngMs
    for await (const page of this.#store.list(claims))
      await this.#store.remove(page.filter(isOld).map(({name}) => name))
    for await (const page of this.#store.list(root)) {
      const names = page.filter(isOld).map(({name}) => name.split('/').at(-1) ?? '')
      const old = names.filter((name) => sha256Pattern.test(name))
      const live = await kept(old)
      for (const hash of old)
        if (!live.has(hash) && (await this.#store.size(claims + hash)) === null) await this.remove(hash)
    }
    await this.#store.abandonUploads(root, youngMs)
  }

  async remove(sha256: string): Promise<void> {
    await this.#store.remove([nameOf(sha256)])
  }
}

function nameOf(sha256: string): string {
  if (!sha256Pattern.test(sha256)) throw new ArtifactMismatch('not a SHA-256')
  return `${root}${sha256.slice(0, 2)}/${sha256}`
}
