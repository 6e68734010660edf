// What is served while the database is away: readers get the last good answer to the same question, said to be old.
// Whoever was let in within the last minutes is still known; nobody new is, and nothing changes.
import {createHash} from 'node:crypto'
import type {FastifyInstance, FastifyReply, FastifyRequest} from 'fastify'
import type {Caller} from './access.ts'
import {isDatabaseAway} from './refusals.ts'

/** The header that says since when an answer is old, as the API writes times. */
export const oldHeader = 'ostler-as-of'
const answerBytesMax = 1024 * 1024
const answersBytesMax = 32 * 1024 * 1024
const callersMax = 10_000
/** How long a caller is still known, in milliseconds: longer than the quarter of an hour that the database may be away. */
const knownMs = 30 * 60_000

interface Answer {
  readonly payload: string
  readonly type: string
  readonly at: Date
}

/** The newest answers to readers, within a bound of bytes; what was asked least recently goes first. */
export class Answers {
  readonly #kept = new Map<string, Answer>()
  #bytes = 0

  keep(url: string, answer: Answer): void {
    this.#drop(url)
    if (answer.payload.length > answerBytesMax) return
    this.#kept.set(url, answer)
    this.#bytes += answer.payload.length
    for (const [oldest] of this.#kept) {
      if (this.#bytes <= answersBytesMax) return
      this.#drop(oldest)
    }
  }

  find(url: string): Answer | null {
    return this.#kept.get(url) ?? null
  }

  #drop(url: string): void {
    this.#bytes -= this.#kept.get(url)?.payload.length ?? 0
    this.#kept.delete(url)
  }
}

/** Callers that were let in, by a hash of what they showed. */
export class Callers {
  readonly #known = new Map<string, {readonly caller: Caller; readonly at: number}>()

  /** Identifies by asking; while the database is away and a reader asks, from memory. */
  async identify(shown: string, isReading: boolean, ask: () => Promise<Caller>): Promise<Caller> {
    const key = createHash('sha256').update(shown).digest('base64')
    try {
      const caller = await ask()
      this.#known.delete(key)
      if (caller.kind !== 'nobody') this.#known.set(key, {caller, at: performance.now()})
      for (const [oldest] of this.#known) {
        if (this.#known.size <= callersMax) break
        this.#known.delete(oldest)
      }
      return caller
    } catch (error) {
      const known = this.#known.get(key)
      if (!isReading || !known || performance.now() - known.at > knownMs || !isDatabaseAway(error as Error))
        throw error
      return known.caller
    }
  }
}

/** Keeps what readers are answered, and gives it again when the database cannot be asked. */
export function serveOld(app: FastifyInstance): void {
  const answers = new Answers()
  app.addHook('onSend', async (request, reply, payload) => {
    const type = reply.getHeader('content-type')
    if (!isReader(request) || reply.statusCode !== 200 || reply.hasHeader(oldHeader)) return
    if (typeof payload === 'string' && typeof type === 'string' && type.startsWith('application/json'))
      answers.keep(request.url, {payload, type, at: new Date()})
  })
  app.decorate('oldAnswer', (request: FastifyRequest, reply: FastifyReply) => {
    const found = isReader(request) && request.isAdmitted ? answers.find(request.url) : null
    if (!found) return false
    void reply
      .code(200)
      .header(oldHeader, found.at.toISOString())
      .header('cache-control', 'no-store')
      .type(found.type)
      .serializer((value: unknown) => value as string)
      .send(found.payload)
    return true
  })
}

/** What is the same for all who may read. */
const isReader = ({method, routeOptions}: FastifyRequest) =>
  method === 'GET' && routeOptions.config.policy === 'read' && !routeOptions.config.stream

declare module 'fastify' {
  interface FastifyInstance {
    /** Answers a reader with what was said last; false when nothing was. */
    oldAnswer: (request: FastifyRequest, reply: FastifyReply) => boolean
  }
}
