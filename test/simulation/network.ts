// The virtual network between workers and masters: connections that keep their order, and that are cut, stalled one
// way, partitioned or left half-open. The sockets look like those of `ws`, so the real door and the real link use them.
import {EventEmitter} from 'node:events'
import {type Clockwork, lifeOf, type Node} from './clockwork.ts'
import type {Random} from './random.ts'

const closeTimeoutMs = 30_000
const handshakeMs = 20_000

type Parcel =
  | {readonly kind: 'open'}
  | {readonly kind: 'message'; readonly data: Buffer; readonly isBinary: boolean}
  | {readonly kind: 'ping' | 'pong'}
  | {readonly kind: 'close'; readonly code: number; readonly reason: string}
  | {readonly kind: 'end'}

/** One end of a connection. */
export class VirtualSocket extends EventEmitter {
  static readonly states = {CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3} as const
  readonly OPEN = 1
  readyState = 0
  binaryType = 'nodebuffer'
  isPaused = false
  bufferedAmount = 0
  readonly node: Node
  readonly life: number
  peer: VirtualSocket | null = null
  /** Nothing sent here arrives any more, and nobody is told. */
  isDeaf = false
  private readonly network: Network
  private lastAt = 0
  private held: Parcel[] = []

  constructor(network: Network, node: Node) {
    super()
    this.network = network
    this.node = node
    this.life = lifeOf(node)
  }

  get isUsable(): boolean {
    return this.node.isAlive && this.node.life === this.life
  }

  send(data: string | Buffer | Uint8Array): void {
    if (this.readyState !== 1 || !this.isUsable) return
    this.network.onSend(this.node, data)
    const bytes = typeof data === 'string' ? Buffer.from(data) : Buffer.from(data)
    this.bufferedAmount += bytes.length
    this.transmit({kind: 'message', data: bytes, isBinary: typeof data !== 'string'})
  }

  ping(): void {
    if (this.readyState === 1) this.transmit({kind: 'ping'})
  }

  close(code = 1005, reason: string | Buffer = ''): void {
    if (this.readyState === 0) return this.abort('closed before it was open')
    if (this.readyState !== 1) return
    this.readyState = 2
    this.transmit({kind: 'close', code, reason: String(reason)})
    this.network.clock.later(closeTimeoutMs, this.node, () => this.terminate())
  }

  terminate(): void {
    if (this.readyState === 3) return
    if (this.readyState === 0) return this.abort('terminated before it was open')
    this.readyState = 2
    this.transmit({kind: 'end'})
    this.network.clock.later(0, this.node, () => this.closed(1006, ''))
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
    const parcels = this.held
    this.held = []
    for (const parcel of parcels) this.network.clock.later(0, this.node, () => this.receive(parcel))
  }

  /** The connection cannot be made. */
  abort(text: string): void {
    if (this.readyState === 3) return
    this.network.clock.later(0, this.node, () => {
      if (this.readyState === 3) return
      this.emit('error', new Error(text))
      this.closed(1006, '')
    })
  }

  /** Sends in order, when the way is free. */
  transmit(parcel: Parcel): void {
    const {peer, network} = this
    if (!peer || this.isDeaf) return
    const at = Math.max(this.lastAt, network.arrival(this, peer))
    this.lastAt = at
    network.clock.later(at - network.clock.now, null, () => {
      if (parcel.kind === 'message') this.bufferedAmount -= parcel.data.length
      if (this.isDeaf || !peer.isUsable) return
      network.clock.hand(peer.node, peer.life, () => peer.receive(parcel))
    })
  }

  receive(parcel: Parcel): void {
    if (this.isPaused && parcel.kind !== 'end') return void this.held.push(parcel)
    if (this.readyState === 3) return
    switch (parcel.kind) {
      case 'open':
        if (this.readyState !== 0) return
        this.readyState = 1
        return void this.emit('open')
      case 'message':
        return void this.emit('message', parcel.data, parcel.isBinary)
      case 'ping':
        this.transmit({kind: 'pong'})
        return
      case 'pong':
        return void this.emit('pong')
      case 'close':
        if (this.readyState === 1) this.transmit({kind: 'close', code: parcel.code, reason: parcel.reason})
        return this.closed(parcel.code, parcel.reason)
      case 'end':
        return this.closed(1006, '')
    }
  }

