// The waterfall's window: asked for whole once, then kept up to date with small ones.
import {useQuery, useQueryClient} from '@tanstack/react-query'
import type {Waterfall} from '../../../http/shapes.ts'
import {joinWindows} from '../../core/window.ts'
import {read} from '../api.ts'
import {useGathered} from '../asking.ts'
import {useHappenings} from '../live.ts'

export interface Board extends Waterfall {
  /** How far the master's clock is ahead of this one's. */
  readonly aheadMs: number
}

/** A small window reaches this far behind the last answer, for rows that were written late. */
const overlapMs = 60_000
const refreshMs = 600
const wholeEveryMs = 10 * 60_000

async function boardOf(answer: Promise<Waterfall>): Promise<Board> {
  const board = await answer
  return {...board, aheadMs: Date.parse(board.now) - Date.now()}
}

/** The window that ends at `until`, or now. Only the present one is live. */
export function useBoard(spanMs: number, until: number | null) {
  const client = useQueryClient()
  const key = ['waterfall', spanMs, until]
  const question = useQuery({
    queryKey: key,
    queryFn: ({signal}) =>
      boardOf(
        until === null ? read.waterfallNow(spanMs, signal) : read.waterfall(until - spanMs, until, signal),
      ),
    refetchInterval: until === null ? wholeEveryMs : false,
    refetchOnWindowFocus: false,
    placeholderData: (previous) => previous,
  })
  const patch = useGathered(() => {
    const known = client.getQueryData<Board>(key)
    if (!known) return
    const now = Date.now() + known.aheadMs
    const since = Math.max(now - spanMs, Date.parse(known.now) - overlapMs)
    // A little beyond now: our clock may be behind the master's by the time that an answer takes, and what has just happened counts.
    boardOf(read.waterfall(since, now + overlapMs)).then(
      (fresh) =>
        client.setQueryData<Board>(key, (current) =>
          current ? joinWindows(current, fresh, new Date(now - spanMs).toISOString()) : fresh,
        ),
      () => void client.invalidateQueries({queryKey: key}),
    )
  }, refreshMs)
  useHappenings((happening) => {
    if (until !== null) return
    if (happening.type === 'resumed') void client.invalidateQueries({queryKey: key})
    else patch()
  })
  return question
}
