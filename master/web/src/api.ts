// Talking to the master: every request the page makes goes through here.
import type {
  Artifact,
  Build,
  Builder,
  Buildset,
  Change,
  Decision,
  Promotion,
  PromotionPicture,
  Request,
  RollbackPlan,
  RolledBack,
  Scheduler,
  Step,
  Waterfall,
  Who,
  Worker,
} from '../../http/shapes.ts'
import type {Problem} from '../core/form.ts'
import {base} from './base.ts'

export interface Page<T> {
  readonly items: T[]
  readonly next: string | null
}

/** The master said no, or could not be reached (status 0). `message` is what to show. */
export class Refused extends Error {
  readonly status: number
  readonly problems: readonly Problem[]

  constructor(status: number, message: string, problems: readonly Problem[] = []) {
    super(message)
    this.status = status
    this.problems = problems
  }
}

const root = `${base}/api/v1`
const part = encodeURIComponent

async function ask(path: string, init?: RequestInit): Promise<Response> {
  const response = await fetch(`${root}${path}`, {credentials: 'same-origin', ...init}).catch(
    (error: unknown) => {
      if (error instanceof DOMException && error.name === 'AbortError') throw error
      throw new Refused(0, 'The master does not answer.')
    },
  )
  if (!response.ok) throw await readRefusal(response)
  return response
}

async function readRefusal(response: Response): Promise<Refused> {
  const body: unknown = await response.json().catch(() => null)
  const {detail, title, problems} = (body ?? {}) as {detail?: string; title?: string; problems?: Problem[]}
  return new Refused(
    response.status,
    detail ?? title ?? `The master answered ${String(response.status)}.`,
    problems,
  )
}

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await ask(path, {signal: signal ?? null})
  return (await response.json()) as T
}

async function send<T>(method: string, path: string, body: object = {}): Promise<T> {
  const response = await ask(path, {
    method,
    headers: {'content-type': 'application/json'},
    body: JSON.stringify(body),
  })
  const text = await response.text()
  return (text === '' ? null : JSON.parse(text)) as T
}

const query = (given: Record<string, string | number | null | undefined>) => {
  const pairs = Object.entries(given).filter(
    ([, value]) => value !== null && value !== undefined && value !== '',
  )
  return pairs.length === 0
    ? ''
    : `?${new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString()}`
}

/** Reads. */
export const read = {
  who: () => get<Who>('/session'),
  waterfall: (from: number, to: number, signal?: AbortSignal) =>
    get<Waterfall>(
      `/waterfall${query({from: new Date(from).toISOString(), to: new Date(to).toISOString()})}`,
      signal,
    ),
  /** The window that ends now. It has no times in its address, so that a master without its database still knows it. */
  waterfallNow: (spanMs: number, signal?: AbortSignal) =>
    get<Waterfall>(`/waterfall${query({hours: spanMs / 3_600_000})}`, signal),
  builders: () => get<Page<Builder>>('/builders?limit=500'),
  builds: (filter: {
    builder?: string
    branch?: string
    result?: string
    cursor?: string | null
    limit?: number
  }) => get<Page<Build>>(`/builds${query(filter)}`),
  build: (id: string) => get<Build>(`/builds/${part(id)}`),
  steps: (id: string) => get<Page<Step>>(`/builds/${part(id)}/steps`),
  buildChanges: (id: string) => get<Page<Change>>(`/changes${query({build: id, limit: 500})}`),
  artifacts: (build: string) => get<Page<Artifact>>(`/artifacts${query({build, limit: 500})}`),
  requests: () => get<Page<Request>>('/requests?state=pending&limit=500'),
  request: (id: string) => get<Request>(`/requests/${part(id)}`),
  buildset: (id: string) => get<Buildset>(`/buildsets/${part(id)}`),
  workers: () => get<Page<Worker>>('/workers?limit=500'),
  schedulers: () => get<Page<Scheduler>>('/schedulers?limit=500'),
  promotions: () => get<Page<Promotion>>('/promotions?limit=500'),
  promotionPicture: (rule: string) => get<PromotionPicture>(`/promotions/${part(rule)}/picture`),
  rollback: (rule: string) => get<RollbackPlan>(`/promotions/${part(rule)}/rollback`),
  decisions: (rule: string, cursor: string | null) =>
    get<Page<Decision>>(`/promotions/${part(rule)}/history${query({cursor, limit: 20})}`),
}

