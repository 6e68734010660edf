// Server-Sent Events: one open answer each, with a heartbeat, and an end for readers that are too slow or may no
// longer look.
import type {FastifyReply, FastifyRequest} from 'fastify'
import {once} from 'node:events'

const heartbeatMs = 15_000
/** What may wait for a slow reader before it is dropped, in bytes; it resumes where it was. */
const backlogBytesMax = 1024 * 1024
const drainMs = 30_000

export interface Happening {
  readonly id?: string
  readonly event: string
  readonly data: string
}

export class Stream {
  readonly #reply: FastifyReply
  readonly #timer: NodeJS.Timeout
  /** Ends when the reader is gone or was dropped. */
  readonly gone: AbortSignal

  constructor(request: FastifyRequest, reply: FastifyReply, mayStay: () => Promise<boolean>) {
    const controller = new AbortController()
    this.gone = controller.signal
    this.#reply = reply
    reply.hijack()
    reply.raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      // A connection of its own: when the stream ends, nothing lingers that a stopping server would wait for.
      connection: 'close',
      'x-accel-buffering': 'no',
    })
    reply.raw.write('retry: 2000\n\n')
    reply.raw.on('error', () => undefined)
    this.#timer = setInterval(() => void this.#beat(mayStay), heartbeatMs)
    reply.raw.once('close', () => {
      clearInterval(this.#timer)
      controller.abort()
    })
    request.raw.socket.setNoDelay(true)
  }

  /** Sends one event. A reader that has a backlog too long is dropped. */
  send({id, event, data}: Happening): void {
    if (this.gone.aborted) return
    const lines = data
      .split('\n')
      .map((line) => `data: ${line}\n`)
      .join('')
    this.#reply.raw.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\n${lines}\n`)
    if (this.#reply.raw.writableLength > backlogBytesMax) this.#reply.raw.destroy()
  }

  /** Waits until the reader has taken most of what was sent; one that takes too long is dropped. */
  async drained(): Promise<void> {
    const {raw} = this.#reply
    if (!raw.writableNeedDrain || this.gone.aborted) return
    const signal = AbortSignal.any([this.gone, AbortSignal.timeout(drainMs)])
    await once(raw, 'drain', {signal}).catch(() => raw.destroy())
  }

  end(): void {
    const {raw} = this.#reply
    // A reader would keep the connection for its next question, and a server that closes waits for it.
    if (!this.gone.aborted) raw.end(() => raw.socket?.destroySoon())
  }

  async #beat(mayStay: () => Promise<boolean>): Promise<void> {
    if (!(await mayStay().catch(() => true))) return this.end()
    if (this.gone.aborted) return
    this.#reply.raw.write(': beat\n\n')
    if (this.#reply.raw.writableLength > backlogBytesMax) this.#reply.raw.destroy()
  }
}

/** The open streams of a server, so that closing it does not wait for their readers. */
export class Streams {
  readonly #open = new Set<Stream>()

  open(request: FastifyRequest, reply: FastifyReply, mayStay: () => Promise<boolean>): Stream {
    const stream = new Stream(request, reply, mayStay)
    this.#open.add(stream)
    stream.gone.addEventListener('abort', () => this.#open.delete(stream))
    return stream
  }

  closeAll(): void {
    for (const stream of this.#open) stream.end()
  }
}
