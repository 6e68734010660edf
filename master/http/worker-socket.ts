// GET /worker: the workers' websocket. Only a door: it checks the token, the Origin, the frames and the silence, and
// hands what was said to the desk, in order.
import type {FastifyInstance} from 'fastify'
import type {WebSocket} from '@fastify/websocket'
import type {z} from 'zod'
import {decode, encodeText, FrameFault, type Framed} from '../../worker/protocol/frames.ts'
import {
  helloShape,
  workerMessageShape,
  type Hello,
  type MasterMessage,
  type WorkerMessage,
} from '../../worker/protocol/messages.ts'
import {refuseVersion, type Refused, type Session} from '../world/desk.ts'
import {noteRefusal} from '../world/store/workers.ts'
import {isLive} from '../world/store/views/tokens.ts'
import type {Needs} from './needs.ts'

/** A worker that has said nothing after connecting is no worker. */
const helloMs = 15_000
/** How long an old session of the same name has to show that it lives. */
const pongMs = 3000
/** How many beats may be missing before a worker is taken for gone. */
const missedMax = 3
/** Frames that wait for the desk before the worker is told, by TCP, to be slower. */
const waitingBytesMax = 16 * 1024 * 1024
/** How often a connected worker's token is looked at again. */
const tokenMs = 30_000

/** The sessions of this master that are open, by the worker's name. */
type Open = Map<string, Conversation>

export function workerSocket(scope: FastifyInstance, needs: Needs): void {
  const open: Open = new Map()
  // What the ends of the sessions record needs a store that is still open.
  scope.addHook('onClose', async () => {
    await Promise.all([...open.values()].map(({ended}) => ended))
  })
  scope.get('/worker', {websocket: true, config: {policy: 'worker'}}, (socket, request) => {
    // The handlers are attached before anything is awaited: a message that comes at once would be lost otherwise.
    const {caller} = request
    if (caller.kind === 'worker') new Conversation(socket, caller.name, caller.token, needs, open).begin()
    else socket.close(1008, 'this is for workers')
  })
}

/** One connection of a worker, from its hello to its end. */
class Conversation {
  readonly #socket: WebSocket
  readonly #name: string
  readonly #token: string
  readonly #needs: Needs
  readonly #open: Open
  readonly #timers: NodeJS.Timeout[] = []
  #session: string | null = null
  #instance: string | null = null
  /** By the clock that nobody sets: a jump must not end sessions, nor keep dead ones. */
  #heardAt = performance.now()
  #waitingBytes = 0
  /** What was said is told to the desk one after the other. */
  #told: Promise<void> = Promise.resolve()
  readonly ended: Promise<void>
  #end: () => void = () => undefined

