// Virtual time, and the nodes that live in it. One event at a time: it runs as its node, then every promise it settled
// runs to its end before the next event begins. While a seed runs, the process's clocks and timers are the current
// node's own, so the real code needs no change to live here; a node that crashed is never called again.
import {hashText, type Random} from './random.ts'

/** A process of its own: its clock, its timers and its life. */
export interface Node {
  readonly name: string
  /** What the node's own `Math.random` draws from. */
  readonly random: Random
  /** Counts its lives; an event of an earlier one is never delivered. */
  life: number
  isAlive: boolean
  /** Until when it gets no events: they come then, all at once and in order. */
  frozenUntil: number
  /** How far its wall clock is from true time. */
  skewMs: number
  /** Called when it crashes, for what the kernel does then. */
  onCrash: () => void
}

interface Event {
  at: number
  order: number
  readonly node: Node | null
  readonly life: number
  readonly act: () => void
  isCancelled: boolean
}

/** Stands in for NodeJS.Timeout. */
class VirtualTimer {
  event: Event | null = null
  readonly everyMs: number | null
  constructor(everyMs: number | null) {
    this.everyMs = everyMs
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
  hasRef(): boolean {
    return true
  }
}

/** The node's life, as something made now belongs to it; what a dead node still makes belongs to none. */
export const lifeOf = (node: Node): number => (node.isAlive ? node.life : -1)

/** When simulations begin: any time will do, as long as it is the same. */
const epoch = Date.UTC(2026, 0, 1)
const traceMax = 400

const real = {
  Date: globalThis.Date,
  now: Date.now,
  performanceNow: performance.now.bind(performance),
  random: Math.random,
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
}

/**
 * Runs what promises and `process.nextTick` have waiting, to its end, without a turn of the real event loop: no real
 * input or output is ever under way here. Node keeps this call for whoever plays the event loop.
 */
const settle = (process as unknown as {_tickCallback: () => void})._tickCallback

export class Clockwork {
  /** True time, in milliseconds since the beginning. */
  now = 0
  events = 0
  /** A hash of all that happened: the same for the same seed. */
  hash = 0x811c9dc5
  current: Node | null = null
  readonly trace: string[] = []
  /** The lines that are not a statement's. */
  readonly notable: string[] = []
  onLine: (line: string) => void = () => undefined
  /** Told of an error that ends an event: it would end a real process. */
  onError: (error: unknown) => void = (error) => {
    throw error
  }
  private readonly heap: Event[] = []
  private order = 0

  node(name: string, random: Random): Node {
    return {name, random, life: 0, isAlive: false, frozenUntil: 0, skewMs: 0, onCrash: () => undefined}
  }

  /** Does something after a while, as the node (null: the world itself). */
  later(afterMs: number, node: Node | null, act: () => void): Event {
    const event: Event = {
      at: this.now + Math.max(0, afterMs),
      order: this.order++,
      node,
      // What a dead node still asks for never comes.
      life: node && !node.isAlive ? -1 : (node?.life ?? 0),
      act,
      isCancelled: false,
    }
    this.push(event)
    return event
  }

  /** Notes something for people and for the hash. */
  say(text: string): void {
    const line = `${(this.now / 1000).toFixed(4)} ${this.current?.name ?? '-'} ${text}`
    this.hash = hashText(line, this.hash)
    this.trace.push(line)
    if (!text.includes(' > ')) this.notable.push(line)
    if (this.notable.length > 2 * traceMax) this.notable.splice(0, traceMax)
    this.onLine(line)
    if (this.trace.length > 2 * traceMax) this.trace.splice(0, traceMax)
  }

  crash(node: Node, why: string): void {
    if (!node.isAlive) return
    this.say(`CRASH ${node.name}: ${why}`)
    node.isAlive = false
    node.life++
    node.frozenUntil = 0
    node.onCrash()
  }

  /** Hands something to a node within an event of the world: the rest of the event, and what it settles, is the node's. */
  hand(node: Node, life: number, act: () => void): void {
    if (!node.isAlive || node.life !== life) return
    if (node.frozenUntil > this.now) return void this.later(0, node, act)
    this.current = node
    act()
  }

