// Links to log lines: `#S2L120`, `#S2L120-130`, and with a log's name `#S2:config.log:L120`. In links steps and
// lines count from 1, as people do; the API counts steps from 0.

export interface Anchor {
  /** The step's number in the API. */
  readonly step: number
  /** The log's name, or null for the step's first one. */
  readonly log: string | null
  readonly from: number | null
  readonly to: number | null
}

/** Reads the part of an address from `#` on; null when it is not a place in a log. */
export function parseAnchor(hash: string): Anchor | null {
  const match = /^#?S([1-9]\d*)(?::(.+?):)?(?:L(\d+)(?:-L?(\d+))?)?$/.exec(hash)
  if (!match) return null
  const [, step, name, first, last] = match
  const from = first === undefined ? null : Math.max(1, Number(first))
  const to = last === undefined ? from : Math.max(1, Number(last))
  return {
    step: Number(step) - 1,
    log: name === undefined ? null : decode(name),
    from: from === null || to === null ? null : Math.min(from, to),
    to: from === null || to === null ? null : Math.max(from, to),
  }
}

/** Writes a place in a log as the part of an address from `#` on. */
export function formatAnchor({step, log, from, to}: Anchor): string {
  const lines =
    from === null ? '' : to === null || to === from ? `L${String(from)}` : `L${String(from)}-${String(to)}`
  const name = log === null ? '' : `:${encodeURIComponent(log)}:`
  return `#S${String(step + 1)}${name}${lines}`
}

/** The link to a step. */
export const stepAnchor = (step: number) => formatAnchor({step, log: null, from: null, to: null})

function decode(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
