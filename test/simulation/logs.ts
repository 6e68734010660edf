// The logs' files as masters share them: bytes at places, and writes that a crash tears. As in master/world/logs.ts, the
// row in the database says how much of a file counts.
import type {Logs, NewSegment, StoredLog} from '../../master/world/logs.ts'
import type {Clockwork, Node} from './clockwork.ts'
import type {Random} from './random.ts'

const headerBytes = 10
const trailerBytes = 10

/** All logs' files, by `attempt/step/name`. */
export class LogShelf {
  readonly files = new Map<string, Buffer>()
  /** Told of each write before it is done: where, and what. */
  onWrite: (key: string, at: number, bytes: Buffer) => void = () => undefined
  crashInWrite = 0
  isFull = false
  tornWrites = 0

  write(key: string, at: number, bytes: Buffer): void {
    this.onWrite(key, at, bytes)
    const before = this.files.get(key) ?? Buffer.alloc(0)
    const after = Buffer.alloc(Math.max(before.length, at + bytes.length))
    before.copy(after)
    bytes.copy(after, at)
    this.files.set(key, after)
  }
}

export const logKey = (log: Pick<StoredLog, 'attempt' | 'step' | 'name'>) =>
  `${log.attempt}/${String(log.step)}/${log.name}`

/** The doors of one master, for one of its lives. */
export function modelLogs(shelf: LogShelf, clock: Clockwork, node: Node, random: Random): Logs {
  const {life} = node
  const disk = (act: () => void) =>
    new Promise<void>((resolve, reject) => {
      clock.later(random.between(0.1, 4), null, () => {
        if (!node.isAlive || node.life !== life) return
        if (shelf.isFull) return clock.hand(node, life, () => reject(new Error('ENOSPC: no space left on device')))
        act()
        clock.hand(node, life, resolve)
      })
    }) // prettier-ignore
  return {
    packs: false,
    pack: unread,
    async append(log: StoredLog, segments: readonly NewSegment[]): Promise<number> {
      const pieces = segments.map(({body}) => body)
      const bytes = Buffer.concat(log.storedBytes === 0 ? [Buffer.alloc(headerBytes), ...pieces] : pieces)
      await disk(() => {
        if (!random.chance(shelf.crashInWrite)) return shelf.write(logKey(log), log.storedBytes, bytes)
        shelf.tornWrites++
        shelf.write(logKey(log), log.storedBytes, bytes.subarray(0, random.whole(0, bytes.length)))
        clock.crash(node, 'while it wrote a log')
      })
      return log.storedBytes + bytes.length
    },
    async end(log: StoredLog): Promise<void> {
      if (log.segments === 0) return
      await disk(() => {
        shelf.write(logKey(log), log.storedBytes, Buffer.alloc(trailerBytes))
        const file = shelf.files.get(logKey(log))
        if (file) shelf.files.set(logKey(log), file.subarray(0, log.storedBytes + trailerBytes))
      })
    },
    readGzip: unread,
    readSegments: unread,
    readText: unread,
    readFrom: unread,
    offsetOfLine: unread,
    readLines: unread,
    search: unread,
    remove: unread,
    removeAttempt: unread,
  }
}

const unread = (): never => {
  throw new Error('nobody reads logs in a simulation')
}
