// The usual shape of a page, and what it shows while it waits or fails.
import {useEffect, type ReactNode} from 'react'
import {Link} from 'wouter'
import {Refused} from '../api.ts'
import {loginAddress} from '../base.ts'

/** Names the browser's tab. */
export function useTitle(title: string) {
  useEffect(() => {
    document.title = title === '' ? 'Ostler' : `${title} · Ostler`
  }, [title])
}

export function Page({title, aside, children}: {title: string; aside?: ReactNode; children: ReactNode}) {
  useTitle(title)
  return (
    <div className="page">
      <div className="page-head">
        <h1>{title}</h1>
        {aside}
      </div>
      {children}
    </div>
  )
}

/** Shows a question's answer, or that it is coming, or why it does not come. */
export function Answered<T>({
  question,
  children,
}: {
  question: {readonly data: T | undefined; readonly error: Error | null}
  children: (answer: T) => ReactNode
}) {
  if (question.data !== undefined) return <>{children(question.data)}</>
  if (question.error) return <NoAnswer error={question.error} />
  return <p className="coming">Loading …</p>
}

export const NoAnswer = ({error}: {error: Error}) => (
  <div className="trouble" role="alert">
    <p>{error.message}</p>
    {error instanceof Refused && (error.status === 401 || error.status === 403) && (
      <p>
        <Link href={loginAddress()}>Log in</Link>
      </p>
    )}
  </div>
)
