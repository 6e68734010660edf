// A master that does what a test tells it: it speaks the real protocol over a real websocket on loopback, applies entries in
// order, exactly once, and keeps what it was told for the test to look at.
import {createHash} from 'node:crypto'
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http'
import type {Socket} from 'node:net'
import {crc32, inflateRawSync} from 'node:zlib'
import {constants} from 'node:zlib'
import {type WebSocket, WebSocketServer} from 'ws'
import {freePort} from '../../scripts/processes.ts'
import {decode} from '../../worker/protocol/frames.ts'
import type {Entry, EntryOf} from '../../worker/protocol/journal.ts'
import {
  workerMessageShape,
  type Hello,
  type JournalMessage,
  type WorkerMessage,
} from '../../worker/protocol/messages.ts'
import type {Plan} from '../../worker/protocol/plan.ts'

export interface Told {
  readonly entries: Entry[]
  applied: number
  /** Logs by `STEP LOG`. */
  readonly logs: Map<string, Buffer[]>
  /** Entries that came with a number already applied. */
  repeated: number
  /** What broke the order or the sums. */
  readonly faults: string[]
}

type Welcoming = (hello: Hello) => object

export class ScriptedMaster {
  readonly token = 'worker-token'
  readonly hellos: Hello[] = []
  readonly heard: WorkerMessage[] = []
  readonly attempts = new Map<string, Told>()
  readonly artifacts = new Map<string, Buffer>()
  /** Set to hold back acknowledgements. */
  isMute = false
  /** Set to keep no log bytes, for large logs. */
  keepsLogs = true
  welcoming: Welcoming | null = null
  answerPut: ((request: IncomingMessage, response: ServerResponse) => boolean) | null = null
  private socket: WebSocket | null = null
  private readonly server: Server
  private readonly sockets = new Set<Socket>()
  private readonly waiting = new Set<() => void>()
  private port = 0

