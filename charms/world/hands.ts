// All that a charm touches goes through these hands: programs, Juju's tools among them, and files. Tests have others.
import {spawnSync} from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import {dirname, join} from 'node:path'

export interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

export interface Hands {
  /** Runs a program to its end. Never throws: a program that is not there ends with 127. */
  run(
    argv: readonly string[],
    more?: {readonly input?: string; readonly env?: Readonly<Record<string, string>>},
  ): Outcome
  /** A file's text, or null when there is none. */
  read(path: string): string | null
  /** Writes a file whole or not at all; the group is by name. */
  write(path: string, text: string, mode: number, group?: string): void
  remove(path: string): void
  /** Where a path really lies, for programs. */
  place(path: string): string
}

const outputBytesMax = 64 * 1024 * 1024

/** The hands on this machine. `root` is put before every path, for trials in a folder. */
export function ownHands(root = ''): Hands {
  const placed = (path: string) => (root === '' ? path : join(root, path))
  return {
    place: placed,
    run(argv, {input = '', env = {}} = {}) {
      const [program = '', ...args] = argv
      const ended = spawnSync(program, args, {
        input,
        encoding: 'utf8',
        env: {...process.env, ...env},
        maxBuffer: outputBytesMax,
      })
      if (ended.error) return {code: 127, out: '', err: ended.error.message}
      return {code: ended.status ?? 128, out: ended.stdout, err: ended.stderr}
    },
    read(path) {
      try {
        return readFileSync(placed(path), 'utf8')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
        throw error
      }
    },
    write(path, text, mode, group) {
      const file = placed(path)
      mkdirSync(dirname(file), {recursive: true})
      const half = `${file}.charm-new`
      rmSync(half, {force: true})
      writeFileSync(half, text, {mode: 0o600, flag: 'wx'})
      if (group !== undefined && root === '') chownSync(half, 0, groupId(group))
      chmodSync(half, mode)
      renameSync(half, file)
    },
    remove(path) {
      rmSync(placed(path), {force: true})
    },
  }
}

function groupId(name: string): number {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${name}:`))
  const id = Number(line?.split(':')[2])
  if (line === undefined || Number.isNaN(id)) throw new Error(`there is no group ${name} on this machine`)
  return id
}

/** Whether a path is there as a file with something in it: an unset resource is an empty one. */
export function holdsBytes(path: string): boolean {
  return (statSync(path, {throwIfNoEntry: false})?.size ?? 0) > 0
}
