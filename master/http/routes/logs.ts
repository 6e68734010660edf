// Logs: whole as they lie on disk, a window of lines, a search, and a stream of what is added.
import type {FastifyReply, FastifyRequest} from 'fastify'
import {Readable} from 'node:stream'
import {StringDecoder} from 'node:string_decoder'
import {z} from 'zod'
import {readLog, type LogRow} from '../../world/store/views/logs.ts'
import {mayStay} from '../access.ts'
import {notFound, Refusal} from '../refusals.ts'
import {type followShape} from '../shapes.ts'
import type {Stream} from '../streams.ts'
import type {Api, RouteNeeds} from './index.ts'
import {idParams} from './questions.ts'

/** The most line numbers that one search answers. */
const foundMax = 1000
const linesMax = 100_000
/** A lost bell costs a follower this much. */
const slowTickMs = 1000
/** Rings in between are one reading: a person sees no difference. */
const followMs = 40
/** Text in one event. */
const pieceBytes = 256 * 1024

interface Found {
  /** Numbers of lines, from 0. */
  readonly lines: readonly number[]
  readonly more: boolean
}

export function logRoutes(api: Api, needs: RouteNeeds): void {
  const find = async (id: string): Promise<LogRow> => {
    const log = await readLog(needs.store, id)
    if (!log) throw notFound('log', id)
    if (log.deleted) throw new Refusal(410, 'deleted', `log ${id} was deleted by the retention rules`)
    return log
  }
  api.get(
    '/logs/:id/raw',
    {
      config: {policy: 'read'},
      schema: {
        summary:
          'The log as text: whole, `lines` lines from line `from` (from 0), or the numbers of the lines that hold `search`',
        produces: ['text/plain', 'application/json'],
        params: idParams,
        querystring: z.object({
          from: z.coerce.number().int().min(0).optional(),
          lines: z.coerce.number().int().min(1).max(linesMax).optional(),
          search: z.string().min(1).max(1000).optional(),
        }),
      },
      serializerCompiler: () => (value) => JSON.stringify(value),
    },
    async (request, reply) => {
      const log = await find(request.params.id)
      const {from, lines, search} = request.query
      if (search !== undefined) return await answerSearch(needs, log, search, from ?? 0)
      asText(reply, log)
      if (from === undefined && lines === undefined) return await answerWhole(needs, log, request, reply)
      const window = await needs.logs.readLines(log, from ?? 0, lines ?? linesMax)
      return await reply
        .header('x-ostler-next-line', window.next)
        .serializer((value: Buffer) => value as never)
        .send(window.text)
    },
  )
  api.get(
    '/logs/:id/follow',
    {
      config: {policy: 'read', stream: true},
      schema: {
        summary:
          'Server-Sent Events named `lines` with what the log holds from line `from` on, as it grows, until it is complete',
        produces: ['text/event-stream'],
        params: idParams,
        querystring: z.object({from: z.coerce.number().int().min(0).default(0)}),
      },
    },
    async (request, reply) => {
      const log = await find(request.params.id)
      // A browser that lost its connection says the last event it saw: the byte it had read to, and that line.
      const resumed = /^(\d{1,15})-(\d{1,15})$/.exec(String(request.headers['last-event-id'] ?? ''))
      const place = resumed
        ? {offset: Number(resumed[1]), line: Number(resumed[2])}
        : {
            offset: await needs.logs.offsetOfLine(log, request.query.from),
            line: Math.min(request.query.from, log.lines),
          }
      const stream = needs.streams.open(request, reply, () => mayStay(request, needs))
      void follow(needs, log, place, stream).catch(() => stream.end())
      return reply
    },
  )
}

function asText(reply: FastifyReply, log: LogRow): void {
  reply.type('text/plain; charset=utf-8')
  reply.header('x-ostler-lines', log.lines)
  reply.header('x-ostler-complete', String(log.complete))
  reply.header('cache-control', log.complete ? 'private, max-age=3600, immutable' : 'no-store')
  reply.header('vary', 'accept-encoding')
}

