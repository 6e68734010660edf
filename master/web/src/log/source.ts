// One log's lines as the page needs them: pieces fetched when they are looked at, and the end followed live.
import {useCallback, useEffect, useReducer, useRef, useState} from 'react'
import type {Log} from '../../../http/shapes.ts'
import {cleanLine, coloursAfter} from '../../core/ansi.ts'
import {
  followFrom,
  missingPieces,
  nothingHeld,
  pieceLines,
  withNews,
  withoutOpenLine,
  withPiece,
  type Held,
} from '../../core/pieces.ts'
import {followAddress, readLines} from '../api.ts'

export interface LogSource {
  readonly lines: number
  readonly complete: boolean
  readonly error: string | null
  /** The line ready to be shown with the colours in force before it; undefined while it is being fetched. */
  line(at: number): {text: string; before: string} | undefined
  /** Sees to it that these lines are there soon. */
  want(from: number, to: number): void
}

type News =
  | {readonly news: 'piece'; readonly piece: number; readonly lines: readonly string[]}
  | {readonly news: 'more'; readonly from: number; readonly text: string; readonly complete: boolean}
  | {readonly news: 'again'}
  | {readonly news: 'counted'; readonly lines: number; readonly complete: boolean}

function hear(held: Held, told: News): Held {
  switch (told.news) {
    case 'piece':
      return withPiece(held, told.piece, told.lines)
    case 'more':
      return withNews(held, told)
    case 'again':
      return withoutOpenLine(held)
    case 'counted':
      return told.lines <= held.lines
        ? {...held, complete: told.complete}
        : {...held, lines: told.lines, complete: told.complete}
  }
}

/** Opens a log. While it is being written, its end arrives by itself. */
export function useLogSource(log: Log): LogSource {
  const [held, tell] = useReducer(hear, log, (first) => nothingHeld(first.lines, first.complete))
  const [error, setError] = useState<string | null>(null)
  const latest = useRef(held)
  latest.current = held
  const asked = useRef(new Map<number, number>())

  const want = useCallback(
    (from: number, to: number) => {
      for (const piece of missingPieces(latest.current, from, to)) {
        const has = latest.current.pieces.get(piece)?.length ?? 0
        // Asked for already, and it has not grown since.
        if (asked.current.get(piece) === has) continue
        asked.current.set(piece, has)
        readLines(log.id, piece * pieceLines + has, pieceLines - has).then(
          (lines) => {
            // Nothing more is there: asking again would go on for ever.
            if (lines.length > 0) asked.current.delete(piece)
            setError(null)
            tell({
              news: 'piece',
              piece,
              lines: [...(latest.current.pieces.get(piece) ?? []).slice(0, has), ...lines],
            })
          },
          (problem: unknown) => {
            setTimeout(() => asked.current.delete(piece), 2000)
            setError(problem instanceof Error ? problem.message : String(problem))
          },
        )
      }
    },
    [log.id],
  )

  useFollowing(log, latest, tell)
  useEffect(() => {
    // An empty or short log that ended before anybody followed it.
    if (log.complete) tell({news: 'counted', lines: log.lines, complete: true})
  }, [log.complete, log.lines])

  const colours = useColours(held)
  const line = (at: number) => {
    const piece = Math.floor(at / pieceLines)
    const raw = held.pieces.get(piece)?.[at % pieceLines]
    return raw === undefined ? undefined : colours(piece, at % pieceLines)
  }
  return {lines: held.lines, complete: held.complete, error, line, want}
}

function useFollowing(log: Log, latest: React.RefObject<Held>, tell: (news: News) => void) {
  const isComplete = log.complete
  useEffect(() => {
    if (isComplete || latest.current.complete) return
    let stream: EventSource | null = null
    let timer: ReturnType<typeof setTimeout> | undefined
    const open = () => {
      const from = followFrom(latest.current)
      tell({news: 'again'})
      const opened = new EventSource(followAddress(log.id, from))
      stream = opened
      opened.addEventListener('lines', (event) => {
        const told = JSON.parse(String(event.data)) as {from: number; text: string; complete: boolean}
        tell({news: 'more', ...told})
        if (told.complete) opened.close()
      })
      // The browser would ask again from the first line; we know better where to go on.
      opened.onerror = () => {
        opened.close()
        if (!latest.current.complete) timer = setTimeout(open, 1500)
      }
    }
    open()
    return () => {
      stream?.close()
      clearTimeout(timer)
    }
  }, [log.id, isComplete, latest, tell])
}

interface Prepared {
  readonly raw: readonly string[]
  readonly first: string
  readonly clean: string[]
  readonly before: string[]
  after: string
}

/** Cleans lines and carries colours from piece to piece, each piece once. */
function useColours(held: Held) {
  const known = useRef(new Map<number, Prepared>())
  const prepare = (piece: number): Prepared | undefined => {
    const raw = held.pieces.get(piece)
    if (!raw) return undefined
    // Only the neighbour that is there already: colours are not worth fetching a log from its beginning.
    const first = known.current.get(piece - 1)?.after ?? ''
    const cached = known.current.get(piece)
    if (cached?.raw === raw && cached.first === first) return cached
    const clean = raw.map((line) => cleanLine(line.length > 20_000 ? line.slice(0, 20_000) : line))
    const before: string[] = []
    let after = first
    for (const line of clean) {
      before.push(after)
      after = coloursAfter(after, line)
    }
    const prepared = {raw, first, clean, before, after}
    known.current.set(piece, prepared)
    return prepared
  }
  return (piece: number, place: number) => {
    const prepared = prepare(piece)
    return prepared && {text: prepared.clean[place] ?? '', before: prepared.before[place] ?? ''}
  }
}