/** Acts. */
export const act = {
  logIn: (token: string) => send<Who>('POST', '/session', {token}),
  logOut: () => send<null>('DELETE', '/session'),
  cancelBuild: (id: string, reason: string) => send('POST', `/builds/${part(id)}/cancel`, {reason}),
  rebuild: (id: string) => send<{buildset: string}>('POST', `/builds/${part(id)}/rebuild`),
  cancelRequest: (id: string, reason: string) => send('POST', `/requests/${part(id)}/cancel`, {reason}),
  worker: (name: string, verb: 'pause' | 'resume' | 'drain', reason: string) =>
    send('POST', `/workers/${part(name)}/${verb}`, {reason}),
  force: (scheduler: string, order: object) =>
    send<{buildset: string}>('POST', `/schedulers/${part(scheduler)}/force`, order),
  promote: (rule: string, dryRun: boolean) =>
    send<Decision>('POST', `/promotions/${part(rule)}/run?dryRun=${String(dryRun)}`),
  hold: (rule: string, reason: string) => send('POST', `/promotions/${part(rule)}/hold`, {reason}),
  release: (rule: string, reason: string) => send('POST', `/promotions/${part(rule)}/release`, {reason}),
  approve: (rule: string, revision: string) => send('POST', `/promotions/${part(rule)}/approve`, {revision}),
  deny: (rule: string, revision: string, reason: string) =>
    send('POST', `/promotions/${part(rule)}/deny`, {revision, reason}),
  allow: (rule: string, revision: string, reason: string) =>
    send('POST', `/promotions/${part(rule)}/allow`, {revision, reason}),
  unfreeze: (rule: string, reason: string, forSeconds: number) =>
    send('POST', `/promotions/${part(rule)}/unfreeze`, {reason, forSeconds}),
  rollBack: (rule: string, {from, to}: RollbackPlan, said: {reason: string; deny: boolean}) =>
    send<RolledBack>('POST', `/promotions/${part(rule)}/rollback`, {from, to, ...said}),
}

export const logAddress = (id: string) => `${root}/logs/${part(id)}/raw`
export const followAddress = (id: string, from: number) =>
  `${root}/logs/${part(id)}/follow?from=${String(from)}`
export const eventsAddress = (after: string | null) => `${root}/events${query({after})}`
export const artifactAddress = (id: string) => `${root}/artifacts/${part(id)}`

/** A page that shows nothing of 8 MB of text: more than that of one answer is left where it is. */
const textMax = 8_000_000
/** Shorter answers were not cut, by us or the master. */
const boundMin = 2_000_000

/** At most so many lines of a log, from one on (0 is the first); fewer when they are very long. */
export async function readLines(
  log: string,
  from: number,
  lines: number,
  signal?: AbortSignal,
): Promise<string[]> {
  const response = await ask(`/logs/${part(log)}/raw${query({from, lines})}`, {signal: signal ?? null})
  const text = await readText(response)
  const found = text.split('\n')
  // The part after the last line feed: nothing, or a line without an end yet, or one that the bound on an answer cut.
  const isCut = text.length > boundMin && found.length > 1
  if (text.endsWith('\n') || text === '' || isCut) found.pop()
  return found.slice(0, lines)
}

async function readText(response: Response): Promise<string> {
  const reader = response.body?.getReader()
  if (!reader) return ''
  const decoder = new TextDecoder()
  let text = ''
  for (;;) {
    const {done, value} = await reader.read()
    if (done) return text + decoder.decode()
    text += decoder.decode(value, {stream: true})
    if (text.length > textMax) {
      await reader.cancel()
      return text
    }
  }
}

export interface Found {
  /** The numbers of the lines, from 0. */
  readonly lines: readonly number[]
  /** There are more than were counted. */
  readonly more: boolean
}

/** The lines that hold a text. */
export const searchLog = (log: string, text: string) =>
  get<Found>(`/logs/${part(log)}/raw${query({search: text})}`)
