// A small client of the HTTP API, for the programs beside the product: the demo, the bench, the tests.
import type {z} from 'zod'
import type * as shapes from '../master/http/shapes.ts'

export type Build = shapes.Build
export type Step = shapes.Step
export type Request = shapes.Request
export type Worker = shapes.Worker
export type Promotion = shapes.Promotion
export type Decision = shapes.Decision
export type Artifact = shapes.Artifact
export type Change = shapes.Change
export type Buildset = z.infer<typeof shapes.buildsetShape>

export interface Page<T> {
  readonly items: readonly T[]
  readonly next: string | null
}

/** One event of the log; its fields are those of `data`, all text. */
export interface Event {
  readonly id: string
  readonly type: string
  readonly data: Readonly<Record<string, string>>
}

/** A refusal: the status, and what the master said. */
export class Refused extends Error {
  readonly status: number
  readonly body: string

  constructor(method: string, path: string, status: number, body: string) {
    super(`${method} ${path}: ${String(status)} ${body.slice(0, 500)}`)
    this.status = status
    this.body = body
  }
}

export class Api {
  readonly url: string
  private readonly token: string | null

  constructor(url: string, token: string | null = null) {
    this.url = url
    this.token = token
  }

  /** The JSON at a path below `/api/v1`. */
  async get<T>(path: string): Promise<T> {
    return (await (await this.fetch(path)).json()) as T
  }

  async text(path: string): Promise<string> {
    return (await this.fetch(path)).text()
  }

  async bytes(path: string): Promise<Buffer> {
    return Buffer.from(await (await this.fetch(path)).arrayBuffer())
  }

  /** Posts JSON; the answer's JSON, or null where there is none. */
  async post<T>(path: string, body: object = {}): Promise<T> {
    const answer = await this.fetch(path, {
      method: 'POST',
      headers: {'content-type': 'application/json'},
      body: JSON.stringify(body),
    })
    const text = await answer.text()
    return (text === '' ? null : JSON.parse(text)) as T
  }

  /** What stands outside the API's own paths, such as `/metrics`. */
  async outside(path: string): Promise<string> {
    const headers = new Headers(this.token === null ? [] : [['authorization', `Bearer ${this.token}`]])
    const answer = await fetch(`${this.url}${path}`, {headers})
    if (!answer.ok) throw new Refused('GET', path, answer.status, await answer.text())
    return answer.text()
  }

  /** Any request, with our token; rejects with `Refused` when the answer is not a good one. */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    if (this.token !== null) headers.set('authorization', `Bearer ${this.token}`)
    const answer = await fetch(`${this.url}/api/v1${path}`, {...init, headers})
    if (!answer.ok) throw new Refused(init.method ?? 'GET', path, answer.status, await answer.text())
    return answer
  }

  /** The event log from after the event `after` (null: from its beginning) and on, until the signal aborts. */
  async *events(after: string | null, signal: AbortSignal): AsyncGenerator<Event> {
    const path = `/events?after=${encodeURIComponent(after ?? '0')}`
    const answer = await this.fetch(path, {signal})
    if (!answer.body) return
    let waiting = ''
    for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (waiting + text).split('\n\n')
      waiting = blocks.pop() ?? ''
      for (const block of blocks) {
        const event = eventOf(block)
        if (event) yield event
      }
    }
  }

  /** Every item of a list, over all its pages. */
  async all<T>(path: string): Promise<T[]> {
    const items: T[] = []
    const joint = path.includes('?') ? '&' : '?'
    let cursor: string | null = ''
    while (cursor !== null) {
      const after: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const page: Page<T> = await this.get<Page<T>>(`${path}${joint}limit=500${after}`)
      items.push(...page.items)
      cursor = page.next
    }
    return items
  }
}

function eventOf(block: string): Event | null {
  const fields = new Map(
    block
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trimStart()]),
  )
  const [id, type, data] = ['id', 'event', 'data'].map((name) => fields.get(name))
  if (id === undefined || type === undefined || data === undefined) return null
  return {id, type, data: JSON.parse(data) as Record<string, string>}
}