  constructor(socket: WebSocket, name: string, token: string, needs: Needs, open: Open) {
    this.#socket = socket
    this.#name = name
    this.#token = token
    this.#needs = needs
    this.#open = open
    this.ended = new Promise((resolve) => (this.#end = resolve))
  }

  begin(): void {
    const socket = this.#socket
    const silent = setTimeout(() => socket.close(1002, 'no hello'), helloMs)
    this.#timers.push(silent)
    socket.binaryType = 'nodebuffer'
    socket.on('error', () => undefined) // `close` follows, with the code
    socket.on('pong', () => (this.#heardAt = performance.now()))
    socket.once('message', (data: Buffer, isBinary: boolean) => {
      clearTimeout(silent)
      socket.on('message', (later: Buffer, binary: boolean) => this.#hear(later, binary))
      const hello = this.#decode(helloShape, data, isBinary)
      if (hello) this.#told = this.#meet(hello.message).catch((error: unknown) => this.#fail(error))
    })
    socket.once('close', () => void this.#close())
  }

  /** Whether the other side still answers. */
  async isAlive(): Promise<boolean> {
    if (this.#socket.readyState !== this.#socket.OPEN) return false
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), pongMs)
      const answer = (alive: boolean) => () => {
        clearTimeout(timer)
        resolve(alive)
      }
      this.#socket.once('pong', answer(true))
      this.#socket.once('close', answer(false))
      this.#socket.ping()
    })
  }

  terminate(): void {
    this.#socket.terminate()
  }

  async #meet(hello: Hello): Promise<void> {
    const refused = this.#refusalOf(hello) ?? (await this.#takeName(hello.instance ?? null))
    if (refused?.code === 'protocol') await this.#note(refused)
    if (refused) return this.#refuse(refused)
    if (!this.#isOpen()) return // who said hello is gone, and may be elsewhere by now
    const answer = await this.#needs.desk.attach(hello, this.#way())
    if ('say' in answer) {
      this.#forget()
      return this.#refuse(answer)
    }
    this.#session = answer.session
    if (!this.#isOpen()) return // `#close` tells the desk
    this.#send(answer.welcome)
    this.#watch(answer.welcome.beatSeconds * 1000 * missedMax)
  }

  /** Who is refused for its version gives up: people look for it among the workers. */
  async #note({text}: Refused): Promise<void> {
    const {store, say} = this.#needs
    say.warn({worker: this.#name}, `refused: ${text}`)
    await noteRefusal(store, this.#name, text).catch((error: unknown) => {
      say.error({err: error, worker: this.#name}, 'a refusal could not be recorded')
    })
  }

  #isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN
  }

  #refusalOf(hello: Hello): Refused | null {
    if (hello.worker !== this.#name)
      return {
        say: 'refused',
        code: 'unknown-worker',
        text: `this token is for the worker ${this.#name}, not for ${hello.worker}`,
      }
    return refuseVersion(hello)
  }

  /** A second worker of one name is refused, but a connection that died without a word must not lock its worker out. */
  async #takeName(instance: string | null): Promise<Refused | null> {
    for (let before = this.#open.get(this.#name); before; before = this.#open.get(this.#name)) {
      // The same worker on a new line needs no leave of its old one.
      const isSame = instance !== null && before.#instance === instance
      if (!isSame && (await before.isAlive()))
        return {
          say: 'refused',
          code: 'name-in-use',
          text: `a worker named ${this.#name} is connected already`,
        }
      before.terminate()
      await before.ended
    }
    this.#instance = instance
    if (this.#socket.readyState === this.#socket.OPEN) this.#open.set(this.#name, this)
    return null
  }

  #way(): Session {
    return {
      send: (message) => this.#send(message),
      close: (code, reason) => this.#socket.close(code, reason.slice(0, 100)),
      isAlive: () => this.isAlive(),
      terminate: () => this.terminate(),
      bufferedBytes: () => this.#socket.bufferedAmount,
    }
  }

  #hear(data: Buffer, isBinary: boolean): void {
    this.#heardAt = performance.now()
    const said = this.#decode(workerMessageShape, data, isBinary)
    if (!said) return
    if (said.message.say === 'hello') return this.#socket.close(1002, 'hello was said already')
    this.#waitingBytes += data.length
    if (this.#waitingBytes > waitingBytesMax) this.#socket.pause()
    this.#told = this.#told
      .then(() => this.#tell(said, data.length))
      .catch((error: unknown) => this.#fail(error))
  }

  async #tell({message, body}: Framed<WorkerMessage>, bytes: number): Promise<void> {
    try {
      if (this.#session === null) return
      if (message.say === 'beat') this.#send({say: 'beaten', now: Date.now()})
      await this.#needs.desk.said(this.#name, this.#session, message, body)
    } finally {
      this.#waitingBytes -= bytes
      if (this.#socket.isPaused && this.#waitingBytes < waitingBytesMax / 2) this.#socket.resume()
    }
  }

  /** A frame's message; null for one that closed the socket, or that is of a later version and is ignored. */
  #decode<S extends typeof helloShape | typeof workerMessageShape>(
    shape: S,
    data: Buffer,
    isBinary: boolean,
  ): Framed<z.infer<S>> | null {
    try {
      return decode(shape, isBinary ? data : data.toString('utf8')) as Framed<z.infer<S>>
    } catch (error) {
      if (!(error instanceof FrameFault)) throw error
      if (this.#session !== null && isUnknown(data, isBinary)) return null
      this.#socket.close(1007, error.message.slice(0, 100))
      return null
    }
  }

  #watch(silenceMs: number): void {
    const check = setInterval(
      () => {
        if (performance.now() - this.#heardAt > silenceMs) this.#socket.terminate()
      },
      Math.min(silenceMs / missedMax, 5000),
    )
    const token = setInterval(() => {
      isLive(this.#needs.store, this.#token).then(
        (live) => live || this.#socket.close(1008, 'the token was revoked'),
        () => undefined, // the database is away; look again later
      )
    }, tokenMs)
    this.#timers.push(check, token)
  }

  #send(message: MasterMessage): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(encodeText(message))
  }

  #refuse(refused: Refused): void {
    this.#send(refused)
    this.#socket.close(1008, refused.text.slice(0, 100))
  }

  /** The desk could not do what it must, so the worker shall dial again and say where it stands. */
  #fail(error: unknown): void {
    this.#needs.say.error({err: error, worker: this.#name}, "a worker's message could not be handled")
    this.#socket.close(1011, 'the master failed on a message; dial again')
  }

  #forget(): void {
    if (this.#open.get(this.#name) === this) this.#open.delete(this.#name)
  }

  async #close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    await this.#told
    try {
      if (this.#session !== null) await this.#needs.desk.detached(this.#name, this.#session)
    } catch (error) {
      this.#needs.say.error({err: error, worker: this.#name}, 'the end of a session could not be recorded')
    }
    this.#forget()
    this.#end()
  }
}

/** Whether a frame is whole and only says something that this version does not know. */
function isUnknown(data: Buffer, isBinary: boolean): boolean {
  if (isBinary) return false
  try {
    const {say} = JSON.parse(data.toString('utf8')) as {say?: unknown}
    return typeof say === 'string' && !['hello', 'accept', 'decline', 'journal', 'beat'].includes(say)
  } catch {
    return false
  }
}
