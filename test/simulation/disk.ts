// The workers' disks: files in memory, reached by the real code through `node:fs`. While a seed runs, what a worker
// writes may find the disk full, and may be torn by a crash in the middle of a write.
import fs from 'node:fs'
import {syncBuiltinESMExports} from 'node:module'
import type {Clockwork, Node} from './clockwork.ts'
import {Files, filesFrom} from './files.ts'

/** What may happen to one worker's disk. */
export interface DiskFate {
  isFull: boolean
  /** How likely a crash is, for each write. */
  crashInWrite: number
}

/** The workers' disks are below this directory, which is on no real one. */
export const disksRoot = '/simulated-disks'

const free = {blocks: 2 ** 20, bsize: 4096}

export class Disks {
  tornWrites = 0
  fullWrites = 0
  readonly files = new Files()
  private readonly clock: Clockwork
  private readonly fates = new Map<Node, DiskFate>()
  private readonly owners = new Map<number, Node>()

  constructor(clock: Clockwork) {
    this.clock = clock
  }

  fateOf(node: Node): DiskFate {
    const fate = this.fates.get(node) ?? {isFull: false, crashInWrite: 0}
    this.fates.set(node, fate)
    return fate
  }

  /** The kernel closes what a process had open. */
  closeAll(node: Node): void {
    for (const [file, owner] of this.owners)
      if (owner === node) {
        this.files.closeSync(file)
        this.owners.delete(file)
      }
  }

  /** Puts these disks under `node:fs`. Returns how to undo it. */
  install(): () => void {
    patch()
    use(this)
    return () => use(null)
  }

  open(path: string, flags: 'r+' | 'w+'): number {
    const node = this.owner()
    const file = this.files.openSync(path, flags)
    if (node) this.owners.set(file, node)
    return file
  }

  close(file: number): void {
    const node = this.owner()
    if (node && this.owners.get(file) !== node) return
    this.owners.delete(file)
    this.files.closeSync(file)
  }

  write(file: number, bytes: Uint8Array, from: number, length: number, at: number): number {
    const written = this.torn(length)
    if (written === null) return this.files.writeSync(file, bytes, from, length, at)
    this.files.writeSync(file, bytes, from, written.bytes, at)
    throw written.error
  }

  writeFile(path: string, data: string | Uint8Array): void {
    // Its size is what counts of the reserve, and the room is the model's.
    if (path.endsWith('/reserve')) return this.files.writeFileSync(path, '')
    const written = this.torn(data.length)
    if (written === null) return this.files.writeFileSync(path, data)
    this.files.writeFileSync(path, Buffer.from(data as Uint8Array).subarray(0, written.bytes))
    throw written.error
  }

  freeBlocks(): number {
    const node = this.owner()
    return node && this.fateOf(node).isFull ? 1 : free.blocks
  }

  /** What a dead process's code still does must not reach the disk. */
  mustLive(): void {
    const node = this.owner()
    if (node && !node.isAlive) throw dead()
  }

  /** Takes a directory away; a crash leaves some of it. */
  remove(path: string, options: fs.RmOptions): void {
    this.mustLive()
    const node = this.owner()
    if (node?.random.chance(this.fateOf(node).crashInWrite)) {
      for (const name of this.files.readdirSync(path, false).filter(() => node.random.chance(0.5)))
        this.files.rmSync(`${path}/${name}`, {recursive: true, force: true})
      this.clock.crash(node, 'while it removed an attempt')
      throw dead()
    }
    this.files.rmSync(path, options)
  }

  /** The worker that acts now; null for the world itself. */
  private owner(): Node | null {
    const node = this.clock.current
    return node && this.fates.has(node) ? node : null
  }

