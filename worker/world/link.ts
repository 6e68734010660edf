// The websocket to a master: dials, says hello, beats, and dials again for as long as it takes. What is said over it is
// somebody else's; a broken line changes nothing for a build.
import type {IncomingMessage} from 'node:http'
import {WebSocket, type ClientOptions, type RawData} from 'ws'
import {clockText, isFarApart} from '../core/clocks.ts'
import {decode, encodeText, FrameFault} from '../protocol/frames.ts'
import {
  masterMessageShape,
  protocolNewest,
  protocolOldest,
  textFrameMax,
  type Hello,
  type MasterMessage,
  type SpoolState,
  type Welcome,
  type WorkerMessage,
} from '../protocol/messages.ts'
import type {readIdentity} from './identity.ts'
import {note, warn} from './print.ts'

const backoffMinMs = 200
/** A refused dial costs next to nothing, and a master that starts again must not wait for its workers. */
const steadyRounds = 40
const backoffGrowth = 1.3
const backoffMaxMs = 10_000
/** After a refusal nothing will have changed in a moment. */
const roundsOfRefusal = steadyRounds + 8
const welcomeMs = 20_000
const silentBeatsMax = 3
/** What a refusal may take to be told, and how long it may be. */
const refusalMs = 5000
const refusalMost = 10_000
const known = new Set(['welcome', 'refused', 'offer', 'applied', 'cancel', 'stop', 'beaten'])

export interface LinkOptions {
  /** The masters' addresses: any will do, and when one goes the next is tried. */
  readonly masters: readonly string[]
  readonly token: string
  readonly hello: () => Hello
  readonly freeBytes: () => number | null
  readonly spool: () => SpoolState
  readonly hindrance: () => string | null
  readonly onWelcome: (welcome: Welcome) => void
  readonly onMessage: (message: MasterMessage) => void
  /** Called once, when going on makes no sense: with the exit code. */
  readonly onHopeless: (code: number) => void
  /** What a TLS connection is made with, asked for each; may throw. */
  readonly identity?: () => ReturnType<typeof readIdentity>
  /** Opens the line; the simulation has a network of its own. */
  readonly open?: (url: string, options: ClientOptions) => WebSocket
}

const openSocket = (url: string, options: ClientOptions): WebSocket => new WebSocket(url, options)

export class Link {
  private readonly options: LinkOptions
  private socket: WebSocket | null = null
  private isWelcome = false
  private wasWelcome = false
  private isClosed = false
  private failures = 0
  private at = 0
  /** By the clock that nobody sets. */
  private heardAt = 0
  private timer: NodeJS.Timeout | null = null
  private unknown = 0
  private why = 'the master is dialled'
  /** The line that is about to close was refused in words, which tell more than how it closed. */
  private refusedBy: string | null = null
  private skew = 0

  constructor(options: LinkOptions) {
    this.options = options
  }

  /** The address of the master it speaks with, or tries next. */
  get master(): string {
    return this.options.masters[this.at] ?? ''
  }

  get isOpen(): boolean {
    return this.isWelcome
  }

  /** Why it speaks with no master, for people. */
  get trouble(): string {
    return this.why
  }

  /** By how many milliseconds this machine's clock was ahead of the master's when they met. */
  get skewMs(): number {
    return this.skew
  }

  dial(): void {
    const {token} = this.options
    const url = `${this.master.replace(/^http/, 'ws')}/worker`
    const headers = {Authorization: `Bearer ${token}`}
    const socket = (this.options.open ?? openSocket)(url, {
      headers,
      perMessageDeflate: false,
      maxPayload: 2 * textFrameMax,
      handshakeTimeout: welcomeMs,
      ...this.identity(),
    })
    this.socket = socket
    let why = ''
    socket.on('unexpected-response', (request, response) => {
      why = `the master answered ${response.statusCode}`
      void detailOf(response).then(({code, detail}) => {
        request.destroy()
        if (this.socket !== socket) return
        if (code === 'certificate') this.refuse(code, detail)
        else if (response.statusCode === 401 || response.statusCode === 403)
          this.refuse('token', "the master does not accept this worker's token")
        socket.terminate()
      })
    })
    socket.on('open', () => {
      this.later(welcomeMs, () => socket.terminate())
      this.heardAt = performance.now()
      socket.send(encodeText(this.options.hello()))
    })
    socket.on('message', (data, isBinary) => this.hear(data, isBinary))
    socket.on('error', (error) => (why ||= error.message))
    socket.on('close', (code, reason) => {
      if (this.socket === socket)
        this.lost(why || `closed with ${code}${reason.length > 0 ? `: ${reason.toString()}` : ''}`)
    })
  }

  /** A file that is just being renewed costs one dial that fails. */
  private identity(): Pick<ClientOptions, 'ca' | 'cert' | 'key'> {
    try {
      return this.options.identity?.() ?? {}
    } catch (error) {
      warn('link.identity', {text: (error as Error).message})
      return {}
    }
  }