  private constructor() {
    const listener = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      maxPayload: 16 * 1024 * 1024,
    })
    this.server = createServer((request, response) => this.put(request, response))
    this.server.on('connection', (socket: Socket) => {
      this.sockets.add(socket)
      socket.on('close', () => this.sockets.delete(socket))
    })
    this.server.on('upgrade', (request, socket, head) => {
      if (request.headers.authorization !== `Bearer ${this.token}`) {
        socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n')
        return
      }
      listener.handleUpgrade(request, socket, head, (ws) => this.connected(ws))
    })
  }

  static async listen(): Promise<ScriptedMaster> {
    const master = new ScriptedMaster()
    await master.open()
    return master
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Listens (again), on the port it had. */
  async open(): Promise<void> {
    this.port ||= await freePort()
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject)
      this.server.listen(this.port, '127.0.0.1', resolve)
    })
  }

  /** Goes away, with every connection cut. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()))
    this.cut()
    await closed
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy()
    this.socket = null
  }

  say(message: object): void {
    this.raw(JSON.stringify(message))
  }

  raw(frame: string | Buffer): void {
    this.socket?.send(frame)
    this.stir()
  }

  offer(attempt: string, plan: Plan, secrets: Record<string, string> = {}): void {
    this.told(attempt)
    this.say({say: 'offer', attempt, deadlineMs: 10_000, plan, secrets})
  }

  told(attempt: string): Told {
    const found = this.attempts.get(attempt)
    if (found) return found
    const fresh: Told = {entries: [], applied: 0, logs: new Map(), repeated: 0, faults: []}
    this.attempts.set(attempt, fresh)
    return fresh
  }

  /** Waits until something is true; it is asked after everything heard. */
  async until<T>(find: () => T | undefined | null | false, what: string, withinMs = 20_000): Promise<T> {
    const end = Date.now() + withinMs
    for (;;) {
      const found = find()
      if (found !== undefined && found !== null && found !== false) return found
      const leftMs = end - Date.now()
      if (leftMs <= 0) throw new Error(`waited ${withinMs} ms in vain for ${what}`)
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer)
          this.waiting.delete(wake)
          resolve()
        }
        const timer = setTimeout(wake, Math.min(leftMs, 200))
        this.waiting.add(wake)
      })
    }
  }

  connectedOnce = (count = 1): Promise<Hello> => this.until(() => this.hellos[count - 1], `hello ${count}`)

  async ended(attempt: string, withinMs?: number): Promise<EntryOf<'buildEnded'>> {
    return this.until(() => this.entry(attempt, 'buildEnded'), `the end of attempt ${attempt}`, withinMs)
  }

  entry<K extends Entry['entry']>(attempt: string, kind: K): EntryOf<K> | undefined {
    return this.entries(attempt, kind)[0]
  }

  entries<K extends Entry['entry']>(attempt: string, kind: K): EntryOf<K>[] {
    return this.told(attempt).entries.filter((entry): entry is EntryOf<K> => entry.entry === kind)
  }

  log(attempt: string, step = 0): string {
    return Buffer.concat(this.told(attempt).logs.get(`${step} stdio`) ?? []).toString()
  }

  private connected(ws: WebSocket): void {
    this.socket = ws
    ws.on('message', (data: Buffer, isBinary) => {
      const {message, body} = decode(workerMessageShape, isBinary ? data : data.toString())
      this.hear(ws, message, body)
      this.stir()
    })
    ws.on('error', () => undefined)
  }

  private hear(ws: WebSocket, message: WorkerMessage, body: Uint8Array | null): void {
    if (message.say !== 'journal') this.heard.push(message)
    switch (message.say) {
      case 'hello':
        this.hellos.push(message)
        return ws.send(JSON.stringify(this.welcoming?.(message) ?? this.welcome(message)))
      case 'beat':
        return ws.send(JSON.stringify({say: 'beaten', now: Date.now()}))
      case 'journal':
        this.apply(message, body)
        if (!this.isMute)
          ws.send(
            JSON.stringify({
              say: 'applied',
              attempt: message.attempt,
              upTo: this.told(message.attempt).applied,
            }),
          )
        return
      default:
        return
    }
  }

  private welcome(hello: Hello): object {
    const attempts = hello.attempts.map(({attempt}) => ({
      attempt,
      applied: this.told(attempt).applied,
      verdict: 'continue',
    }))
    return {say: 'welcome', protocol: 1, master: 'scripted', now: Date.now(), beatSeconds: 1, attempts}
  }

  private apply({attempt, seq, entry}: JournalMessage, body: Uint8Array | null): void {
    const told = this.told(attempt)
    if (seq <= told.applied) {
      told.repeated++
      return
    }
    if (seq !== told.applied + 1) told.faults.push(`entry ${seq} after ${told.applied}`)
    told.applied = seq
    told.entries.push(entry)
    if (entry.entry === 'segment') this.segment(told, entry, body)
  }

  private segment(told: Told, entry: EntryOf<'segment'>, body: Uint8Array | null): void {
    if (!this.keepsLogs) return
    const name = `${entry.step} ${entry.log}`
    const pieces = told.logs.get(name) ?? []
    const bytes = inflateRawSync(body ?? new Uint8Array(0), {finishFlush: constants.Z_SYNC_FLUSH})
    if (bytes.length !== entry.bytes || crc32(bytes) !== entry.crc32)
      told.faults.push(`segment at ${entry.offset} is not what it says`)
    const before = pieces.reduce((sum, piece) => sum + piece.length, 0)
    if (before !== entry.offset) told.faults.push(`segment at ${entry.offset}, not ${before}`)
    told.logs.set(name, [...pieces, bytes])
  }

  private put(request: IncomingMessage, response: ServerResponse): void {
    if (this.answerPut?.(request, response)) return
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const bytes = Buffer.concat(pieces)
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      const isRight =
        request.url === `/worker/artifacts/${sha256}` &&
        request.headers.authorization === `Bearer ${this.token}`
      if (isRight) this.artifacts.set(sha256, bytes)
      response.writeHead(isRight ? 201 : 400).end()
      this.stir()
    })
  }

  private stir(): void {
    for (const wake of [...this.waiting]) wake()
  }
}
