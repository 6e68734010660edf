// Search in a whole log, done by the master; here one goes from hit to hit.
import {useMutation} from '@tanstack/react-query'
import {useState, type SubmitEvent, type KeyboardEvent, type RefObject} from 'react'
import {searchLog} from '../api.ts'

export function Search({
  log,
  field,
  onHit,
}: {
  log: string
  field: RefObject<HTMLInputElement | null>
  onHit: (line: number | null) => void
}) {
  const [asked, setAsked] = useState('')
  const [at, setAt] = useState(0)
  const search = useMutation({
    mutationFn: (text: string) => searchLog(log, text),
    onSuccess: ({lines}) => {
      setAt(0)
      onHit(lines[0] ?? null)
    },
  })
  const hits = search.data?.lines ?? []
  const step = (by: number) => {
    if (hits.length === 0) return
    const next = (at + by + hits.length) % hits.length
    setAt(next)
    onHit(hits[next] ?? null)
  }
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    const text = field.current?.value ?? ''
    if (text === '') {
      search.reset()
      onHit(null)
    } else if (text === asked && search.data) step(1)
    else search.mutate(text)
    setAsked(text)
  }
  const key = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key === 'Escape') event.currentTarget.blur()
    if (event.key === 'Enter' && event.shiftKey) {
      event.preventDefault()
      step(-1)
    }
  }
  return (
    <form role="search" className="log-search" onSubmit={submit}>
      <input ref={field} type="search" aria-label="Search in this log" placeholder="search" onKeyDown={key} />
      <span role="status">
        {search.isPending && '…'}
        {search.error && search.error.message}
        {search.data &&
          (hits.length === 0
            ? 'not found'
            : `${String(at + 1)} of ${String(hits.length)}${search.data.more ? '+' : ''}`)}
      </span>
      {hits.length > 1 && (
        <>
          <button type="button" aria-label="Hit before" onClick={() => step(-1)}>
            ↑
          </button>
          <button type="button" aria-label="Next hit" onClick={() => step(1)}>
            ↓
          </button>
        </>
      )}
    </form>
  )
}
