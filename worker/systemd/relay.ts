// The one process through which this one speaks to systemd. It is never waited for: words that find no room are counted and
// left out, a relay that died is started again, and where there is no Perl, systemd-notify does what it can.
import {execFile, spawn, type ChildProcess} from 'node:child_process'
import type {Writable} from 'node:stream'
import {relayProgram} from './relay.pl.ts'

export interface Sockets {
  /** Of the service manager; null when nobody there wants to hear. */
  readonly notify: string | null
  readonly journal: string | null
}

/** What may wait for a relay that does not come to it. */
const waitingMax = 4 * 1024 * 1024
const againMs = 1000
const lastWordsMs = 1000

export class Relay {
  private readonly sockets: Sockets
  private readonly onStart: () => void
  private child: ChildProcess | null = null
  private startedAt = -Infinity
  private isWithoutPerl = false
  private isClosed = false
  /** Lines of the journal that were left out since it was told last. */
  private leftOut = 0

  /** `onStart` is called after each start but the first: what must not be lost is said again. */
  constructor(sockets: Sockets, onStart: () => void) {
    this.sockets = sockets
    this.onStart = onStart
  }

  /** Passes a message on to the service manager. */
  notify(text: string): void {
    if (this.sockets.notify === null) return
    const pipe = this.pipe()
    if (pipe) pipe.write(frame('N', Buffer.from(text)))
    else if (this.isWithoutPerl) this.notifyByCommand(text)
  }

  /** Passes an entry on to the journal; false when it cannot, and the words must go elsewhere. */
  journal(entry: Buffer): boolean {
    if (this.sockets.journal === null) return false
    const pipe = this.pipe()
    if (!pipe) return false
    if (pipe.writableLength > waitingMax) return (this.leftOut++, true)
    pipe.write(frame('J', entry))
    return true
  }

  /** How many lines were left out since this was asked last. */
  takeLeftOut(): number {
    const {leftOut} = this
    this.leftOut = 0
    return leftOut
  }

  /** Lets the last words through, and ends. */
  async close(): Promise<void> {
    this.isClosed = true
    const {child} = this
    if (!child || child.exitCode !== null) return
    await new Promise<void>((resolve) => {
      const impatience = setTimeout(resolve, lastWordsMs)
      child.ref()
      child.once('exit', () => {
        clearTimeout(impatience)
        resolve()
      })
      child.stdin?.end()
    })
  }

  private pipe(): Writable | null {
    if (this.isWithoutPerl || this.isClosed) return null
    if (!this.child) this.start()
    return this.child?.stdin ?? null
  }

  private start(): void {
    const now = performance.now()
    if (now - this.startedAt < againMs) return
    const isFirst = this.startedAt === -Infinity
    this.startedAt = now
    const {notify, journal} = this.sockets
    const {PATH = '/usr/bin:/bin'} = process.env
    const child = spawn('perl', ['-e', relayProgram, notify ?? '', journal ?? ''], {
      stdio: ['pipe', 'ignore', 'ignore'],
      env: {PATH},
      cwd: '/',
    })
    const gone = () => {
      if (this.child === child) this.child = null
    }
    child.on('error', (error: NodeJS.ErrnoException) => {
      this.isWithoutPerl ||= error.code === 'ENOENT'
      gone()
      this.onStart()
    })
    child.on('exit', gone)
    child.stdin.on('error', gone)
    // Nobody lives on for its sake.
    child.unref()
    ;(child.stdin as Partial<{unref: () => void}>).unref?.()
    this.child = child
    if (!isFirst) setImmediate(() => this.onStart())
  }

  private notifyByCommand(text: string): void {
    const {PATH = '/usr/bin:/bin'} = process.env
    const env = {PATH, NOTIFY_SOCKET: this.sockets.notify ?? ''}
    execFile('systemd-notify', ['--no-block', ...text.split('\n')], {env}, () => undefined).unref()
  }
}

function frame(name: 'N' | 'J', body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.write(name, 0, 'latin1')
  head.writeUInt32BE(body.length, 1)
  return Buffer.concat([head, body])
}
