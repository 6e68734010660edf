// The promotion rules: what stands where, what would move next, why not, and what people say to it.
import {useQuery} from '@tanstack/react-query'
import {useState} from 'react'
import type {Decision, Promotion} from '../../../http/shapes.ts'
import {sayCount, sayDuration} from '../../core/say.ts'
import {act, read} from '../api.ts'
import {useRefreshed} from '../asking.ts'
import {Action, NeedsRole} from '../frame/acting.tsx'
import {Dialog} from '../frame/dialog.tsx'
import {Answered, Page} from '../frame/page.tsx'
import {Ago} from '../frame/times.tsx'
import {HoldButtons, RollBack, Said} from './controls.tsx'
import {DecisionView, History, Reasons, Revision, VerdictWord} from './history.tsx'
import {CommitsBetween} from './picture.tsx'

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
      <NeedsRole role="operator" to="run, hold or roll back a promotion" />
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

function RuleView({rule}: {rule: Promotion}) {
  const [answer, setAnswer] = useState<Decision | null>(null)
  const told = (decision: unknown) => setAnswer(decision as Decision)
  return (
    <section className="card rule" aria-label={rule.name}>
      <header>
        <h2>{rule.name}</h2>
        <VerdictWord verdict={rule.verdict} />
        <span className="push" />
        <span className="buttons">
          <HoldButtons rule={rule} />
          <RollBack rule={rule} />
          <Action needs="operator" run={() => act.promote(rule.name, true)} onDone={told}>
            Dry run
          </Action>
          <Action needs="operator" kind="main" run={() => act.promote(rule.name, false)} onDone={told}>
            Run now
          </Action>
        </span>
      </header>
      <Said rule={rule} />
      <p className="from-to">
        <b>{rule.from}</b> <Revision revision={rule.fromTip} />
        <span aria-hidden="true"> ⟶ </span>
        <span className="unseen">to</span>
        <b>{rule.to}</b> <Revision revision={rule.toTip} />
        <small>
          {ways[rule.kind]}, {rule.source}
        </small>
      </p>
      <Reasons reasons={rule.reasons} />
      <CommitsBetween rule={rule} />
      <dl className="facts">
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

const ways: Record<Promotion['kind'], string> = {
  fastForward: 'fast-forward only',
  merge: 'by merge commit',
  gate: 'by a merge that is tested first',
}

function sayLag({commits, seconds}: Promotion['lag']): string {
  if (commits === 0) return 'nothing'
  const parts = [
    commits === null ? null : sayCount(commits, 'commit'),
    seconds === null ? null : sayDuration(seconds * 1000),
  ]
  return parts.filter((part) => part !== null).join(', ') || 'not known'
}