  /** How much of a write is done, and the error it ends with; null when all goes well. */
  private torn(length: number): {bytes: number; error: Error} | null {
    const node = this.owner()
    if (!node) return null
    if (!node.isAlive) return {bytes: 0, error: dead()}
    const {isFull, crashInWrite} = this.fateOf(node)
    if (isFull) {
      this.fullWrites++
      const error = Object.assign(new Error('ENOSPC: no space left on device, write'), {code: 'ENOSPC'})
      return {bytes: node.random.whole(0, Math.max(0, length - 1)), error}
    }
    if (!node.random.chance(crashInWrite)) return null
    this.tornWrites++
    this.clock.crash(node, 'in the middle of a write')
    return {bytes: node.random.whole(0, length), error: dead()}
  }
}

const dead = () => new Error('the process that did this is dead')

/** The disks of the seed that runs. */
let current: Disks | null = null
const use = (disks: Disks | null) => (current = disks)
let isPatched = false

const at = (where: unknown): Disks | null =>
  current && (typeof where === 'number' ? where >= filesFrom : String(where).startsWith(disksRoot))
    ? current
    : null

/**
 * Once for the process, since it is dear: `node:fs` as it is, but for what lies on the disks of a seed. What the worker's
 * code does not use yet is not here, and finds nothing.
 */
function patch(): void {
  if (isPatched) return
  isPatched = true
  const real = {...fs}
  const recursive = (options: unknown) => (options as {recursive?: boolean} | undefined)?.recursive ?? false
  type Writable = 'r+' | 'w+'
  Object.assign(fs, {
    openSync: (path: string, flags: string, mode?: number) =>
      at(path)?.open(path, flags as Writable) ?? real.openSync(path, flags, mode),
    closeSync: (file: number) => (at(file) ?? {close: real.closeSync}).close(file),
    readSync: (...given: [number, Buffer, number, number, number]) =>
      (at(given[0])?.files ?? real).readSync(...given),
    writeSync: (...given: [number, Buffer, number, number, number]) =>
      at(given[0])?.write(...given) ?? real.writeSync(...given),
    fstatSync: (file: number) => (at(file)?.files ?? real).fstatSync(file),
    ftruncateSync(file: number, size: number) {
      const disks = at(file)
      disks?.mustLive()
      ;(disks?.files ?? real).ftruncateSync(file, size)
    },
    existsSync: (path: string) => (at(path)?.files ?? real).existsSync(path),
    readFileSync(path: string, options?: BufferEncoding) {
      const bytes = at(path)?.files.readFileSync(path)
      if (!bytes) return real.readFileSync(path, options)
      return options ? bytes.toString(options) : bytes
    },
    writeFileSync(path: string, data: string | Uint8Array, options?: fs.WriteFileOptions) {
      const disks = at(path)
      if (disks) disks.writeFile(path, data)
      else real.writeFileSync(path, data, options)
    },
    mkdirSync(path: string, options?: fs.MakeDirectoryOptions) {
      const disks = at(path)
      disks?.mustLive()
      return disks ? disks.files.mkdirSync(path, recursive(options)) : real.mkdirSync(path, options)
    },
    readdirSync: (path: string, options?: {encoding: 'utf8'}) =>
      at(path)?.files.readdirSync(path, recursive(options)) ?? real.readdirSync(path, options),
    renameSync(from: string, to: string) {
      const disks = at(from)
      disks?.mustLive()
      ;(disks?.files ?? real).renameSync(from, to)
    },
    rmSync(path: string, options: fs.RmOptions = {}) {
      const disks = at(path)
      disks?.mustLive()
      ;(disks?.files ?? real).rmSync(path, options)
    },
    statfsSync: (path: string) =>
      at(path) ? {bavail: at(path)?.freeBlocks(), bsize: free.bsize} : real.statfsSync(path),
  })
  const {rm} = fs.promises
  fs.promises.rm = async (path, options) => {
    const disks = at(path)
    if (disks) disks.remove(String(path), options ?? {})
    else await rm(path, options)
  }
  syncBuiltinESMExports()
}
