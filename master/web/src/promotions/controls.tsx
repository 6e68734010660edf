// What people say to a promotion rule: hold it, approve or deny a commit, lift its freeze, roll it back.
import {useMutation, useQuery, useQueryClient} from '@tanstack/react-query'
import {useState, type SubmitEvent} from 'react'
import type {Promotion, PromotionControl, RollbackPlan} from '../../../http/shapes.ts'
import {sayCount, shortRevision} from '../../core/say.ts'
import {act, read} from '../api.ts'
import {Action, textIn, Trouble} from '../frame/acting.tsx'
import {Dialog} from '../frame/dialog.tsx'
import {Ago, sayMoment, sayMomentsIn} from '../frame/times.tsx'
import {useMay} from '../session.ts'

const isHold = ({kind}: PromotionControl) => kind === 'hold'

export function HoldButtons({rule}: {rule: Promotion}) {
  return (
    <>
      {rule.frozenUntil !== null && (
        <Action
          needs="admin"
          asks={`Lift the freeze of ${rule.to} for one hour?`}
          run={(reason) => act.unfreeze(rule.name, reason, 3600)}
        >
          Lift freeze
        </Action>
      )}
      {rule.controls.some(isHold) ? (
        <Action
          needs="operator"
          asks={`Let ${rule.to} move again?`}
          run={(reason) => act.release(rule.name, reason)}
        >
          Release
        </Action>
      ) : (
        <Action
          needs="operator"
          asks={`Keep ${rule.to} where it is?`}
          run={(reason) => act.hold(rule.name, reason)}
        >
          Hold
        </Action>
      )}
    </>
  )
}

const sayings: Record<PromotionControl['kind'], string> = {
  hold: 'held',
  approval: 'approved',
  denial: 'denied',
  allowance: 'allowed',
  override: 'freeze lifted',
}

/** What people have said to the rule that is in force. */
export function Said({rule}: {rule: Promotion}) {
  const next = rule.candidate ?? rule.would
  // An approval stays with its revision for good; of those only the one that counts next is news.
  const said = rule.controls.filter(({kind, revision}) => kind !== 'approval' || revision === next)
  if (said.length === 0 && rule.frozenUntil === null) return null
  return (
    <ul className="said">
      {rule.frozenUntil !== null && (
        <li className="said-hold">
          <b>frozen</b> until {sayMoment(Date.parse(rule.frozenUntil))}
        </li>
      )}
      {said.map(({id, kind, revision, by, reason, madeAt, until}) => (
        <li key={id} className={`said-${kind}`}>
          <b>{sayings[kind]}</b>
          {revision !== null && <code title={revision}> {shortRevision(revision)}</code>} by {by},{' '}
          <Ago at={madeAt} />
          {until !== null && <>, until {sayMoment(Date.parse(until))}</>}
          {reason !== '' && <>: {sayMomentsIn(reason)}</>}
        </li>
      ))}
    </ul>
  )
}

export function CommitButtons({
  rule,
  revision,
  isChosen,
}: {
  rule: Promotion
  revision: string
  isChosen: boolean
}) {
  const has = (kind: PromotionControl['kind']) =>
    rule.controls.some((control) => control.kind === kind && control.revision === revision)
  const short = shortRevision(revision)
  return (
    <span className="buttons between-buttons">
      {isChosen && rule.approvals !== null && rule.verdict !== 'promote' && !has('approval') && (
        <Action needs="developer" run={() => act.approve(rule.name, revision)}>
          Approve
        </Action>
      )}
      {has('denial') ? (
        <Action
          needs="operator"
          asks={`Allow ${short} again?`}
          run={(reason) => act.allow(rule.name, revision, reason)}
        >
          Allow
        </Action>
      ) : (
        <Action
          needs="operator"
          asks={`Never promote ${short}, nor what holds it?`}
          run={(reason) => act.deny(rule.name, revision, reason)}
        >
          Deny
        </Action>
      )}
    </span>
  )
}

const planKey = 'rollback plan'

/** Says what taking the branch back would do, and does it on a person's word. */
export function RollBack({rule}: {rule: Promotion}) {
  const [isOpen, setOpen] = useState(false)
  if (!useMay('operator') || rule.lastAction === null) return null
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        Roll back
      </button>
      {isOpen && (
        <Dialog title={`Roll ${rule.to} back?`} onClose={() => setOpen(false)}>
          <RollBackPlan rule={rule.name} onDone={() => setOpen(false)} />
        </Dialog>
      )}
    </>
  )
}

function RollBackPlan({rule, onDone}: {rule: string; onDone: () => void}) {
  const client = useQueryClient()
  const question = useQuery({
    queryKey: [planKey, rule],
    queryFn: () => read.rollback(rule),
    retry: false,
    gcTime: 0,
  })
  const task = useMutation({
    mutationFn: ({plan, ...said}: {plan: RollbackPlan; reason: string; deny: boolean}) =>
      act.rollBack(rule, plan, said),
    onSuccess: (end) => {
      // The plan itself was carried out: there is none to ask for any more.
      void client.invalidateQueries({predicate: ({queryKey}) => queryKey[0] !== planKey})
      if (end.state === 'done') onDone()
    },
  })
  if (question.error) return <Trouble error={question.error} />
  const plan = question.data
  if (!plan) return <p>Looking at what it would do ...</p>
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    task.mutate({plan, reason: textIn(form, 'reason'), deny: form.has('deny')})
  }
  const failed = task.data && task.data.state !== 'done' ? task.data.error : null
  return (
    <form onSubmit={submit}>
      <p>
        {plan.branch} goes from <code title={plan.from}>{shortRevision(plan.from)}</code> back to{' '}
        <code title={plan.to}>{shortRevision(plan.to)}</code>: {sayCount(plan.commits, 'commit')} will leave
        it.
        {plan.holds.length > 0 && ` ${plan.holds.join(', ')} will be held, so that nothing brings them back.`}
      </p>
      {plan.leaving.length > 0 && (
        <ul className="change-list">
          {plan.leaving.map(({revision, subject}) => (
            <li key={revision}>
              <code title={revision}>{shortRevision(revision)}</code> {subject ?? ''}
            </li>
          ))}
        </ul>
      )}
      {plan.warnings.map((warning) => (
        <p key={warning} className="trouble">
          {warning}
        </p>
      ))}
      <label>
        <span>Reason, for those who ask later</span>
        <input name="reason" maxLength={1000} required />
      </label>
      <label className="check">
        <input type="checkbox" name="deny" /> and never promote it again
      </label>
      {task.error && <Trouble error={task.error} />}
      {failed !== null && <Trouble error={new Error(failed)} />}
      <p className="buttons">
        <button type="submit" className="danger" disabled={task.isPending}>
          Roll back
        </button>
      </p>
    </form>
  )
}
