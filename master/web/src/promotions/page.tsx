// The promotion rules: what stands where, what would move next, why not, and everything that was decided.
import {useInfiniteQuery, useQuery} from '@tanstack/react-query'
import {useState} from 'react'
import type {Decision, Promotion} from '../../../http/shapes.ts'
import {sayCount, sayDuration, shortRevision} from '../../core/say.ts'
import {act, read} from '../api.ts'
import {useRefreshed} from '../asking.ts'
import {Action, NeedsRole} from '../frame/acting.tsx'
import {Dialog} from '../frame/dialog.tsx'
import {Answered, Page} from '../frame/page.tsx'
import {Ago} from '../frame/times.tsx'

const key = ['promotions']

export function PromotionsPage() {
  const question = useQuery({queryKey: key, queryFn: read.promotions, refetchInterval: 30_000})
  useRefreshed(
    key,
    ({type}) =>
      type.startsWith('promotion.') ||
      type === 'branch.promoted' ||
      type === 'build.finished' ||
      type === 'change.added',
    1000,
  )
  return (
    <Page title="Promotions">
      <NeedsRole role="operator" to="run a promotion now" />
      <Answered question={question}>
        {({items}) =>
          items.length === 0 ? (
            <p>No promotion rules are configured.</p>
          ) : (
            items.map((rule) => <RuleView key={rule.name} rule={rule} />)
          )
        }
      </Answered>
    </Page>
  )
}

type VerdictName = Decision['verdict']
const says: Record<VerdictName, {glyph: string; text: string}> = {
  promote: {glyph: '▲', text: 'promote'},
  wait: {glyph: '…', text: 'wait'},
  refuse: {glyph: '✕', text: 'refuse'},
  current: {glyph: '=', text: 'up to date'},
}

const VerdictWord = ({verdict}: {verdict: VerdictName | null}) => (
  <span className={`decision decision-${verdict ?? 'none'}`}>
    <span aria-hidden="true">{verdict === null ? '?' : says[verdict].glyph}</span>{' '}
    {verdict === null ? 'not decided yet' : says[verdict].text}
  </span>
)

const Revision = ({revision}: {revision: string | null}) =>
  revision === null ? <span>none</span> : <code title={revision}>{shortRevision(revision)}</code>

function RuleView({rule}: {rule: Promotion}) {
  const [answer, setAnswer] = useState<Decision | null>(null)
  return (
    <section className="card rule" aria-label={rule.name}>
      <header>
        <h2>{rule.name}</h2>
        <VerdictWord verdict={rule.verdict} />
        <span className="push" />
        <span className="buttons">
          <Action
            needs="operator"
            run={() => act.promote(rule.name, true)}
            onDone={(told) => setAnswer(told as Decision)}
          >
            Dry run
          </Action>
          <Action
            needs="operator"
            kind="main"
            run={() => act.promote(rule.name, false)}
            onDone={(told) => setAnswer(told as Decision)}
          >
            Run now
          </Action>
        </span>
      </header>
      <p className="from-to">
        <b>{rule.from}</b> <Revision revision={rule.fromTip} />
        <span aria-hidden="true"> ⟶ </span>
        <span className="unseen">to</span>
        <b>{rule.to}</b> <Revision revision={rule.toTip} />
        <small>
          {rule.kind === 'fastForward' ? 'fast-forward only' : 'by merge commit'}, {rule.source}
        </small>
      </p>
      {rule.reasons.length > 0 && (
        <ul className="reasons">
          {rule.reasons.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </ul>
      )}
      <dl className="facts">
        <dt>Candidate</dt>
        <dd>
          <Revision revision={rule.candidate} />
        </dd>
        <dt>Behind by</dt>
        <dd>{sayLag(rule.lag)}</dd>
        <dt>Last moved</dt>
        <dd>
          {rule.lastAction ? (
            <>
              <Ago at={rule.lastAction.at} /> to{' '}
              <Revision revision={rule.lastAction.landed ?? rule.lastAction.revision} />
            </>
          ) : (
            'never'
          )}
        </dd>
        <dt>Looked at</dt>
        <dd>{rule.checkedAt ? <Ago at={rule.checkedAt} /> : 'not yet'}</dd>
      </dl>
      <History rule={rule.name} />
      {answer && (
        <Dialog title={`${rule.name}: what was decided`} onClose={() => setAnswer(null)}>
          <DecisionView decision={answer} isOpen />
        </Dialog>
      )}
    </section>
  )
}

function sayLag({commits, seconds}: Promotion['lag']): string {
  if (commits === 0) return 'nothing'
  const parts = [
    commits === null ? null : sayCount(commits, 'commit'),
    seconds === null ? null : sayDuration(seconds * 1000),
  ]
  return parts.filter((part) => part !== null).join(', ') || 'not known'
}

function History({rule}: {rule: string}) {
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

function DecisionView({decision, isOpen = false}: {decision: Decision; isOpen?: boolean}) {
  return (
    <div className="decided">
      <p>
        <VerdictWord verdict={decision.verdict} /> <Ago at={decision.decidedAt} /> by {decision.actor}
        {decision.verdict === 'promote' && <>, {states[decision.state]}</>}
        {decision.candidate && (
          <>
            , <Revision revision={decision.landed ?? decision.candidate} />
          </>
        )}
      </p>
      {decision.error && <p className="trouble">{decision.error}</p>}
      {decision.reasons.length > 0 && (
        <ul className="reasons">
          {decision.reasons.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </ul>
      )}
      <details open={isOpen}>
        <summary>Evidence</summary>
        <pre tabIndex={0}>{JSON.stringify(decision.evidence, null, 2)}</pre>
      </details>
    </div>
  )
}
