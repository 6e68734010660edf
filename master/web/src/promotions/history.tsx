// What a promotion rule decided, look by look, with the evidence for it.
import {useInfiniteQuery} from '@tanstack/react-query'
import {useState} from 'react'
import type {Decision} from '../../../http/shapes.ts'
import {shortRevision} from '../../core/say.ts'
import {read} from '../api.ts'
import {useRefreshed} from '../asking.ts'
import {Answered} from '../frame/page.tsx'
import {Ago, sayMomentsIn} from '../frame/times.tsx'

type VerdictName = Decision['verdict']
const says: Record<VerdictName, {glyph: string; text: string}> = {
  promote: {glyph: '▲', text: 'promote'},
  wait: {glyph: '…', text: 'wait'},
  refuse: {glyph: '✕', text: 'refuse'},
  current: {glyph: '=', text: 'up to date'},
}

export const VerdictWord = ({verdict}: {verdict: VerdictName | null}) => (
  <span className={`decision decision-${verdict ?? 'none'}`}>
    <span aria-hidden="true">{verdict === null ? '?' : says[verdict].glyph}</span>{' '}
    {verdict === null ? 'not decided yet' : says[verdict].text}
  </span>
)

export const Revision = ({revision}: {revision: string | null}) =>
  revision === null ? <span>none</span> : <code title={revision}>{shortRevision(revision)}</code>

/** The master's reasons, with its moments as this clock says them. */
export const Reasons = ({reasons}: {reasons: readonly string[]}) =>
  reasons.length === 0 ? null : (
    <ul className="reasons">
      {reasons.map((reason) => (
        <li key={reason}>{sayMomentsIn(reason)}</li>
      ))}
    </ul>
  )

export function History({rule}: {rule: string}) {
  const [isOpen, setOpen] = useState(false)
  const historyKey = ['decisions', rule]
  const question = useInfiniteQuery({
    queryKey: historyKey,
    queryFn: ({pageParam}) => read.decisions(rule, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
    enabled: isOpen,
  })
  useRefreshed(historyKey, ({data}) => data['rule'] === rule)
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>History</summary>
      {isOpen && (
        <Answered question={question}>
          {({pages}) => (
            <ol className="history">
              {pages
                .flatMap(({items}) => items)
                .map((decision) => (
                  <li key={decision.id}>
                    <DecisionView decision={decision} />
                  </li>
                ))}
            </ol>
          )}
        </Answered>
      )}
      {question.hasNextPage && (
        <button type="button" onClick={() => void question.fetchNextPage()}>
          Older
        </button>
      )}
    </details>
  )
}

const states: Record<Decision['state'], string> = {
  decided: 'decided',
  pushing: 'being pushed',
  done: 'done',
  raced: 'the branch moved meanwhile',
  failed: 'failed',
  conflict: 'conflict',
}

export function DecisionView({decision, isOpen = false}: {decision: Decision; isOpen?: boolean}) {
  return (
    <div className="decided">
      <p>
        <VerdictWord verdict={decision.verdict} /> <Ago at={decision.decidedAt} /> by {decision.actor}
        {decision.kind === 'rollback' && ', a rollback'}
        {decision.verdict === 'promote' && <>, {states[decision.state]}</>}
        {decision.candidate && (
          <>
            , <Revision revision={decision.landed ?? decision.candidate} />
          </>
        )}
      </p>
      {decision.error && <p className="trouble">{decision.error}</p>}
      <Reasons reasons={decision.reasons} />
      <details open={isOpen}>
        <summary>Evidence</summary>
        <pre tabIndex={0}>{JSON.stringify(decision.evidence, null, 2)}</pre>
      </details>
    </div>
  )
}
