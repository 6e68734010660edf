// The waterfall's time axis: time to pixels, newest on top. It is elastic: idle stretches may be squeezed, and
// every build gets at least the height its text needs, so the axis is a monotone broken line and not one factor.

/** A stretch of time that is busy, and the least height it needs to be read. */
export interface Need {
  readonly from: number
  readonly to: number
  readonly height: number
}

/** A moment on one rail; the next older moment of the same rail lies at least `height` below it. */
export interface Moment {
  readonly at: number
  readonly rail: string
  readonly height: number
}

export interface Gap {
  readonly from: number
  readonly to: number
  readonly top: number
  readonly bottom: number
}

export interface Scale {
  readonly height: number
  readonly gaps: readonly Gap[]
  /** Pixels below "now" at which a moment lies. */
  y(at: number): number
  /** The moment that lies that many pixels below "now". */
  timeAt(y: number): number
}

export interface ScaleInput {
  /** The newest moment, at the top, and the oldest, at the bottom. */
  readonly to: number
  readonly from: number
  readonly pixelsPerMs: number
  /** An idle stretch becomes at most this high; null keeps it as long as it was. */
  readonly gapPixelsMax: number | null
  readonly needs: readonly Need[]
  readonly moments: readonly Moment[]
}

/** Lays out the axis in one pass from the top down. */
export function layTime(input: ScaleInput): Scale {
  const {times, starts, moments} = sortEvents(input)
  const ys = new Array<number>(times.length).fill(0)
  const yOf = new Map<number, number>()
  const railBottoms = new Map<string, number>()
  const busy = busyBelow(times, input.needs)
  const gaps: Gap[] = []

  times.forEach((time, index) => {
    let y = 0
    if (index > 0) {
      const above = times[index - 1] as number
      const natural = (above - time) * input.pixelsPerMs
      const squeezed = input.gapPixelsMax !== null && !busy[index - 1] && natural > input.gapPixelsMax
      y = (ys[index - 1] as number) + (squeezed ? input.gapPixelsMax : natural)
      if (squeezed) gaps.push({from: time, to: above, top: ys[index - 1] as number, bottom: y})
    }
    for (const need of starts.get(time) ?? []) {
      const top = yOf.get(Math.min(need.to, input.to)) ?? 0
      y = Math.max(y, top + need.height)
    }
    for (const moment of moments.get(time) ?? []) {
      y = Math.max(y, railBottoms.get(moment.rail) ?? 0)
    }
    for (const moment of moments.get(time) ?? []) {
      railBottoms.set(moment.rail, Math.max(y, railBottoms.get(moment.rail) ?? 0) + moment.height)
    }
    ys[index] = y
    yOf.set(time, y)
  })

  const bottom = Math.max(ys.at(-1) ?? 0, ...railBottoms.values())
  const widened = gaps.map((gap) => ({...gap, bottom: yOf.get(gap.from) ?? gap.bottom}))
  return {
    height: bottom,
    gaps: widened,
    y: (at) => interpolate(times, ys, at),
    timeAt: (y) => invert(times, ys, y),
  }
}

function sortEvents({from, to, needs, moments}: ScaleInput) {
  const within = (time: number) => Math.min(to, Math.max(from, time))
  const all = new Set([from, to])
  const starts = new Map<number, Need[]>()
  const momentsAt = new Map<number, Moment[]>()
  for (const need of needs) {
    const end = within(need.to)
    // Something that began and ended in one instant still needs its height.
    const start = within(Math.min(need.from, end - 1))
    all.add(start).add(end)
    push(starts, start, {...need, to: end})
  }
  for (const moment of moments) {
    all.add(within(moment.at))
    push(momentsAt, within(moment.at), moment)
  }
  return {times: [...all].sort((a, b) => b - a), starts, moments: momentsAt}
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V) {
  const list = map.get(key)
  if (list) list.push(value)
  else map.set(key, [value])
}

/** For each event time, whether anything runs between it and the next older one. */
function busyBelow(times: readonly number[], needs: readonly Need[]): boolean[] {
  const changes = new Map<number, number>()
  const newest = times[0] ?? 0
  const oldest = times.at(-1) ?? 0
  for (const {from, to} of needs) {
    const top = Math.min(newest, Math.max(oldest, to))
    const bottom = Math.max(oldest, Math.min(newest, from))
    changes.set(top, (changes.get(top) ?? 0) + 1)
    changes.set(bottom, (changes.get(bottom) ?? 0) - 1)
  }
  let running = 0
  return times.map((time) => (running += changes.get(time) ?? 0) > 0)
}

/** `times` fall, `ys` grow. */
function interpolate(times: readonly number[], ys: readonly number[], at: number): number {
  const index = firstIndex(times.length, (i) => (times[i] as number) <= at)
  if (index === 0) return 0
  if (index === times.length) return ys.at(-1) ?? 0
  const [newer, older] = [times[index - 1] as number, times[index] as number]
  const part = newer === older ? 0 : (newer - at) / (newer - older)
  return (ys[index - 1] as number) + part * ((ys[index] as number) - (ys[index - 1] as number))
}

function invert(times: readonly number[], ys: readonly number[], y: number): number {
  const index = firstIndex(ys.length, (i) => (ys[i] as number) >= y)
  if (index === 0) return times[0] ?? 0
  if (index === ys.length) return times.at(-1) ?? 0
  const [above, below] = [ys[index - 1] as number, ys[index] as number]
  const part = above === below ? 0 : (y - above) / (below - above)
  return (times[index - 1] as number) - part * ((times[index - 1] as number) - (times[index] as number))
}

function firstIndex(length: number, holds: (index: number) => boolean): number {
  let [low, high] = [0, length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (holds(middle)) high = middle
    else low = middle + 1
  }
  return low
}

const tickSteps = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080].map((m) => m * 60_000)

/** No more moments than this are considered on one level. */
const momentsMax = 3000

/**
 * The moments to label on the axis, newest first: round in the reader's own time (`offsetMs` east of UTC), never
 * closer than `apart` pixels and never inside a squeezed gap. Where the axis was stretched to give builds room, finer
 * moments fill it.
 */
export function ticks(
  scale: Scale,
  {
    from,
    to,
    pixelsPerMs,
    apart,
    offsetMs,
  }: {from: number; to: number; pixelsPerMs: number; apart: number; offsetMs: number},
): {at: number; y: number}[] {
  const coarsest = tickSteps.findIndex((ms) => ms * pixelsPerMs >= apart)
  const steps = tickSteps.slice(0, coarsest < 0 ? undefined : coarsest + 1).reverse()
  const found: {at: number; y: number}[] = []
  for (const [level, step] of steps.entries()) {
    if ((to - from) / step > momentsMax) break
    const least = level === 0 ? apart * 0.6 : apart
    for (let at = Math.floor((to + offsetMs) / step) * step - offsetMs; at >= from; at -= step) {
      const y = scale.y(at)
      if (y < 20 || found.some((other) => Math.abs(other.y - y) < least)) continue
      if (scale.gaps.some((gap) => at > gap.from && at < gap.to)) continue
      found.push({at, y})
    }
  }
  return found.sort((a, b) => b.at - a.at)
}
