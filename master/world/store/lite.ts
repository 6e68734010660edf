// The embedded database as `pg` sees it: a stream of PostgreSQL's protocol whose other end is a worker thread.
// The thread is started by the first connection and again by the next one after it died.
import {execFile} from 'node:child_process'
import {constants, existsSync} from 'node:fs'
import {access, mkdir, rename, rm} from 'node:fs/promises'
import {userInfo} from 'node:os'
import {dirname, join} from 'node:path'
import {Duplex} from 'node:stream'
import {promisify} from 'node:util'
import {setFlagsFromString} from 'node:v8'
import {Worker} from 'node:worker_threads'
import {builtFile} from '../place.ts'
import type {FromWorker, ToWorker} from './lite-worker.ts'
import {exchangeCutter} from './exchanges.ts'

export interface Lite {
  /** A new connection, for `pg`'s `stream` option. One at a time: the database has a single session. */
  connect(): Duplex
  close(): Promise<void>
}

/** Makes the directory if it does not exist yet; a crash on the way leaves nothing that looks finished. */
export async function initialiseLite(dir: string): Promise<void> {
  for (const path of [dir, join(dir, 'PG_VERSION')]) await refuseAnothers(path)
  if (existsSync(join(dir, 'PG_VERSION'))) return
  const unfinished = `${dir}.new`
  await rm(unfinished, {recursive: true, force: true})
  await mkdir(dirname(dir), {recursive: true, mode: 0o700})
  await promisify(execFile)(process.execPath, [builtFile('master/world/store/lite-init.js'), unfinished])
  await rename(unfinished, dir)
}

/** What another user has looks as if it were not there, and is neither to be used nor to be made anew. */
async function refuseAnothers(path: string): Promise<void> {
  try {
    await access(path, constants.R_OK | constants.W_OK)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    const {username} = userInfo()
    throw new Error(
      `the embedded database: ${path} may not be read and written by ${username} (${String((error as NodeJS.ErrnoException).code)}): ` +
        `give it its owner back, chown -R ${username}: ${dirname(path)}`,
      {cause: error},
    )
  }
}

/** Opens an initialised directory. The caller holds its lock. */
export function openLite(dir: string): Lite {
  let thread: Thread | null = null
  let closed = false
  const startedThread = () => {
    if (closed) throw new Error('the embedded database is closed')
    if (thread === null || thread.dead) thread = new Thread(dir)
    return thread
  }
  return {
    connect: () => new LiteStream(startedThread),
    async close() {
      closed = true
      await thread?.close()
    },
  }
}

type Answered = (bytes: Buffer) => void

/** One worker thread, and who waits for its answers. */
class Thread {
  dead = false
  #worker: Worker
  #reader: LiteStream | null = null
  #waiting: Answered[] = []
  #early: Uint8Array<ArrayBuffer>[] | null = []
  #failure = 'its thread ended'
  #exited: Promise<void>
  #closing = false

  constructor(dir: string) {
    // Without V8's optimising compiler short statements take the same time and long queries twice as long, and the
    // master stays 60 MB smaller.
    setFlagsFromString('--liftoff-only')
    this.#worker = new Worker(builtFile('master/world/store/lite-worker.js'), {
      workerData: {dir},
      resourceLimits: {maxYoungGenerationSizeMb: 4},
    })
    this.#worker.on('message', (message: FromWorker) => this.#hear(message))
    this.#worker.on(
      'error',
      (error) => (this.#failure = error instanceof Error ? error.message : String(error)),
    )
    this.#exited = new Promise((resolve) => this.#worker.once('exit', () => resolve(this.#end())))
  }

  /** The session outlives its connections: what the last one left open must not leak into this one. */
  attach(stream: LiteStream) {
    this.#reader = stream
    this.ask(simpleQuery('ROLLBACK'), () => undefined)
    this.ask(simpleQuery('DISCARD ALL'), () => undefined)
  }

  ask(bytes: Uint8Array<ArrayBuffer>, answered: Answered) {
    this.#worker.ref()
    this.#waiting.push(answered)
    if (this.#early) this.#early.push(bytes)
    else this.#post(bytes)
  }

  async close() {
    this.#closing = true
    this.#worker.ref()
    if (!this.dead) this.#worker.postMessage({close: true} satisfies ToWorker)
    await this.#exited
  }

  #post(bytes: Uint8Array<ArrayBuffer>) {
    this.#worker.postMessage({bytes} satisfies ToWorker, [bytes.buffer])
  }

  #hear(message: FromWorker) {
    if ('failed' in message) this.#failure = message.failed
    else if ('bytes' in message) {
      this.#waiting.shift()?.(Buffer.from(message.bytes.buffer))
      // A thread that nobody waits for does not keep the process alive.
      if (this.#waiting.length === 0 && !this.#closing) this.#worker.unref()
    } else {
      for (const bytes of this.#early ?? []) this.#post(bytes)
      this.#early = null
    }
  }

  #end() {
    this.dead = true
    this.#reader?.destroy(new Error(`the embedded database stopped: ${this.#failure}`))
  }
}

/** AuthenticationOk and ReadyForQuery: the thread has one session, which needs no password. */
const welcome = Buffer.from('520000000800000000' + '5a0000000549', 'hex')

function simpleQuery(sql: string): Uint8Array<ArrayBuffer> {
  const text = Buffer.from(`${sql}\0`)
  const bytes = new Uint8Array(5 + text.length)
  bytes[0] = 'Q'.charCodeAt(0)
  new DataView(bytes.buffer).setUint32(1, 4 + text.length)
  bytes.set(text, 5)
  return bytes
}

/** What `pg` takes for a socket. */
class LiteStream extends Duplex {
  #cut = exchangeCutter()
  #findThread: () => Thread
  #thread: Thread | null = null

  constructor(findThread: () => Thread) {
    super()
    this.#findThread = findThread
  }

  connect() {
    process.nextTick(() => {
      try {
        this.#thread = this.#findThread()
        this.#thread.attach(this)
        this.emit('connect')
      } catch (error) {
        this.destroy(error as Error)
      }
    })
    return this
  }
  setNoDelay() {}
  setKeepAlive() {}
  ref() {}
  unref() {}

  override _read() {}
  override _write(chunk: Buffer, _encoding: string, done: () => void) {
    for (const exchange of this.#cut(chunk)) {
      if (exchange.say === 'startup') this.push(welcome)
      else if (exchange.say === 'terminate') this.push(null)
      else this.#thread?.ask(exchange.bytes, (answer) => this.destroyed || this.push(answer))
    }
    done()
  }
  override _writev(chunks: {chunk: Buffer}[], done: () => void) {
    this._write(Buffer.concat(chunks.map(({chunk}) => chunk)), '', done)
  }
}
