// The workers' disks: real files below a temporary directory, reached by the real code through `node:fs`. While a seed
// runs, what a worker writes may find the disk full, and may be torn by a crash in the middle of a write.
import fs from 'node:fs'
import {syncBuiltinESMExports} from 'node:module'
import type {Clockwork, Node} from './clockwork.ts'

/** What may happen to one worker's disk. */
export interface DiskFate {
  isFull: boolean
  /** How likely a crash is, for each write. */
  crashInWrite: number
}

const free = {blocks: 2 ** 20, bsize: 4096}

export class Disks {
  tornWrites = 0
  fullWrites = 0
  private readonly clock: Clockwork
  private readonly fates = new Map<Node, DiskFate>()
  private readonly files = new Map<number, Node>()

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
    for (const [file, owner] of this.files)
      if (owner === node) {
        real.closeSync(file)
        this.files.delete(file)
      }
  }

  /** Puts these disks under `node:fs`. Returns how to undo it. */
  install(): () => void {
    const patch = {
      openSync: (...given: Parameters<typeof fs.openSync>) => {
        const node = this.owner()
        const file = real.openSync(...given)
        if (node) this.files.set(file, node)
        return file
      },
      closeSync: (file: number) => {
        const node = this.owner()
        if (node && this.files.get(file) !== node) return
        this.files.delete(file)
        real.closeSync(file)
      },
      writeSync: (file: number, bytes: Buffer, from: number, length: number, at: number) => {
        const written = this.torn(length)
        if (written === null) return real.writeSync(file, bytes, from, length, at)
        real.writeSync(file, bytes, from, written.bytes, at)
        throw written.error
      },
      writeFileSync: (path: string, data: string | Buffer, options?: fs.WriteFileOptions) => {
        // Its size is what counts of the reserve, and the room is the model's.
        if (path.endsWith('/reserve')) return real.writeFileSync(path, '', options)
        const written = this.torn(data.length)
        if (written === null) return real.writeFileSync(path, data, options)
        real.writeFileSync(path, Buffer.from(data).subarray(0, written.bytes), options)
        throw written.error
      },
      ftruncateSync: this.guarded(real.ftruncateSync),
      mkdirSync: this.guarded(real.mkdirSync),
      renameSync: this.guarded(real.renameSync),
      rmSync: this.guarded(real.rmSync),
      statfsSync: () => ({bavail: this.mayWrite() ? free.blocks : 1, bsize: free.bsize}),
    }
    Object.assign(fs, patch)
    fs.promises.rm = ((path: string, options: fs.RmOptions) => this.remove(path, options)) as typeof fs.promises.rm
    syncBuiltinESMExports()
    return () => {
      const {rm, ...functions} = real
      Object.assign(fs, functions)
      fs.promises.rm = rm
      syncBuiltinESMExports()
    }
  } // prettier-ignore

  /** The worker that acts now; null for the world itself. */
  private owner(): Node | null {
    const node = this.clock.current
    return node && this.fates.has(node) ? node : null
  }

  private mayWrite(): boolean {
    const node = this.owner()
    return !node || !this.fateOf(node).isFull
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

  private guarded<Given extends unknown[], T>(act: (...given: Given) => T): (...given: Given) => T {
    return (...given) => {
      const node = this.owner()
      if (node && !node.isAlive) throw dead()
      return act(...given)
    }
  }

  /** Takes a directory away; a crash leaves some of it. */
  private async remove(path: string, options: fs.RmOptions): Promise<void> {
    const node = this.owner()
    if (node && !node.isAlive) throw dead()
    if (node?.random.chance(this.fateOf(node).crashInWrite)) {
      for (const name of real.readdirSync(path).filter(() => node.random.chance(0.5)))
        real.rmSync(`${path}/${name}`, {recursive: true, force: true})
      this.clock.crash(node, 'while it removed an attempt')
      throw dead()
    }
    real.rmSync(path, options)
  }
}

const dead = () => new Error('the process that did this is dead')

const {
  openSync,
  closeSync,
  writeSync,
  writeFileSync,
  ftruncateSync,
  mkdirSync,
  renameSync,
  rmSync,
  statfsSync,
} = fs
const real = {
  openSync, closeSync, writeSync, writeFileSync, ftruncateSync, mkdirSync, renameSync, rmSync, statfsSync,
  readdirSync: fs.readdirSync, rm: fs.promises.rm,
} // prettier-ignore