  /** Runs events while there are any and `goesOn` says so. */
  run(goesOn: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      // In a task of its own: what promises have waiting cannot be run by what a promise has waiting.
      real.setImmediate(() => {
        try {
          while (goesOn() && this.step());
          resolve()
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
        }
      })
    })
  }

  /** Runs the next event; false when there is none. */
  private step(): boolean {
    const event = this.pop()
    if (!event) return false
    this.now = Math.max(this.now, event.at)
    const {node} = event
    if (event.isCancelled || (node && (!node.isAlive || node.life !== event.life))) return true
    if (node && node.frozenUntil > this.now) {
      event.at = node.frozenUntil
      event.order = this.order++
      this.push(event)
      return true
    }
    this.events++
    this.current = node
    this.untilCalm(event.act)
    this.current = null
    return true
  }

  /** An error ends neither the event nor what it settles: who hears of it says what comes of it. */
  private untilCalm(act: () => void): void {
    for (let next: () => void = act; ; next = settle)
      try {
        next()
        if (next === settle) return
      } catch (error) {
        this.onError(error)
      }
  }

  /** Makes the process's clocks and timers the current node's. Returns how to undo it. */
  install(): () => void {
    const wall = () => Math.floor(epoch + this.now + (this.current?.skewMs ?? 0))
    const begin = (waitMs: number, act: () => void) => this.later(waitMs, this.current, act)
    class VirtualDate extends real.Date {
      constructor(...given: []) {
        if (given.length === 0) super(wall())
        else super(...given)
      }
      static override now(): number {
        return wall()
      }
    }
    const start = (ms: number, everyMs: number | null, act: () => void) => {
      const timer = new VirtualTimer(everyMs)
      const arm = (waitMs: number) => {
        timer.event = begin(waitMs, () => {
          if (everyMs !== null) arm(everyMs)
          act()
        })
      }
      arm(Math.max(1, ms))
      return timer
    }
    const stop = (timer: unknown) => {
      if (timer instanceof VirtualTimer && timer.event) cancel(timer.event)
      else if (!(timer instanceof VirtualTimer)) real.clearTimeout(timer as NodeJS.Timeout)
    }
    const patch = {
      Date: VirtualDate,
      setTimeout: (act: (...given: unknown[]) => void, ms = 1, ...given: unknown[]) =>
        start(ms, null, () => act(...given)),
      setInterval: (act: (...given: unknown[]) => void, ms = 1, ...given: unknown[]) =>
        start(ms, ms, () => act(...given)),
      setImmediate: (act: (...given: unknown[]) => void, ...given: unknown[]) =>
        begin(0, () => act(...given)),
      clearTimeout: stop,
      clearInterval: stop,
    }
    Object.assign(globalThis, patch)
    performance.now = () => this.now
    Math.random = () => this.current?.random.next() ?? 0.5
    return () => {
      const {now: _now, performanceNow, random, ...globals} = real
      Object.assign(globalThis, globals)
      performance.now = performanceNow
      Math.random = random
    }
  }

  private push(event: Event): void {
    const {heap} = this
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const above = (at - 1) >> 1
      if (!isBefore(event, heap[above] as Event)) break
      heap[at] = heap[above] as Event
      at = above
    }
    heap[at] = event
  }

  private pop(): Event | undefined {
    const {heap} = this
    const top = heap[0]
    const last = heap.pop()
    if (top === undefined || last === undefined || heap.length === 0) return top
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && isBefore(heap[below + 1] as Event, heap[below] as Event)) below++
      if (!isBefore(heap[below] as Event, last)) break
      heap[at] = heap[below] as Event
      at = below
    }
    heap[at] = last
    return top
  }
}

const isBefore = (a: Event, b: Event) => a.at < b.at || (a.at === b.at && a.order < b.order)

const cancel = (event: Event) => {
  event.isCancelled = true
}
