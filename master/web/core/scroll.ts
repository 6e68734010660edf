// A log of any length in a scroller of bounded height. Browsers cap how high an element may be, so beyond the cap
// one scrolled pixel stands for more than one pixel of log.

export interface Reel {
  readonly lines: number
  readonly rowPixels: number
  readonly viewPixels: number
  /** The highest the scrolled content may be. */
  readonly capPixels: number
}

const wholePixels = (reel: Reel) => reel.lines * reel.rowPixels

/** The height to give the scrolled content. */
export const contentPixels = (reel: Reel) => Math.min(wholePixels(reel), reel.capPixels)

/** True when scrolled pixels and log pixels differ, so that the wheel must be followed by hand. */
export const isMapped = (reel: Reel) => wholePixels(reel) > reel.capPixels

const scrollMax = (reel: Reel) => Math.max(0, contentPixels(reel) - reel.viewPixels)

/** The highest line (with its fraction) that may stand at the top of the view. */
export const topLineMax = (reel: Reel) => Math.max(0, (wholePixels(reel) - reel.viewPixels) / reel.rowPixels)

/** Which line, with its fraction, stands at the top of the view. */
export function topLine(reel: Reel, scrollTop: number): number {
  const most = scrollMax(reel)
  if (most === 0) return 0
  return (Math.min(most, Math.max(0, scrollTop)) / most) * topLineMax(reel)
}

/** Where to scroll to so that this line stands at the top of the view. */
export function scrollFor(reel: Reel, line: number): number {
  const most = topLineMax(reel)
  if (most === 0) return 0
  return (Math.min(most, Math.max(0, line)) / most) * scrollMax(reel)
}

/** The rows to draw, `to` not included. */
export function rowsInView(reel: Reel, top: number, extra: number): {from: number; to: number} {
  const from = Math.max(0, Math.floor(top) - extra)
  const to = Math.min(reel.lines, Math.ceil(top + reel.viewPixels / reel.rowPixels) + extra)
  return {from, to: Math.max(from, to)}
}
