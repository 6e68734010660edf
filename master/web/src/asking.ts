// React Query as this page uses it: answers are kept fresh by events, gathered into a few questions a second.
import {QueryCache, QueryClient, useQueryClient, type QueryKey} from '@tanstack/react-query'
import {useEffect, useRef, useState} from 'react'
import {useHappenings, type Happening} from './live.ts'
import {Refused} from './api.ts'

/** Who is asking; kept here so that a refusal can ask again. */
export const whoKey = ['who']

export const answers: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    // The session ended: whoever shows something will show the login instead.
    onError: (error, {queryKey}) => {
      if (error instanceof Refused && error.status === 401 && queryKey[0] !== whoKey[0])
        void answers.invalidateQueries({queryKey: whoKey})
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 5000,
      refetchOnWindowFocus: true,
      retry: (count, error) =>
        count < 2 && !(error instanceof Refused && error.status >= 400 && error.status < 500),
    },
  },
})

/** Calls `run` soon after a call, and at most once in `everyMs`: any number of calls become few. */
export function useGathered(run: () => void, everyMs: number): () => void {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const lastAt = useRef(0)
  const current = useRef(run)
  useEffect(() => {
    current.current = run
  })
  useEffect(() => () => clearTimeout(timer.current), [])
  return () => {
    if (timer.current !== undefined) return
    const wait = Math.max(60, lastAt.current + everyMs - Date.now())
    timer.current = setTimeout(() => {
      timer.current = undefined
      lastAt.current = Date.now()
      current.current()
    }, wait)
  }
}

/** Asks again for an answer when something happened that may change it. */
export function useRefreshed(key: QueryKey, concerns: (happening: Happening) => boolean, everyMs = 500) {
  const client = useQueryClient()
  const refresh = useGathered(() => void client.invalidateQueries({queryKey: key}), everyMs)
  useHappenings((happening) => {
    const isNews = happening.type === 'opened' && client.getQueryData(key) !== undefined
    if (isNews || happening.type === 'resumed' || concerns(happening)) refresh()
  })
}

/** The present, told again every `everyMs` while the page is looked at. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') setNow(Date.now())
    }, everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return now
}
