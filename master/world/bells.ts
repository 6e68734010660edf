// Bells: wake-ups without data. A bell rings here at once and, over NOTIFY, in every other master; a lost one costs
// one slow tick. Rings within a few milliseconds are one ring.
import type {Store} from './store/store.ts'

export const bellNames = [
  'changes',
  'schedules',
  'claims',
  'builds',
  'reports',
  'promotions',
  'events',
  'cancels',
  'logs',
  'config',
  'reload',
  'workers',
  'ticks',
] as const
export type BellName = (typeof bellNames)[number]

export interface Bells {
  ring(bell: BellName): void
  /** Rings only in this master: for what only this master can do anything about. */
  ringHere(bell: BellName): void
  /** Rings only in the other masters: for what this one has done already. */
  ringOthers(bell: BellName): void
  /** Calls `heard` after each ring; returns how to stop. */
  on(bell: BellName, heard: () => void): () => void
  close(): Promise<void>
}

const channel = 'ostler_bells'
/** Long enough to gather the rings of one batch, too short for a person to notice. */
const gatherMs = 5

export async function openBells(store: Store, master: string): Promise<Bells> {
  const listeners = new Map<BellName, Set<() => void>>(bellNames.map((bell) => [bell, new Set()]))
  const outgoing = new Set<BellName>()
  let timer: NodeJS.Timeout | null = null
  const heard = (bell: BellName) => {
    for (const listener of listeners.get(bell) ?? []) listener()
  }
  const send = async () => {
    timer = null
    const bells = [...outgoing]
    outgoing.clear()
    // A bell that could not be sent is a lost bell: the others' slow tick covers it.
    await store
      .query('SELECT pg_notify($1, $2)', [channel, `${master} ${bells.join(' ')}`])
      .catch(() => undefined)
  }
  const unlisten =
    store.engine === 'embedded'
      ? async () => undefined // it has one master
      : await store.listen(channel, (payload) => {
          // Empty after a broken connection: any bell may have rung meanwhile.
          if (payload === '') for (const bell of bellNames) heard(bell)
          const [from, ...bells] = payload.split(' ')
          if (from !== master) for (const bell of bells) heard(bell as BellName)
        })
  const ringOthers = (bell: BellName) => {
    if (store.engine === 'embedded') return
    outgoing.add(bell)
    timer ??= setTimeout(() => void send(), gatherMs)
  }
  return {
    ring(bell) {
      setImmediate(heard, bell)
      ringOthers(bell)
    },
    ringOthers,
    ringHere(bell) {
      setImmediate(heard, bell)
    },
    on(bell, listener) {
      listeners.get(bell)?.add(listener)
      return () => listeners.get(bell)?.delete(listener)
    },
    async close() {
      if (timer) clearTimeout(timer)
      for (const set of listeners.values()) set.clear()
      await unlisten()
    },
  }
}