async function answerWhole(needs: RouteNeeds, log: LogRow, request: FastifyRequest, reply: FastifyReply) {
  if (!acceptsGzip(request)) return await reply.send(Readable.from(needs.logs.readText(log)))
  reply.header('content-encoding', 'gzip')
  return await reply.send(Readable.from(needs.logs.readGzip(log)))
}

async function answerSearch(needs: RouteNeeds, log: LogRow, needle: string, from: number): Promise<Found> {
  const found = await needs.logs.search(log, needle, from, foundMax + 1)
  return {lines: found.slice(0, foundMax), more: found.length > foundMax}
}

function acceptsGzip(request: FastifyRequest): boolean {
  const accepted = (request.headers['accept-encoding'] ?? '').toLowerCase()
  return accepted.split(',').some((one) => {
    const [name = '', ...parameters] = one.split(';').map((part) => part.trim())
    return (
      (name === 'gzip' || name === 'x-gzip') &&
      !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
    )
  })
}

/** Sends what is there, then what is added, until the log is complete or the reader gone. */
async function follow(
  needs: RouteNeeds,
  first: LogRow,
  place: {offset: number; line: number},
  stream: Stream,
): Promise<void> {
  const decoder = new StringDecoder('utf8')
  const bell = wake(needs, stream)
  let log = first
  let {offset, line} = place
  for (;;) {
    const heard = bell.next()
    for await (const bytes of needs.logs.readFrom(log, offset))
      for (let start = 0; start < bytes.length; start += pieceBytes) {
        const piece = bytes.subarray(start, start + pieceBytes)
        const text = decoder.write(piece)
        offset += piece.length
        const from = line
        line += countFeeds(piece)
        // The id counts a character that is cut in two as not yet sent.
        if (text !== '')
          send(stream, {from, text, complete: false}, `${offset - pendingBytes(decoder)}-${line}`)
        await stream.drained()
        if (stream.gone.aborted) return bell.stop()
      }
    if (log.complete) break
    await heard
    if (stream.gone.aborted) return bell.stop()
    log = (await readLog(needs.store, log.id)) ?? {...log, complete: true}
  }
  bell.stop()
  send(stream, {from: line, text: decoder.end(), complete: true}, `${offset}-${line}`)
  stream.end()
}

const send = (stream: Stream, piece: z.infer<typeof followShape>, id: string) =>
  stream.send({id, event: 'lines', data: JSON.stringify(piece)})

/** Bytes that a decoder keeps back: the beginning of a character whose end has not come. */
const pendingBytes = (decoder: StringDecoder): number => {
  const {lastTotal, lastNeed} = decoder as unknown as {lastTotal: number; lastNeed: number}
  return lastNeed > 0 ? lastTotal - lastNeed : 0
}

function countFeeds(bytes: Uint8Array): number {
  let feeds = 0
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) feeds++
  return feeds
}

/** `next()` resolves at the next ring of `logs` (gathered), at the slow tick, or when the reader is gone. */
function wake(needs: RouteNeeds, stream: Stream) {
  let rung = false
  let resolve: (() => void) | null = null
  let timer: NodeJS.Timeout | null = null
  const fire = () => {
    if (timer) clearTimeout(timer)
    timer = null
    rung = false
    resolve?.()
    resolve = null
  }
  const soon = (ms: number) => {
    if (timer) clearTimeout(timer)
    timer = setTimeout(fire, ms)
  }
  const quiet = needs.bells.on('logs', () => {
    if (rung) return
    rung = true
    if (resolve) soon(followMs)
  })
  stream.gone.addEventListener('abort', fire)
  return {
    next: () =>
      new Promise<void>((done) => {
        resolve = done
        soon(rung ? followMs : slowTickMs)
      }),
    stop() {
      quiet()
      if (timer) clearTimeout(timer)
    },
  }
}
