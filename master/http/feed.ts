// The event log read once for all who follow it: a follower that is up to date shares the one reader's events, one
// that is behind catches up by itself first.
import type {Bells} from '../world/bells.ts'
import {newestCursor, readEvents, type Cursor, type StoredEvent} from '../world/store/events.ts'
import type {Store} from '../world/store/store.ts'

const batch = 500
/** How soon to look again when an older transaction still holds back visible events. */
const heldMs = 20
/** A lost bell costs this much. */
const slowTickMs = 2000

export interface Follower {
  /** Takes events in order; resolves when more may come. */
  take(events: readonly StoredEvent[]): void
  drained(): Promise<void>
  /** The events cannot be read now, or can be again. */
  database(state: 'away' | 'here'): void
  readonly gone: AbortSignal
}

interface Reader {
  at: Cursor
  behind: boolean
  readonly follower: Follower
}

export class EventFeed {
  readonly #store: Store
  readonly #readers = new Set<Reader>()
  readonly #quiet: () => void
  #tail: Cursor | null = null
  #tick: NodeJS.Timeout | null = null
  #reading = false
  #again = false
  #closed = false
  #isAway = false

  constructor(store: Store, bells: Bells) {
    this.#store = store
    this.#quiet = bells.on('events', () => void this.#read())
  }

  /** Gives a follower every event after the cursor (null: after now), and goes on as they happen. */
  async follow(after: Cursor | null, follower: Follower): Promise<void> {
    if (this.#readers.size === 0) this.#tail = null
    const tail = (this.#tail ??= await newestCursor(this.#store))
    const reader: Reader = {at: after ?? tail, behind: true, follower}
    this.#readers.add(reader)
    follower.gone.addEventListener('abort', () => this.#readers.delete(reader))
    if (follower.gone.aborted) this.#readers.delete(reader)
    this.#schedule(slowTickMs)
    follower.database(this.#isAway ? 'away' : 'here')
    await this.#catchUp(reader)
  }

  close(): void {
    this.#closed = true
    this.#quiet()
    if (this.#tick) clearTimeout(this.#tick)
    this.#readers.clear()
  }

  async #catchUp(reader: Reader): Promise<void> {
    while (this.#tail && isBefore(reader.at, this.#tail) && !reader.follower.gone.aborted && !this.#closed) {
      const {events} = await readEvents(this.#store, reader.at, batch)
      if (events.length === 0) break
      deliver(reader, events)
      await reader.follower.drained()
    }
    reader.behind = false
  }

  async #read(): Promise<void> {
    this.#again = true
    if (this.#reading || this.#closed) return
    this.#reading = true
    let held = false
    try {
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- a bell sets it while this reads
      while (this.#again && this.#tail && this.#readers.size > 0 && !this.#closed) {
        this.#again = false
        const found = await readEvents(this.#store, this.#tail, batch)
        this.#tell(false)
        held = found.held
        this.#tail = found.events.at(-1)?.cursor ?? this.#tail
        for (const reader of this.#readers) if (!reader.behind) deliver(reader, found.events)
        if (found.events.length > 0 && !held) this.#again = true
      }
    } catch {
      this.#tell(true) // the slow tick looks again
    } finally {
      this.#reading = false
      this.#schedule(held ? heldMs : slowTickMs)
    }
  }

  #tell(isAway: boolean): void {
    if (this.#isAway === isAway) return
    this.#isAway = isAway
    for (const {follower} of this.#readers) follower.database(isAway ? 'away' : 'here')
  }

  #schedule(ms: number): void {
    if (this.#tick) clearTimeout(this.#tick)
    if (this.#readers.size > 0 && !this.#closed) this.#tick = setTimeout(() => void this.#read(), ms)
  }
}

function deliver(reader: Reader, events: readonly StoredEvent[]): void {
  const news = events.filter((event) => isBefore(reader.at, event.cursor))
  const last = news.at(-1)
  if (!last) return
  reader.at = last.cursor
  reader.follower.take(news)
}

const isBefore = (a: Cursor, b: Cursor): boolean => BigInt(a.id) < BigInt(b.id)
