// A client of the HTTP API: finds the master and the token, asks, and turns refusals into endings.
import {existsSync} from 'node:fs'
import {readFile} from 'node:fs/promises'
import path from 'node:path'
import type {z} from 'zod'
import {problemShape} from '../http/shapes.ts'
import {Ending, exits} from './exits.ts'
import {fetching, type Fetching} from './fetching.ts'

export interface ClientOptions {
  readonly master: string
  readonly tokenFile?: string | undefined
  readonly stateDir?: string | undefined
  /** A file with the issuer of the master's certificate. */
  readonly ca?: string | undefined
}

export interface Happening {
  readonly id: string
  readonly event: string
  readonly data: string
}

export class Client {
  readonly #root: URL
  readonly #token: string | null
  readonly #fetch: Fetching

  constructor(master: string, token: string | null, ca?: string) {
    this.#fetch = fetching(ca)
    try {
      this.#root = new URL(master.endsWith('/') ? master : `${master}/`)
    } catch {
      throw new Ending(
        exits.usage,
        `--master expects an address such as http://127.0.0.1:8010, not ${master}`,
      )
    }
    this.#token = token
  }

  async get<S extends z.ZodType>(
    shape: S,
    address: string,
    query: Record<string, string | number | undefined> = {},
  ): Promise<z.infer<S>> {
    const response = await this.#ask('GET', address, {query})
    return read(shape, await response.json())
  }

  async post<S extends z.ZodType>(
    shape: S,
    address: string,
    body: object = {},
    query: Record<string, string> = {},
  ): Promise<z.infer<S>> {
    const response = await this.#ask('POST', address, {body, query})
    return read(shape, await response.json())
  }

  async delete(address: string): Promise<void> {
    await this.#ask('DELETE', address, {})
  }

  /** The text of an answer, piece by piece. */
  async *text(address: string): AsyncGenerator<Uint8Array> {
    const response = await this.#ask('GET', address, {})
    if (response.body) yield* response.body as unknown as AsyncIterable<Uint8Array>
  }

  /** Server-Sent Events, from a lost connection on where they were. Ends when the server ends the stream on purpose. */
  async *events(address: string, isLast: (happening: Happening) => boolean): AsyncGenerator<Happening> {
    let last = ''
    for (let failures = 0; ;) {
      try {
        const headers: Record<string, string> = {
          accept: 'text/event-stream',
          ...(last ? {'last-event-id': last} : {}),
        }
        const response = await this.#ask('GET', address, {headers})
        for await (const happening of parseEvents(response.body as unknown as AsyncIterable<Uint8Array>)) {
          failures = 0
          last = happening.id || last
          yield happening
          if (isLast(happening)) return
        }
      } catch (error) {
        // A refusal stays one; a master that restarts is waited for.
        if (error instanceof Ending && !error.message.includes('could not be reached')) throw error
        if (++failures > 60) throw error
      }
      await new Promise((resolve) => setTimeout(resolve, 1000))
    }
  }

  async #ask(
    method: string,
    address: string,
    {
      query = {},
      body,
      headers = {},
    }: {query?: Record<string, string | number | undefined>; body?: object; headers?: Record<string, string>},
  ): Promise<Response> {
    const url = new URL(`api/v1${address}`, this.#root)
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, String(value))
    let response: Response
    try {
      response = await this.#fetch(url, {
        method,
        headers: {
          ...headers,
          ...(this.#token ? {authorization: `Bearer ${this.#token}`} : {}),
          ...(body ? {'content-type': 'application/json'} : {}),
        },
        ...(body ? {body: JSON.stringify(body)} : {}),
      })
    } catch (error) {
      const cause = (error as {cause?: {code?: string; message?: string}}).cause
      throw new Ending(
        exits.away,
        `the master at ${this.#root.origin} could not be reached: ${cause?.code ?? cause?.message ?? (error as Error).message}${caHint(cause?.code)}`,
      )
    }
    if (response.ok) return response
    throw await endingOf(response, this.#token !== null)
  }
}

/** An issuer that nobody told us of is the usual reason. */
const caHint = (code: string | undefined): string =>
  code !== undefined && /SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)/.test(code)
    ? ' (give the issuer of its certificate with --ca, or OSTLER_CA)'
    : ''

/** The client for the options and the environment. */
export async function openClient({master, tokenFile, stateDir, ca}: ClientOptions): Promise<Client> {
  return new Client(master, await findToken(tokenFile, stateDir), ca)
}

async function findToken(
  tokenFile: string | undefined,
  stateDir: string | undefined,
): Promise<string | null> {
  const read = async (file: string) => {
    try {
      return (await readFile(file, 'utf8')).trim()
    } catch (error) {
      throw new Ending(
        exits.usage,
        `the token cannot be read from ${file}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`,
      )
    }
  }
  if (tokenFile !== undefined) return await read(tokenFile)
  const fromEnvironment = process.env['OSTLER_TOKEN']
  if (fromEnvironment) return fromEnvironment.trim()
  const credential = path.join(process.env['CREDENTIALS_DIRECTORY'] ?? '/nowhere', 'ostler-token')
  if (existsSync(credential)) return await read(credential)
  return stateDir === undefined ? null : await read(path.join(stateDir, 'admin-token'))
}

function read<S extends z.ZodType>(shape: S, data: unknown): z.infer<S> {
  const parsed = shape.safeParse(data)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new Ending(
    exits.away,
    `the master's answer is not understood (${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}); is it of another version?`,
  )
}

async function endingOf(response: Response, hadToken: boolean): Promise<Ending> {
  const parsed = problemShape.safeParse(await response.json().catch(() => null))
  if (!parsed.success)
    return new Ending(exits.away, `${response.url} answered ${response.status}; is this a master?`)
  const {status, detail, problems = []} = parsed.data
  const hint =
    status === 401 && !hadToken ? '\nGive a token with --token-file, OSTLER_TOKEN or --state-dir.' : ''
  const lines = problems.map(({path: where, message}) => `  ${where}: ${message}`)
  return new Ending(exitOf(status), [detail + hint, ...lines].join('\n'))
}

function exitOf(status: number) {
  if (status === 401 || status === 403 || status === 429 || status >= 500) return exits.away
  return status === 404 || status === 409 || status === 410 ? exits.failed : exits.usage
}

async function* parseEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<Happening> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const bytes of body) {
    rest += decoder.decode(bytes, {stream: true})
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      const happening = {id: '', event: '', data: ''}
      const data: string[] = []
      for (const line of rest.slice(0, end).split('\n')) {
        if (line.startsWith('id: ')) happening.id = line.slice(4)
        else if (line.startsWith('event: ')) happening.event = line.slice(7)
        else if (line.startsWith('data: ')) data.push(line.slice(6))
      }
      rest = rest.slice(end + 2)
      if (happening.event) yield {...happening, data: data.join('\n')}
    }
  }
}