  private closed(code: number, reason: string): void {
    if (this.readyState === 3) return
    this.readyState = 3
    this.network.forget(this)
    this.emit('close', code, Buffer.from(reason))
  }
}

export type Door = (socket: VirtualSocket, worker: string) => void

/** What listens at an address. */
export interface Listener {
  readonly node: Node
  readonly door: Door
  /** Whether it can tell now who calls. */
  readonly canTell: () => boolean
}

export class Network {
  readonly clock: Clockwork
  readonly random: Random
  readonly listeners = new Map<string, Listener>()
  readonly sockets = new Set<VirtualSocket>()
  /** Until when nothing gets from one node to another, as `from>to`. */
  readonly walls = new Map<string, number>()
  onSend: (node: Node, data: string | Buffer | Uint8Array) => void = () => undefined

  constructor(clock: Clockwork, random: Random) {
    this.clock = clock
    this.random = random
  }

  /** When something sent now arrives. */
  arrival(from: VirtualSocket, to: VirtualSocket): number {
    const latency = this.random.chance(0.01) ? this.random.between(100, 3000) : this.random.between(0.3, 15)
    const wall = this.walls.get(`${from.node.name}>${to.node.name}`) ?? 0
    return Math.max(this.clock.now, wall) + latency
  }

  /** Dials an address, as `new WebSocket(url)` does. */
  dial(node: Node, worker: string, address: string): VirtualSocket {
    const {clock} = this
    const socket = new VirtualSocket(this, node)
    this.sockets.add(socket)
    const listener = this.listeners.get(address)
    clock.later(handshakeMs, node, () => {
      if (socket.readyState === 0) socket.abort('Opening handshake has timed out')
    })
    if (!listener) return (socket.abort('connect ECONNREFUSED'), socket)
    const other = new VirtualSocket(this, listener.node)
    const at = this.arrival(socket, other)
    clock.later(at - clock.now, null, () => {
      if (!socket.isUsable || socket.readyState !== 0) return
      if (!listener.node.isAlive || this.listeners.get(address) !== listener)
        return clock.hand(socket.node, socket.life, () => socket.abort('connect ECONNREFUSED'))
      socket.peer = other
      other.peer = socket
      this.sockets.add(other)
      clock.hand(listener.node, listener.node.life, () => {
        if (!listener.canTell()) return this.refuse(socket)
        other.readyState = 1
        other.transmit({kind: 'open'})
        clock.say(`${worker} reaches ${listener.node.name}`)
        listener.door(other, worker)
      })
    })
    return socket
  }

  /** Breaks a connection: both sides are told soon, or only one of them is, or neither (it is dead without a word). */
  cut(socket: VirtualSocket, tells: 'both' | 'one' | 'none'): void {
    const {peer} = socket
    if (!peer) return
    for (const [end, isTold] of [[socket, tells !== 'none'], [peer, tells === 'both']] as const) {
      end.isDeaf = true
      if (isTold)
        this.clock.later(this.random.between(0.1, 200), end.node, () => end.receive({kind: 'end'}))
    } // prettier-ignore
  }

  /** The node's process is gone: its kernel ends the connections, unless the host went with it. */
  gone(node: Node, isHost: boolean): void {
    for (const socket of [...this.sockets])
      if (socket.node === node) {
        if (isHost) socket.isDeaf = true
        else socket.transmit({kind: 'end'})
        if (isHost && socket.peer) socket.peer.isDeaf = true
        socket.readyState = 3
        this.forget(socket)
      }
  }

  forget(socket: VirtualSocket): void {
    this.sockets.delete(socket)
  }

  private refuse(socket: VirtualSocket): void {
    this.clock.later(this.random.between(1, 10), socket.node, () =>
      socket.emit('unexpected-response', {destroy: () => undefined}, refusal),
    )
  }
}

/** How a master that does not take a connection answers, as far as a worker reads it: without a word. */
const refusal = {
  statusCode: 503,
  setTimeout: () => undefined,
  destroy: () => undefined,
  [Symbol.asyncIterator]: () => ({next: () => Promise.resolve({done: true as const, value: undefined})}),
}
