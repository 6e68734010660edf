// The one stream of events from the master, shared by everything on the page: it tells that something happened, and
// whoever shows that something asks again. Survives sleep, restarts of the master and lost networks.
import {useEffect, useRef, useSyncExternalStore} from 'react'
import {eventsAddress} from './api.ts'

const types = [
  'change.added',
  'change.held',
  'request.added',
  'build.started',
  'step.started',
  'step.finished',
  'build.finished',
  'build.retried',
  'buildset.finished',
  'worker.connected',
  'worker.disconnected',
  'worker.lost',
  'branch.promoted',
  'branch.rolledBack',
  'promotion.decided',
  'promotion.conflict',
  'promotion.held',
  'promotion.released',
  'source.failed',
  'source.recovered',
  'config.applied',
  'config.refused',
] as const

export interface Happening {
  /**
   * Besides the master's own: `opened` when the stream begins (what was asked for just before may have missed
   * something), `resumed` when events were missed (ask again for everything shown), `refused` when the master answers
   * but does not give the stream.
   */
  readonly type: (typeof types)[number] | 'opened' | 'resumed' | 'refused'
  readonly data: Readonly<Record<string, unknown>>
}
type Listener = (happening: Happening) => void

/** `away`: the master is there, but its database is not. `lost` is only said when the stream has been away long enough for a reader to care. */
export type Liveness = 'connecting' | 'live' | 'away' | 'lost'

const retryMs = 3000
const patienceMs = 2500
const hiddenMs = 60_000

const listeners = new Set<Listener>()
const watchers = new Set<() => void>()
let liveness: Liveness = 'connecting'
let source: EventSource | null = null
let last: string | null = null
let retry: ReturnType<typeof setTimeout> | undefined
let patience: ReturnType<typeof setTimeout> | undefined
let wasLive = false

function become(next: Liveness) {
  if (liveness === next) return
  liveness = next
  for (const watcher of watchers) watcher()
}

function tell(happening: Happening) {
  for (const listener of listeners) listener(happening)
}

function open() {
  clearTimeout(retry)
  source?.close()
  const stream = new EventSource(eventsAddress(last))
  source = stream
  stream.onopen = () => {
    clearTimeout(patience)
    patience = undefined
  }
  stream.addEventListener('database', (event) => {
    const {state} = parse(String(event.data))
    if (state === 'away') return become('away')
    const wasLost = liveness === 'lost' || liveness === 'away'
    become('live')
    // What happened while we were away is told again from the last event. Without one, or when questions went without
    // an answer meanwhile, ask for everything.
    if (!wasLive) tell({type: 'opened', data: {}})
    else if (wasLost || last === null) tell({type: 'resumed', data: {}})
    wasLive = true
  })
  stream.onerror = () => {
    // From the first failure on: further tries must not push the news away.
    // (A master whose database is away ends the stream, too, but answers.)
    patience ??= setTimeout(() => become('lost'), liveness === 'away' ? 2 * retryMs : patienceMs)
    if (stream.readyState !== EventSource.CLOSED) return
    retry = setTimeout(open, retryMs)
    tell({type: 'refused', data: {}})
  }
  for (const type of types) {
    stream.addEventListener(type, (event) => {
      if (event.lastEventId !== '') last = event.lastEventId
      tell({type, data: parse(String(event.data))})
    })
  }
}

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return {}
  }
}

function resume() {
  last = null
  open()
  tell({type: 'resumed', data: {}})
}

/** Opens the stream and keeps it open while the page is looked at, until the answer is called. */
export function goLive(): () => void {
  wasLive = false
  last = null
  open()
  let asleepAt = Date.now()
  const watch = setInterval(() => {
    // A clock that jumped means that the machine slept: the connection may be dead without knowing.
    if (Date.now() - asleepAt > 30_000 && document.visibilityState === 'visible') resume()
    asleepAt = Date.now()
  }, 5000)
  // Browsers allow six connections to one server, over all tabs: a hidden tab gives its back.
  let hiding: ReturnType<typeof setTimeout> | undefined
  const look = () => {
    clearTimeout(hiding)
    if (document.visibilityState === 'hidden') {
      hiding = setTimeout(() => {
        source?.close()
        source = null
      }, hiddenMs)
    } else if (source === null) resume()
  }
  document.addEventListener('visibilitychange', look)
  addEventListener('online', resume)
  return () => {
    for (const timer of [retry, patience, hiding]) clearTimeout(timer)
    clearInterval(watch)
    document.removeEventListener('visibilitychange', look)
    removeEventListener('online', resume)
    patience = undefined
    source?.close()
    source = null
    become('connecting')
  }
}

/** Calls back for every event until the component goes away. */
export function useHappenings(listener: Listener) {
  const current = useRef(listener)
  useEffect(() => {
    current.current = listener
  })
  useEffect(() => {
    const forward: Listener = (happening) => current.current(happening)
    listeners.add(forward)
    return () => {
      listeners.delete(forward)
    }
  }, [])
}

const watch = (watcher: () => void) => {
  watchers.add(watcher)
  return () => {
    watchers.delete(watcher)
  }
}

/** Whether what the page shows is the present. */
export const useLiveness = (): Liveness => useSyncExternalStore(watch, () => liveness)
