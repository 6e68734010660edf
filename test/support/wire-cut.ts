// A wire between worker and master that a test can stall, slow down and cut: a TCP proxy of its own.
import {once} from 'node:events'
import {connect, createServer, type Server, type Socket} from 'node:net'
import {Transform} from 'node:stream'
import type {ExecutionContext} from 'ava'

export class Wire {
  readonly url: string
  private readonly server: Server
  private readonly pairs = new Set<readonly [Socket, Socket]>()
  private isOpen = true
  private bytesPerSecond: number | null = null
  private isCut = false

  private constructor(server: Server, port: number) {
    this.server = server
    this.url = `http://127.0.0.1:${port}`
  }

  /** Listens, and passes everything on to the port; ends with the test. */
  static async to(t: Pick<ExecutionContext, 'teardown'>, port: number): Promise<Wire> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const wire = new Wire(server, typeof address === 'object' && address ? address.port : 0)
    server.on('connection', (near) => wire.join(near, port))
    t.teardown(() => wire.close())
    return wire
  }

  /** Nothing passes any more, and nobody is told; new connections hang as well. */
  stall(): void {
    this.isOpen = false
    for (const [near, far] of this.pairs) {
      near.unpipe().pause()
      far.unpipe().pause()
    }
  }

  /** What was stalled passes again, nothing of it lost. */
  resume(): void {
    if (this.isOpen) return
    this.isOpen = true
    for (const pair of this.pairs) this.pass(pair)
  }

  /** Connections made from now on pass only so many bytes a second, each way; null is no limit. */
  trickle(bytesPerSecond: number | null): void {
    this.bytesPerSecond = bytesPerSecond
  }

  /** Breaks every connection with a reset, also new ones, until `reset`. */
  cut(): void {
    this.reset()
    this.isCut = true
  }

  /** Breaks every connection with a reset; new ones pass again. */
  reset(): void {
    this.isOpen = true
    this.isCut = false
    for (const pair of this.pairs) for (const socket of pair) socket.resetAndDestroy()
    this.pairs.clear()
  }

  private join(near: Socket, port: number): void {
    near.on('error', () => undefined)
    if (this.isCut) return void near.resetAndDestroy()
    const far = connect(port, '127.0.0.1')
    const pair = [near, far] as const
    this.pairs.add(pair)
    for (const [socket, other] of [pair, [far, near] as const]) {
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.pairs.delete(pair)
        other.destroy()
      })
    }
    if (this.isOpen) this.pass(pair)
  }

  private pass([near, far]: readonly [Socket, Socket]): void {
    const {bytesPerSecond} = this
    if (bytesPerSecond === null) near.pipe(far).pipe(near)
    else {
      near.pipe(slowly(bytesPerSecond)).pipe(far)
      far.pipe(slowly(bytesPerSecond)).pipe(near)
    }
  }

  private close(): void {
    for (const pair of this.pairs) for (const socket of pair) socket.destroy()
    this.server.close()
  }
}

const dropMs = 50

/** Passes bytes on a few at a time. */
function slowly(bytesPerSecond: number): Transform {
  const atOnce = Math.max(1, Math.round((bytesPerSecond * dropMs) / 1000))
  return new Transform({
    transform(bytes: Buffer, _encoding, done) {
      const drop = (from: number) => {
        this.push(bytes.subarray(from, from + atOnce))
        if (from + atOnce >= bytes.length) setTimeout(done, dropMs)
        else setTimeout(drop, dropMs, from + atOnce)
      }
      drop(0)
    },
  })
}