  send(message: WorkerMessage): void {
    this.sendFrame(encodeText(message))
  }

  sendFrame(frame: string | Buffer): void {
    if (this.isWelcome) this.socket?.send(frame)
  }

  close(): void {
    this.isClosed = true
    if (this.timer) clearTimeout(this.timer)
    this.socket?.close(1001)
  }

  private hear(data: RawData, isBinary: boolean): void {
    this.heardAt = performance.now()
    let message: MasterMessage
    try {
      const text = textOf(data, isBinary)
      if (isUnknown(text)) {
        this.unknown++
        return
      }
      message = decode(masterMessageShape, text).message
    } catch (error) {
      if (!(error instanceof FrameFault)) throw error
      warn('link.malformed', {text: error.message})
      this.socket?.close(1007, error.message.slice(0, 120))
      return
    }
    if (message.say === 'welcome') return this.welcome(message)
    if (message.say === 'refused') return this.refuse(message.code, message.text)
    if (message.say !== 'beaten' && this.isWelcome) this.options.onMessage(message)
  }

  private welcome(welcome: Welcome): void {
    const {protocol, master, beatSeconds} = welcome
    if (protocol < protocolOldest || protocol > protocolNewest)
      return this.refuse(
        'protocol',
        `the master speaks protocol ${protocol}, this worker ${protocolOldest} to ${protocolNewest}`,
      )
    note('link.welcome', {master, protocol})
    this.skew = Date.now() - welcome.now
    if (isFarApart(this.skew))
      warn('clock.apart', {seconds: Math.round(this.skew / 1000), remedy: clockText(this.skew)})
    this.isWelcome = this.wasWelcome = true
    this.failures = 0
    this.options.onWelcome(welcome)
    // The first beat at once: the master then knows that its welcome was heard.
    this.beat()
    this.beatEvery(beatSeconds * 1000)
  }

  private beatEvery(everyMs: number): void {
    this.later(everyMs, () => {
      if (performance.now() - this.heardAt > silentBeatsMax * everyMs) return this.socket?.terminate()
      this.beat()
      return this.beatEvery(everyMs)
    })
  }

  private beat(): void {
    const {freeBytes, spool, hindrance} = this.options
    this.send({
      say: 'beat',
      now: Date.now(),
      freeBytes: freeBytes(),
      spool: spool(),
      hindered: hindrance(),
    })
  }

  private refuse(code: string, text: string): void {
    warn('link.refused', {code, text})
    this.why = `${this.master}: ${text}`
    this.refusedBy = this.master
    if (code === 'protocol') return this.giveUp(2)
    // A wrong token at the first call is a mistake to be told at once; later it may be the master's, and a build may wait for it.
    if (code === 'token' && !this.wasWelcome && this.options.hello().attempts.length === 0)
      return this.giveUp(3)
    this.failures = Math.max(this.failures, roundsOfRefusal * this.options.masters.length)
    this.socket?.close(1000)
  }

  private giveUp(code: number): void {
    this.close()
    this.options.onHopeless(code)
  }

  private lost(why: string): void {
    this.isWelcome = false
    this.socket = null
    if (this.isClosed) return
    const from = this.master
    if (this.refusedBy !== from) this.why = `${from}: ${why}`
    this.refusedBy = null
    const {length} = this.options.masters
    this.at = (this.at + 1) % length
    // Every master is asked once before the pause grows.
    const rounds = Math.floor(this.failures++ / length)
    const limitMs = Math.min(backoffMaxMs, backoffMinMs * backoffGrowth ** Math.max(0, rounds - steadyRounds))
    const waitMs = limitMs * (0.5 + Math.random() / 2)
    warn('link.lost', {master: from, why, againMs: Math.round(waitMs), next: this.master})
    this.later(waitMs, () => this.dial())
  }

  private later(waitMs: number, act: () => void): void {
    if (this.timer) clearTimeout(this.timer)
    this.timer = setTimeout(act, waitMs)
  }
}

/** What a refusal says of itself; little of it, and not for long. */
async function detailOf(response: IncomingMessage): Promise<{code: string; detail: string}> {
  let text = ''
  response.setTimeout(refusalMs, () => response.destroy())
  try {
    for await (const piece of response) {
      text += String(piece)
      if (text.length > refusalMost) break
    }
    const {code, detail} = JSON.parse(text) as {code?: unknown; detail?: unknown}
    return {code: String(code), detail: String(detail)}
  } catch {
    return {code: '', detail: ''}
  }
}

function textOf(data: RawData, isBinary: boolean): string {
  if (isBinary) throw new FrameFault('a master sends no binary frames')
  return Buffer.isBuffer(data) ? data.toString() : Buffer.concat(data as Buffer[]).toString()
}

/** Something this version does not know, which is no fault. */
function isUnknown(text: string): boolean {
  try {
    const {say} = (JSON.parse(text) ?? {}) as {say?: unknown}
    return typeof say === 'string' && !known.has(say)
  } catch {
    return false
  }
}
