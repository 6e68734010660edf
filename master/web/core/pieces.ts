// The part of a log the page holds: pieces of a fixed number of lines, and the end that is still being written.

export const pieceLines = 500

/** What is known of a log. Lines beyond a piece's end, and pieces never fetched, are simply not there yet. */
export interface Held {
  readonly lines: number
  /** The last line has no end yet: what comes next continues it. */
  readonly open: boolean
  readonly complete: boolean
  readonly pieces: ReadonlyMap<number, readonly string[]>
}

export const nothingHeld = (lines: number, complete: boolean): Held => ({
  lines,
  open: false,
  complete,
  pieces: new Map(),
})

export const lineAt = (held: Held, line: number): string | undefined =>
  held.pieces.get(Math.floor(line / pieceLines))?.[line % pieceLines]

/** Which pieces must be fetched to show these lines: those that are missing or too short. */
export function missingPieces(held: Held, from: number, to: number): number[] {
  const missing: number[] = []
  const end = Math.min(to, held.lines)
  for (let piece = Math.floor(from / pieceLines); piece * pieceLines < end; piece++) {
    const wanted = Math.min(held.lines, (piece + 1) * pieceLines, end) - piece * pieceLines
    if ((held.pieces.get(piece)?.length ?? 0) < wanted) missing.push(piece)
  }
  return missing
}

const piecesMax = 80

/** Adds a fetched piece, and lets go of those furthest from it when there are too many. */
export function withPiece(held: Held, piece: number, lines: readonly string[]): Held {
  const pieces = new Map(held.pieces)
  const known = pieces.get(piece) ?? []
  // What was followed meanwhile may reach further than what was fetched.
  pieces.set(piece, known.length > lines.length ? [...lines, ...known.slice(lines.length)] : lines)
  if (pieces.size > piecesMax) {
    const furthest = [...pieces.keys()].sort((a, b) => Math.abs(b - piece) - Math.abs(a - piece))
    for (const gone of furthest.slice(0, pieces.size - piecesMax)) pieces.delete(gone)
  }
  return {...held, lines: Math.max(held.lines, piece * pieceLines + lines.length), pieces}
}

/** Adds what was written since: whole lines, and perhaps the beginning of one. */
export function withNews(held: Held, news: {from: number; text: string; complete: boolean}): Held {
  if (news.text === '') return {...held, complete: held.complete || news.complete}
  const open = !news.text.endsWith('\n')
  const lines = news.text.split('\n')
  if (!open) lines.pop()
  const pieces = new Map(held.pieces)
  lines.forEach((text, index) => {
    const line = news.from + index
    const piece = Math.floor(line / pieceLines)
    const place = line % pieceLines
    const known = pieces.get(piece) ?? []
    const continues = index === 0 && held.open && line === held.lines - 1
    // A line whose piece was never fetched is not kept: the piece will be fetched whole when it is looked at.
    if (place > known.length) return
    const copy = known === held.pieces.get(piece) ? [...known] : (known as string[])
    copy[place] = continues ? (known[place] ?? '') + text : text
    pieces.set(piece, copy)
  })
  return {
    lines: Math.max(held.lines, news.from + lines.length),
    open,
    complete: news.complete,
    pieces,
  }
}

/** Where to take up following after an interruption: at the line that may be unfinished. */
export const followFrom = (held: Held) => (held.open ? held.lines - 1 : held.lines)

/** The same log with its unfinished last line forgotten, as it will be told again. */
export function withoutOpenLine(held: Held): Held {
  if (!held.open) return held
  const last = held.lines - 1
  const piece = Math.floor(last / pieceLines)
  const pieces = new Map(held.pieces)
  const known = pieces.get(piece)
  if (known) pieces.set(piece, known.slice(0, last % pieceLines))
  return {...held, lines: last, open: false, pieces}
}
