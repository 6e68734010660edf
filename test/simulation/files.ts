// A file system in memory, with what the worker's code asks of one: as on the real one, whoever has a file open keeps it
// when its name is gone, and what cannot be done fails with the same code. files.test.ts holds it to the real one.
import {normalize} from 'node:path/posix'

interface File {
  bytes: Buffer
  size: number
}

type Directory = Map<string, Entry>
type Entry = File | Directory

const words = {
  ENOENT: 'no such file or directory',
  EEXIST: 'file already exists',
  ENOTDIR: 'not a directory',
  EISDIR: 'illegal operation on a directory',
  ENOTEMPTY: 'directory not empty',
  ERR_FS_EISDIR: 'path is a directory',
  EINVAL: 'invalid argument',
  EBADF: 'bad file descriptor',
} as const

function fail(code: keyof typeof words, call: string, path = ''): never {
  throw Object.assign(new Error(`${code}: ${words[code]}, ${call}${path && ` '${path}'`}`), {code})
}

const isDirectory = (entry: Entry | undefined): entry is Directory => entry instanceof Map

/** Numbers of open files begin here: no real one is as great. */
export const filesFrom = 1_000_000

export class Files {
  private readonly root: Directory = new Map()
  private readonly open = new Map<number, File>()
  private next = filesFrom

  openSync(path: string, flags: 'r+' | 'w+'): number {
    const {directory, name} = this.place(path, 'open')
    let file = directory.get(name)
    if (isDirectory(file)) fail('EISDIR', 'open', path)
    if (!file) {
      if (flags !== 'w+') fail('ENOENT', 'open', path)
      file = {bytes: Buffer.alloc(0), size: 0}
      directory.set(name, file)
    }
    if (flags === 'w+') file.size = 0
    this.open.set(this.next, file)
    return this.next++
  }

  closeSync(number: number): void {
    if (!this.open.delete(number)) fail('EBADF', 'close')
  }

  readSync(number: number, into: Buffer, at: number, length: number, from: number): number {
    const {bytes, size} = this.file(number, 'read')
    const until = Math.min(size, from + length)
    return from < until ? bytes.copy(into, at, from, until) : 0
  }

  writeSync(number: number, from: Uint8Array, at: number, length: number, to: number): number {
    const file = this.file(number, 'write')
    if (length > 0) put(file, from.subarray(at, at + length), to)
    return length
  }

  ftruncateSync(number: number, size: number): void {
    const file = this.file(number, 'ftruncate')
    if (size > file.size) put(file, new Uint8Array(size - file.size), file.size)
    file.size = size
  }

  fstatSync(number: number): {size: number} {
    return {size: this.file(number, 'fstat').size}
  }

  existsSync(path: string): boolean {
    let entry: Entry | undefined = this.root
    for (const name of parts(path)) entry = isDirectory(entry) ? entry.get(name) : undefined
    return entry !== undefined
  }

  readFileSync(path: string): Buffer {
    const file = this.entry(path, 'open')
    if (isDirectory(file)) fail('EISDIR', 'read')
    return Buffer.from(file.bytes.subarray(0, file.size))
  }

  writeFileSync(path: string, data: string | Uint8Array): void {
    const bytes = Buffer.from(data as Uint8Array)
    const number = this.openSync(path, 'w+')
    this.writeSync(number, bytes, 0, bytes.length, 0)
    this.closeSync(number)
  }

  mkdirSync(path: string, isRecursive: boolean): void {
    if (isRecursive) {
      let directory = this.root
      for (const name of parts(path)) {
        const entry = directory.get(name) ?? new Map<string, Entry>()
        if (!isDirectory(entry)) fail(name === parts(path).at(-1) ? 'EEXIST' : 'ENOTDIR', 'mkdir', path)
        directory.set(name, entry)
        directory = entry
      }
      return
    }
    const {directory, name} = this.place(path, 'mkdir')
    if (directory.has(name)) fail('EEXIST', 'mkdir', path)
    directory.set(name, new Map())
  }

  /** By name, as libuv does. */
  readdirSync(path: string, isRecursive: boolean): string[] {
    const directory = this.entry(path, 'scandir')
    if (!isDirectory(directory)) return fail('ENOTDIR', 'scandir', path)
    const byName = [...directory].sort(([a], [b]) => (a < b ? -1 : 1))
    return byName.flatMap(([name, entry]) => [
      name,
      ...(isRecursive && isDirectory(entry)
        ? this.readdirSync(`${path}/${name}`, true).map((below) => `${name}/${below}`)
        : []),
    ])
  }

  renameSync(from: string, to: string): void {
    const old = this.place(from, 'rename')
    const fresh = this.place(to, 'rename')
    const entry = old.directory.get(old.name) ?? fail('ENOENT', 'rename', from)
    if (`${to}/`.startsWith(`${from}/`) && to !== from) fail('EINVAL', 'rename', from)
    const before = fresh.directory.get(fresh.name)
    if (before === entry) return
    if (before && isDirectory(before) !== isDirectory(entry))
      fail(isDirectory(before) ? 'EISDIR' : 'ENOTDIR', 'rename', from)
    if (isDirectory(before) && before.size > 0) fail('ENOTEMPTY', 'rename', from)
    old.directory.delete(old.name)
    fresh.directory.delete(fresh.name)
    fresh.directory.set(fresh.name, entry)
  }

  rmSync(path: string, {recursive = false, force = false}: {recursive?: boolean; force?: boolean}): void {
    try {
      const {directory, name} = this.place(path, 'rm')
      const entry = directory.get(name) ?? fail('ENOENT', 'rm', path)
      if (isDirectory(entry) && !recursive) fail('ERR_FS_EISDIR', 'rm', path)
      directory.delete(name)
    } catch (error) {
      if (!force || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }

  private file(number: number, call: string): File {
    return this.open.get(number) ?? fail('EBADF', call)
  }

  private entry(path: string, call: string): Entry {
    const {directory, name} = this.place(path, call)
    return directory.get(name) ?? fail('ENOENT', call, path)
  }

  /** The directory that something is in, or shall be. */
  private place(path: string, call: string): {directory: Directory; name: string} {
    const names = parts(path)
    const name = names.pop() ?? ''
    let directory: Entry | undefined = this.root
    for (const above of names) {
      directory = directory.get(above)
      if (!directory) fail('ENOENT', call, path)
      if (!isDirectory(directory)) return fail('ENOTDIR', call, path)
    }
    return {directory, name}
  }
}

const parts = (path: string): string[] =>
  (path.includes('/.') ? normalize(path) : path).split('/').filter((part) => part !== '')

function put(file: File, bytes: Uint8Array, at: number): void {
  const end = at + bytes.length
  if (end > file.bytes.length) {
    const grown = Buffer.alloc(Math.max(end, 2 * file.bytes.length, 256))
    file.bytes.copy(grown, 0, 0, file.size)
    file.bytes = grown
  }
  // What was cut off is not what a hole holds.
  if (at > file.size) file.bytes.fill(0, file.size, at)
  file.bytes.set(bytes, at)
  file.size = Math.max(file.size, end)
}
